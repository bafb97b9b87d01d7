// Joins the segments of a product with row sums:  y (+)= sum over segments of the product,  z (+)= of the sums.
// One thread per element of type T of both; see parts/matmul.wgsl for the layout of a segment.

struct Collect {
  products: u32,       // elements of a product
  sums: u32,
  segments: u32,
  stride: u32,         // from one segment to the next
  y_place: u32,
  z_place: u32,
  y_accumulate: u32,
  z_accumulate: u32,
}

@group(0) @binding(0) var<uniform> at: Collect;
@group(0) @binding(1) var<storage, read> parts: array<T>;
@group(0) @binding(2) var<storage, read_write> gradients: array<T>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= at.products + at.sums {
    return;
  }
  var v = T();
  for (var s = 0u; s < at.segments; s++) {
    v += parts[s * at.stride + index];
  }
  var to = at.y_place + index;
  var add = at.y_accumulate;
  if index >= at.products {
    to = at.z_place + index - at.products;
    add = at.z_accumulate;
  }
  if add != 0u {
    v += gradients[to];
  }
  gradients[to] = v;
}
