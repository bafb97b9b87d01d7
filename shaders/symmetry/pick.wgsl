// Some nets of a batch, by index, with their identities: out[n][p] = source[indices[extra.x + n]][p].
//
// One thread per parameter, x over parameters, y (and z) over nets: reads and writes are contiguous.

//#include symmetry/parts/shape.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> indices: array<u32>;                // [any]
@group(0) @binding(2) var<storage, read> source: array<f32>;                 // [any][param_count]
@group(0) @binding(3) var<storage, read> source_ids: array<vec2<u32>>;       // [any] (object, view)
@group(0) @binding(4) var<storage, read_write> out: array<f32>;              // [nets][param_count]
@group(0) @binding(5) var<storage, read_write> out_ids: array<vec2<u32>>;    // [nets]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let net = gid.z * grid.y + gid.y;
  if net >= shape.nets || gid.x >= shape.param_count {
    return;
  }
  let chosen = indices[shape.extra.x + net];
  if gid.x == 0u {
    out_ids[net] = source_ids[chosen];
  }
  out[net * shape.param_count + gid.x] = source[chosen * shape.param_count + gid.x];
}
