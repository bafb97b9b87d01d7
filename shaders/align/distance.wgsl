// How near net b comes to net a after its moves: out[pair] = (<a, g b>, |a - g b|^2).
//
// One workgroup per pair: a thread sums every 64th parameter, then a tree.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/moved.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> pairs: array<vec4<u32>>;            // [pairs] (a, b, ..)
@group(0) @binding(2) var<storage, read> moves: array<Move>;                 // [pairs][hidden]
@group(0) @binding(3) var<storage, read> reference: array<f32>;              // [any][param_count], holds a
@group(0) @binding(4) var<storage, read> source: array<f32>;                 // [any][param_count], holds b
@group(0) @binding(5) var<storage, read_write> out: array<vec2<f32>>;        // [pairs]

var<workgroup> sums: array<vec2<f32>, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let pair = wid.y * grid.x + wid.x;
  if pair >= shape.nets {
    return;
  }
  var sum = vec2<f32>();
  for (var p = lane; p < shape.param_count; p += 64u) {
    let a = reference[pairs[pair].x * shape.param_count + p];
    let b = moved(pair, pairs[pair].y, p);
    sum += vec2<f32>(a * b, (a - b) * (a - b));
  }
  sums[lane] = sum;
//#for s in 0..6
  workgroupBarrier();
  if lane < (32u >> $su) {
    sums[lane] += sums[lane + (32u >> $su)];
  }
//#end
  if lane == 0u {
    out[pair] = sums[0];
  }
}
