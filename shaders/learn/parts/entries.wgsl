// What the kernels of inner weight matrices share: a tensor [nets][rows][columns][features], features in quads.

struct Block {
  nets: u32,
  rows: u32,
  columns: u32,
  // Quads of the features read, and made.
  inputs: u32,
  outputs: u32,
  // W in the arena, quads, and from one of its rows to the next.
  weight: u32,
  weight_stride: u32,
  // 0 for none, else 1 + b in the arena, quads.
  bias: u32,
  // The two tensors by positions [nets][positions][stride] and the columns in them.
  row_stride: u32,
  row_at: u32,
  column_stride: u32,
  column_at: u32,
  scale: f32,
  factor: f32,
}

// Constants and not numbers of the block: a branch on each of the many numbers that a thread makes would cost software
// renderers their compile time.
// 1: ReLU on the input.
override RELU: u32;
// 1: ReLU on the output; backward, there was one.
override RELU_OUT: u32;
// 1: add to what is there.
override ACCUMULATE: u32;
// 0: no matrix product.
override PRODUCT: u32;
// 1: add the row and column terms; backward, those of pools.
override TERMS: u32;
