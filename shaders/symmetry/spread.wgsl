// Unbiased standard deviation of every weight and every bias tensor of every net; 0 for a single entry.
//
//   out[n][2 l] = sd(A_l),  out[n][2 l + 1] = sd(b_l),  sd = sqrt(sum (x - mean)^2 / (count - 1))
//
// One workgroup per tensor (x) and net (y, z): two passes, since the difference of two large sums would lose
// the digits.

//#include symmetry/parts/shape.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;              // [nets][2 layers]

var<workgroup> sums: array<f32, 64>;

fn total(lane: u32, x: f32) -> f32 {
  workgroupBarrier();
  sums[lane] = x;
//#for s in 0..6
  workgroupBarrier();
  if lane < (32u >> $su) {
    sums[lane] += sums[lane + (32u >> $su)];
  }
//#end
  workgroupBarrier();
  return sums[0];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let net = wid.z * grid.y + wid.y;
  let t = shape.layer[wid.x / 2u];
  let is_bias = (wid.x & 1u) == 1u;
  let count = select(t.z * t.w, t.w, is_bias);
  if net >= shape.nets {
    return;
  }
  let base = net * shape.param_count + select(t.x, t.y, is_bias);
  var sum = 0.0;
  for (var k = lane; k < count; k += 64u) {
    sum += source[base + k];
  }
  let mean = total(lane, sum) / f32(count);
  var square = 0.0;
  for (var k = lane; k < count; k += 64u) {
    let d = source[base + k] - mean;
    square += d * d;
  }
  let all = total(lane, square);
  if lane == 0u {
    // A single entry: 0 / 1.
    out[net * 2u * shape.layers + wid.x] = sqrt(all / f32(max(count, 2u) - 1u));
  }
}
