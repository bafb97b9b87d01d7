// Full-batch Adam on many small SIRENs, many steps in one dispatch.
//
//   z_0 = omega (W_0 x + b_0),  z_h = omega (W_h sin z_{h-1} + b_h),  y = W_L sin z_{L-1} + b_L + offset
//   loss = mean over points and outputs of (y - target)^2
//   delta_L = dloss/dy,  delta_h = omega cos z_h * (W_{h+1}^T delta_{h+1})
//   dW_h = sum over points of delta_h (sin z_{h-1})^T,  db_h = sum over points of delta_h
//   Adam (Kingma & Ba 2015) with bias correction, as PyTorch orders the operations.
//
// One workgroup owns one network for the whole dispatch; nothing is shared between workgroups.
// Points go through in tiles of T = 8 GP. Hidden widths are padded to HP = 8 GN; padded neurons have
// zero parameters, therefore zero activations and zero gradients, and stay zero under Adam.
//
// The workgroup is GN x GP threads. In the two products over activations (forward and back) thread
// (ng, pg) owns an 8 x 8 register tile: neurons 4 ng + {0..3} and HP/2 + 4 ng + {0..3}, point quads
// pg and GP + pg. In the weight gradient, thread (jg, kg, s) owns the 8 x 8 tile (jg, kg) of dW over
// the s-th part of the points, in registers for the whole step if there is one hidden matrix.
// All operands are vec4: sixteen loads feed 256 multiply-adds.
//
// Memory (vec4 units; where it lives is decided by the included memory_*.wgsl):
//   parameters  W_0 rows [HP] = (w_x, w_y, w_z, bias); per hidden matrix rows [HP][HV] and biases
//               [HV]; output columns [HP] = (W_L[0][j], W_L[1][j], W_L[2][j], 0); output bias [1].
//   activations arrays of [HP][TV]: sin z_h for h < HL-1, then delta_h for h < HL (which holds
//               omega cos z_h until the backward pass reaches it).
// Rows are swizzled: quad c of row r lies at c ^ ((r ^ r >> 2) & mask), so that threads reading the
// same quad of different rows meet different banks.

//#include shared/sine.wgsl

override GN: u32;      // neuron groups: padded width / 8, a power of two
override GP: u32;      // point groups: tile / 8, a power of two, at least GN
override HL: u32;      // hidden layers
override INS: u32;     // coordinates per point, 1..3
override OUTS: u32;    // outputs, 1..3

override HP: u32 = 8u * GN;
override HALF: u32 = 4u * GN;
override HV: u32 = 2u * GN;
override TV: u32 = 2u * GP;
override WG: u32 = GN * GP;
override SPLITS: u32 = GP / GN;
override SWT: u32 = min(7u, TV - 1u);
override SWH: u32 = min(7u, HV - 1u);
override MATRIX: u32 = HP * HV + HV;                    // one hidden matrix with its biases
override PV: u32 = HP + (HL - 1u) * MATRIX + HP + 1u;   // all parameters of a network
override ARRAY: u32 = HP * TV;
override AV: u32 = (2u * HL - 1u) * ARRAY;              // all activations of a tile
// Partial gradients at the end of a step reuse the activations' memory; with several hidden
// matrices the hidden part lives in `scratch` instead and is updated tile by tile.
override G_FIRST: u32 = 0u;
override G_LAST: u32 = GP * HP;
override G_HIDDEN: u32 = 2u * GP * HP;
override G_MATRIX: u32 = SPLITS * HP * HV;
override G_LAYER: u32 = G_MATRIX + GP * HV;

struct FitParams {
  nets: u32,           // entries of `active` to process
  points: u32,         // valid points
  tiles: u32,
  steps: u32,          // optimiser steps in this dispatch, at most 64
  max_steps: u32,
  omega: f32,
  offset: f32,
  target_mse: f32,     // stop a net below this loss
  one_minus_beta1: f32,
  beta2: f32,
  one_minus_beta2: f32,
  epsilon: f32,
  grad_scale: f32,     // 2 / (points * outputs)
  loss_scale: f32,     // 1 / (points * outputs)
  scratch_stride: u32, // vec4 per workgroup in `scratch`
  pad: u32,
  // Step s: (lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t)), from f64. All running nets share t.
  schedule: array<vec4<f32>, 64>,
}

struct NetState {
  status: u32,         // 0 running, 1 reached the target, 2 all steps done, 3 diverged
  steps: u32,          // updates applied
  mse: f32,            // loss last evaluated; of the stored parameters once not running
  pad: u32,
}

