// Translation of the input as translate.wgsl has it, on software renderers: an invocation owns a net, and nothing is shared. Such a
// renderer executes loads one by one, so sixteen numbers of the vector are kept while all rows pass.

//#include symmetry/parts/shape.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> offsets: array<f32>;                // [nets][d_0]
@group(0) @binding(2) var<storage, read> depths: array<f32>;                 // [nets], in [1, layers)
@group(0) @binding(3) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;              // [nets][param_count]

// The vector before and after a layer, for each of the eight invocations.
var<workgroup> vector: array<f32, 4096>;                                     // [8][2][256]

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let net = (wid.y * grid.x + wid.x) * 8u + lane;
  if net >= shape.nets {
    return;
  }
  let base = net * shape.param_count;
  let inputs = shape.layer[0].z;
  for (var k = 0u; k < inputs; k++) {
    vector[512u * lane + k] = offsets[net * inputs + k];
  }
  let depth = clamp(u32(depths[net]), 1u, shape.layers - 1u);
  for (var l = 0u; l < depth; l++) {
    let t = shape.layer[l];
    let here = 512u * lane + 256u * (l & 1u);
    let next = here ^ 256u;
    let bias = base + t.y;
    let is_last = l + 1u == depth;
    var c = 0u;
//#for rest in 0..2
//#set WIDE 16 - 12 * rest
    // Sixteen at a time, then the rest in fours, which may be fewer.
    for (; c + $[(WIDE - 1) * (1 - rest)]u < t.z; c += $WIDEu) {
//#for i in 0..WIDE
      var x$i = 0.0;
      if $rest == 0 || c + $iu < t.z {
        x$i = vector[here + c + $iu];
      }
//#end
      let ends = c + $WIDEu >= t.z;
      var at = base + t.x + c;
      for (var row = 0u; row < t.w; row++) {
        var sum = 0.0;
        if c > 0u {
          sum = vector[next + row];
        }
//#for i in 0..WIDE
        if $rest == 0 || c + $iu < t.z {
          sum += source[at + $iu] * x$i;
        }
//#end
        at += t.z;
        if is_last && ends {
          out[bias + row] = source[bias + row] + sum;
        } else {
          vector[next + row] = sum;
        }
      }
    }
//#end
  }
}
