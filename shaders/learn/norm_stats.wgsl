// Batch normalisation, statistics:  mean and 1 / sqrt(variance + eps) of every feature, and the running statistics
//   mean <- (1 - m) mean + m batch mean,  var <- (1 - m) var + m batch var N / (N - 1).
// One workgroup of 64 per tensor and quad of features; two passes, so that the variance does not cancel.
// Table: per workgroup (first column, chunks, step between chunks, place of the statistics), (running mean, ..).

//#include learn/parts/norm.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> running: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec4<f32>>;   // (mean, 1 / deviation) by place

var<workgroup> partial: array<vec4<f32>, 64>;

fn sum_of_group(lid: u32, value: vec4<f32>) -> vec4<f32> {
  workgroupBarrier();
  partial[lid] = value;
  workgroupBarrier();
  for (var step = 32u; step > 0u; step /= 2u) {
    if lid < step {
      partial[lid] += partial[lid + step];
    }
    workgroupBarrier();
  }
  return partial[0];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let tensor = table[2u * group.x];
  let at_running = table[2u * group.x + 1u];
  let count = block.rows * tensor.y;
  var sum = vec4<f32>();
  for (var i = lid; i < count; i += 64u) {
    sum += x[i / tensor.y * block.stride + tensor.x + i % tensor.y * tensor.z];
  }
  let mean = sum_of_group(lid, sum) / f32(count);
  sum = vec4<f32>();
  for (var i = lid; i < count; i += 64u) {
    let d = x[i / tensor.y * block.stride + tensor.x + i % tensor.y * tensor.z] - mean;
    sum += d * d;
  }
  let squares = sum_of_group(lid, sum);
  if lid == 0u {
    if block.stored == 1u {
      stats[2u * tensor.w] = running[at_running.x];
      stats[2u * tensor.w + 1u] = inverseSqrt(running[at_running.y] + block.epsilon);
    } else {
      stats[2u * tensor.w] = mean;
      stats[2u * tensor.w + 1u] = inverseSqrt(squares / f32(count) + block.epsilon);
      let keep = 1.0 - block.momentum;
      running[at_running.x] = keep * running[at_running.x] + block.momentum * mean;
      running[at_running.y] = keep * running[at_running.y]
        + block.momentum * squares / f32(max(count, 2u) - 1u);
    }
  }
}
