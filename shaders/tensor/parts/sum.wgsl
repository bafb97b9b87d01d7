// y = act(constant + scale * sum over t of coefficient_t x_t), broadcasting; also a copy (one term) and a fill (none).
// One thread per element of type T; see parts/strided.wgsl for the layout.

//#include tensor/parts/strided.wgsl
//#include tensor/parts/activation.wgsl

override TERMS: u32;   // 0..6
override ACT: u32;

//#for x in 0..6
@group(0) @binding($x + 1) var<storage, read> x$x: array<T>;
//#end
@group(0) @binding(7) var<storage, read_write> y: array<T>;

fn one(index: u32) {
  locate(index);
  var sum = T();
//#for x in 0..6
  if $xu < TERMS {
    sum += x$x[place[$x]] * at.coefficients[$x / 4][$x % 4];
  }
//#end
  var v = activate(ACT, sum * at.scale + T(at.constant));
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
