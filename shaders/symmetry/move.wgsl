// Moves the hidden neurons of every net: out[n] = moved(source[n]), see parts/moved.wgsl.
//
// One thread per parameter, x over parameters, y (and z) over nets. Out of place, because a permutation
// cannot be applied in place by independent threads.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/moved.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> moves: array<Move>;                 // [nets][hidden]
@group(0) @binding(2) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;              // [nets][param_count]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let net = gid.z * grid.y + gid.y;
  if net >= shape.nets || gid.x >= shape.param_count {
    return;
  }
  out[net * shape.param_count + gid.x] = moved(net, net, gid.x);
}
