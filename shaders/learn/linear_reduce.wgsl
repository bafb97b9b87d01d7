// Adds the partial sums of linear_weight.wgsl in order:  g[base + i] = sum_s partial[s][i].
// One thread per quad.

struct Block {
  quads: u32,
  spans: u32,
  base: u32,
  // 1: add to what is there.
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> partial: array<vec4<f32>>;       // [spans][quads]
@group(0) @binding(2) var<storage, read_write> gradients: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = gid.y * grid.x * 64u + gid.x;
  if i >= block.quads {
    return;
  }
  var sum = vec4<f32>();
  for (var s = 0u; s < block.spans; s++) {
    sum += partial[s * block.quads + i];
  }
  if block.accumulate == 1u {
    sum += gradients[block.base + i];
  }
  gradients[block.base + i] = sum;
}
