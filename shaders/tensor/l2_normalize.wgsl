// y = x / max(|x|, epsilon) over the last axis; the divisors are kept, [rows]. See parts/rows.wgsl.

//#include tensor/parts/rows.wgsl

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> divisors: array<f32>;

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
    let v = x[first + c];
    sum += v * v;
  }
  let divisor = max(sqrt(sum_of_row(lid, sum)), at.epsilon);
  if !p.inside {
    return;
  }
  let to = at.y_place + p.row * at.width;
  for (var c = p.lane; c < at.width; c += LANES) {
    y[to + c] = x[first + c] / divisor;
  }
  if p.lane == 0u {
    divisors[p.row] = divisor;
  }
}
