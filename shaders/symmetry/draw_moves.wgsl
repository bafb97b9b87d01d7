// Random moves of the hidden neurons (parts/moved.wgsl), one of two kinds:
//
//   0 ReLU scaling          row = c, column = 1 / c,    c uniform on [1 - numbers.x, 1 + numbers.x)
//   1 permutation           source of position r = the neuron whose random key has rank r in its layer
//
// The word of neuron h is philox(counter (h / 4, object, view, stream), seed)[h % 4]. One thread per four
// neurons.

//#include symmetry/parts/shape.wgsl
//#include shared/divide.wgsl
//#include symmetry/parts/rank.wgsl

override KIND: u32;

//#include symmetry/parts/neuron_move.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read_write> moves: array<Move>;           // [nets][hidden]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = divide((wid.y * grid.x + wid.x) * 64u + lane, (shape.hidden + 3u) / 4u);
  let net = at.x;
  if net >= shape.nets {
    return;
  }
  let id = ids[net];
  let span = span_of(at.y);
  let h = vec4<u32>(4u * at.y) + vec4<u32>(0u, 1u, 2u, 3u);
  var to = h;
  var c = vec4<f32>(1.0);
  if KIND == 0u {
    let u = vec4<f32>(words_of(id, at.y) >> vec4<u32>(8u)) * (1.0 / 16777216.0);
    c += shape.numbers.x * (2.0 * u - 1.0);
  } else {
    to = ranked(id, at.y, span);
  }
//#for i in 0..4
  if h[$i] < shape.hidden {
    moves[net * shape.hidden + to[$i]] = Move(h[$i] - span.first[$i], c[$i], 0.0, 1.0 / c[$i]);
  }
//#end
}
