// Gradient through the ReLU that made a state, in place:  d <- factor d where y > 0, else 0. One thread per quad.

struct Block {
  quads: u32,
  factor: f32,
}

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> d: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = gid.y * grid.x * 64u + gid.x;
  if i >= block.quads {
    return;
  }
  d[i] = select(vec4<f32>(), block.factor * d[i], y[i] > vec4<f32>());
}
