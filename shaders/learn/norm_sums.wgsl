// Batch normalisation, gradients of gamma and beta: with g = dy where y > 0 and n = (x - mean) / deviation,
//   dbeta = sum g,  dgamma = sum g n.  One workgroup of 64 per tensor and quad of features, as norm_stats.wgsl.
// Table: per workgroup (first column, chunks, step, place of the statistics), (gamma, beta, ..).

//#include learn/parts/norm.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> gradients: array<vec4<f32>>;

var<workgroup> betas: array<vec4<f32>, 64>;
var<workgroup> gammas: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let tensor = table[2u * group.x];
  let params = table[2u * group.x + 1u];
  let count = block.rows * tensor.y;
  let mean = stats[2u * tensor.w];
  let scale = stats[2u * tensor.w + 1u];
  var beta = vec4<f32>();
  var gamma = vec4<f32>();
  for (var i = lid; i < count; i += 64u) {
    let at = i / tensor.y * block.stride + tensor.x + i % tensor.y * tensor.z;
    let g = select(vec4<f32>(), block.factor * dy[at], y[at] > vec4<f32>());
    beta += g;
    gamma += g * (x[at] - mean) * scale;
  }
  betas[lid] = beta;
  gammas[lid] = gamma;
  workgroupBarrier();
  for (var step = 32u; step > 0u; step /= 2u) {
    if lid < step {
      betas[lid] += betas[lid + step];
      gammas[lid] += gammas[lid + step];
    }
    workgroupBarrier();
  }
  if lid == 0u {
    gradients[params.x] = gammas[0];
    gradients[params.y] = betas[0];
  }
}
