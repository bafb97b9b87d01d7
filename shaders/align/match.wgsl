// Weight matching: moves the hidden neurons of net b towards those of net a, by coordinate ascent over the layers.
//
// Maximised is J(g) = <a, g b> - (|g b|^2 - |b|^2) / 2 over the moves g of b (symmetry/parts/moved.wgsl), which is
// (|a|^2 + |b|^2 - |a - g b|^2) / 2; for permutations and signs |g b| = |b| and J is the inner product. A visit of hidden layer l,
// with its neighbours as they are, builds
//
//   C[i][j] = s R + s t O + (x b' - b'^2 / 2 + y^2 / 2),    R = sum_c A_l^a[i][c] (g A_l^b)[j][c],  O likewise over the
//   outgoing weights,  x, y the biases of i and j,  b' = s y + k pi / omega_0,  t = (-1)^k,
//
// the gain of placing b's neuron j at position i, solves the assignment of greatest sum and moves the layer. Plain
// (SIGNED = 0): s = t = 1, k = 0. SIGNED = 1 takes for every (i, j) the best of the four (s, t), with the k of that parity that
// brings b' nearest to x. In its first sweep, which ascends, the outgoing weights of a layer do not count until the layer
// above was placed: against unplaced neurons, with free signs, they would be nothing but noise.
//
// One workgroup per pair and many visits per dispatch; what a pair needs later (moves, state) is in storage, so that
// a dispatch may stop after any visit and the next go on. A sweep whose gain is within rounding ends the pair. C lies in
// workgroup memory (PLACE = 0) where that suffices, else in storage. Each thread computes 4 x 4 tiles of C, 8 loads for
// 16 products. A cost that is NaN or infinite stops the pair with that layer in its state: no arbitrary permutation.

//#include shared/philox.wgsl
//#include shared/sine.wgsl
//#include symmetry/parts/shape.wgsl
//#include align/parts/visits.wgsl

override WG: u32;
override PER: u32;
// Row stride of C: the widest hidden layer, rounded up.
override N: u32;
// Widest layer of all, inputs and outputs too.
override WIDEST: u32;
override PLACE: u32;
// N * N, or 1 if C is in storage.
override NEAR: u32;
override SIGNED: u32;

// shape: nets = pairs, count = visits of this dispatch, numbers = (pi / omega_0, share of |C| that is rounding),
// extra = (most sweeps, order: 0 ascending, 1 random, 2 recorded, sweeps recorded).
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> pairs: array<vec4<u32>>;            // [pairs] (a, b, stream of draws)
@group(0) @binding(2) var<storage, read> orders: array<u32>;                 // [pairs][recorded] a layer per 4 bits
@group(0) @binding(3) var<storage, read> reference: array<f32>;              // [any][param_count], holds a
@group(0) @binding(4) var<storage, read> source: array<f32>;                 // [any][param_count], holds b
@group(0) @binding(5) var<storage, read_write> moves: array<Move>;           // [pairs][hidden]
@group(0) @binding(6) var<storage, read_write> states: array<vec4<u32>>;     // [pairs]
// [pairs][hidden] potentials of columns, then [N][N] costs of the pair if PLACE = 1
@group(0) @binding(7) var<storage, read_write> scratch: array<f32>;

var<workgroup> near: array<f32, NEAR>;
// (source, bits of the factor) of the neurons of the layers below and above.
var<workgroup> below: array<vec2<u32>, WIDEST>;
var<workgroup> above: array<vec2<u32>, WIDEST>;
var<workgroup> gains: array<vec2<f32>, 64>;
var<workgroup> control: vec4<u32>;
var<workgroup> bad: atomic<u32>;
var<workgroup> moved: atomic<u32>;
var<private> far: u32;

fn cost(i: u32, j: u32) -> f32 {
  if PLACE == 0u {
    return near[i * N + j];
  }
  return scratch[far + i * N + j];
}

