// Of each column and segment of rows: sum of dy z and sum of dy, z = (x - mean) r; [segments][2][columns], as collect.wgsl
// takes it. One thread per column and segment.

//#include tensor/parts/columns.wgsl

@group(0) @binding(1) var<storage, read> dy: array<T>;
@group(0) @binding(2) var<storage, read> x: array<T>;
@group(0) @binding(3) var<storage, read> stats: array<T>;
@group(0) @binding(4) var<storage, read_write> parts: array<T>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= at.columns * at.segments {
    return;
  }
  let segment = index / at.columns;
  let column = index % at.columns;
  let mean = stats[column];
  let start = segment * at.segment;
  let end = min(start + at.segment, at.rows);
  var products = T();
  var sum = T();
  for (var r = start; r < end; r++) {
    let d = dy[at.y_place + r * at.columns + column];
    products += d * (x[at.x_place + r * at.columns + column] - mean);
    sum += d;
  }
  parts[2u * segment * at.columns + column] = products * stats[at.columns + column];
  parts[(2u * segment + 1u) * at.columns + column] = sum;
}
