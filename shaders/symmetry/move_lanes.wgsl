// Moves the hidden neurons of every net, as move.wgsl does, on software renderers.
//
// An invocation owns a layer of a net, and those that run at once have the same layer of different nets. Such a renderer
// executes loads one by one, so the moves of sixteen columns are kept while all rows pass.

//#include symmetry/parts/shape.wgsl

override SOURCES: u32;
override FACTORS: u32;

//#include symmetry/parts/neuron_move.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> moves: array<Move>;                 // [nets][hidden]
@group(0) @binding(2) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;              // [nets][param_count]

fn source_of(at: u32, own: u32) -> u32 {
  if SOURCES == 1u {
    return moves[at].source;
  }
  return own;
}

fn row_of(at: u32) -> f32 {
  if FACTORS == 1u {
    return moves[at].row;
  }
  return 1.0;
}

fn shift_of(at: u32) -> f32 {
  if SOURCES == 1u && FACTORS == 1u {
    return moves[at].shift;
  }
  return 0.0;
}

fn column_of(at: u32) -> f32 {
  if FACTORS == 1u {
    return moves[at].column;
  }
  return 1.0;
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = wid.y * grid.x + wid.x;
  let l = group % shape.layers;
  let net = 8u * (group / shape.layers) + lane;
  if net >= shape.nets {
    return;
  }
  let t = shape.layer[l];
  let moves_up = l + 1u < shape.layers;
  let moves_down = l > 0u;
  let base = net * shape.param_count;
  let up = net * shape.hidden + shape.neuron[l].x;
  let down = up - t.z;
  var c = 0u;
//#for rest in 0..2
//#set WIDE 16 - 12 * rest
  // Sixteen at a time, then the rest in fours, which may be fewer.
  for (; c + $[(WIDE - 1) * (1 - rest)]u < t.z; c += $WIDEu) {
//#for i in 0..WIDE
    var source_$i = c + $iu;
    var column_$i = 1.0;
    if moves_down && c + $iu < t.z {
      source_$i = source_of(down + c + $iu, c + $iu);
      column_$i = column_of(down + c + $iu);
    }
//#end
    var to = base + t.x + c;
    for (var r = 0u; r < t.w; r++) {
      var row = 1.0;
      var place = r;
      if moves_up {
        row = row_of(up + r);
        place = source_of(up + r, r);
      }
      let at = base + t.x + place * t.z;
//#for i in 0..WIDE
      if $rest == 0 || c + $iu < t.z {
        out[to + $iu] = source[at + source_$i] * (row * column_$i);
      }
//#end
      to += t.z;
    }
  }
//#end
  for (var r = 0u; r < t.w; r++) {
    var place = r;
    var row = 1.0;
    var shift = 0.0;
    if moves_up {
      place = source_of(up + r, r);
      row = row_of(up + r);
      shift = shift_of(up + r);
    }
    out[base + t.y + r] = row * source[base + t.y + place] + shift;
  }
}
