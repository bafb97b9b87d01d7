// Rows of a table, shifted and scaled column by column:  out[r][c] = (table[i(r)][c] - shift[c]) * factor[c], where i(r) is
// items[first + r] or first + r, but no row beyond the last. Batches are picked and normalised with it.
// One thread per number.

struct Block {
  rows: u32,
  columns: u32,
  first: u32,
  // Rows of the table.
  table_rows: u32,
}

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<f32>;      // [table_rows][columns]
@group(0) @binding(2) var<storage, read> items: array<u32>;
@group(0) @binding(3) var<storage, read> scaling: array<f32>;    // [shift, factor][columns]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;  // [rows][columns]

// 1: by items.
override PICK: u32;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = gid.y * grid.x * 64u + gid.x;
  let row = at / block.columns;
  if row >= block.rows {
    return;
  }
  let c = at % block.columns;
  var i = block.first + row;
  if PICK == 1u {
    i = items[i];
  }
  i = min(i, block.table_rows - 1u);
  out[at] = (table[i * block.columns + c] - scaling[c]) * scaling[block.columns + c];
}
