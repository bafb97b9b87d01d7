// Shifts k of phases, uniform on -extra.x .. extra.x - 1: those of the hidden neurons 4 q to 4 q + 3.
// Expects `shape` and shared/philox.wgsl.

fn shifts_of(id: vec2<u32>, q: u32) -> vec4<i32> {
  let words = philox4x32(vec4<u32>(q, id, shape.stream), shape.seed);
  // The high word of a product is uniform up to 2^-24 for the few values there are.
  let k = ((words >> vec4<u32>(8u)) * (2u * shape.extra.x)) >> vec4<u32>(24u);
  return vec4<i32>(k) - vec4<i32>(i32(shape.extra.x));
}
