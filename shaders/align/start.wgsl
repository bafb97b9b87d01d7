// Before the first sweep: no neuron moved, nothing visited.
//
// One thread per neuron and pair; the thread of neuron 0 also clears the pair's state.

//#include symmetry/parts/shape.wgsl

//#include symmetry/parts/neuron_move.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> moves: array<Move>;           // [pairs][hidden]
@group(0) @binding(2) var<storage, read_write> states: array<vec4<u32>>;     // [pairs]

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
  moves[pair * shape.hidden + h] = Move(h - shape.neuron[l].x, 1.0, 0.0, 1.0);
  if h == 0u {
    // All layers are yet to be visited: STALE of parts/visits.wgsl.
    states[pair] = vec4<u32>(0u, 0u, 0xff00u, 0u);
  }
}
