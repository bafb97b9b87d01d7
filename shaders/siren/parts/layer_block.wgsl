// One layer of a group of networks over a chunk of points: the uniform block of the kernels of the tiled path.
//
// Activations are [slot][neuron][chunk], the chunk padded to whole 64-point tiles; slot s holds the
// network active_nets[first + s]. Parameters are the plain vectors [nets][param_count], layer by layer
// weight (out, in) and bias (out).

struct Layer {
  inputs: u32,
  outputs: u32,
  weight: u32,        // offset of the layer's weight in a parameter vector
  bias: u32,
  param_count: u32,
  first: u32,         // of active_nets
  chunk: u32,         // padded points of a chunk
  x_offset: u32,      // input: first element, row stride and slot stride (0: shared by all)
  x_row: u32,
  x_slot: u32,
  segment: u32,       // gradient: points of a segment,
  accumulate: u32,    //   1: add to what earlier chunks wrote,
  segments: u32,      //   segments of a chunk
  omega: f32,
  offset: f32,        // added to the output
  pad: u32,
}
