// Of each column and segment of rows: its mean and the sum of squared distances from it, [segments][2][columns]. One
// thread per column and segment; see parts/columns.wgsl.

//#include tensor/parts/columns.wgsl

@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read_write> parts: array<T>;

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
  let start = segment * at.segment;
  let end = min(start + at.segment, at.rows);
  var sum = T();
  for (var r = start; r < end; r++) {
    sum += x[at.x_place + r * at.columns + column];
  }
  let mean = sum / f32(end - start);
  var squares = T();
  for (var r = start; r < end; r++) {
    let v = x[at.x_place + r * at.columns + column] - mean;
    squares += v * v;
  }
  parts[2u * segment * at.columns + column] = mean;
  parts[(2u * segment + 1u) * at.columns + column] = squares;
}
