// Standard normal numbers from the words of shared/philox.wgsl, by Box and Muller's method, and the logarithm they need.

//#include shared/philox.wgsl
//#include shared/sine.wgsl

// ln x of a normal number, to a few units in the last place also near 1, where WGSL promises only 2^-21:
// x = m 2^e with m in [0.7, 1.42), s = (m - 1) / (m + 1), ln m = 2 artanh s.
fn ln(x: vec2<f32>) -> vec2<f32> {
  let bits = bitcast<vec2<u32>>(x) - vec2<u32>(0x3f3504f3u);
  let e = bitcast<vec2<i32>>(bits) >> vec2<u32>(23u);
  let m = bitcast<vec2<f32>>((bits & vec2<u32>(0x007fffffu)) + vec2<u32>(0x3f3504f3u));
  let s = (m - 1.0) / (m + 1.0);
  let z = s * s;
  let p = (((z * (1.0 / 9.0) + (1.0 / 7.0)) * z + 0.2) * z + (1.0 / 3.0)) * z;
  return vec2<f32>(e) * 0.6931471805599453 + (2.0 * s + 2.0 * s * p);
}

// Words 0, 1 give the first two numbers, words 2, 3 the others.
fn normal4(words: vec4<u32>) -> vec4<f32> {
  // (0, 1], so that the logarithm exists.
  let u = vec2<f32>((words.xz >> vec2<u32>(8u)) + 1u) * (1.0 / 16777216.0);
  let r = sqrt(max(-2.0 * ln(u), vec2<f32>(0.0)));
  let e = sin_cos(3.14159265358979 * symmetric(words.ywyw));
  return vec4<f32>(r.x * e.cos.x, r.x * e.sin.x, r.y * e.cos.y, r.y * e.sin.y);
}
