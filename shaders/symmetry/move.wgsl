// Moves the hidden neurons of every net, see parts/moved.wgsl:
//
//   A_l'[i][c] = row_i * A_l[source_i][source_c] * column_c,   b_l'[i] = row_i * b_l[source_i] + shift_i
//
// SOURCES = 0: every neuron stays in its place. FACTORS = 0: all factors are 1. Shifts are 0 unless both are 1. One thread per
// sixteen parameters; what belongs to a row is loaded where the row begins. Out of place, because a permutation
// cannot be applied in place by independent threads. Software renderers have move_lanes.wgsl.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/place.wgsl
//#include symmetry/parts/flat.wgsl

override SOURCES: u32;
override FACTORS: u32;

//#include symmetry/parts/neuron_move.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> moves: array<Move>;                 // [nets][hidden]
@group(0) @binding(2) var<storage, read> source: array<vec4<f32>>;           // [nets * param_count / 4]
@group(0) @binding(3) var<storage, read> single: array<f32>;                 // the same, one by one
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;        // [nets * param_count / 4]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let quad = first_quad(wid.y * grid.x + wid.x, lane);
  // The neuron that the following are of.
  var seen = 0xffffffffu;
  var up_source = 0u;
  var up_row = 1.0;
  var up_shift = 0.0;
//#for k in 0..4
  if quad + STEP * $ku < quad_count() {
    var spot = spot_of(4u * (quad + STEP * $ku));
    var x = source[quad + STEP * $ku];
//#for i in 0..4
    {
      let place = placed(spot.p);
      let moves_up = place.layer + 1u < shape.layers;
      let moves_down = place.layer > 0u && !place.is_bias;
      let own = spot.net * shape.hidden;
      if moves_up && own + place.up != seen {
        seen = own + place.up;
        if SOURCES == 1u {
          up_source = moves[seen].source;
        }
        if FACTORS == 1u {
          up_row = moves[seen].row;
        }
        if SOURCES == 1u && FACTORS == 1u {
          up_shift = moves[seen].shift;
        }
      }
      var column = place.column;
      var factor = 1.0;
      if moves_down {
        if SOURCES == 1u {
          column = moves[own + place.down].source;
        }
        if FACTORS == 1u {
          factor = moves[own + place.down].column;
        }
      }
      if SOURCES == 1u {
        let row = select(place.row, up_source, moves_up);
        // From this parameter to the one that takes its place.
        let inputs = select(1u, place.inputs, !place.is_bias);
        let at = spot.net * shape.param_count + spot.p + (row - place.row) * inputs + column - place.column;
        x[$i] = single[at];
      }
      if FACTORS == 1u {
        x[$i] *= factor * select(1.0, up_row, moves_up);
        x[$i] += select(0.0, up_shift, moves_up && place.is_bias);
      }
      spot = after(spot);
    }
//#end
    out[quad + STEP * $ku] = x;
  }
//#end
}
