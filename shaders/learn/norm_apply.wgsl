// Batch normalisation and ReLU:  y = relu(gamma (x - mean) / deviation + beta). One thread per row and column.
// Table: per column (column, place of the statistics, gamma, beta).

//#include learn/parts/norm.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = gid.y * grid.x * 64u + gid.x;
  let row = at / block.columns;
  if row >= block.rows {
    return;
  }
  let column = table[at % block.columns];
  let i = row * block.stride + column.x;
  let normal = (x[i] - stats[2u * column.y]) * stats[2u * column.y + 1u];
  y[i] = max(params[column.z] * normal + params[column.w], vec4<f32>());
}
