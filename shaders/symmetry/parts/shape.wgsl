// Architecture of a batch as every symmetry kernel sees it, and where a parameter lies.
//
// A batch is [nets][param_count]; per net, layer by layer, weight (out, in) row-major and then bias.
// Hidden neurons of all layers are numbered 0.. through `hidden`, in order.

struct Shape {
  nets: u32,
  param_count: u32,
  layers: u32,
  hidden: u32,
  seed: vec2<u32>,
  // Last word of every Philox counter: purpose + 256 * position of the operation in its chain.
  stream: u32,
  count: u32,
  // Meaning depends on the operation.
  numbers: vec4<f32>,
  extra: vec4<u32>,
  // Layer l: (first weight, first bias, inputs, outputs). Those that do not exist begin beyond everything.
  layer: array<vec4<u32>, 8>,
  // Layer l: x = number of its first neuron, hidden layers only, that of the output is their count; y = (inputs - 1) + (outputs - 1) 2^8 + x 2^16 + l 2^27.
  neuron: array<vec4<u32>, 8>,
}

struct Place {
  layer: u32,
  row: u32,
  // Input neuron of a weight; BIAS for a bias.
  column: u32,
}

const BIAS = 0xffffffffu;

fn place_of(p: u32) -> Place {
  var l = 0u;
  while l + 1u < shape.layers && p >= shape.layer[l + 1u].x {
    l++;
  }
  let t = shape.layer[l];
  if p >= t.y {
    return Place(l, p - t.y, BIAS);
  }
  let q = p - t.x;
  return Place(l, q / t.z, q % t.z);
}
