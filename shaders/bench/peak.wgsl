// The adapter's f32 multiply-add rate: independent chains in registers, no memory traffic.
// Each invocation does iterations * 16 * 8 vec4 multiply-adds: iterations * 1024 floating point operations.

struct PeakParams {
  iterations: u32,
  factor: f32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(0) var<uniform> peak: PeakParams;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
  let seed = vec4<f32>(f32(gid.x), 1.0, 2.0, 3.0);
//#for c in 0..8
  var chain$c = seed + f32($c);
//#end
  for (var i = 0u; i < peak.iterations; i++) {
//#for u in 0..16
//#for c in 0..8
    chain$c = chain$c * peak.factor + seed;
//#end
//#end
  }
  var sum = vec4<f32>();
//#for c in 0..8
  sum += chain$c;
//#end
  out[gid.x] = sum.x + sum.y + sum.z + sum.w;
}
