// Weight matching, one thread per pair: match.wgsl for software renderers, which see there what is computed and why.
//
// llvmpipe runs eight threads as the lanes of one vector. It loads a vector from storage or workgroup memory lane by lane, in
// 14 to 23 ns, and suspends the workgroup at a barrier, while a variable costs next to nothing (Mesa 22.3). So here everything of a
// pair but its weights is in variables, eight pairs advance side by side, and nothing is shared. Composed at run time
// (`nets::align::matcher`) for hidden layers of up to N neurons, a multiple of 4 up to 32, and with or without signs.
//
// A thread has the pairs id, id + threads, ..; it visits layers of the first that is not done, so that pairs of many sweeps
// and of few balance. C is built by rank-one updates, one for every neuron below or above in both nets: 64 loads for 1024 products.
// Two of them go into C at once, because C has the size of a core's first cache.
//
// The assignment is that of parts/assignment.wgsl by one thread: shortest augmenting paths, as one flat loop of hops and steps back
// along the path, in which the lanes are at different stages. Row potentials are not kept, since a matched edge
// has the reduced cost 0. Rows and columns that a smaller layer does not have cost FAR, and such columns count as scanned.
// Which row has which column is kept as `Numbers`, whose entries are read and written by shifts.
//
// Every c<i>_<j> is a variable of its own, and what depends on an index is selected among them, because the
// compiler of this renderer takes some 10 ms for every access to an array in private memory, each zeroed element included.

//#include shared/philox.wgsl
//#include symmetry/parts/shape.wgsl
//#include align/parts/visits.wgsl

//#default N 32
//#default SIGNED 0
const SIGNED = $SIGNEDu;

// As in match.wgsl; shape.extra.w = threads.
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> pairs: array<vec4<u32>>;            // [pairs] (a, b, stream of draws)
@group(0) @binding(2) var<storage, read> orders: array<u32>;                 // [pairs][recorded] a layer per 4 bits
@group(0) @binding(3) var<storage, read> reference: array<f32>;              // [any][param_count], holds a
@group(0) @binding(4) var<storage, read> source: array<f32>;                 // [any][param_count], holds b
@group(0) @binding(5) var<storage, read_write> moves: array<Move>;           // [pairs][hidden]
@group(0) @binding(6) var<storage, read_write> states: array<vec4<u32>>;     // [pairs]
@group(0) @binding(7) var<storage, read_write> duals: array<f32>;            // [pairs][hidden]

// Numbers per neuron on their way from or to storage: loaded in a loop of their own, they do not cut the long pieces of code in two.
var<private> x: array<f32, $[2 * N]>;
var<private> y: array<f32, $[2 * N]>;
var<private> z: array<f32, $N>;
var<private> shift: array<f32, $N>;
var<private> old_source: array<u32, $N>;

// Bits of the first n.
fn all_of(n: u32) -> u32 {
  return select((1u << (n & 31u)) - 1u, 0xffffffffu, n == 32u);
}

// A number below 32 for each of 32 neurons: bit j of word b, the four of `low` and then `high`, is bit b of the number of neuron j.
struct Numbers {
  low: vec4<u32>,
  high: u32,
}

fn number_of(all: Numbers, j: u32) -> u32 {
  let bits = ((all.low >> vec4<u32>(j)) & vec4<u32>(1u)) << vec4<u32>(0u, 1u, 2u, 3u);
  return bits.x | bits.y | bits.z | bits.w | (((all.high >> j) & 1u) << 4u);
}

// The same with `value` for all neurons whose bit is set in `which`.
fn with_number(all: Numbers, which: u32, value: u32) -> Numbers {
  let low = vec4<u32>(0u) - ((vec4<u32>(value) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u));
  let high = 0u - ((value >> 4u) & 1u);
  return Numbers(all.low ^ ((all.low ^ low) & vec4<u32>(which)), all.high ^ ((all.high ^ high) & which));
}

