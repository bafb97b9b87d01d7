// The linear assignment problem min_q sum_i cost(i, q(i)), exactly, by one workgroup.
//
// Jonker and Volgenant's method: any potentials v of the columns, with the row minima u of cost - v, are feasible duals and give
// a first partial matching; every row left is matched along a shortest augmenting path found by Dijkstra's algorithm over the columns with
// the reduced costs cost - u - v >= 0. Thread t owns the columns t, t + WG, ..: it keeps their shortest
// distances, and a step of Dijkstra is one pass over a row plus a minimum over the workgroup. Ties go to free
// columns, which end the path at once, and then to the lowest column: the result is deterministic.
//
// The including file provides `cost(i, j)`, FAR, WG (threads, at most 64), PER (columns per thread, at most 8) and N >= n. Loops over
// the columns of a thread and over the partial minima are written out, because a software renderer (llvmpipe) ends all
// loops of an invocation after 65,535 iterations: what is left is at most n^2 / 2 steps and as many swaps.
//
// The loop conditions come through workgroupUniformLoad, since barriers must lie in uniform control flow.

const NONE = 0xffffu;

var<workgroup> dual_row: array<f32, N>;
var<workgroup> dual_col: array<f32, N>;
var<workgroup> shortest: array<f32, N>;
var<workgroup> parent: array<u32, N>;
var<workgroup> row_of: array<u32, N>;
// The result: column of every row.
var<workgroup> col_of: array<u32, N>;
// One per thread; as long as any workgroup, because Tint takes constant indices for errors even behind a false condition.
var<workgroup> least: array<f32, 64>;
var<workgroup> least_key: array<u32, 64>;
var<workgroup> step: vec4<u32>;

// n and warm must be uniform. If warm, dual_col holds potentials of the columns, any at all: those of an earlier problem that
// was not very different leave few rows to match. Ends with a barrier.
fn solve_assignment(lane: u32, n: u32, warm: bool) {
//#for k in 0..8
  if PER > $ku {
    let j = lane + $ku * WG;
    if j < n {
      if !warm {
        var best = cost(0u, j);
        for (var i = 1u; i < n; i++) {
          best = min(best, cost(i, j));
        }
        dual_col[j] = best;
      }
      row_of[j] = NONE;
      col_of[j] = NONE;
    }
  }
//#end
  workgroupBarrier();
  // A row goes to the column that is cheapest for it, if no row before it did. Thread i begins at column i, since the
  // rows of a matrix begin in the same memory bank.
//#for k in 0..8
  if PER > $ku {
    let i = lane + $ku * WG;
    if i < n {
      var best = FAR;
      var at = NONE;
      for (var turn = 0u; turn < n; turn++) {
        let j = select(i + turn, i + turn - n, i + turn >= n);
        let d = cost(i, j) - dual_col[j];
        if d < best || (d == best && j < at) {
          best = d;
          at = j;
        }
      }
      dual_row[i] = best;
      parent[i] = at;
    }
  }
//#end
  workgroupBarrier();
  var next = 0u;
  if lane == 0u {
    for (var i = 0u; i < n; i++) {
      let j = parent[i];
      if row_of[j] == NONE {
        col_of[i] = j;
        row_of[j] = i;
      }
    }
  }
  for (var round = 0u; round <= n; round++) {
    if lane == 0u {
      while next < n && col_of[next] != NONE {
        next++;
      }
      step = vec4<u32>(next, 0u, 0u, 0u);
    }
    var s = workgroupUniformLoad(&step);
    let row = s.x;
    if row >= n {
      break;
    }
    var scanned = 0u;
//#for k in 0..8
    if PER > $ku {
      if lane + $ku * WG < n {
        shortest[lane + $ku * WG] = FAR;
      }
    }
//#end
    // s: (row to leave from, bits of its distance, column just reached).
    for (var hop = 0u; hop < n; hop++) {
      let base = bitcast<f32>(s.y) - dual_row[s.x];
      var best = FAR;
      var key = NONE;
//#for k in 0..8
      if PER > $ku {
        let j = lane + $ku * WG;
        if j < n && (scanned & (1u << $ku)) == 0u {
          let far = base + (cost(s.x, j) - dual_col[j]);
          var d = shortest[j];
          if far < d {
            d = far;
            shortest[j] = far;
            parent[j] = s.x;
          }
          let own = j + select(0x8000u, 0u, row_of[j] == NONE);
          if d < best || (d == best && own < key) {
            best = d;
            key = own;
          }
        }
      }
//#end
      least[lane] = best;
      least_key[lane] = key;
      workgroupBarrier();
      if lane == 0u {
//#for k in 1..64
        if WG > $ku {
          if least[$k] < best || (least[$k] == best && least_key[$k] < key) {
            best = least[$k];
            key = least_key[$k];
          }
        }
//#end
        let j = key & 0x7fffu;
        step = vec4<u32>(row_of[j], bitcast<u32>(best), j, 0u);
      }
      s = workgroupUniformLoad(&step);
      if s.z % WG == lane {
        scanned |= 1u << (s.z / WG);
      }
      if s.x == NONE {
        break;
      }
    }
    let low = bitcast<f32>(s.y);
//#for k in 0..8
    if PER > $ku {
      let j = lane + $ku * WG;
      if j < n && (scanned & (1u << $ku)) != 0u {
        let rise = low - shortest[j];
        dual_col[j] -= rise;
        if row_of[j] != NONE {
          dual_row[row_of[j]] += rise;
        }
      }
    }
//#end
    workgroupBarrier();
    if lane == 0u {
      dual_row[row] += low;
      var j = s.z;
      for (var hop = 0u; hop < n; hop++) {
        let i = parent[j];
        row_of[j] = i;
        let before = col_of[i];
        col_of[i] = j;
        if i == row {
          break;
        }
        j = before;
      }
    }
  }
}
