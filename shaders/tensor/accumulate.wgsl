// sum = keep * sum + weight * gradient: micro-batches. See parts/update.wgsl.

//#include tensor/parts/update.wgsl

@group(0) @binding(1) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> settings: Settings;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= arena.quads {
    return;
  }
  var v = gradients[index] * settings.weight;
  // Not a product with 0: what lies there may be anything.
  if settings.keep != 0.0 {
    v += sum[index];
  }
  sum[index] = v;
}
