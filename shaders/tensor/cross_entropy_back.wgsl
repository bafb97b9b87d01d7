// Gradient of the mean of cross_entropy.wgsl:  dz (+)= scale d (softmax(z) sum t - t),  d that of the mean.

//#include tensor/parts/rows.wgsl

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> dloss: array<f32>;
@group(0) @binding(4) var<storage, read_write> dz: array<f32>;

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
  var mass = 0.0;
  for (var c = p.lane; c < at.width; c += LANES) {
    sum += exp(logits[from_z + c] - top);
    mass += targets[from_t + c];
  }
  sum = sum_of_row(lid, sum);
  mass = sum_of_row(lid, mass);
  if !p.inside {
    return;
  }
  let factor = at.scale * dloss[at.c_place];
  let to = at.y_place + p.row * at.width;
  for (var c = p.lane; c < at.width; c += LANES) {
    let soft = exp(logits[from_z + c] - top) / sum;
    var out = factor * (soft * mass - targets[from_t + c]);
    if at.accumulate != 0u {
      out += dz[to + c];
    }
    dz[to + c] = out;
  }
}