@group(0) @binding(0) var<uniform> fit: FitParams;
@group(0) @binding(1) var<storage, read> active_nets: array<u32>;
@group(0) @binding(2) var<storage, read> coords: array<vec4<f32>>;      // [INS][tiles * TV], planar
@group(0) @binding(3) var<storage, read> targets: array<vec4<f32>>;     // [nets][OUTS][tiles * TV]
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;   // [nets][PV]
@group(0) @binding(5) var<storage, read_write> moments: array<vec4<f32>>;  // [nets][2][PV]: m, v
@group(0) @binding(6) var<storage, read_write> states: array<NetState>;    // [nets]
@group(0) @binding(7) var<storage, read_write> scratch: array<vec4<f32>>;  // [workgroups][stride]

var<workgroup> errors: array<vec4<f32>, OUTS * TV>;   // delta_L of the tile, [OUTS][TV]
var<workgroup> sums: array<vec4<f32>, WG>;            // (output-bias gradient 0..2, squared error)
var<workgroup> verdict: u32;
var<private> param_base: u32;
var<private> scratch_base: u32;

fn act_at(array_index: u32, row: u32, quad: u32) -> u32 {
  return array_index * ARRAY + row * TV + (quad ^ ((row ^ (row >> 2u)) & SWT));
}

fn weight_at(h: u32, row: u32, quad: u32) -> u32 {
  return HP + (h - 1u) * MATRIX + row * HV + (quad ^ ((row ^ (row >> 2u)) & SWH));
}

