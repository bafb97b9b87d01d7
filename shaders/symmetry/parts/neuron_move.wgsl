// What becomes of a hidden neuron: see parts/moved.wgsl.

struct Move {
  source: u32,
  row: f32,
  shift: f32,
  column: f32,
}
