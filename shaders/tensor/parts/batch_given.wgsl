// The statistics of evaluation: [running mean, 1 / sqrt(running variance + epsilon)][columns]. One thread per column.

//#include tensor/parts/columns.wgsl

@group(0) @binding(1) var<storage, read> state: array<T>;
@group(0) @binding(2) var<storage, read_write> stats: array<T>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let column = (group.y * groups.x + group.x) * 64u + lid;
  if column >= at.columns {
    return;
  }
  stats[column] = state[at.mean_place + column];
  stats[at.columns + column] = inverseSqrt(state[at.variance_place + column] + at.epsilon);
}
