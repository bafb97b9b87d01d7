// What the kernels of grouped affine maps share. Strides and columns are in quads.

struct Block {
  rows: u32,
  x_stride: u32,
  y_stride: u32,
  // 1: add to what is there.
  accumulate: u32,
  // Rows that one workgroup sums (gradients of weights).
  span: u32,
  // From one partial sum to the next, quads.
  partial_stride: u32,
  // What a table's offsets are relative to, quads (gradients of weights).
  base: u32,
  // Tiles of gradients of weights.
  tiles: u32,
}
