// Moves the hidden neurons of every net, see parts/moved.wgsl:
//
//   A_l'[i][c] = row_i * A_l[source_i][source_c] * column_c,   b_l'[i] = row_i * b_l[source_i] + shift_i
//
// SOURCES = 0: every neuron stays in its place. FACTORS = 0: all factors are 1 and all shifts 0. One thread per
// sixteen parameters; what belongs to a row is loaded where the row begins. Out of place, because a permutation
// cannot be applied in place by independent threads.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/place.wgsl
//#include symmetry/parts/flat.wgsl

override SOURCES: u32;
override FACTORS: u32;

struct Move {
  source: u32,
  row: f32,
  shift: f32,
  column: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> moves: array<Move>;                 // [nets][hidden]
@group(0) @binding(2) var<storage, read> source: array<vec4<f32>>;           // [nets * param_count / 4]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;        // [nets * param_count / 4]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let quad = first_quad(wid.y * grid.x + wid.x, lane);
  // The row that `up` is of.
  var seen = 0xffffffffu;
  var up = Move(0u, 1.0, 0.0, 1.0);
  var spot = spot_of(4u * quad);
//#for k in 0..4
  if quad + STEP * $ku < quad_count() {
    spot = next_quad(spot, 4u * (quad + STEP * $ku));
    var x = source[quad + STEP * $ku];
//#for i in 0..4
    {
      let place = placed(spot.p);
      let moves_up = place.layer + 1u < shape.layers;
      let moves_down = place.layer > 0u && !place.is_bias;
      let own = spot.net * shape.hidden;
      if moves_up && own + place.up != seen {
        seen = own + place.up;
        up = moves[seen];
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
        let row = select(place.row, up.source, moves_up);
        // From this parameter to the one that takes its place.
        let inputs = select(1u, place.inputs, !place.is_bias);
        let at = spot.net * shape.param_count + spot.p + row * inputs + column - place.row * inputs - place.column;
        x[$i] = source[at / 4u][at % 4u];
      }
      if FACTORS == 1u {
        x[$i] *= factor * select(1.0, up.row, moves_up);
        x[$i] += select(0.0, up.shift, moves_up && place.is_bias);
      }
      spot = after(spot);
    }
//#end
    out[quad + STEP * $ku] = x;
  }
//#end
}
