// Attention by heads without storing an n x n matrix:  o_i = sum_j p_ij v_j,  p_ij = exp(s_ij - l_i),  s_ij = scale q_i k_j,
// l_i = log sum_j exp s_ij. A head is DQ neighbouring quads of channels, at most MAXQ.
//
// A thread takes ROWS neighbouring rows of one head of one batch (the entry file sets how many: one where many threads hide
// the loads, several on software renderers, which pay by the load and compile long) and walks the rows of the other side.
// Places and strides count quads; k and v are views of one tensor. Workgroups of 64.

override DQ: u32;

struct Attention {
  threads: u32,
  accumulate: u32,     // dq, or dk
  accumulate_v: u32,
  heads: u32,
  queries: u32,
  keys: u32,
  blocks: u32,         // of ROWS rows of this thread's side
  scale: f32,
  q_place: u32,
  k_place: u32,
  v_place: u32,
  o_place: u32,
  q_batch: u32,
  k_batch: u32,
  v_batch: u32,
  o_batch: u32,
  q_row: u32,
  k_row: u32,
  v_row: u32,
  o_row: u32,
  dy_place: u32,
  dy_batch: u32,
  dy_row: u32,
  pad: u32,
}

@group(0) @binding(0) var<uniform> at: Attention;

var<private> batch: u32;
var<private> head: u32;
var<private> first: u32;

fn begin(index: u32) {
  let parts = index / at.blocks;
  first = (index % at.blocks) * $ROWSu;
  batch = parts / at.heads;
  head = parts % at.heads;
}
