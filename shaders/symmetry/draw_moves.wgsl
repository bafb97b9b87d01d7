// Random moves of the hidden neurons (parts/moved.wgsl), one of five kinds:
//
//   0 negation per neuron   row = column = s,           s = -1 with probability numbers.x
//   1 negation per layer    the same, one s for a layer
//   2 SIREN bias            shift = k * numbers.x, column = (-1)^k,  k uniform on -k_max .. k_max - 1
//   3 ReLU scaling          row = c, column = 1 / c,    c uniform on [1 - numbers.x, 1 + numbers.x)
//   4 permutation           source of position r = the neuron whose random key has rank r in its layer
//
// k_max = count. The word of neuron h is philox(counter (h / 4, object, view, stream), seed)[h % 4]; a layer's
// word is that of its first neuron. One thread per neuron.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/divide.wgsl
//#include symmetry/parts/rank.wgsl

override KIND: u32;

struct Move {
  source: u32,
  row: f32,
  shift: f32,
  column: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read_write> moves: array<Move>;           // [nets][hidden]

fn unit(word: u32) -> f32 {
  return f32(word >> 8u) * (1.0 / 16777216.0);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = divided((wid.y * grid.x + wid.x) * 64u + lane, shape.hidden);
  let net = at.x;
  let h = at.y;
  if net >= shape.nets {
    return;
  }
  var first = 0u;
  var width = shape.layer[0].w;
//#for l in 1..8
  // Layers that do not exist have no first neuron that is low enough.
  if h >= shape.neuron[$l].x {
    first = shape.neuron[$l].x;
    width = shape.layer[$l].w;
  }
//#end
  let own = h - first;
  let word = words_of(ids[net], h)[h % 4u];
  let to = net * shape.hidden + h;
  if KIND == 0u || KIND == 1u {
    let chosen = select(words_of(ids[net], first)[first % 4u], word, KIND == 0u);
    let s = select(1.0, -1.0, unit(chosen) < shape.numbers.x);
    moves[to] = Move(own, s, 0.0, s);
  } else if KIND == 2u {
    // The high word of a product is uniform up to 2^-24 for the few values there are.
    let k = i32(((word >> 8u) * (2u * shape.count)) >> 24u) - i32(shape.count);
    let odd = (k & 1) != 0;
    moves[to] = Move(own, 1.0, f32(k) * shape.numbers.x, select(1.0, -1.0, odd));
  } else if KIND == 3u {
    let c = 1.0 + shape.numbers.x * (2.0 * unit(word) - 1.0);
    moves[to] = Move(own, c, 0.0, 1.0 / c);
  } else {
    moves[net * shape.hidden + first + rank_of(ids[net], h, first, width)] = Move(own, 1.0, 0.0, 1.0);
  }
}
