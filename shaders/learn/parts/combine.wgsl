// What combine*.wgsl share: sums of many maps' outputs into the tensors of the next state.
//
// Columns are in quads. `state` [rows][state_stride] holds the weights, biases and pooled weights that are sets of positions,
// `extra` [rows][extra_stride] the terms of inner weight matrices that depend on the row or the column alone. Maps leave
// their outputs in `attended` (o) and `mixed` (z) [rows][o_stride], of which o + relu(z) counts, in `direct` [rows][direct_stride],
// and, one per net, in `pooled` [nets][pooled_stride].

struct Block {
  rows: u32,
  positions: u32,
  // Entries of the table, one per column of the targets (forward) or of the sources (backward).
  columns: u32,
  // 1: the state went through a ReLU (backward), goes through one (forward).
  relu: u32,
  state_stride: u32,
  extra_stride: u32,
  o_stride: u32,
  direct_stride: u32,
  pooled_stride: u32,
  // 1: add to what is in the state (forward).
  accumulate: u32,
  // Factor of gradients that come through the state's ReLU: 1 / (1 - rate) with dropout.
  factor: f32,
  pad: u32,
}

// The block from the first words of a table.
fn head_of(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>) -> Block {
  return Block(a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w, c.x, c.y, bitcast<f32>(c.z), c.w);
}
