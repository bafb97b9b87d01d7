// The nets of a batch as they are: for operations that change few parameters, which then write those.
//
// One thread per sixteen parameters.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/flat.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;           // [nets * param_count / 4]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;        // [nets * param_count / 4]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let quad = first_quad(wid.y * grid.x + wid.x, lane);
//#for k in 0..4
  if quad + STEP * $ku < quad_count() {
    out[quad + STEP * $ku] = source[quad + STEP * $ku];
  }
//#end
}
