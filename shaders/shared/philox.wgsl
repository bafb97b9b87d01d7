// Philox4x32-10 (Salmon et al. 2011), the twin of crates/kernels/src/philox.rs.
// Counter: which number; key: the seed. WGSL has no 32x32 -> 64 bit product, so it is
// put together from 16-bit halves.

// a b as (high word, low word).
fn product(a: u32, b: u32) -> vec2<u32> {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let low = a0 * b0;
  let mid = a1 * b0 + (low >> 16u);
  let mid2 = a0 * b1 + (mid & 0xffffu);
  // A fifth multiplication would give the low word too, but they are what this costs where there are no wide ones.
  return vec2<u32>(a1 * b1 + (mid >> 16u) + (mid2 >> 16u), (mid2 << 16u) | (low & 0xffffu));
}

fn philox4x32(counter: vec4<u32>, seed: vec2<u32>) -> vec4<u32> {
  var c = counter;
  var key = seed;
//#for round in 0..10
  {
    let x = product(0xD2511F53u, c.x);
    let z = product(0xCD9E8D57u, c.z);
    c = vec4<u32>(z.x ^ c.y ^ key.x, z.y, x.x ^ c.w ^ key.y, x.y);
  }
  key += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
//#end
  return c;
}

// Uniform on [-1, 1), on a grid of 2^-23: every operation is exact in f32.
fn symmetric(word: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(word >> vec4<u32>(8u)) * (1.0 / 8388608.0) - 1.0;
}
