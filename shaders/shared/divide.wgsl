// (x / by, x % by) for x < 2^31, by > 0. Software renderers divide integers one lane at a time; two rounds through
// f32 and a correction by one are a few vector instructions, and exact: the first quotient is off by less than 2^-21 of
// itself (division may err by 2.5 units in the last place) or by one, so what it leaves is below 2^10 by, and the second is off by one at most.

fn divide(x: u32, by: u32) -> vec2<u32> {
  let inverse = 1.0 / f32(by);
  let n = i32(x);
  let d = i32(by);
  var q = i32(f32(n) * inverse);
  q += i32(floor(f32(n - q * d) * inverse));
  let r = n - q * d;
  let low = r < 0;
  let high = r >= d;
  let fixed = q + select(0, 1, high) - select(0, 1, low);
  return vec2<u32>(u32(fixed), u32(n - fixed * d));
}
