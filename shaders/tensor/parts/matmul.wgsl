// C (+)= scale * (A B + bias + addends), or the ReLU of that, or partial products over segments of k.
//
// A is m x k, B is k x n, C is m x n, all strided. Rows of A, C and the addends are counted through up to three axes
// (innermost first), so that a linear layer takes any view as it is; a batch of products has up to three axes more.
// With SUMS, which goes with a plain product, the sums of the rows of A are written too: with A = dY^T
// that is the gradient of a bias. The entry file's include says how operands are loaded, four at a time, and stored:
// matmul_vec4.wgsl (everything counts in quads, one axis of each operand contiguous) or matmul_scalar.wgsl.
// KIND_A: 0 quads lie along k, 1 along rows. KIND_B: 0 quads lie along columns, 1 along k.

//#include shared/divide.wgsl

override KIND_A: u32;
override KIND_B: u32;
override ROW_RANK: u32;   // 1 or 3
override BIAS: u32;
override ADDENDS: u32;
override RELU: u32;
override SUMS: u32;

struct Matmul {
  m: u32,
  accumulate: u32,
  n: u32,
  k: u32,
  segment: u32,        // k of a segment, a multiple of 4
  segments: u32,
  batch: u32,
  scale: f32,
  a_place: u32,
  b_place: u32,
  c_place: u32,
  bias_place: u32,
  a_k: u32,
  b_k: u32,
  b_n: u32,
  c_n: u32,
  c_segment: u32,      // from one segment's result to the next
  sums_place: u32,
  row_tiles: u32,
  column_tiles: u32,
  add_place: vec4<u32>,   // of both addends
  add_n: vec4<u32>,
  row_sizes: vec4<u32>,
  a_rows: vec4<u32>,
  c_rows: vec4<u32>,
  add0_rows: vec4<u32>,
  add1_rows: vec4<u32>,
  batch_sizes: vec4<u32>,
  a_batch: vec4<u32>,
  b_batch: vec4<u32>,
  c_batch: vec4<u32>,
}

@group(0) @binding(0) var<uniform> at: Matmul;

// Where a tile lies.
struct Tile {
  row: u32,            // in units of tiles
  column: u32,
  segment: u32,
  a: u32,              // first elements of the batch's operands
  b: u32,
  c: u32,
}

// Columns fastest, then rows, batches, segments.
fn tile_at(index: u32) -> Tile {
  let columns = divide(index, at.column_tiles);
  let rows = divide(columns.x, at.row_tiles);
  var tile = Tile(rows.y, columns.y, 0u, at.a_place, at.b_place, at.c_place);
  var rest = rows.x;
  if at.batch > 1u {
    let batches = divide(rest, at.batch);
    tile.segment = batches.x;
    rest = batches.y;
//#for d in 0..3
    {
      let parts = divide(rest, at.batch_sizes[$d]);
      rest = parts.x;
      tile.a += parts.y * at.a_batch[$d];
      tile.b += parts.y * at.b_batch[$d];
      tile.c += parts.y * at.c_batch[$d];
    }
//#end
  } else {
    tile.segment = rest;
  }
  tile.c += tile.segment * at.c_segment;
  return tile;
}

// Coordinates of a row.
fn row_at(row: u32) -> vec4<u32> {
  if ROW_RANK == 1u {
    return vec4<u32>(row, 0u, 0u, 0u);
  }
  let inner = divide(row, at.row_sizes.x);
  let middle = divide(inner.x, at.row_sizes.y);
  return vec4<u32>(inner.y, middle.y, middle.x, 0u);
}

fn next_row(row: vec4<u32>) -> vec4<u32> {
  var next = row + vec4<u32>(1u, 0u, 0u, 0u);
  if ROW_RANK > 1u && next.x == at.row_sizes.x {
    next = vec4<u32>(0u, next.y + 1u, next.z, 0u);
    if next.y == at.row_sizes.y {
      next = vec4<u32>(0u, 0u, next.z + 1u, 0u);
    }
  }
  return next;
}

// Offset of a row by the strides of its axes.
fn row_place(row: vec4<u32>, strides: vec4<u32>) -> u32 {
  var place = row.x * strides.x;
  if ROW_RANK > 1u {
    place += row.y * strides.y + row.z * strides.z;
  }
  return place;
}
