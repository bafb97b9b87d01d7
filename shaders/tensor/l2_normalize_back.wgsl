// Gradient of l2_normalize.wgsl:  dx (+)= (dy - y sum dy y) / divisor; without the second part where the norm was
// below epsilon.

//#include tensor/parts/rows.wgsl

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> divisors: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let p = place_of(group, groups, lid);
  let from_dy = at.a_place + p.row * at.width;
  let from_y = at.b_place + p.row * at.width;
  let divisor = divisors[p.row];
  var sum = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    sum += dy[from_dy + c] * y[from_y + c];
  }
  sum = sum_of_row(lid, sum);
  sum = select(0.0, sum, divisor > at.epsilon);
  if !p.inside {
    return;
  }
  let to = at.y_place + p.row * at.width;
  for (var c = p.lane; c < at.width; c += LANES) {
    var out = (dy[from_dy + c] - y[from_y + c] * sum) / divisor;
    if at.accumulate != 0u {
      out += dx[to + c];
    }
    dx[to + c] = out;
  }
}
