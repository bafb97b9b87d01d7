// y = max of x over some axes, with the number of the first maximum among the reduced elements; see parts/reduce.wgsl.
// One thread per element of type T and segment. A NaN counts as larger than anything, so that it is not hidden.

//#include tensor/parts/reduce.wgsl

override FOUND: u32;   // 1: x are maxima of segments, whose places are `found`

@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> found: array<U>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;
@group(0) @binding(4) var<storage, read_write> places: array<U>;

fn larger(a: T, b: T) -> B {
  let infinite = U(0x7f800000u);
  let a_nan = (bitcast<U>(a) & U(0x7fffffffu)) > infinite;
  let b_nan = (bitcast<U>(b) & U(0x7fffffffu)) > infinite;
  return ((a > b) | a_nan) & !b_nan;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= at.outputs * at.segments {
    return;
  }
  begin(index);
  var best = T();
  var place = U();
  for (var r = first; r < end; r++) {
    let v = x[read_at];
    var here = U(r);
    if FOUND == 1u {
      here = found[read_at];
    }
    let better = larger(v, best) | B(r == first);
    best = select(best, v, better);
    place = select(place, here, better);
    advance();
  }
  y[write_at] = best;
  places[write_at] = place;
}