// Hop from a row, step back along a path, or begin the next path.
const BEGIN = 0u;
const HOP = 1u;
const BACK = 2u;

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  var pair = 8u * (wid.y * grid.x + wid.x) + lane;
  let layers = shape.layers - 1u;
  var state = vec4<u32>(0u, 0u, 0u, 1u);
  var begun = false;
  for (var visit = 0u; visit < shape.count; visit++) {
    // The next pair with something to do; a thread that has none leaves.
    while pair < shape.nets {
      if !begun {
        state = states[pair];
        begun = true;
      }
      state = advanced(pair, state);
      if state.w == 0u {
        break;
      }
      states[pair] = state;
      pair += shape.extra.w;
      begun = false;
    }
    if pair >= shape.nets {
      break;
    }
    let l = layer_of(state);
    let layer = shape.layer[l];
    let next = shape.layer[l + 1u];
    let n = layer.w;
    let rough = is_rough(state);
    let a = pairs[pair].x * shape.param_count;
    let b = pairs[pair].y * shape.param_count;
    let own = pair * shape.hidden + shape.neuron[l].x;

    // Row i, column j of the costs, and of the sums over incoming and over outgoing weights that SIGNED = 1 chooses by.
//#for i in 0..N
//#for j in 0..N
    var c$[i]_$j = 0.0;
    var r$[i]_$j = 0.0;
    var o$[i]_$j = 0.0;
//#end
//#end
    // Lanes may be at different layers, so incoming weights, outgoing weights and (where they need no choice) biases are one loop.
    let ins = layer.z;
    let outs = select(next.w, 0u, rough);
    let terms = ins + outs + (1u - SIGNED);
    for (var term = 0u; term < terms; term += 2u) {
//#for t in 0..2
      // The neuron c of the layer below or above, where its weights begin in both nets and how far they are apart. Beyond the
      // last term: biases times 0.
      let below$t = term + $tu < ins;
      {
        let c = select(term + $tu - ins, term + $tu, below$t);
        var factor = select(0.0, 1.0, term + $tu < terms);
        var near = a + layer.y;
        var far = b + layer.y;
        var stride = 1u;
        if term + $tu < ins + outs {
          var m = Move(c, 1.0, 0.0, 1.0);
          if below$t && l > 0u {
            m = moves[own - ins + c];
          } else if !below$t && l + 1u < layers {
            m = moves[own + n + c];
          }
          factor = select(m.row, m.column, below$t);
          near = a + select(next.x + c * n, layer.x + c, below$t);
          far = b + select(next.x + m.source * n, layer.x + m.source, below$t);
          stride = select(1u, ins, below$t);
        }
        for (var i = 0u; i < n; i += 4u) {
//#for q in 0..4
          {
            let at = min(i + $qu, n - 1u) * stride;
            x[$[N * t]u + i + $qu] = reference[near + at];
            y[$[N * t]u + i + $qu] = factor * source[far + at];
          }
//#end
        }
      }
//#for i in 0..N
      let x$[i]_$t = x[$[N * t + i]];
      let y$[i]_$t = y[$[N * t + i]];
//#end
//#end
      if SIGNED == 0u {
//#for i in 0..N
//#for j in 0..N
        c$[i]_$j -= x$[i]_0 * y$[j]_0 + x$[i]_1 * y$[j]_1;
//#end
//#end
      } else {
        let counts = select(vec2<f32>(), vec2<f32>(1.0), vec2<bool>(below0, below1));
//#for i in 0..N
        let in$i = counts * vec2<f32>(x$[i]_0, x$[i]_1);
        let out$i = vec2<f32>(x$[i]_0, x$[i]_1) - in$i;
//#for j in 0..N
        r$[i]_$j += in$[i].x * y$[j]_0 + in$[i].y * y$[j]_1;
        o$[i]_$j += out$[i].x * y$[j]_0 + out$[i].y * y$[j]_1;
//#end
//#end
      }
    }
    if SIGNED == 1u {
      for (var i = 0u; i < n; i++) {
        x[i] = reference[a + layer.y + i];
        y[i] = source[b + layer.y + i];
      }
      for (var i = 0u; i < n; i++) {
        let bias = x[i];
//#for j in 0..N
        var r$j = r0_$j;
        var o$j = o0_$j;
//#end
//#for k in 1..N
//#for j in 0..N
        r$j = select(r$j, r$[k]_$j, i == $ku);
        o$j = select(o$j, o$[k]_$j, i == $ku);
//#end
//#end
//#for j in 0..N
        let g$j = -choose(r$j, o$j, bias, y[$j]).x;
//#end
//#for k in 0..N
//#for j in 0..N
        c$[k]_$j = select(c$[k]_$j, g$j, i == $ku);
//#end
//#end
      }
    }

    // The bits of the largest cost: infinity and NaN are above all numbers.
    var worst = 0u;
//#for i in 0..N
//#for j in 0..N
    if max($iu, $ju) < n {
      worst = max(worst, bitcast<u32>(c$[i]_$j) & 0x7fffffffu);
    } else {
      c$[i]_$j = FAR;
    }
//#end
//#end
    if worst >= bitcast<u32>(FAR) {
      state.w = 16u + l;
      continue;
    }
    let warm = (state.z & (VISITED << l)) != 0u;
    for (var j = 0u; j < n; j++) {
      z[j] = select(0.0, duals[own + j], warm);
    }
//#for j in 0..N
    var dual$j = z[$j];
    if !warm && $ju < n {
      dual$j = c0_$j;
//#for i in 1..N
      dual$j = min(dual$j, c$[i]_$j);
//#end
    }
    var shortest$j = FAR;
//#end
    // Row of every column, column of every row, and the row from which a path came to every column.
    var row_of = Numbers();
    var col_of = Numbers();
    var parent = Numbers();
    // A row goes to the column that is cheapest for it, if that is open.
    let absent = ~all_of(n);
    var free = 0u;
    var open = ~absent;
//#for i in 0..N
    {
      var best = FAR;
      var at = 0u;
//#for j in 0..N
      {
        let d = c$[i]_$j - dual$j;
        at = select(at, $ju, d < best);
        best = min(best, d);
      }
//#end
      let taken = $iu < n && ((open >> at) & 1u) != 0u;
      free |= select(0u, 1u << $iu, $iu < n && !taken);
      open &= ~select(0u, 1u << at, taken);
      col_of = with_number(col_of, 1u << $iu, at);
      row_of = with_number(row_of, select(0u, 1u << at, taken), $iu);
    }
//#end

    var mode = BEGIN;
    var first = 0u;
    var row = 0u;
    var column = 0u;
    var scanned = absent;
    var low = 0.0;
    // At most n (n + 1) / 2 hops and as many steps back.
    for (var round = 0u; round < 1200u; round++) {
      if mode == BEGIN {
        if free == 0u {
          break;
        }
        first = firstTrailingBit(free);
        row = first;
        scanned = absent;
        low = 0.0;
        mode = HOP;
//#for j in 0..N
        shortest$j = FAR;
//#end
      }
      if mode == HOP {
//#for j in 0..N
        var d$j = c0_$j;
//#end
//#for i in 1..N
        let is$i = row == $iu;
//#for j in 0..N
        d$j = select(d$j, c$[i]_$j, is$i);
//#end
//#end
        // The reduced cost of the matched edge that led here, which is nothing but the row's potential.
        var own_potential = 0.0;
//#for j in 0..N
        d$j -= dual$j;
        own_potential = select(own_potential, d$j, column == $ju);
//#end
        let base = low - select(own_potential, 0.0, row == first);
        var best = FAR;
        var at = 0u;
        var improved = 0u;
//#for j in 0..N
        {
          let far = base + d$j;
          let ahead = (scanned & (1u << $ju)) == 0u;
          let nearer = ahead && far < shortest$j;
          shortest$j = select(shortest$j, far, nearer);
          improved |= select(0u, 1u << $ju, nearer);
          let least = ahead && shortest$j < best;
          best = select(best, shortest$j, least);
          at = select(at, $ju, least);
        }
//#end
        parent = with_number(parent, improved, row);
        column = at;
        low = best;
        if ((open >> at) & 1u) != 0u {
          open &= ~(1u << at);
          free &= ~(1u << first);
          mode = BACK;
//#for j in 0..N
          dual$j += select(0.0, shortest$j - low, ((scanned & ~absent) & (1u << $ju)) != 0u);
//#end
        } else {
          scanned |= 1u << at;
          row = number_of(row_of, at);
        }
      }
//#for step in 0..2
      if mode == BACK {
        let i = number_of(parent, column);
        let before = number_of(col_of, i);
        row_of = with_number(row_of, 1u << column, i);
        col_of = with_number(col_of, 1u << i, column);
        column = before;
        if i == first {
          mode = BEGIN;
        }
      }
//#end
    }

    // What the new places gain over the old ones, and how large the terms are.
//#for j in 0..N
    z[$j] = dual$j;
//#end
    for (var j = 0u; j < n; j++) {
      duals[own + j] = z[j];
      let old = moves[own + j];
      old_source[j] = old.source;
      if SIGNED == 1u {
        z[j] = old.row;
        shift[j] = round(old.shift / shape.numbers.x);
      }
    }
    var change = 0.0;
    var size = 0.0;
    // Rows whose move is another one now.
    var others = 0u;
//#for j in 0..N
    let y$j = y[$j];
//#end
//#for i in 0..N
    let source$i = old_source[$i];
    let column$i = number_of(col_of, $iu);
    let sign$i = z[$i];
    let shift$i = shift[$i];
    if SIGNED == 0u {
      var before = c$[i]_0;
      var after = c$[i]_0;
//#for j in 1..N
      before = select(before, c$[i]_$j, source$i == $ju);
      after = select(after, c$[i]_$j, column$i == $ju);
//#end
      change += select(0.0, before - after, $iu < n);
      size += select(0.0, abs(after), $iu < n);
      others |= select(0u, 1u << $iu, $iu < n && column$i != source$i);
    } else {
      var before = vec3<f32>(r$[i]_0, o$[i]_0, y0);
      var after = before;
//#for j in 1..N
      before = select(before, vec3<f32>(r$[i]_$j, o$[i]_$j, y$j), source$i == $ju);
      after = select(after, vec3<f32>(r$[i]_$j, o$[i]_$j, y$j), column$i == $ju);
//#end
      let best = choose(after.x, after.y, x[$i], after.z);
      change += select(0.0, best.x - gain(before.x, before.y, x[$i], before.z, sign$i, shift$i), $iu < n);
      size += select(0.0, abs(best.x), $iu < n);
      let other = column$i != source$i || best.y != sign$i || best.z != shift$i;
      others |= select(0u, 1u << $iu, $iu < n && other);
      z[$i] = best.y;
      shift[$i] = best.z;
    }
    old_source[$i] = column$i;
//#end
    let gained = rough || change > shape.numbers.y * size;
    // Equal but for rounding: take the new places as the reference does, unless they are worse.
    if !gained && change < 0.0 {
      others = 0u;
    }
    for (var i = 0u; i < n; i++) {
      if ((others >> i) & 1u) != 0u {
        var m = Move(old_source[i], 1.0, 0.0, 1.0);
        if SIGNED == 1u {
          m = move_of(old_source[i], vec3<f32>(0.0, z[i], shift[i]));
        }
        moves[own + i] = m;
      }
    }
    state = visited(state, gained, others != 0u);
  }
  if begun {
    states[pair] = state;
  }
}
