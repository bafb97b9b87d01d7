// A uniform permutation of every hidden layer as the moves of every pair, drawn by the pair's stream:
// mixing at random places instead of aligned ones.
//
// One thread per four neurons, y (and z) over pairs.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/rank.wgsl

//#include symmetry/parts/neuron_move.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> pairs: array<vec4<u32>>;            // [pairs] (a, b, stream)
@group(0) @binding(2) var<storage, read_write> moves: array<Move>;           // [pairs][hidden]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let pair = gid.z * grid.y + gid.y;
  let first = 4u * gid.x;
  if pair >= shape.nets || first >= shape.hidden {
    return;
  }
  let span = span_of(gid.x);
  let to = ranked(pairs[pair].zw, gid.x, span);
//#for i in 0..4
  if first + $iu < shape.hidden {
    moves[pair * shape.hidden + to[$i]] = Move(first + $iu - span.first[$i], 1.0, 0.0, 1.0);
  }
//#end
}
