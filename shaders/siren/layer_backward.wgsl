// One layer backward:  delta_below = (W^T delta) * slope, in place of the slopes of the layer below.
// Workgroups: (chunk / 64, ceil(inputs / 64), slots); see parts/layer.wgsl.

//#include siren/parts/layer.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> active_nets: array<u32>;
@group(0) @binding(2) var<storage, read> params: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> below: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let r = lid / 8u;
  let c = lid % 8u;
  let base = active_nets[layer.first + group.z] * layer.param_count;
  let row0 = group.y * TILE;

  var acc: array<vec4<f32>, 16>;
//#for i in 0..16
  acc[$i] = vec4<f32>();
//#end
  for (var o0 = 0u; o0 < layer.outputs; o0 += DEPTH) {
    workgroupBarrier();
//#for t in 0..4
    {
      let at = lid + 64u * $tu;
      let o = o0 + at / 16u;
      var w = vec4<f32>();
      var d = vec4<f32>();
      if o < layer.outputs {
//#for e in 0..4
        {
          let row = row0 + 4u * (at % 16u) + $eu;
          if row < layer.inputs {
            w[$e] = params[base + layer.weight + o * layer.inputs + row];
          }
        }
//#end
        d = delta[((group.z * layer.outputs + o) * layer.chunk + group.x * TILE) / 4u + at % 16u];
      }
      rows[at] = w;
      columns[at] = d;
    }
//#end
    workgroupBarrier();
    multiply(&acc, r, c);
  }

//#for b in 0..2
//#for i in 0..4
  {
    let row = row0 + 32u * $bu + 4u * r + $iu;
    if row < layer.inputs {
      let to = ((group.z * layer.inputs + row) * layer.chunk + group.x * TILE) / 4u;
//#for q in 0..2
      below[to + 8u * $qu + c] *= acc[8 * $b + 2 * $i + $q];
//#end
    }
  }
//#end
//#end
}
