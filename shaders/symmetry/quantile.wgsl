// Quantile masking: entries of a net below the q-quantile of all its absolute values become 0.
//
//   threshold = (1 - f) v_k + f v_(k+1),  k + f = q (count - 1),  v = |parameters| in ascending order
//   out = |x| < threshold ? 0 : x
//
// One workgroup per net. v_k is found by its bits, eight at a time from the top: for numbers >= 0 the order of
// floats is that of their bits, so a histogram of the next eight bits among those that share the bits found
// so far tells the next digit. Four passes over the net instead of a sort; exact. Then one more pass finds the
// next larger value and how many equal v_k.

//#include symmetry/parts/shape.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> levels: array<f32>;                 // [nets] q
@group(0) @binding(2) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;              // [nets][param_count]

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> next_larger: atomic<u32>;
// (bits found, rank of v_k among those that share them).
var<workgroup> found: vec2<u32>;

fn magnitude(x: f32) -> u32 {
  return bitcast<u32>(x) & 0x7fffffffu;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let net = wid.y * grid.x + wid.x;
  if net >= shape.nets {
    return;
  }
  let base = net * shape.param_count;
  let count = shape.param_count;
  let position = clamp(levels[net], 0.0, 1.0) * f32(count - 1u);
  let k = min(u32(position), count - 1u);
  if lane == 0u {
    found = vec2<u32>(0u, k);
    atomicStore(&next_larger, 0x7fffffffu);
  }
//#for pass in 0..4
  {
    for (var i = lane; i < 256u; i += 64u) {
      atomicStore(&histogram[i], 0u);
    }
    let so_far = workgroupUniformLoad(&found);
    for (var p = lane; p < count; p += 64u) {
      let m = magnitude(source[base + p]);
      // Shifts by 32 are not defined; the first pass shares no bits.
      if $passu == 0u || (m >> (32u - 8u * max($passu, 1u))) == so_far.x {
        atomicAdd(&histogram[(m >> (24u - 8u * $passu)) & 255u], 1u);
      }
    }
    workgroupBarrier();
    if lane == 0u {
      var rank = so_far.y;
      var digit = 0u;
      while digit < 255u && rank >= atomicLoad(&histogram[digit]) {
        rank -= atomicLoad(&histogram[digit]);
        digit++;
      }
      found = vec2<u32>((so_far.x << 8u) | digit, rank);
    }
    workgroupBarrier();
  }
//#end
  let kth = workgroupUniformLoad(&found);
  // `rank` of the last pass counts within equal values: is there another equal one above rank k?
  for (var p = lane; p < count; p += 64u) {
    let m = magnitude(source[base + p]);
    if m > kth.x {
      atomicMin(&next_larger, m);
    }
  }
  workgroupBarrier();
  let equal = atomicLoad(&histogram[kth.x & 255u]);
  let low = bitcast<f32>(kth.x);
  var high = low;
  if kth.y + 1u >= equal && k + 1u < count {
    high = bitcast<f32>(atomicLoad(&next_larger));
  }
  let threshold = low + (position - f32(k)) * (high - low);
  for (var p = lane; p < count; p += 64u) {
    let x = source[base + p];
    out[base + p] = select(x, 0.0, abs(x) < threshold);
  }
}
