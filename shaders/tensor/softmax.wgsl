// y = softmax(x) over the last axis, or its logarithm. See parts/rows.wgsl.

//#include tensor/parts/rows.wgsl

override LOG: u32;   // 1: the logarithm

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let p = place_of(group, groups, lid);
  let first = at.a_place + p.row * at.width;
  var top = -3.4e38;
  for (var c = p.lane; c < at.width; c += LANES) {
    top = max(top, x[first + c]);
  }
  top = max_of_row(lid, top);
  var sum = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    sum += exp(x[first + c] - top);
  }
  sum = sum_of_row(lid, sum);
  if !p.inside {
    return;
  }
  let to = at.y_place + p.row * at.width;
  for (var c = p.lane; c < at.width; c += LANES) {
    let v = x[first + c] - top;
    if LOG == 1u {
      y[to + c] = v - log(sum);
    } else {
      y[to + c] = exp(v) / sum;
    }
  }
}
