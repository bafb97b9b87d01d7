// y = scale * f(a, b, c), broadcasting: products, functions of one number, and the slopes of all of them.
// One thread per element of type T; see parts/strided.wgsl for the layout.

//#include tensor/parts/strided.wgsl
//#include tensor/parts/activation.wgsl

// 0 a b, 1 a / b, 2 a b c, 3 a b / c, 4 exp a, 5 log a, 6 sqrt a, 7 1 / a,
// 8 + kind: a times the slope of the activation `kind`, from b.
override OP: u32;

@group(0) @binding(1) var<storage, read> a: array<T>;
@group(0) @binding(2) var<storage, read> b: array<T>;
@group(0) @binding(3) var<storage, read> c: array<T>;
@group(0) @binding(4) var<storage, read_write> y: array<T>;

fn one(index: u32) {
  locate(index);
  var v = a[place[0]];
  switch OP {
    case 0u: { v *= b[place[1]]; }
    case 1u: { v /= b[place[1]]; }
    case 2u: { v *= b[place[1]] * c[place[2]]; }
    case 3u: { v *= b[place[1]] / c[place[2]]; }
    case 4u: { v = exp(v); }
    case 5u: { v = log(v); }
    case 6u: { v = sqrt(v); }
    case 7u: { v = T(1.0) / v; }
    default: { v *= slope(OP - 8u, b[place[1]]); }
  }
  v *= at.scale;
  if at.accumulate != 0u {
    v += y[place[6]];
  }
  y[place[6]] = v;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let first = linear(group, groups, lid);
  for (var t = 0u; t < at.per; t++) {
    let index = first + 64u * t;
    if index >= at.count {
      return;
    }
    one(index);
  }
}
