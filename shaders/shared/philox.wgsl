// Philox4x32-10 (Salmon et al. 2011), the twin of crates/kernels/src/philox.rs.
// Counter: which number; key: the seed. WGSL has no 32x32 -> 64 bit product, so the high word is
// put together from 16-bit halves.

fn mul_hi(a: u32, b: u32) -> u32 {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let low = a0 * b0;
  let mid = a1 * b0 + (low >> 16u);
  let mid2 = a0 * b1 + (mid & 0xffffu);
  return a1 * b1 + (mid >> 16u) + (mid2 >> 16u);
}

fn philox4x32(counter: vec4<u32>, seed: vec2<u32>) -> vec4<u32> {
  var c = counter;
  var key = seed;
//#for round in 0..10
  c = vec4<u32>(
    mul_hi(0xCD9E8D57u, c.z) ^ c.y ^ key.x,
    0xCD9E8D57u * c.z,
    mul_hi(0xD2511F53u, c.x) ^ c.w ^ key.y,
    0xD2511F53u * c.x,
  );
  key += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
//#end
  return c;
}

// Uniform on [-1, 1), on a grid of 2^-23: every operation is exact in f32.
fn symmetric(word: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(word >> vec4<u32>(8u)) * (1.0 / 8388608.0) - 1.0;
}
