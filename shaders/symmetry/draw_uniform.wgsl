// `count` numbers per net, uniform on [numbers.x, numbers.y):
//
//   out[n][k] = x + (y - x) * (symmetric(philox(counter (k / 4, object_n, view_n, stream), seed)[k % 4]) + 1) / 2
//
// One thread draws one number. Drawing is a kernel of its own so that recorded draws can take its place.

//#include shared/philox.wgsl
//#include symmetry/parts/shape.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read_write> out: array<f32>;              // [nets][count]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (wid.y * grid.x + wid.x) * 64u + lane;
  let net = at / shape.count;
  let k = at % shape.count;
  if net >= shape.nets {
    return;
  }
  let words = philox4x32(vec4<u32>(k / 4u, ids[net], shape.stream), shape.seed);
  let u = 0.5 * symmetric(words)[k % 4u] + 0.5;
  out[at] = shape.numbers.x + (shape.numbers.y - shape.numbers.x) * u;
}
