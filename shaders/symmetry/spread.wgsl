// Unbiased standard deviation of every weight and every bias tensor of every net; 0 for a single entry.
//
//   out[n][2 l] = sd(A_l),  out[n][2 l + 1] = sd(b_l),  sd = sqrt(sum (x - mean)^2 / (count - 1))
//
// One workgroup per tensor (x) and net (y, z). In one pass, by the updates of Welford and of Chan, Golub and LeVeque,
// which lose no digits to the difference of two large sums; a thread takes neighbouring entries. LANES threads: 64 on
// a GPU, and on software renderers the 8 that they run at once, since waiting for others is dear there.

//#include symmetry/parts/shape.wgsl

override LANES: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;              // [nets][2 layers]

// (count, mean, sum of squared differences from it) of a part of the tensor.
var<workgroup> parts: array<vec3<f32>, LANES>;

fn joined(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
  let count = a.x + b.x;
  let share = b.x / max(count, 1.0);
  let d = b.y - a.y;
  return vec3<f32>(count, a.y + d * share, a.z + b.z + d * d * a.x * share);
}

@compute @workgroup_size(LANES)
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
  let each = (count + LANES - 1u) / LANES;
  var part = vec3<f32>();
  for (var k = each * lane; k < min(each * (lane + 1u), count); k++) {
    let x = source[base + k];
    let d = x - part.y;
    part.x += 1.0;
    part.y += d / part.x;
    part.z += d * (x - part.y);
  }
  parts[lane] = part;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if lane < half {
      parts[lane] = joined(parts[lane], parts[lane + half]);
    }
  }
  if lane == 0u {
    // A single entry: 0 / 1.
    out[net * 2u * shape.layers + wid.x] = sqrt(parts[0].z / f32(max(count, 2u) - 1u));
  }
}
