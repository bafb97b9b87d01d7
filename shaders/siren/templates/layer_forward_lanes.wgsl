// One layer forward, for software renderers:  z = W x + b;  hidden: y = act(z), slope = act'(z);  last:
// y = z + offset. act(z) = sin(omega z) with slope omega cos(omega z), or max(0, z). The same as
// layer_forward.wgsl, and the same memory.
//
// Each invocation makes a tile of ROWS neurons x 32 points by itself, straight from storage, in variables
// a<row>_<quad of points>: see fit_lanes.wgsl for why, and for the way in which rows pass by at the end. Every
// load is executed lane by lane, so what counts is multiply-adds per load. A workgroup is a vector of 8 tiles: (ceil(chunk / 256), ceil(outputs / ROWS), slots).
//
// KIND: 0 hidden sine, 1 hidden ReLU, 2 last. SLOPES: 1 to write slopes for the backward pass.
//#default ROWS 16
//#default KIND 0
//#default SLOPES 1

//#include shared/sine.wgsl
//#include siren/parts/layer_block.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> active_nets: array<u32>;
@group(0) @binding(2) var<storage, read> params: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> slope: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let point = 32u * (8u * group.x + lane);
  if point >= layer.chunk {
    return;
  }
  let weights = active_nets[layer.first + group.z] * layer.param_count + layer.weight;
  let biases = active_nets[layer.first + group.z] * layer.param_count + layer.bias;
  let first_row = group.y * $[ROWS]u;
  let inputs = layer.inputs;
  // Rows beyond the last read the last again and are not stored.
//#for r in 0..ROWS
  let row$r = weights + min(first_row + $ru, layer.outputs - 1u) * inputs;
//#end
  let x_start = (layer.x_offset + group.z * layer.x_slot + point) / 4u;
  let x_row = layer.x_row / 4u;

//#for r in 0..ROWS
//#for q in 0..8
  var a$r_$q = vec4<f32>();
//#end
//#end
  for (var k = 0u; k < inputs; k++) {
    let at = x_start + k * x_row;
//#for q in 0..8
    let x_$q = x[at + $qu];
//#end
//#for r in 0..ROWS
    let w$r = params[row$r + k];
//#for q in 0..8
    a$r_$q += w$r * x_$q;
//#end
//#end
  }

  for (var r = 0u; r < $[ROWS]u; r++) {
    let row = first_row + r;
    if row < layer.outputs {
      let bias = params[biases + row];
      let to = ((group.z * layer.outputs + row) * layer.chunk + point) / 4u;
//#for q in 0..8
      {
        let z = a0_$q + bias;
//#if KIND == 0
        let wave = sin_cos(layer.omega * z);
        y[to + $qu] = wave.sin;
//#if SLOPES
        slope[to + $qu] = layer.omega * wave.cos;
//#end
//#end
//#if KIND == 1
        y[to + $qu] = max(z, vec4<f32>());
//#if SLOPES
        slope[to + $qu] = select(vec4<f32>(), vec4<f32>(1.0), z > vec4<f32>());
//#end
//#end
//#if KIND == 2
        y[to + $qu] = z + layer.offset;
//#end
      }
//#end
    }
//#for r in 0..ROWS - 1
//#for q in 0..8
    a$r_$q = a$[r + 1]_$q;
//#end
//#end
  }
}
