// A net after its hidden neurons moved: for neuron i of layer l with the move (source, row, shift, column)
//
//   A_l'[i][c] = row_i * A_l[source_i][source_c] * column_c,   b_l'[i] = row_i * b_l[source_i] + shift_i
//
// where c runs over the neurons below with their own moves. Inputs and outputs never move. Permutations,
// sign flips, phase shifts and positive scalings are all of this form.
// Expects `shape`, `moves: array<Move>` [nets][hidden] and `source: array<f32>` [..][param_count].

//#include symmetry/parts/neuron_move.wgsl

// Parameter p of net `from` of `source`, under the moves of `net`.
fn moved(net: u32, source_net: u32, p: u32) -> f32 {
  let at = place_of(p);
  let t = shape.layer[at.layer];
  let first = net * shape.hidden;
  var up = Move(at.row, 1.0, 0.0, 1.0);
  if at.layer + 1u < shape.layers {
    up = moves[first + shape.neuron[at.layer].x + at.row];
  }
  let base = source_net * shape.param_count;
  if at.column == BIAS {
    return up.row * source[base + t.y + up.source] + up.shift;
  }
  var down = Move(at.column, 1.0, 0.0, 1.0);
  if at.layer > 0u {
    down = moves[first + shape.neuron[at.layer - 1u].x + at.column];
  }
  return up.row * down.column * source[base + t.x + up.source * t.z + down.source];
}
