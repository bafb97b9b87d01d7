// found[flag] = 1 if a number of a tensor is not finite. One thread per number, workgroups of 256.

struct Finite {
  place: u32,
  count: u32,
  flag: u32,
  pad: u32,
}

@group(0) @binding(0) var<uniform> at: Finite;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> found: array<atomic<u32>>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 256u + lid;
  if index >= at.count {
    return;
  }
  if (x[at.place + index] & 0x7f800000u) == 0x7f800000u {
    atomicStore(&found[at.flag], 1u);
  }
}
