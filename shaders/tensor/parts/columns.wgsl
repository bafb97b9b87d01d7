// What the kernels of batch norm share: x is [rows][columns], contiguous; statistics are over the rows of each column. A
// thread takes a column of type T (a number, or four neighbours). Workgroups of 64.

struct Columns {
  columns: u32,        // of type T
  accumulate: u32,     // 1: add to the output
  rows: u32,
  segment: u32,        // rows of a segment
  segments: u32,
  x_place: u32,
  y_place: u32,        // of the output, or of dy
  to_place: u32,       // of dx
  gamma_place: u32,
  beta_place: u32,
  mean_place: u32,     // running values
  variance_place: u32,
  epsilon: f32,
  momentum: f32,
  fixed_stats: u32,    // 1: statistics are given, not those of x
  pad: u32,
}

@group(0) @binding(0) var<uniform> at: Columns;
