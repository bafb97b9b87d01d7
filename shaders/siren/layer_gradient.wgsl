// Gradient of one layer over a segment of points:  dW[o][k] = sum_p delta[o][p] x[k][p],
// db[o] = sum_p delta[o][p]. Every segment of a chunk has its own copy, to which later chunks add; the
// copies are summed in order by adam.wgsl, so that the result does not depend on timing.
// Workgroups: (ceil(inputs / 64) * segments of the chunk, ceil(outputs / 64), slots), segments
// slowest; see parts/layer.wgsl. Here both operands are tiles of 64 rows by 16 points.

//#include siren/parts/layer.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;   // [slots][segments][param_count]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let r = lid / 8u;
  let c = lid % 8u;
  let tiles = (layer.inputs + TILE - 1u) / TILE;
  let column0 = (group.x % tiles) * TILE;
  let segment = group.x / tiles;
  let row0 = group.y * TILE;
  let start = segment * layer.segment;
  let end = min(start + layer.segment, layer.chunk);

  var acc: array<vec4<f32>, 16>;     // [row][column quad]
//#for i in 0..16
  acc[$i] = vec4<f32>();
//#end
//#for i in 0..8
  var bias$i = 0.0;
//#end
  for (var p = start; p < end; p += DEPTH) {
    workgroupBarrier();
//#for t in 0..4
    {
      let at = lid + 64u * $tu;      // (row or column, point quad)
      let row = row0 + at / 4u;
      let column = column0 + at / 4u;
      var d = vec4<f32>();
      if row < layer.outputs {
        d = delta[((group.z * layer.outputs + row) * layer.chunk + p) / 4u + at % 4u];
      }
      var v = vec4<f32>();
      if column < layer.inputs {
        v = x[(layer.x_offset + group.z * layer.x_slot + column * layer.x_row + p) / 4u + at % 4u];
      }
      rows[at] = d;
      columns[at] = v;
    }
//#end
    workgroupBarrier();
    for (var q = 0u; q < 4u; q++) {
//#for i in 0..8
      let d$i = rows[4u * (4u * r + ($iu & 3u) + ($iu >> 2u) * 32u) + q];
      bias$i += (d$i.x + d$i.y) + (d$i.z + d$i.w);
//#end
//#for k in 0..8
      {
        let v = columns[4u * (4u * c + ($ku & 3u) + ($ku >> 2u) * 32u) + q];
//#for i in 0..8
        acc[2 * $i + ($k >> 2u)][$k & 3] += dot(d$i, v);
//#end
      }
//#end
    }
  }

  let to = (group.z * layer.segments + segment) * layer.param_count;
//#for i in 0..8
  {
    let row = row0 + 4u * r + ($iu & 3u) + ($iu >> 2u) * 32u;
    if row < layer.outputs {
//#for k in 0..8
      {
        let column = column0 + 4u * c + ($ku & 3u) + ($ku >> 2u) * 32u;
        if column < layer.inputs {
          let at = to + layer.weight + row * layer.inputs + column;
          let g = acc[2 * $i + ($k >> 2u)][$k & 3];
          if layer.accumulate == 0u {
            gradients[at] = g;
          } else {
            gradients[at] += g;
          }
        }
      }
//#end
      if column0 == 0u && c == 0u {
        let at = to + layer.bias + row;
        if layer.accumulate == 0u {
          gradients[at] = bias$i;
        } else {
          gradients[at] += bias$i;
        }
      }
    }
  }
//#end
}
