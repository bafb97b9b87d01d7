// A uniform permutation of every hidden layer as the moves of every pair, drawn by the pair's stream:
// mixing at random places instead of aligned ones.
//
// One thread per neuron, y (and z) over pairs.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/rank.wgsl

struct Move {
  source: u32,
  row: f32,
  shift: f32,
  column: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> pairs: array<vec4<u32>>;            // [pairs] (a, b, stream)
@group(0) @binding(2) var<storage, read_write> moves: array<Move>;           // [pairs][hidden]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let pair = gid.z * grid.y + gid.y;
  let h = gid.x;
  if pair >= shape.nets || h >= shape.hidden {
    return;
  }
  var l = 0u;
  while l + 2u < shape.layers && h >= shape.neuron[l + 1u].x {
    l++;
  }
  let first = shape.neuron[l].x;
  let rank = rank_of(pairs[pair].zw, h, first, shape.layer[l].w);
  moves[pair * shape.hidden + first + rank] = Move(h - first, 1.0, 0.0, 1.0);
}
