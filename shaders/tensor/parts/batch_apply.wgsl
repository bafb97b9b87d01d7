// y = (x - mean) r gamma + beta. One thread per element of type T; see parts/columns.wgsl.

//#include shared/divide.wgsl
//#include tensor/parts/columns.wgsl

@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> stats: array<T>;
@group(0) @binding(3) var<storage, read> params: array<T>;
@group(0) @binding(4) var<storage, read_write> y: array<T>;

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
  let z = (x[at.x_place + index] - stats[column]) * stats[at.columns + column];
  y[at.y_place + index] = z * params[at.gamma_place + column] + params[at.beta_place + column];
}
