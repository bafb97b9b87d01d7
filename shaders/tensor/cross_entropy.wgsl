// losses[row] = sum over classes of t (log sum exp z - z), t probabilities. See parts/rows.wgsl.

//#include tensor/parts/rows.wgsl

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let p = place_of(group, groups, lid);
  let from_z = at.a_place + p.row * at.width;
  let from_t = at.b_place + p.row * at.width;
  var top = -3.4e38;
  for (var c = p.lane; c < at.width; c += LANES) {
    top = max(top, logits[from_z + c]);
  }
  top = max_of_row(lid, top);
  var sum = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    sum += exp(logits[from_z + c] - top);
  }
  let log_sum = log(sum_of_row(lid, sum)) + top;
  var loss = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    loss += targets[from_t + c] * (log_sum - logits[from_z + c]);
  }
  loss = sum_of_row(lid, loss);
  if p.inside && p.lane == 0u {
    losses[p.row] = loss;
  }
}
