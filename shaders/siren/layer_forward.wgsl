// One layer forward:  z = W x + b;  hidden: y = act(z), slope = act'(z);  last: y = z + offset.
// act(z) = sin(omega z) with slope omega cos(omega z), or max(0, z).
// Workgroups: (chunk / 64, ceil(outputs / 64), slots); see parts/layer.wgsl.

//#include shared/sine.wgsl
//#include siren/parts/layer.wgsl

override KIND: u32;     // 0 hidden sine, 1 hidden ReLU, 2 last
override SLOPES: u32;   // 1: write slopes for the backward pass

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> active_nets: array<u32>;
@group(0) @binding(2) var<storage, read> params: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> slope: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let r = lid / 8u;
  let c = lid % 8u;
  let base = active_nets[layer.first + group.z] * layer.param_count;
  let x_base = layer.x_offset + group.z * layer.x_slot + group.x * TILE;
  let row0 = group.y * TILE;

  var acc: array<vec4<f32>, 16>;
//#for i in 0..16
  acc[$i] = vec4<f32>();
//#end
  for (var k0 = 0u; k0 < layer.inputs; k0 += DEPTH) {
    workgroupBarrier();
//#for t in 0..4
    {
      let at = lid + 64u * $tu;
      // Weights, transposed: entry (k, quad of rows).
      let k = k0 + at / 16u;
      var w = vec4<f32>();
//#for e in 0..4
      {
        let row = row0 + 4u * (at % 16u) + $eu;
        if k < layer.inputs && row < layer.outputs {
          w[$e] = params[base + layer.weight + row * layer.inputs + k];
        }
      }
//#end
      rows[at] = w;
      var v = vec4<f32>();
      if k < layer.inputs {
        v = x[(x_base + k * layer.x_row) / 4u + at % 16u];
      }
      columns[at] = v;
    }
//#end
    workgroupBarrier();
    multiply(&acc, r, c);
  }

//#for b in 0..2
//#for i in 0..4
  {
    let row = row0 + 32u * $bu + 4u * r + $iu;
    if row < layer.outputs {
      let bias = params[base + layer.bias + row];
      let to = ((group.z * layer.outputs + row) * layer.chunk + group.x * TILE) / 4u;
//#for q in 0..2
      {
        let z = acc[8 * $b + 2 * $i + $q] + bias;
        let at = to + 8u * $qu + c;
        if KIND == 0u {
          let wave = sin_cos(layer.omega * z);
          y[at] = wave.sin;
          if SLOPES == 1u {
            slope[at] = layer.omega * wave.cos;
          }
        } else if KIND == 1u {
          y[at] = max(z, vec4<f32>());
          if SLOPES == 1u {
            slope[at] = select(vec4<f32>(), vec4<f32>(1.0), z > vec4<f32>());
          }
        } else {
          y[at] = z + layer.offset;
        }
      }
//#end
    }
  }
//#end
//#end
}