fn sum4(x: vec4<f32>) -> f32 {
  return (x.x + x.y) + (x.z + x.w);
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let slot = workgroup.y * grid.x + workgroup.x;
  if slot >= fit.nets {
    return;
  }
  let net = active_nets[slot];
  if lid == 0u {
    verdict = states[net].status;
  }
  if workgroupUniformLoad(&verdict) != 0u {
    return;
  }
  param_base = net * PV;
  scratch_base = slot * fit.scratch_stride;
  begin_params(lid);

  let ng = lid / GP;
  let pg = lid % GP;
  let jg = (lid / GN) % GN;
  let kg = lid % GN;
  let first_quad = (lid / (GN * GN)) * HV;
  let point_quads = fit.tiles * TV;

  for (var step = 0u; step < fit.steps; step++) {
    var sum = vec4<f32>();
    var dw: array<vec4<f32>, 16>;      // tile of dW_h: [j][k quad]
    var dbias: array<vec4<f32>, 2>;    // hidden biases of the own neurons
//#for i in 0..8
    var dfirst$i = vec4<f32>();        // (dW_0 x, y, z, db_0) of own neuron i
    var dlast$i = vec4<f32>();         // dW_L column of own neuron i
//#end

    for (var tile = 0u; tile < fit.tiles; tile++) {
      let q0 = tile * TV + pg;
      let q1 = q0 + GP;
      var acc: array<vec4<f32>, 16>;   // [own neuron][own point quad]

      // Layer 0.
      {
        let x0 = coords[q0];
        let x1 = coords[q1];
//#for i in 0..8
        let w$i = load_param(4u * ng + ($iu & 3u) + ($iu >> 2u) * HALF);
        acc[2 * $i] = w$i.x * x0 + w$i.w;
        acc[2 * $i + 1] = w$i.x * x1 + w$i.w;
//#end
        if INS > 1u {
          let y0 = coords[point_quads + q0];
          let y1 = coords[point_quads + q1];
//#for i in 0..8
          acc[2 * $i] += w$i.y * y0;
          acc[2 * $i + 1] += w$i.y * y1;
//#end
        }
        if INS > 2u {
          let z0 = coords[2u * point_quads + q0];
          let z1 = coords[2u * point_quads + q1];
//#for i in 0..8
          acc[2 * $i] += w$i.z * z0;
          acc[2 * $i + 1] += w$i.z * z1;
//#end
        }
      }

      // Hidden layers: activate and store the layer below, then multiply.
      for (var h = 1u; h < HL; h++) {
//#for i in 0..8
        {
          let row = 4u * ng + ($iu & 3u) + ($iu >> 2u) * HALF;
//#for q in 0..2
          let sc$q = sin_cos(fit.omega * acc[2 * $i + $q]);
          store_act(act_at(h - 1u, row, $qu * GP + pg), sc$q.sin);
          store_act(act_at(HL + h - 2u, row, $qu * GP + pg), fit.omega * sc$q.cos);
//#end
        }
//#end
        sync();
        let biases = HP + (h - 1u) * MATRIX + HP * HV;
        let bias0 = load_param(biases + ng);
        let bias1 = load_param(biases + GN + ng);
//#for i in 0..4
        acc[2 * $i] = vec4<f32>(bias0[$i]);
        acc[2 * $i + 1] = vec4<f32>(bias0[$i]);
        acc[8 + 2 * $i] = vec4<f32>(bias1[$i]);
        acc[9 + 2 * $i] = vec4<f32>(bias1[$i]);
//#end
        for (var k = 0u; k < HV; k++) {
//#for i in 0..8
          let w$i = load_param(weight_at(h, 4u * ng + ($iu & 3u) + ($iu >> 2u) * HALF, k));
//#end
//#for c in 0..4
          {
            let a0 = load_act(act_at(h - 1u, 4u * k + $cu, pg));
            let a1 = load_act(act_at(h - 1u, 4u * k + $cu, GP + pg));
//#for i in 0..8
            acc[2 * $i] += w$i[$c] * a0;
            acc[2 * $i + 1] += w$i[$c] * a1;
//#end
          }
//#end
        }
      }

      // Output layer: each thread's share of y, then errors by a few threads. The shares lie where
      // delta of the last hidden layer will be written after the errors are known.
      let shares = (2u * HL - 2u) * ARRAY;
      let last = HP + (HL - 1u) * MATRIX;
      {
//#for o in 0..3
        var y$o_0 = vec4<f32>();
        var y$o_1 = vec4<f32>();
//#end
//#for i in 0..8
        {
          let v = load_param(last + 4u * ng + ($iu & 3u) + ($iu >> 2u) * HALF);
          let s0 = sin_cos(fit.omega * acc[2 * $i]).sin;
          let s1 = sin_cos(fit.omega * acc[2 * $i + 1]).sin;
//#for o in 0..3
          if OUTS > $ou {
            y$o_0 += v[$o] * s0;
            y$o_1 += v[$o] * s1;
          }
//#end
        }
//#end
//#for o in 0..3
        if OUTS > $ou {
          store_act(shares + ($ou * GN + ng) * TV + pg, y$o_0);
          store_act(shares + ($ou * GN + ng) * TV + GP + pg, y$o_1);
        }
//#end
      }
      sync();
      let output_bias = load_param(PV - 1u);
      for (var e = lid; e < OUTS * TV; e += WG) {
        let o = e / TV;
        let quad = e % TV;
        var y = vec4<f32>(output_bias[o] + fit.offset);
        for (var g = 0u; g < GN; g++) {
          y += load_act(shares + (o * GN + g) * TV + quad);
        }
        let wanted = targets[(net * OUTS + o) * point_quads + tile * TV + quad];
        let point = 4u * (tile * TV + quad) + vec4<u32>(0u, 1u, 2u, 3u);
        let d = select(vec4<f32>(), y - wanted, point < vec4<u32>(fit.points));
        let derror = fit.grad_scale * d;
        errors[e] = derror;
        let total = sum4(derror);
        sum += vec4<f32>(
          select(0.0, total, o == 0u),
          select(0.0, total, o == 1u),
          select(0.0, total, o == 2u),
          dot(d, d),
        );
      }
      sync();

      // delta of the last hidden layer, dW_L.
//#for o in 0..3
      var e$o_0 = vec4<f32>();
      var e$o_1 = vec4<f32>();
      if OUTS > $ou {
        e$o_0 = errors[$ou * TV + pg];
        e$o_1 = errors[$ou * TV + GP + pg];
      }
//#end
//#for i in 0..8
      {
        let v = load_param(last + 4u * ng + ($iu & 3u) + ($iu >> 2u) * HALF);
        let sc0 = sin_cos(fit.omega * acc[2 * $i]);
        let sc1 = sin_cos(fit.omega * acc[2 * $i + 1]);
        var back0 = vec4<f32>();
        var back1 = vec4<f32>();
//#for o in 0..3
        if OUTS > $ou {
          dlast$i[$o] += dot(e$o_0, sc0.sin) + dot(e$o_1, sc1.sin);
          back0 += v[$o] * e$o_0;
          back1 += v[$o] * e$o_1;
        }
//#end
        acc[2 * $i] = fit.omega * sc0.cos * back0;
        acc[2 * $i + 1] = fit.omega * sc1.cos * back1;
      }
//#end

      // Back through the hidden matrices; acc holds delta_h.
      for (var h = HL - 1u; h > 0u; h--) {
//#for i in 0..8
        {
          let row = 4u * ng + ($iu & 3u) + ($iu >> 2u) * HALF;
          store_act(act_at(HL - 1u + h, row, pg), acc[2 * $i]);
          store_act(act_at(HL - 1u + h, row, GP + pg), acc[2 * $i + 1]);
        }
//#end
        if HL > 2u {
          load_hidden_sums(h, lid, tile, &dw, &dbias);
        }
//#for i in 0..4
        dbias[0][$i] += sum4(acc[2 * $i] + acc[2 * $i + 1]);
        dbias[1][$i] += sum4(acc[8 + 2 * $i] + acc[9 + 2 * $i]);
//#end
        sync();

        for (var n = 0u; n < HV; n++) {
//#for i in 0..8
          let d$i = load_act(act_at(HL - 1u + h, 4u * jg + ($iu & 3u) + ($iu >> 2u) * HALF, first_quad + n));
//#end
//#for k in 0..8
          {
            let a = load_act(act_at(h - 1u, 4u * kg + ($ku & 3u) + ($ku >> 2u) * HALF, first_quad + n));
//#for i in 0..8
            dw[2 * $i + ($k >> 2u)][$k & 3] += dot(d$i, a);
//#end
          }
//#end
        }
        if HL > 2u {
          store_hidden_sums(h, lid, &dw, &dbias);
        }

//#for i in 0..16
        acc[$i] = vec4<f32>();
//#end
        for (var j = 0u; j < HP; j++) {
          let w0 = load_param(weight_at(h, j, ng));
          let w1 = load_param(weight_at(h, j, GN + ng));
          let d0 = load_act(act_at(HL - 1u + h, j, pg));
          let d1 = load_act(act_at(HL - 1u + h, j, GP + pg));
//#for i in 0..4
          acc[2 * $i] += w0[$i] * d0;
          acc[2 * $i + 1] += w0[$i] * d1;
          acc[8 + 2 * $i] += w1[$i] * d0;
          acc[9 + 2 * $i] += w1[$i] * d1;
//#end
        }
//#for i in 0..8
        {
          let row = 4u * ng + ($iu & 3u) + ($iu >> 2u) * HALF;
          acc[2 * $i] *= load_act(act_at(HL + h - 2u, row, pg));
          acc[2 * $i + 1] *= load_act(act_at(HL + h - 2u, row, GP + pg));
        }
//#end
      }

      // dW_0; acc holds delta_0.
      {
        let x0 = coords[q0];
        let x1 = coords[q1];
//#for i in 0..8
        dfirst$i.x += dot(acc[2 * $i], x0) + dot(acc[2 * $i + 1], x1);
        dfirst$i.w += sum4(acc[2 * $i] + acc[2 * $i + 1]);
//#end
        if INS > 1u {
          let y0 = coords[point_quads + q0];
          let y1 = coords[point_quads + q1];
//#for i in 0..8
          dfirst$i.y += dot(acc[2 * $i], y0) + dot(acc[2 * $i + 1], y1);
//#end
        }
        if INS > 2u {
          let z0 = coords[2u * point_quads + q0];
          let z1 = coords[2u * point_quads + q1];
//#for i in 0..8
          dfirst$i.z += dot(acc[2 * $i], z0) + dot(acc[2 * $i + 1], z1);
//#end
        }
      }
      sync();   // the next tile writes what this one still reads
    }

    // Partial gradients to memory, the loss to one thread.
//#for i in 0..8
    {
      let row = 4u * ng + ($iu & 3u) + ($iu >> 2u) * HALF;
      store_act(G_FIRST + pg * HP + row, dfirst$i);
      store_act(G_LAST + pg * HP + row, dlast$i);
    }
//#end
    if HL == 2u {
//#for i in 0..8
      {
        let row = (lid / (GN * GN)) * HP + 4u * jg + ($iu & 3u) + ($iu >> 2u) * HALF;
        store_act(G_HIDDEN + row * HV + kg, dw[2 * $i]);
        store_act(G_HIDDEN + row * HV + GN + kg, dw[2 * $i + 1]);
      }
//#end
      store_act(G_HIDDEN + G_MATRIX + pg * HV + ng, dbias[0]);
      store_act(G_HIDDEN + G_MATRIX + pg * HV + GN + ng, dbias[1]);
    }
    sums[lid] = sum;
    sync();
    if lid == 0u {
      var total = vec4<f32>();
      for (var t = 0u; t < WG; t++) {
        total += sums[t];
      }
      sums[0] = total;
      let mse = total.w * fit.loss_scale;
      var state = states[net];
      state.mse = mse;
      var status = 0u;
      if is_not_finite(mse) {
        status = 3u;
      } else if mse < fit.target_mse {
        status = 1u;
      } else if state.steps >= fit.max_steps {
        status = 2u;
      } else {
        state.steps += 1u;
      }
      state.status = status;
      states[net] = state;
      verdict = status;
    }
    if workgroupUniformLoad(&verdict) != 0u {
      break;
    }

    // Adam over all parameters.
    let rate = fit.schedule[step];
    for (var i = lid; i < PV; i += WG) {
      var g = vec4<f32>();
      if i < HP {
        for (var p = 0u; p < GP; p++) {
          g += load_act(G_FIRST + p * HP + i);
        }
      } else if i < last_param() {
        g = hidden_gradient(i - HP);
      } else if i < PV - 1u {
        for (var p = 0u; p < GP; p++) {
          g += load_act(G_LAST + p * HP + i - last_param());
        }
      } else {
        g = vec4<f32>(sums[0].xyz, 0.0);
      }
      let at = 2u * param_base + i;
      let m = moments[at] + (g - moments[at]) * fit.one_minus_beta1;
      let v = moments[at + PV] * fit.beta2 + g * g * fit.one_minus_beta2;
      moments[at] = m;
      moments[at + PV] = v;
      store_param(i, load_param(i) - rate.x * (m / (sqrt(v) * rate.y + fit.epsilon)));
    }
    sync();
  }
  end_params(lid);
}

