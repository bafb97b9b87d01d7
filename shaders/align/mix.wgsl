// Mixtures of pairs of nets: out = lambda a + (1 - lambda) g b, with the moves g of b.
//
// One thread per parameter, x over parameters, y (and z) over pairs; b is moved on the fly, so that an aligned
// mixture costs no more traffic than a direct one. lambda = 1 gives a, and lambda = 0 g b, to the last bit.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/moved.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> pairs: array<vec4<u32>>;            // [pairs] (a, b, ..)
@group(0) @binding(2) var<storage, read> moves: array<Move>;                 // [pairs][hidden]
@group(0) @binding(3) var<storage, read> lambdas: array<f32>;                // [pairs]
@group(0) @binding(4) var<storage, read> reference: array<f32>;              // [any][param_count], holds a
@group(0) @binding(5) var<storage, read> source: array<f32>;                 // [any][param_count], holds b
@group(0) @binding(6) var<storage, read_write> out: array<f32>;              // [pairs][param_count]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let pair = gid.z * grid.y + gid.y;
  if pair >= shape.nets || gid.x >= shape.param_count {
    return;
  }
  let a = reference[pairs[pair].x * shape.param_count + gid.x];
  let b = moved(pair, pairs[pair].y, gid.x);
  out[pair * shape.param_count + gid.x] = lambdas[pair] * a + (1.0 - lambdas[pair]) * b;
}
