// Batch normalisation, gradient by the input:  dx = gamma / deviation (g - (dbeta + n dgamma) / N), with g and n as in
// norm_sums.wgsl. One thread per row and column. Table: per column (column, place of the statistics, gamma, beta), then
// per column (values of its tensor that a row has, ..).

//#include learn/parts/norm.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> dx: array<vec4<f32>>;      // holds dy

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = gid.y * grid.x * 64u + gid.x;
  let row = at / block.columns;
  if row >= block.rows {
    return;
  }
  let column = table[at % block.columns];
  let chunks = table[block.columns + at % block.columns].x;
  let i = row * block.stride + column.x;
  let scale = stats[2u * column.y + 1u];
  let normal = (x[i] - stats[2u * column.y]) * scale;
  let g = select(vec4<f32>(), block.factor * dx[i], y[i] > vec4<f32>());
  let count = f32(block.rows * chunks);
  dx[i] = params[column.z] * scale * (g - (gradients[column.w] + normal * gradients[column.z]) / count);
}