fn last_param() -> u32 {
  return HP + (HL - 1u) * MATRIX;
}

// Gradient of vec4 `q` of the hidden matrices and biases, summed over its partial copies.
fn hidden_gradient(q: u32) -> vec4<f32> {
  let layer = q / MATRIX;
  let r = q % MATRIX;
  var start: u32;
  var stride: u32;
  var copies: u32;
  if r < HP * HV {
    // Parameters are swizzled within a row, partial gradients are not.
    let row = r / HV;
    start = row * HV + ((r % HV) ^ ((row ^ (row >> 2u)) & SWH));
    stride = HP * HV;
    copies = SPLITS;
  } else {
    start = G_MATRIX + r - HP * HV;
    stride = HV;
    copies = GP;
  }
  var g = vec4<f32>();
  for (var c = 0u; c < copies; c++) {
    let at = start + c * stride;
    if HL > 2u {
      g += scratch[scratch_base + layer * G_LAYER + at];
    } else {
      g += load_act(G_HIDDEN + at);
    }
  }
  return g;
}

// With several hidden matrices their running sums live in `scratch`, each thread's in its own place.
fn hidden_sums_at(h: u32) -> u32 {
  return scratch_base + (h - 1u) * G_LAYER;
}

fn load_hidden_sums(
  h: u32, lid: u32, tile: u32,
  dw: ptr<function, array<vec4<f32>, 16>>, dbias: ptr<function, array<vec4<f32>, 2>>,
) {
  if tile == 0u {
//#for i in 0..16
    (*dw)[$i] = vec4<f32>();
//#end
    (*dbias)[0] = vec4<f32>();
    (*dbias)[1] = vec4<f32>();
    return;
  }
  let base = hidden_sums_at(h);
  let rows = base + (lid / (GN * GN)) * HP * HV + lid % GN;
  let jg = (lid / GN) % GN;
//#for i in 0..8
  (*dw)[2 * $i] = scratch[rows + (4u * jg + ($iu & 3u) + ($iu >> 2u) * HALF) * HV];
  (*dw)[2 * $i + 1] = scratch[rows + (4u * jg + ($iu & 3u) + ($iu >> 2u) * HALF) * HV + GN];
//#end
  let biases = base + G_MATRIX + (lid % GP) * HV + lid / GP;
  (*dbias)[0] = scratch[biases];
  (*dbias)[1] = scratch[biases + GN];
}

fn store_hidden_sums(
  h: u32, lid: u32,
  dw: ptr<function, array<vec4<f32>, 16>>, dbias: ptr<function, array<vec4<f32>, 2>>,
) {
  let base = hidden_sums_at(h);
  let rows = base + (lid / (GN * GN)) * HP * HV + lid % GN;
  let jg = (lid / GN) % GN;
//#for i in 0..8
  scratch[rows + (4u * jg + ($iu & 3u) + ($iu >> 2u) * HALF) * HV] = (*dw)[2 * $i];
  scratch[rows + (4u * jg + ($iu & 3u) + ($iu >> 2u) * HALF) * HV + GN] = (*dw)[2 * $i + 1];
//#end
  let biases = base + G_MATRIX + (lid % GP) * HV + lid / GP;
  scratch[biases] = (*dbias)[0];
  scratch[biases + GN] = (*dbias)[1];
}
