// hits[row] = 1 if the largest of a row of logits and the largest of its targets are in the same place, the first of several
// counting. One thread walks a row (LANES is 1); a NaN among the logits is no hit.

//#include tensor/parts/rows.wgsl

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> hits: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let p = place_of(group, groups, lid);
  let from_z = at.a_place + p.row * at.width;
  let from_t = at.b_place + p.row * at.width;
  var z = 0u;
  var t = 0u;
  var finite = true;
  for (var c = 0u; c < at.width; c++) {
    z = select(z, c, logits[from_z + c] > logits[from_z + z]);
    t = select(t, c, targets[from_t + c] > targets[from_t + t]);
    finite = finite && (bitcast<u32>(logits[from_z + c]) & 0x7fffffffu) <= 0x7f800000u;
  }
  if p.inside && p.lane == 0u {
    hits[p.row] = select(0.0, 1.0, z == t && finite);
  }
}
