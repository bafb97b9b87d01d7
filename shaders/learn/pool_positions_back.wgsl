// Gradient of pool_positions.wgsl. One thread per row and quad of x.

//#include learn/parts/pool.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> d_out: array<vec4<f32>>;        // [nets][stride]
@group(0) @binding(2) var<storage, read> best: array<vec4<u32>>;         // [nets][quads]
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;     // [nets][positions][quads]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = gid.y * grid.x * 64u + gid.x;
  let row = at / block.quads;
  let net = row / block.positions;
  if net >= block.nets {
    return;
  }
  let quad = at % block.quads;
  var value = d_out[net * block.stride + block.at + quad];
  if POOLING == 0u {
    value = select(vec4<f32>(), value, best[net * block.quads + quad] == vec4<u32>(row % block.positions));
  } else if POOLING == 1u {
    value /= f32(block.positions);
  }
  if block.accumulate == 1u {
    value += dx[at];
  }
  dx[at] = value;
}