fn set_cost(i: u32, j: u32, c: f32) {
  if PLACE == 0u {
    near[i * N + j] = c;
  } else {
    scratch[far + i * N + j] = c;
  }
}

//#include align/parts/assignment.wgsl

// A layer at a visit: offsets of both nets, the layer and the one above.
struct Visit {
  a: u32,
  b: u32,
  layer: vec4<u32>,
  next: vec4<u32>,
  // Outgoing weights that count.
  outs: u32,
}

// (R, O, x, y) of one pair of neurons.
fn products(v: Visit, i: u32, j: u32) -> vec4<f32> {
  var r = 0.0;
  for (var c = 0u; c < v.layer.z; c++) {
    let m = below[c];
    r += reference[v.a + v.layer.x + i * v.layer.z + c]
      * (bitcast<f32>(m.y) * source[v.b + v.layer.x + j * v.layer.z + m.x]);
  }
  var o = 0.0;
  for (var c = 0u; c < v.outs; c++) {
    let m = above[c];
    o += reference[v.a + v.next.x + c * v.next.z + i]
      * (bitcast<f32>(m.y) * source[v.b + v.next.x + m.x * v.next.z + j]);
  }
  return vec4<f32>(r, o, reference[v.a + v.layer.y + i], source[v.b + v.layer.y + j]);
}

fn build_costs(lane: u32, v: Visit) {
  let n = v.layer.w;
  let tiles = (n + 3u) / 4u;
  for (var tile = lane; tile < tiles * tiles; tile += WG) {
    let i = min(4u * (tile / tiles) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n - 1u));
    let j = min(4u * (tile % tiles) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n - 1u));
//#for q in 0..4
    var r$q = vec4<f32>();
    var o$q = vec4<f32>();
//#end
    let ia = v.a + v.layer.x + i * v.layer.z;
    let jb = v.b + v.layer.x + j * v.layer.z;
    for (var c = 0u; c < v.layer.z; c++) {
      let m = below[c];
      let x = vec4<f32>(reference[ia.x + c], reference[ia.y + c], reference[ia.z + c], reference[ia.w + c]);
      let y = bitcast<f32>(m.y)
        * vec4<f32>(source[jb.x + m.x], source[jb.y + m.x], source[jb.z + m.x], source[jb.w + m.x]);
//#for q in 0..4
      r$q += x[$q] * y;
//#end
    }
    for (var c = 0u; c < v.outs; c++) {
      let m = above[c];
      let ra = v.a + v.next.x + c * v.next.z + i;
      let rb = v.b + v.next.x + m.x * v.next.z + j;
      let x = vec4<f32>(reference[ra.x], reference[ra.y], reference[ra.z], reference[ra.w]);
      let y = bitcast<f32>(m.y) * vec4<f32>(source[rb.x], source[rb.y], source[rb.z], source[rb.w]);
//#for q in 0..4
      o$q += x[$q] * y;
//#end
    }
//#for q in 0..4
    {
      let x = reference[v.a + v.layer.y + i[$q]];
//#for w in 0..4
      {
        let y = source[v.b + v.layer.y + j[$w]];
        let g = choose(r$q[$w], o$q[$w], x, y).x;
        if is_not_finite(r$q[$w] + o$q[$w] + x * y) || abs(g) >= FAR {
          atomicMax(&bad, 1u);
        }
        set_cost(i[$q], j[$w], -g);
      }
//#end
    }
