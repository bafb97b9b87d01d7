// Joins the segments of batch_stats.wgsl (Chan et al. 1979) into [mean, 1 / sqrt(variance + epsilon)][columns] and
// moves the running values:  running <- running + momentum (batch - running), the variance unbiased. One thread per column.

//#include tensor/parts/columns.wgsl

@group(0) @binding(1) var<storage, read> parts: array<T>;
@group(0) @binding(2) var<storage, read_write> stats: array<T>;
@group(0) @binding(3) var<storage, read_write> state: array<T>;

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
  var mean = parts[column];
  var squares = parts[at.columns + column];
  for (var s = 1u; s < at.segments; s++) {
    let before = f32(s * at.segment);
    let here = f32(min((s + 1u) * at.segment, at.rows)) - before;
    let distance = parts[2u * s * at.columns + column] - mean;
    mean += distance * (here / (before + here));
    squares += parts[(2u * s + 1u) * at.columns + column] + distance * distance * (before * here / (before + here));
  }
  let rows = f32(at.rows);
  stats[column] = mean;
  stats[at.columns + column] = inverseSqrt(squares / rows + at.epsilon);
  let old_mean = state[at.mean_place + column];
  state[at.mean_place + column] = old_mean + (mean - old_mean) * at.momentum;
  let old = state[at.variance_place + column];
  state[at.variance_place + column] = old + (squares / (rows - 1.0) - old) * at.momentum;
}
