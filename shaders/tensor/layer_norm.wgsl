// y = (x - mean) r gamma + beta over the last axis, r = 1 / sqrt(variance + epsilon), the variance with 1 / width; mean and r
// are kept, [rows][2]. See parts/rows.wgsl.

//#include tensor/parts/rows.wgsl

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let p = place_of(group, groups, lid);
  let first = at.a_place + p.row * at.width;
  var sum = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    sum += x[first + c];
  }
  let mean = sum_of_row(lid, sum) / f32(at.width);
  var squares = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    let v = x[first + c] - mean;
    squares += v * v;
  }
  let r = inverseSqrt(sum_of_row(lid, squares) / f32(at.width) + at.epsilon);
  if !p.inside {
    return;
  }
  let to = at.y_place + p.row * at.width;
  for (var c = p.lane; c < at.width; c += LANES) {
    y[to + c] = (x[first + c] - mean) * r * gamma[at.b_place + c] + beta[at.c_place + c];
  }
  if p.lane == 0u {
    stats[p.row] = vec2<f32>(mean, r);
  }
}
