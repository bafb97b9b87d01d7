// dx (+)= gamma r (dy - (sum of dy + z sum of dy z) / rows);  with given statistics  gamma r dy. One thread per element of
// type T; see parts/columns.wgsl.

//#include shared/divide.wgsl
//#include tensor/parts/columns.wgsl

@group(0) @binding(1) var<storage, read> dy: array<T>;
@group(0) @binding(2) var<storage, read> x: array<T>;
@group(0) @binding(3) var<storage, read> stats: array<T>;
@group(0) @binding(4) var<storage, read> sums: array<T>;     // [2][columns]: of dy z, of dy
@group(0) @binding(5) var<storage, read> params: array<T>;
@group(0) @binding(6) var<storage, read_write> dx: array<T>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= at.columns * at.rows {
    return;
  }
  let column = divide(index, at.columns).y;
  let r = stats[at.columns + column];
  var d = dy[at.y_place + index];
  if at.fixed_stats == 0u {
    let z = (x[at.x_place + index] - stats[column]) * r;
    d -= (sums[at.columns + column] + z * sums[column]) / f32(at.rows);
  }
  d *= params[at.gamma_place + column] * r;
  if at.accumulate != 0u {
    d += dx[at.to_place + index];
  }
  dx[at.to_place + index] = d;
}
