// The linear assignment problem min_q sum_i cost(i, q(i)), exactly, by one workgroup.
//
// Jonker and Volgenant's method: column reduction gives feasible duals (u, v) and a first partial matching;
// every row left is matched along a shortest augmenting path found by Dijkstra's algorithm over the columns with
// the reduced costs cost - u - v >= 0. Thread t owns the columns t, t + WG, ..: it keeps their shortest
// distances, and a step of Dijkstra is one pass over a row plus a minimum over the workgroup. Ties go to free
// columns, which end the path at once, and then to the lowest column: the result is deterministic.
//
// The including file provides `cost(i, j)`, WG (threads, at most 64), PER (columns per thread, at most 8) and N >= n. Loops over
// the columns of a thread and over the partial minima are written out, because a software renderer (llvmpipe) ends all
// loops of an invocation after 65,535 iterations: what is left is at most n^2 / 2 steps and as many swaps.
//
// The loop conditions come through workgroupUniformLoad, since barriers must lie in uniform control flow.

const NONE = 0xffffu;
const FAR = 3.0e38;

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

// n must be uniform. Ends with a barrier.
fn solve_assignment(lane: u32, n: u32) {
//#for k in 0..8
  if PER > $ku {
    let j = lane + $ku * WG;
    if j < n {
      var best = cost(0u, j);
      var at = 0u;
      for (var i = 1u; i < n; i++) {
        let c = cost(i, j);
        if c < best {
          best = c;
          at = i;
        }
      }
      dual_col[j] = best;
      parent[j] = at;
      dual_row[j] = 0.0;
      row_of[j] = NONE;
      col_of[j] = NONE;
    }
  }
//#end
  workgroupBarrier();
  var next = 0u;
  if lane == 0u {
    for (var j = 0u; j < n; j++) {
      let i = parent[j];
      if col_of[i] == NONE {
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
