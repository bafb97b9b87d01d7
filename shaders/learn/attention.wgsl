// Set attention with heads whose widths and columns are multiples of 4.

//#include learn/parts/attention.wgsl
//#include learn/parts/attention_forward.wgsl

@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;           // [nets][positions][y_stride]
@group(0) @binding(3) var<storage, read_write> o: array<vec4<f32>>;     // [nets][positions][o_stride]

fn read_y(at: u32, left: u32) -> vec4<f32> {
  return y[at / 4u];
}

fn write_o(at: u32, left: u32, value: vec4<f32>) {
  o[at / 4u] = value;
}
