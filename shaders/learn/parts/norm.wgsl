// What the kernels of batch normalisation share. A tensor is a set of columns of a matrix [rows][stride], columns in quads:
// `chunks` times the quads of its features, as a position may hold several entries. Statistics are over rows and chunks.

struct Block {
  rows: u32,
  stride: u32,
  // Columns to go through (apply, back).
  columns: u32,
  // 1: read the running statistics instead of making new ones.
  stored: u32,
  epsilon: f32,
  momentum: f32,
  // Of the gradient through the ReLU: 1 / (1 - rate) with dropout.
  factor: f32,
  pad: u32,
}
