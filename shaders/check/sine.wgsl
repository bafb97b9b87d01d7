// shared/sine.wgsl at given points, so that its error can be measured on the device at hand.

//#include shared/sine.wgsl

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sines: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> cosines: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
  if gid.x >= arrayLength(&x) {
    return;
  }
  let wave = sin_cos(x[gid.x]);
  sines[gid.x] = wave.sin;
  cosines[gid.x] = wave.cos;
}
