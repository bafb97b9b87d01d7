// Gradient of softmax.wgsl:  dx (+)= y (dy - sum dy y),  of the logarithm  dx (+)= dy - exp(y) sum dy.

//#include tensor/parts/rows.wgsl

override LOG: u32;

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let p = place_of(group, groups, lid);
  let from_dy = at.a_place + p.row * at.width;
  let from_y = at.b_place + p.row * at.width;
  var sum = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    var v = dy[from_dy + c];
    if LOG == 0u {
      v *= y[from_y + c];
    }
    sum += v;
  }
  sum = sum_of_row(lid, sum);
  if !p.inside {
    return;
  }
  let to = at.y_place + p.row * at.width;
  for (var c = p.lane; c < at.width; c += LANES) {
    let d = dy[from_dy + c];
    let v = y[from_y + c];
    var out = v * (d - sum);
    if LOG == 1u {
      out = d - exp(v) * sum;
    }
    if at.accumulate != 0u {
      out += dx[to + c];
    }
    dx[to + c] = out;
  }
}
