// Operands of a matrix product with any strides: every number is loaded by itself. Quads of A always lie along k,
// those of B along columns; numbers beyond the end of a line are 0.

alias T = f32;

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> add0: array<f32>;
@group(0) @binding(5) var<storage, read> add1: array<f32>;
@group(0) @binding(6) var<storage, read_write> c: array<f32>;

fn quad_a(place: u32, quad: u32, length: u32) -> vec4<f32> {
  var v = vec4<f32>();
//#for e in 0..4
  {
    let i = 4u * quad + $eu;
    v[$e] = select(0.0, a[place + min(i, length - 1u) * at.a_k], i < length);
  }
//#end
  return v;
}

fn quad_b(place: u32, quad: u32, length: u32) -> vec4<f32> {
  var v = vec4<f32>();
//#for e in 0..4
  {
    let i = 4u * quad + $eu;
    v[$e] = select(0.0, b[place + min(i, length - 1u) * at.b_n], i < length);
  }
//#end
  return v;
}

fn put_one(place: u32, row: vec4<u32>, column: u32, product: f32) {
  if column >= at.n {
    return;
  }
  var v = product;
  if BIAS == 1u {
    v += bias[at.bias_place + column];
  }
  if ADDENDS > 0u {
    v += add0[at.add_place.x + row_place(row, at.add0_rows) + column * at.add_n.x];
  }
  if ADDENDS > 1u {
    v += add1[at.add_place.y + row_place(row, at.add1_rows) + column * at.add_n.y];
  }
  v *= at.scale;
  if RELU == 1u {
    v = select(T(), v, v > T());
  }
  let to = place + row_place(row, at.c_rows) + column * at.c_n;
  if at.accumulate != 0u {
    v += c[to];
  }
  c[to] = v;
}

// Four results of a row, with everything that comes after the product.
fn put(place: u32, row: vec4<u32>, quad: u32, product: vec4<f32>) {
//#for e in 0..4
  put_one(place, row, 4u * quad + $eu, product[$e]);
//#end
}

// Sums of four rows of A.
fn put_sums(segment: u32, quad: u32, sums: vec4<f32>) {
//#for e in 0..4
  if 4u * quad + $eu < at.m {
    c[at.sums_place + segment * at.c_segment + 4u * quad + $eu] = sums[$e] * at.scale;
  }
//#end
}
