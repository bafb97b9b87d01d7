// Dropout, in place:  y <- y / (1 - rate) with probability 1 - rate, else 0; one decision per number, from
// Philox with the counter (quad, site, step, purpose). What is kept was not negative, so that gradients find the mask in the result.
// One thread per quad.

//#include shared/philox.wgsl

struct Block {
  quads: u32,
  // Words below this are kept.
  below: u32,
  factor: f32,
  site: u32,
  purpose: u32,
}

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> pass_block: vec4<u32>;    // seed, seed, step, row
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = gid.y * grid.x * 64u + gid.x;
  if i >= block.quads {
    return;
  }
  let words = philox4x32(vec4<u32>(i, block.site, pass_block.z, block.purpose), pass_block.xy);
  y[i] = select(vec4<f32>(), block.factor * y[i], words < vec4<u32>(block.below));
}