//#end
  }
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let pair = wid.y * grid.x + wid.x;
  if pair >= shape.nets {
    return;
  }
  let duals = pair * (shape.hidden + select(0u, N * N, PLACE == 1u));
  far = duals + shape.hidden;
  let layers = shape.layers - 1u;
  var state = states[pair];
  for (var visit = 0u; visit < shape.count; visit++) {
    if lane == 0u {
      state = advanced(pair, state);
      let l = layer_of(state);
      control = vec4<u32>(state.w, l, u32(is_rough(state)), state.z & (VISITED << l));
      atomicStore(&bad, 0u);
      atomicStore(&moved, 0u);
    }
    let now = workgroupUniformLoad(&control);
    if now.x != 0u {
      break;
    }
    let l = now.y;
    let rough = now.z == 1u;
    var v: Visit;
    v.a = pairs[pair].x * shape.param_count;
    v.b = pairs[pair].y * shape.param_count;
    v.layer = shape.layer[l];
    v.next = shape.layer[l + 1u];
    v.outs = select(v.next.w, 0u, rough);
    let n = v.layer.w;
    let own = pair * shape.hidden + shape.neuron[l].x;

    for (var c = lane; c < v.layer.z; c += WG) {
      below[c] = vec2<u32>(c, bitcast<u32>(1.0));
      if l > 0u {
        let m = moves[own - v.layer.z + c];
        below[c] = vec2<u32>(m.source, bitcast<u32>(m.column));
      }
    }
    for (var c = lane; c < v.next.w; c += WG) {
      above[c] = vec2<u32>(c, bitcast<u32>(1.0));
      if l + 1u < layers {
        let m = moves[own + n + c];
        above[c] = vec2<u32>(m.source, bitcast<u32>(m.row));
      }
    }
    let first_dual = duals + shape.neuron[l].x;
    if now.w != 0u {
      for (var j = lane; j < n; j += WG) {
        dual_col[j] = scratch[first_dual + j];
      }
    }
    workgroupBarrier();
    build_costs(lane, v);
    storageBarrier();
    workgroupBarrier();
    if lane == 0u {
      control.w = atomicLoad(&bad);
    }
    if workgroupUniformLoad(&control).w != 0u {
      if lane == 0u {
        state.w = 16u + l;
      }
      // The next round sees the status and ends.
      continue;
    }
    solve_assignment(lane, n, now.w != 0u);
    for (var j = lane; j < n; j += WG) {
      scratch[first_dual + j] = dual_col[j];
    }

    // What the new places gain over the old ones, and how large the terms are.
    var change = vec2<f32>();
    for (var i = lane; i < n; i += WG) {
      let old = moves[own + i];
      let j = col_of[i];
      var after = -cost(i, j);
      var before = -cost(i, old.source);
      if SIGNED == 1u {
        let p = products(v, i, old.source);
        before = gain(p.x, p.y, p.z, p.w, old.row, round(old.shift / shape.numbers.x));
        if j == old.source {
          after = choose(p.x, p.y, p.z, p.w).x;
        }
      }
      change += vec2<f32>(after - before, abs(after));
    }
    gains[lane] = change;
    workgroupBarrier();
    if lane == 0u {
      var all = vec2<f32>();
//#for k in 0..64
      if WG > $ku {
        all += gains[$k];
      }
//#end
      let gained = rough || all.x > shape.numbers.y * all.y;
      // Equal but for rounding: take the new places as the reference does, unless they are worse.
      control = vec4<u32>(u32(gained), u32(gained || all.x >= 0.0), 0u, 0u);
    }
    let verdict = workgroupUniformLoad(&control);
    if verdict.y == 1u {
      for (var i = lane; i < n; i += WG) {
        let j = col_of[i];
        var m = Move(j, 1.0, 0.0, 1.0);
        if SIGNED == 1u {
          let p = products(v, i, j);
          m = move_of(j, choose(p.x, p.y, p.z, p.w));
        }
        let old = moves[own + i];
        if old.source != m.source || (SIGNED == 1u && (old.row != m.row || old.shift != m.shift)) {
          moves[own + i] = m;
          atomicMax(&moved, 1u);
        }
      }
    }
    storageBarrier();
    workgroupBarrier();
    if lane == 0u {
      state = visited(state, verdict.x == 1u, atomicLoad(&moved) != 0u);
    }
  }
  if lane == 0u {
    states[pair] = state;
  }
}
