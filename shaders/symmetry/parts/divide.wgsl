// (a / b, a % b) for a < 2^31 and 0 < b < 2^22, by floats: software renderers divide integers one lane at a time.
//
// The first guess is off by less than 2^-22 of itself, so what it leaves is below 2^9 b + 2^31 2^-22; the second
// guess is off by one at most.

fn divided(a: u32, b: u32) -> vec2<u32> {
  let inverse = 1.0 / f32(b);
  var quotient = u32(f32(a) * inverse);
  quotient += u32(i32(floor(f32(i32(a - quotient * b)) * inverse)));
  let rest = i32(a - quotient * b);
  if rest < 0 {
    return vec2<u32>(quotient - 1u, u32(rest) + b);
  }
  if rest >= i32(b) {
    return vec2<u32>(quotient + 1u, u32(rest) - b);
  }
  return vec2<u32>(quotient, u32(rest));
}
