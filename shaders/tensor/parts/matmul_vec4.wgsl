// Operands of a matrix product as quads: all places and strides count in quads, those of the contiguous axes are 1 per quad.

alias T = vec4<f32>;

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> add0: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> add1: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> c: array<vec4<f32>>;

// Quad number `quad` of a line of A that begins at `place`; `length` numbers are in the line.
fn quad_a(place: u32, quad: u32, length: u32) -> vec4<f32> {
  return a[place + min(quad, length / 4u - 1u)];
}

fn quad_b(place: u32, quad: u32, length: u32) -> vec4<f32> {
  return b[place + min(quad, length / 4u - 1u)];
}

// Four results of a row, with everything that comes after the product.
fn put(place: u32, row: vec4<u32>, quad: u32, product: vec4<f32>) {
  if 4u * quad >= at.n {
    return;
  }
  var v = product;
  if BIAS == 1u {
    v += bias[at.bias_place + quad];
  }
  if ADDENDS > 0u {
    v += add0[at.add_place.x + row_place(row, at.add0_rows) + quad];
  }
  if ADDENDS > 1u {
    v += add1[at.add_place.y + row_place(row, at.add1_rows) + quad];
  }
  v *= at.scale;
  if RELU == 1u {
    v = select(T(), v, v > T());
  }
  let to = place + row_place(row, at.c_rows) + quad;
  if at.accumulate != 0u {
    v += c[to];
  }
  c[to] = v;
}

// Sums of four rows of A.
fn put_sums(segment: u32, quad: u32, sums: vec4<f32>) {
  if 4u * quad < at.m {
    c[at.sums_place + segment * at.c_segment + quad] = sums * at.scale;
  }
}
