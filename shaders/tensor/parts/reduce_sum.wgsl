// y (+)= scale * sum of x over some axes; see parts/reduce.wgsl. One thread per element of type T and segment.

//#include tensor/parts/reduce.wgsl

@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;

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
  var sum = T();
  for (var r = first; r < end; r++) {
    sum += x[read_at];
    advance();
  }
  sum *= at.scale;
  if at.accumulate != 0u {
    sum += y[write_at];
  }
  y[write_at] = sum;
}
