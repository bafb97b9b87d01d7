// What the kernels that pool positions share. Columns are in quads.

struct Block {
  nets: u32,
  positions: u32,
  // Columns to pool, all of x.
  quads: u32,
  // Of the pooled tensor [nets][stride] and where in it.
  stride: u32,
  at: u32,
  // 1: add to what is there (backward).
  accumulate: u32,
}

// 0: maximum, 1: mean, 2: sum.
override POOLING: u32;
