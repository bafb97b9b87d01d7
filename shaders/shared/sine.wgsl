// sin and cos of any SIREN phase, to about one unit in the last place of 1.
//
// WGSL promises its own sin only to 2^-11, and only on [-pi, pi]; phases of trained networks leave
// that range. Here k = round(x / pi), r = x - k pi by a three-part pi whose first parts have 11
// significant bits, so that k * part is exact for |k| < 2^13, and minimax polynomials on
// [-pi/2, pi/2]; both results change sign together when k is odd. The differences are calls of fma because
// a compiler may add the parts of pi up first where it sees sums, as Metal's does by default; whether fma rounds
// once or twice makes no difference to exact products. Greatest error measured over
// |x| <= 200: 1.2e-7 (sin), 1.8e-7 (cos), see `weightlab check`.

struct SinCos {
  sin: vec4<f32>,
  cos: vec4<f32>,
}

fn sin_cos(x: vec4<f32>) -> SinCos {
  let k = round(x * 0.31830988618);
  let r = fma(
    k,
    vec4<f32>(-1.5099580252808664e-07),
    fma(k, vec4<f32>(-0.0009675025939941406), fma(k, vec4<f32>(-3.140625), x)),
  );
  let z = r * r;
  let s = ((2.59990314e-06 * z - 1.98065471e-04) * z + 8.33301635e-03) * z - 1.66666571e-01;
  let c = (((-2.60756616e-07 * z + 2.47618081e-05) * z - 1.38884021e-03) * z + 4.16666406e-02) * z
    - 4.99999995e-01;
  let odd = vec4<u32>(vec4<i32>(k)) << vec4<u32>(31u);
  return SinCos(
    bitcast<vec4<f32>>(bitcast<vec4<u32>>(r + (r * z) * s) ^ odd),
    bitcast<vec4<f32>>(bitcast<vec4<u32>>(1.0 + z * c) ^ odd),
  );
}

// Exponent all ones. Written over bits because a compiler may assume that floats are finite.
fn is_not_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}
