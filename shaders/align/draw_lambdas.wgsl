// Weights of mixtures, one per pair, by its stream (s, t):
//
//   KIND 0  numbers.x
//   KIND 1  uniform on [0, 1)
//   KIND 2  Beta(a, a), a = numbers.x: X / (X + Y) of two Gamma(a) numbers
//
// Gamma numbers by Marsaglia and Tsang, "A simple method for generating gamma variables" (2000): with d = a - 1/3 and
// c = 1 / sqrt(9 d), x normal, u uniform, v = (1 + c x)^3, d v is Gamma(a) if v > 0 and ln u < x^2 / 2 + d (1 - v + ln v). For
// a < 1, Gamma(a) = Gamma(a + 1) u^(1/a), which underflows, so logarithms are kept: X / (X + Y) = 1 / (1 + e^(ln Y - ln X)).
// Attempt k for X (w = 0) or Y (w = 1) has the counter (2 k + w, s, t, stream), u^(1/a) the counter (64 + w, s, t, stream).
// More than 95 % of attempts succeed, so sixteen never fail in practice; then it would be the mode.
//
// One thread per pair.

//#include shared/normal.wgsl
//#include symmetry/parts/shape.wgsl

override KIND: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> pairs: array<vec4<u32>>;            // [pairs] (a, b, s, t)
@group(0) @binding(2) var<storage, read_write> lambdas: array<f32>;          // [pairs]

// ln of (0, 1].
fn ln_unit(word: u32) -> f32 {
  return ln(vec2<f32>(f32((word >> 8u) + 1u) * (1.0 / 16777216.0))).x;
}

fn ln_gamma(a: f32, which: u32, s: vec2<u32>) -> f32 {
  let small = a < 1.0;
  let d = select(a, a + 1.0, small) - 1.0 / 3.0;
  let c = 1.0 / sqrt(9.0 * d);
  var out = ln(vec2<f32>(d)).x;
  for (var k = 0u; k < 16u; k++) {
    let words = philox4x32(vec4<u32>(2u * k + which, s, shape.stream), shape.seed);
    let x = normal4(words).x;
    let t = 1.0 + c * x;
    if t > 0.0 {
      let v = t * t * t;
      let ln_v = 3.0 * ln(vec2<f32>(t)).x;
      if ln_unit(words.z) < 0.5 * x * x + d * (1.0 - v + ln_v) {
        out += ln_v;
        break;
      }
    }
  }
  if small {
    out += ln_unit(philox4x32(vec4<u32>(64u + which, s, shape.stream), shape.seed).x) / a;
  }
  return out;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = 64u * (wid.y * grid.x + wid.x) + lane;
  if i >= shape.nets {
    return;
  }
  var lambda = shape.numbers.x;
  let s = pairs[i].zw;
  if KIND == 1u {
    lambda = 0.5 * symmetric(philox4x32(vec4<u32>(0u, s, shape.stream), shape.seed)).x + 0.5;
  } else if KIND == 2u {
    let a = shape.numbers.x;
    // e^80 is finite in f32, and 1 / (1 + e^80) is nothing beside 1.
    lambda = 1.0 / (1.0 + exp(clamp(ln_gamma(a, 1u, s) - ln_gamma(a, 0u, s), -80.0, 80.0)));
  }
  lambdas[i] = lambda;
}
