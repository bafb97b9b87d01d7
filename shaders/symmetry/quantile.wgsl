// Quantile masking: entries of a net below the q-quantile of all its absolute values become 0.
//
//   threshold = (1 - f) v_k + f v_(k+1),  k + f = q (count - 1),  v = |parameters| in ascending order
//   out = |x| < threshold ? 0 : x
//
// The threshold itself is not computed, since its rounding would decide about v_k: below it is all that is less than v_k,
// and v_k as well if f > 0 and v_(k+1) > v_k. k, and whether f > 0, come from an exact product.
//
// One workgroup per net. v_k is found by its bits, eight at a time from the top: for numbers >= 0 the order of
// floats is that of their bits, so a histogram of the next eight bits among those that share the bits found
// so far tells the next digit. Four passes over the net instead of a sort; exact.

//#include symmetry/parts/shape.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> levels: array<f32>;                 // [nets] q
@group(0) @binding(2) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;              // [nets][param_count]

var<workgroup> histogram: array<atomic<u32>, 256>;
// (bits found, rank of v_k among those that share them).
var<workgroup> found: vec2<u32>;

fn magnitude(x: f32) -> u32 {
  return bitcast<u32>(x) & 0x7fffffffu;
}

// (whole part, whether there is a fraction) of q last, exactly, for 0 <= q <= 1 and last < 2^20: q = m 2^-s, m < 2^24.
fn place_of_level(q: f32, last: u32) -> vec2<u32> {
  let bits = magnitude(q);
  let exponent = max(bits >> 23u, 1u);
  let m = (bits & 0x7fffffu) | select(0u, 0x800000u, bits >= 0x800000u);
  // m last = high 2^12 + low, and s = 150 - exponent is at least 23.
  let high = (m >> 12u) * last + (((m & 0xfffu) * last) >> 12u);
  let low = ((m & 0xfffu) * last) & 0xfffu;
  let shift = 138u - exponent;
  if shift > 31u {
    return vec2<u32>(0u, u32((high | low) != 0u));
  }
  let whole = high >> shift;
  return vec2<u32>(whole, u32(low != 0u || (whole << shift) != high));
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
  let at = place_of_level(clamp(levels[net], 0.0, 1.0), count - 1u);
  if lane == 0u {
    found = vec2<u32>(0u, at.x);
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
  // The rank found last counts within equal values: the last of them is followed by a larger one, or by none.
  let is_last = kth.y + 1u == atomicLoad(&histogram[kth.x & 255u]) && at.x + 1u < count;
  let bound = kth.x + u32(is_last && at.y == 1u);
  for (var p = lane; p < count; p += 64u) {
    let x = source[base + p];
    out[base + p] = select(x, 0.0, magnitude(x) < bound);
  }
}
