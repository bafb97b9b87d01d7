// y[i] = table[rows[i]], rows of `width` numbers; a row that is not there is NaN, so that it does not go unseen. One thread
// per number.

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
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= at.count * at.width {
    return;
  }
  let row = rows[at.rows_place + index / at.width];
  var v = 0x7fc00000u;
  if row < at.rows {
    v = table[at.table_place + row * at.width + index % at.width];
  }
  y[at.y_place + index] = v;
}
