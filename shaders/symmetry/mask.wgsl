// Masking: every entry is kept with probability 1 - numbers.x and then multiplied by numbers.y, else 0.
//
// Word p of net n is philox(counter (p / 4, object, view, stream), seed)[p % 4]; it drops the entry if its upper
// 24 bits, as a fraction, are below numbers.x. GIVEN = 1 reads `keep` (0 or 1) instead. One thread per four
// parameters, which share a Philox block; x over them, y (and z) over nets.

//#include shared/philox.wgsl
//#include symmetry/parts/shape.wgsl

override GIVEN: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read> keep: array<f32>;                   // [nets][param_count] if GIVEN
@group(0) @binding(3) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;              // [nets][param_count]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let net = gid.z * grid.y + gid.y;
  if net >= shape.nets || 4u * gid.x >= shape.param_count {
    return;
  }
  var words = vec4<u32>();
  if GIVEN == 0u {
    words = philox4x32(vec4<u32>(gid.x, ids[net], shape.stream), shape.seed);
  }
//#for i in 0..4
  if 4u * gid.x + $iu < shape.param_count {
    let at = net * shape.param_count + 4u * gid.x + $iu;
    var kept = f32(words[$i] >> 8u) * (1.0 / 16777216.0) >= shape.numbers.x;
    if GIVEN == 1u {
      kept = keep[at] != 0.0;
    }
    out[at] = select(0.0, source[at] * shape.numbers.y, kept);
  }
//#end
}
