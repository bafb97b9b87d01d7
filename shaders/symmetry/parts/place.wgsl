// Where a parameter lies, by arithmetic alone: no loop, no lookup, no integer division.
// Expects `shape`.

struct Placed {
  layer: u32,
  is_bias: bool,
  inputs: u32,
  outputs: u32,
  // Neuron of the layer, and input neuron of a weight.
  row: u32,
  column: u32,
  // Their numbers among the hidden neurons of all layers; only where they are hidden.
  up: u32,
  down: u32,
}

fn placed(p: u32) -> Placed {
  var start = 0u;
  var packed = shape.neuron[0].y;
//#for l in 1..8
  {
    // Layers that do not exist start beyond all parameters.
    let here = p >= shape.layer[$l].x;
    start = select(start, shape.layer[$l].x, here);
    packed = select(packed, shape.neuron[$l].y, here);
  }
//#end
  let inputs = (packed & 255u) + 1u;
  let outputs = ((packed >> 8u) & 255u) + 1u;
  let first = (packed >> 16u) & 2047u;
  let q = p - start;
  let is_bias = q >= inputs * outputs;
  // q < 2^16 and (q + 1/2) / inputs is at least 1/512 from every whole number: far more than the rounding.
  let quotient = u32((f32(q) + 0.5) * (1.0 / f32(inputs)));
  let row = select(quotient, q - inputs * outputs, is_bias);
  let column = select(q - quotient * inputs, 0u, is_bias);
  // The neurons below are numbered just before those of the layer.
  return Placed(packed >> 27u, is_bias, inputs, outputs, row, column, first + row, first - inputs + column);
}
