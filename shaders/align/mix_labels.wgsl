// Labels of mixtures, as probabilities: out[p][c] = lambda A[a][c] + (1 - lambda) B[b][c] for the pair (a, b), where A and B hold a row of
// probabilities per net. LARGER = 1 takes the row of the larger weight instead, a's at one half: mixing of inputs only.
//
// count = classes. One thread per entry.

//#include symmetry/parts/shape.wgsl

override LARGER: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> pairs: array<vec4<u32>>;            // [pairs] (a, b, ..)
@group(0) @binding(2) var<storage, read> lambdas: array<f32>;                // [pairs]
@group(0) @binding(3) var<storage, read> reference: array<f32>;              // [any][count], holds a
@group(0) @binding(4) var<storage, read> source: array<f32>;                 // [any][count], holds b
@group(0) @binding(5) var<storage, read_write> out: array<f32>;              // [pairs][count]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = 64u * (wid.y * grid.x + wid.x) + lane;
  let pair = i / shape.count;
  if pair >= shape.nets {
    return;
  }
  let class_of = i % shape.count;
  let a = reference[pairs[pair].x * shape.count + class_of];
  let b = source[pairs[pair].y * shape.count + class_of];
  let lambda = select(lambdas[pair], select(0.0, 1.0, lambdas[pair] >= 0.5), LARGER == 1u);
  out[i] = lambda * a + (1.0 - lambda) * b;
}
