// Translation of the input: b_(r-1) <- b_(r-1) + A_(r-1) .. A_1 A_0 t, with offset t and depth r.
//
// Purely linear, without the activation: only r = 1 is the true translation f(x + t).
//
// One workgroup per net: t is carried through the layers in workgroup memory, a thread per neuron. Every other
// parameter has been copied (copy.wgsl). Depths are kept as floats, of which the integer part counts.

//#include symmetry/parts/shape.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> offsets: array<f32>;                // [nets][d_0]
@group(0) @binding(2) var<storage, read> depths: array<f32>;                 // [nets], in [1, layers)
@group(0) @binding(3) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;              // [nets][param_count]

var<workgroup> vector: array<f32, 512>;                                      // [2][256]
var<workgroup> wanted_depth: u32;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let net = wid.y * grid.x + wid.x;
  if net >= shape.nets {
    return;
  }
  let base = net * shape.param_count;
  let inputs = shape.layer[0].z;
  for (var k = lane; k < inputs; k += 64u) {
    vector[k] = offsets[net * inputs + k];
  }
  if lane == 0u {
    wanted_depth = clamp(u32(depths[net]), 1u, shape.layers - 1u);
  }
  let depth = workgroupUniformLoad(&wanted_depth);
  for (var l = 0u; l < depth; l++) {
    let t = shape.layer[l];
    let here = (l & 1u) * 256u;
    for (var row = lane; row < t.w; row += 64u) {
      var sum = 0.0;
      for (var c = 0u; c < t.z; c++) {
        sum += source[base + t.x + row * t.z + c] * vector[here + c];
      }
      vector[256u - here + row] = sum;
    }
    workgroupBarrier();
  }
  let bias = base + shape.layer[depth - 1u].y;
  for (var row = lane; row < shape.layer[depth - 1u].w; row += 64u) {
    out[bias + row] = source[bias + row] + vector[(depth & 1u) * 256u + row];
  }
}
