// Index of the first parameter of every net that is NaN or infinite; 0xffffffff if there is none.
//
// One workgroup per net.

//#include shared/sine.wgsl
//#include symmetry/parts/shape.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(2) var<storage, read_write> out: array<u32>;              // [nets]

var<workgroup> first: atomic<u32>;

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
  if lane == 0u {
    atomicStore(&first, 0xffffffffu);
  }
  workgroupBarrier();
  for (var p = lane; p < shape.param_count; p += 64u) {
    if is_not_finite(source[net * shape.param_count + p]) {
      atomicMin(&first, p);
    }
  }
  workgroupBarrier();
  if lane == 0u {
    out[net] = atomicLoad(&first);
  }
}
