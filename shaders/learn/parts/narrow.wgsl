// The first `left` of four numbers, and zeros. What lies behind may belong to others; behind a buffer's end a read gives
// some number of the buffer.
fn first_of(value: vec4<f32>, left: u32) -> vec4<f32> {
  return select(vec4<f32>(), value, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left));
}
