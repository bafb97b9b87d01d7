// Gradient of set attention with heads of any width: number by number.

//#include learn/parts/attention.wgsl
//#include learn/parts/attention_backward.wgsl
//#include learn/parts/narrow.wgsl

@group(0) @binding(2) var<storage, read> y: array<f32>;                 // [nets][positions][y_stride]
@group(0) @binding(3) var<storage, read> g: array<f32>;                 // [nets][positions][o_stride]
@group(0) @binding(4) var<storage, read_write> dy: array<f32>;          // [nets][positions][y_stride]

fn read_y(at: u32, left: u32) -> vec4<f32> {
  return first_of(vec4<f32>(y[at], y[at + 1u], y[at + 2u], y[at + 3u]), left);
}

fn read_g(at: u32, left: u32) -> vec4<f32> {
  return first_of(vec4<f32>(g[at], g[at + 1u], g[at + 2u], g[at + 3u]), left);
}

fn read_dy(at: u32, left: u32) -> vec4<f32> {
  return first_of(vec4<f32>(dy[at], dy[at + 1u], dy[at + 2u], dy[at + 3u]), left);
}

fn write_dy(at: u32, left: u32, value: vec4<f32>) {
//#for e in 0..4
  if $eu < left {
    dy[at + $eu] = value[$e];
  }
//#end
}
