// Which parameters change their signs when hidden neurons do: a bit per parameter, from a bit per neuron.
//
//   ROWS = 1  A[i][c] by the bit of i plus that of c, b[i] by that of i      negation
//   ROWS = 0  A[i][c] by the bit of c                                        odd shifts of phases
//
// PER_LAYER = 1: the neurons of a layer share a bit, one per hidden layer. A thread makes one word; parameters with one row, or of a
// bias, are neighbours whose bits lie side by side among those of the neurons.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/place.wgsl
//#include shared/divide.wgsl

override ROWS: u32;
override PER_LAYER: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> neurons: array<u32>;                // [nets][words of `count` bits]
@group(0) @binding(2) var<storage, read_write> bits: array<u32>;             // [nets][words of param_count bits]

// Which word has the bit of a neuron, and where in it.
fn bit_of(net: u32, layer: u32, neuron: u32) -> vec2<u32> {
  let e = select(neuron, layer, PER_LAYER == 1u);
  return vec2<u32>(net * ((shape.count + 31u) / 32u) + e / 32u, e % 32u);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let words = (shape.param_count + 31u) / 32u;
  // Neighbours make the same word of different nets, and so take the same way.
  let at = divide((wid.y * grid.x + wid.x) * 64u + lane, shape.nets);
  let net = at.y;
  if at.x >= words {
    return;
  }
  let first = 32u * at.x;
  let end = min(first + 32u, shape.param_count);
  var word = 0u;
  var p = first;
  while p < end {
    let place = placed(p);
    let moves_up = place.layer + 1u < shape.layers;
    // The first neuron whose bit is wanted, of those above for a bias and of those below for weights.
    let neuron = select(place.down, place.up, place.is_bias);
    let layer = select(place.layer - 1u, place.layer, place.is_bias);
    let rest = select(place.inputs - place.column, place.outputs - place.row, place.is_bias);
    let many = min(rest, end - p);
    var flips = 0u;
    if select(place.layer > 0u, moves_up && ROWS == 1u, place.is_bias) {
      let at = bit_of(net, layer, neuron);
      flips = neurons[at.x] >> at.y;
      if PER_LAYER == 1u {
        flips = select(0u, 0xffffffffu, (flips & 1u) != 0u);
      } else if many > 32u - at.y {
        flips |= neurons[at.x + 1u] << (32u - at.y);
      }
    }
    if ROWS == 1u && moves_up && !place.is_bias {
      let at = bit_of(net, place.layer, place.up);
      flips ^= select(0u, 0xffffffffu, ((neurons[at.x] >> at.y) & 1u) != 0u);
    }
    // Shifts by 32 are not defined.
    word |= (flips & (0xffffffffu >> (32u - many))) << (p - first);
    p += many;
  }
  bits[net * words + at.x] = word;
}
