// Fresh parameters: every weight and bias of layer l uniform on [-bound_l, bound_l).
//
//   params[n][p] = bound(p) * u,  u = symmetric(philox(counter (p / 4, object_n, view_n, 1), seed)[p % 4])
//
// One thread draws four parameters of one net (one Philox block); x over parameters, y over nets.
// u is exact and the product is rounded once, so all devices agree bit for bit.

//#include shared/philox.wgsl

struct InitParams {
  nets: u32,
  param_count: u32,
  layers: u32,
  pad: u32,
  seed: vec2<u32>,
  pad2: vec2<u32>,
  // Layer l: (end of its weights, end of its biases) in the parameter vector, and their bounds.
  ends: array<vec4<u32>, 8>,
  bounds: array<vec4<f32>, 8>,
}

@group(0) @binding(0) var<uniform> init: InitParams;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read_write> params: array<f32>;           // [nets][param_count]

fn bound_of(p: u32) -> f32 {
  for (var l = 0u; l < init.layers; l++) {
    if p < init.ends[l].x {
      return init.bounds[l].x;
    }
    if p < init.ends[l].y {
      return init.bounds[l].y;
    }
  }
  return 0.0;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let net = gid.z * grid.y + gid.y;
  let block = gid.x;
  if net >= init.nets || 4u * block >= init.param_count {
    return;
  }
  let u = symmetric(philox4x32(vec4<u32>(block, ids[net], 1u), init.seed));
//#for i in 0..4
  if 4u * block + $iu < init.param_count {
    params[net * init.param_count + 4u * block + $iu] = bound_of(4u * block + $iu) * u[$i];
  }
//#end
}
