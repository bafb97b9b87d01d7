// Gradient of gather_rows.wgsl:  dtable[r] (+)= sum of dy[i] over the i with rows[i] = r, in the order of i, so that it does not
// depend on timing. One thread per number of the table.

struct Gather {
  count: u32,          // rows of y
  accumulate: u32,
  width: u32,
  rows: u32,           // of the table
  table_place: u32,
  rows_place: u32,
  y_place: u32,
  pad: u32,
}

@group(0) @binding(0) var<uniform> at: Gather;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> dtable: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= at.rows * at.width {
    return;
  }
  let row = index / at.width;
  let column = index % at.width;
  var sum = 0.0;
  for (var i = 0u; i < at.count; i++) {
    if rows[at.rows_place + i] == row {
      sum += dy[at.y_place + i * at.width + column];
    }
  }
  let to = at.table_place + index;
  if at.accumulate != 0u {
    sum += dtable[to];
  }
  dtable[to] = sum;
}
