// Sums of squares of a share of all gradients each: parts[group] = sum over the group's share of g^2. One workgroup of
// 64 per part, whose threads stride through the arena; the order of the sums does not depend on timing.

//#include tensor/parts/update.wgsl

@group(0) @binding(1) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  var sum = vec4<f32>();
  for (var i = group.x * 64u + lid; i < arena.quads; i += arena.parts * 64u) {
    let g = gradients[i];
    sum += g * g;
  }
  sums[lid] = (sum.x + sum.y) + (sum.z + sum.w);
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if lid < half {
      sums[lid] += sums[lid + half];
    }
    workgroupBarrier();
  }
  if lid == 0u {
    parts[group.x] = sums[0];
  }
}
