// Pools every column of a tensor [nets][positions][quads] over the positions; remembers which was the maximum, the first of
// several. One thread per net and quad.

//#include learn/parts/pool.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> best: array<vec4<u32>>;   // [nets][quads]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = gid.y * grid.x * 64u + gid.x;
  let net = at / block.quads;
  if net >= block.nets {
    return;
  }
  let quad = at % block.quads;
  var i = net * block.positions * block.quads + quad;
  var value = x[i];
  var index = vec4<u32>();
  for (var p = 1u; p < block.positions; p++) {
    i += block.quads;
    let next = x[i];
    if POOLING == 0u {
      index = select(index, vec4<u32>(p), next > value);
      value = max(value, next);
    } else {
      value += next;
    }
  }
  if POOLING == 1u {
    value /= f32(block.positions);
  }
  out[net * block.stride + block.at + quad] = value;
  if POOLING == 0u {
    best[at] = index;
  }
}
