// Gradient of one layer over a segment of points, for software renderers:
//   dW[o][k] = sum_p delta[o][p] x[k][p],  db[o] = sum_p delta[o][p]
// The same as layer_gradient.wgsl, with the same segments; each invocation makes a tile of ROWS x COLUMNS by itself,
// as in layer_forward_lanes.wgsl, four points at a time. Tiles are numbered (segment, row, column of tiles),
// columns fastest; a workgroup is a vector of 8: (ceil(tiles / 8), slots).
//#default ROWS 16
//#default COLUMNS 16

//#include siren/parts/layer_block.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;   // [slots][segments][param_count]

fn put(at: u32, value: f32) {
  if layer.accumulate == 0u {
    gradients[at] = value;
  } else {
    gradients[at] += value;
  }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let across = (layer.inputs + $[COLUMNS - 1]u) / $[COLUMNS]u;
  let down = (layer.outputs + $[ROWS - 1]u) / $[ROWS]u;
  let tile = 8u * group.x + lane;
  let segment = tile / (across * down);
  let start = segment * layer.segment;
  if start >= layer.chunk {
    return;
  }
  let end = min(start + layer.segment, layer.chunk) / 4u;
  let first_row = (tile / across) % down * $[ROWS]u;
  let first_column = tile % across * $[COLUMNS]u;
  let chunk = layer.chunk / 4u;
  // Rows and columns beyond the last read the last again and are not stored.
//#for r in 0..ROWS
  let row$r = (group.y * layer.outputs + min(first_row + $ru, layer.outputs - 1u)) * chunk;
//#end
  let x_start = (layer.x_offset + group.y * layer.x_slot) / 4u;
//#for c in 0..COLUMNS
  let column$c = x_start + min(first_column + $cu, layer.inputs - 1u) * (layer.x_row / 4u);
//#end

//#for r in 0..ROWS
  var bias$r = 0.0;
//#for c in 0..COLUMNS
  var g$r_$c = 0.0;
//#end
//#end
  for (var p = start / 4u; p < end; p++) {
//#for c in 0..COLUMNS
    let x$c = x[column$c + p];
//#end
//#for r in 0..ROWS
    let d$r = delta[row$r + p];
    bias$r += (d$r.x + d$r.y) + (d$r.z + d$r.w);
//#for c in 0..COLUMNS
    g$r_$c += dot(d$r, x$c);
//#end
//#end
  }

  let to = (group.y * layer.segments + segment) * layer.param_count;
  for (var r = 0u; r < $[ROWS]u; r++) {
    let row = first_row + r;
    if row < layer.outputs {
      if first_column == 0u {
        put(to + layer.bias + row, bias0);
      }
      for (var c = 0u; c < $[COLUMNS]u; c++) {
        if first_column + c < layer.inputs {
          put(to + layer.weight + row * layer.inputs + first_column + c, g0_0);
        }
//#for c in 0..COLUMNS - 1
        g0_$c = g0_$[c + 1];
//#end
      }
    }
//#for r in 0..ROWS - 1
    bias$r = bias$[r + 1];
//#for c in 0..COLUMNS
    g$r_$c = g$[r + 1]_$c;
//#end
//#end
  }
}
