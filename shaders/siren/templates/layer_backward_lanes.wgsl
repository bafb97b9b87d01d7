// One layer backward, for software renderers:  delta_below = (W^T delta) * slope, in place of the slopes of
// the layer below. The same as layer_backward.wgsl, in tiles as in layer_forward_lanes.wgsl.
// Workgroups: (ceil(chunk / 256), ceil(inputs / ROWS), slots).
//#default ROWS 16

//#include siren/parts/layer_block.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> active_nets: array<u32>;
@group(0) @binding(2) var<storage, read> params: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> below: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let point = 32u * (8u * group.x + lane);
  if point >= layer.chunk {
    return;
  }
  let weights = active_nets[layer.first + group.z] * layer.param_count + layer.weight;
  let first_row = group.y * $[ROWS]u;
  let outputs = layer.outputs;
//#for r in 0..ROWS
  let row$r = weights + min(first_row + $ru, layer.inputs - 1u);
//#end
  let chunk = layer.chunk / 4u;
  let delta0 = group.z * outputs * chunk + point / 4u;

//#for r in 0..ROWS
//#for q in 0..8
  var a$r_$q = vec4<f32>();
//#end
//#end
  for (var o = 0u; o < outputs; o++) {
//#for q in 0..8
    let d_$q = delta[delta0 + o * chunk + $qu];
//#end
//#for r in 0..ROWS
    let w$r = params[row$r + o * layer.inputs];
//#for q in 0..8
    a$r_$q += w$r * d_$q;
//#end
//#end
  }

  for (var r = 0u; r < $[ROWS]u; r++) {
    if first_row + r < layer.inputs {
      let to = (group.z * layer.inputs + first_row + r) * chunk + point / 4u;
//#for q in 0..8
      below[to + $qu] *= a0_$q;
//#end
    }
//#for r in 0..ROWS - 1
//#for q in 0..8
    a$r_$q = a$[r + 1]_$q;
//#end
//#end
  }
}
