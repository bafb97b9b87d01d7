// Full-batch Adam on many small SIRENs, many steps in one dispatch.
//
//   z_0 = omega (W_0 x + b_0),  z_h = omega (W_h sin z_{h-1} + b_h),  y = W_L sin z_{L-1} + b_L + offset
//   loss = mean over points and outputs of (y - target)^2
//   delta_L = dloss/dy,  delta_h = omega cos z_h * (W_{h+1}^T delta_{h+1})
//   dW_h = sum over points of delta_h (sin z_{h-1})^T,  db_h = sum over points of delta_h
//   Adam (Kingma & Ba 2015) with bias correction, as PyTorch orders the operations.
//
// One workgroup owns one network for the whole dispatch; nothing is shared between workgroups.
// Points go through in tiles of T = 4 NQ GP. Hidden widths are padded to HP = NI GN; padded neurons have
// zero parameters, therefore zero activations and zero gradients, and stay zero under Adam.
//
// The register tile of a thread is NI neurons in RQ = NI / 4 quads, by NQ quads of points: with 8 x 8, the
// 64 accumulators and 64 for the weight gradient leave room for the operands within 255 registers. The
// workgroup is GN x GP threads. In the two products over activations (forward and back)
// thread (ng, pg) owns neurons 4 ng + {0..3} + 4 GN {0..RQ-1} and point quads pg + GP {0..NQ-1}. In the
// weight gradient thread (jg, kg, part) owns the NI x NI tile (jg, kg) of dW over one part of the
// points, in registers for the whole step if there is one hidden matrix. All operands are vec4: with
// 8 x 8 tiles sixteen loads feed 256 multiply-adds.
//
// Memory (vec4 units; where it lives is decided by the included memory_*.wgsl):
//   parameters  W_0 rows [HP] = (w_x, w_y, w_z, bias); per hidden matrix rows [HP][HV] and biases
//               [HV]; output columns [HP] = (W_L[0][j], W_L[1][j], W_L[2][j], 0); output bias [1].
//   activations arrays of [HP][TV]: sin z_h for h < HL-1, then delta_h for h < HL, which holds
//               omega cos z_h until the backward pass reaches it.
// Rows are swizzled: quad c of row r lies at c ^ ((r ^ r >> 2) & mask), so that threads reading the
// same quad of different rows meet different banks.

//#set NI 8
//#set RQ NI / 4
//#set NQ 2
//#include shared/sine.wgsl

override GN: u32;      // neuron groups, a power of two
override GP: u32;      // point groups, a power of two, at least GN
override HL: u32;      // hidden layers
override INS: u32;     // coordinates per point, 1..3
override OUTS: u32;    // outputs, 1..3

override HP: u32 = $NIu * GN;
override BLOCK: u32 = 4u * GN;
override HV: u32 = $RQu * GN;
override TV: u32 = $NQu * GP;
override WG: u32 = GN * GP;
override SPLITS: u32 = GP / GN;
override SWT: u32 = min(7u, TV - 1u);
override SWH: u32 = min(7u, HV - 1u);
override MATRIX: u32 = HP * HV + HV;                    // one hidden matrix with its biases
override PV: u32 = HP + (HL - 1u) * MATRIX + HP + 1u;   // all parameters of a network
override ARRAY: u32 = HP * TV;
override AV: u32 = (2u * HL - 1u) * ARRAY;   // all activations of a tile
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

//#include siren/parts/net_state.wgsl

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

// Array of delta_h, which is that of the slopes of layer h.
fn delta_array(h: u32) -> u32 {
  return HL - 1u + h;
}

fn slope_at(h: u32, row: u32, quad: u32) -> u32 {
  return act_at(delta_array(h), row, quad);
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
  let part = lid / (GN * GN);
  let point_quads = fit.tiles * TV;
//#for i in 0..NI
  let row$i = 4u * ng + ($iu & 3u) + ($iu >> 2u) * BLOCK;
//#end

  for (var step = 0u; step < fit.steps; step++) {
    var sum = vec4<f32>();
    // Zero by assignment, because SwiftShader behind Tint zeroes a variable without one only once, not at every
    // turn of the loop that it is declared in.
    var dw = array<vec4<f32>, $NI * $RQ>();   // tile of dW_h: [own j][own k quad]
    var dbias = array<vec4<f32>, $RQ>();      // hidden biases of the own neurons
//#for i in 0..NI
    var dfirst$i = vec4<f32>();            // (dW_0 x, y, z, db_0) of own neuron i
    var dlast$i = vec4<f32>();             // dW_L column of own neuron i
//#end

//#for i in 0..NI
    let v$i = load_param(last_param() + row$i);
//#end

    for (var tile = 0u; tile < fit.tiles; tile++) {
      let first = tile * TV + pg;          // the thread's first point quad; the others follow by GP
      var acc: array<vec4<f32>, $NI * $NQ>;   // [own neuron][own point quad]

      // Layer 0.
      {
//#for i in 0..NI
        let w$i = load_param(row$i);
//#end
//#for q in 0..NQ
        let x$q = coords[first + $qu * GP];
//#for i in 0..NI
        acc[$NQ * $i + $q] = w$i.x * x$q + w$i.w;
//#end
        if INS > 1u {
          let y = coords[point_quads + first + $qu * GP];
//#for i in 0..NI
          acc[$NQ * $i + $q] += w$i.y * y;
//#end
        }
        if INS > 2u {
          let z = coords[2u * point_quads + first + $qu * GP];
//#for i in 0..NI
          acc[$NQ * $i + $q] += w$i.z * z;
//#end
        }
//#end
      }

      // Hidden layers: activate and store the layer below, then multiply.
      for (var h = 1u; h < HL; h++) {
//#for i in 0..NI
//#for q in 0..NQ
        {
          let z = sin_cos(fit.omega * acc[$NQ * $i + $q]);
          store_act(act_at(h - 1u, row$i, $qu * GP + pg), z.sin);
          store_act(slope_at(h - 1u, row$i, $qu * GP + pg), fit.omega * z.cos);
        }
//#end
//#end
        sync();
        let biases = HP + (h - 1u) * MATRIX + HP * HV;
//#for b in 0..RQ
        let bias$b = load_param(biases + $bu * GN + ng);
//#for c in 0..4
//#for q in 0..NQ
        acc[$NQ * (4 * $b + $c) + $q] = vec4<f32>(bias$b[$c]);
//#end
//#end
//#end
        for (var k = 0u; k < HV; k++) {
//#for i in 0..NI
          let w$i = load_param(weight_at(h, row$i, k));
//#end
//#for c in 0..4
//#for q in 0..NQ
          {
            let a = load_act(act_at(h - 1u, 4u * k + $cu, $qu * GP + pg));
//#for i in 0..NI
            acc[$NQ * $i + $q] += w$i[$c] * a;
//#end
          }
//#end
//#end
        }
      }

      // Output layer: each thread's share of y, then errors by a few threads. The shares lie where
      // delta of the last hidden layer will be written after the errors are known.
      let shares = delta_array(HL - 1u) * ARRAY;
//#for q in 0..NQ
      {
//#for o in 0..3
        var y$o = vec4<f32>();
//#end
//#for i in 0..NI
        {
          let z = sin_cos(fit.omega * acc[$NQ * $i + $q]);
//#for o in 0..3
          if OUTS > $ou {
            y$o += v$i[$o] * z.sin;
          }
//#end
        }
//#end
//#for o in 0..3
        if OUTS > $ou {
          store_act(shares + ($ou * GN + ng) * TV + $qu * GP + pg, y$o);
        }
//#end
      }
//#end
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
//#for q in 0..NQ
      {
//#for o in 0..3
        var e$o = vec4<f32>();
        if OUTS > $ou {
          e$o = errors[$ou * TV + $qu * GP + pg];
        }
//#end
//#for i in 0..NI
        {
          let z = sin_cos(fit.omega * acc[$NQ * $i + $q]);
          var back = vec4<f32>();
//#for o in 0..3
          if OUTS > $ou {
            dlast$i[$o] += dot(e$o, z.sin);
            back += v$i[$o] * e$o;
          }
//#end
          acc[$NQ * $i + $q] = fit.omega * z.cos * back;
        }
//#end
      }
//#end

      // Back through the hidden matrices; acc holds delta_h.
      for (var h = HL - 1u; h > 0u; h--) {
        if HL > 2u {
          load_hidden_sums(h, lid, tile, &dw, &dbias);
        }
//#for b in 0..RQ
//#for c in 0..4
//#for q in 0..NQ
        {
          let delta = acc[$NQ * (4 * $b + $c) + $q];
          store_act(act_at(delta_array(h), 4u * ng + $cu + $bu * BLOCK, $qu * GP + pg), delta);
          dbias[$b][$c] += sum4(delta);
        }
//#end
//#end
//#end
        sync();

        for (var n = 0u; n < $NQu * GN; n++) {
          let quad = part * $NQu * GN + n;
//#for i in 0..NI
          let d$i = load_act(act_at(delta_array(h), 4u * jg + ($iu & 3u) + ($iu >> 2u) * BLOCK, quad));
//#end
//#for k in 0..NI
          {
            let a = load_act(act_at(h - 1u, 4u * kg + ($ku & 3u) + ($ku >> 2u) * BLOCK, quad));
//#for i in 0..NI
            dw[$RQ * $i + ($k >> 2u)][$k & 3] += dot(d$i, a);
//#end
          }
//#end
        }
        if HL > 2u {
          store_hidden_sums(h, lid, &dw, &dbias);
        }

//#for i in 0..NI
//#for q in 0..NQ
        acc[$NQ * $i + $q] = vec4<f32>();
//#end
//#end
        for (var j = 0u; j < HP; j++) {
//#for b in 0..RQ
          let w$b = load_param(weight_at(h, j, $bu * GN + ng));
//#end
//#for q in 0..NQ
          {
            let d = load_act(act_at(delta_array(h), j, $qu * GP + pg));
//#for b in 0..RQ
//#for c in 0..4
            acc[$NQ * (4 * $b + $c) + $q] += w$b[$c] * d;
//#end
//#end
          }
//#end
        }
//#for i in 0..NI
//#for q in 0..NQ
        acc[$NQ * $i + $q] *= load_act(slope_at(h - 1u, row$i, $qu * GP + pg));
//#end
//#end
      }

      // dW_0; acc holds delta_0.
//#for q in 0..NQ
      {
        let x = coords[first + $qu * GP];
//#for i in 0..NI
        dfirst$i.x += dot(acc[$NQ * $i + $q], x);
        dfirst$i.w += sum4(acc[$NQ * $i + $q]);
//#end
        if INS > 1u {
          let y = coords[point_quads + first + $qu * GP];
//#for i in 0..NI
          dfirst$i.y += dot(acc[$NQ * $i + $q], y);
//#end
        }
        if INS > 2u {
          let z = coords[2u * point_quads + first + $qu * GP];
//#for i in 0..NI
          dfirst$i.z += dot(acc[$NQ * $i + $q], z);
//#end
        }
      }
//#end
      sync();   // the next tile writes what this one still reads
    }

    // Partial gradients to memory, the loss to one thread.
//#for i in 0..NI
    store_act(G_FIRST + pg * HP + row$i, dfirst$i);
    store_act(G_LAST + pg * HP + row$i, dlast$i);
//#end
    if HL == 2u {
//#for i in 0..NI
//#for b in 0..RQ
      store_act(
        G_HIDDEN + (part * HP + 4u * jg + ($iu & 3u) + ($iu >> 2u) * BLOCK) * HV + $bu * GN + kg,
        dw[$RQ * $i + $b],
      );
//#end
//#end
//#for b in 0..RQ
      store_act(G_HIDDEN + G_MATRIX + pg * HV + $bu * GN + ng, dbias[$b]);
//#end
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
  dw: ptr<function, array<vec4<f32>, $NI * $RQ>>, dbias: ptr<function, array<vec4<f32>, $RQ>>,
) {
  if tile == 0u {
//#for i in 0..NI
//#for b in 0..RQ
    (*dw)[$RQ * $i + $b] = vec4<f32>();
//#end
//#end
//#for b in 0..RQ
    (*dbias)[$b] = vec4<f32>();
//#end
    return;
  }
  let base = hidden_sums_at(h);
  let rows = base + (lid / (GN * GN)) * HP * HV + lid % GN;
  let jg = (lid / GN) % GN;
//#for i in 0..NI
//#for b in 0..RQ
  (*dw)[$RQ * $i + $b] = scratch[rows + (4u * jg + ($iu & 3u) + ($iu >> 2u) * BLOCK) * HV + $bu * GN];
//#end
//#end
  let biases = base + G_MATRIX + (lid % GP) * HV + lid / GP;
//#for b in 0..RQ
  (*dbias)[$b] = scratch[biases + $bu * GN];
//#end
}

fn store_hidden_sums(
  h: u32, lid: u32,
  dw: ptr<function, array<vec4<f32>, $NI * $RQ>>, dbias: ptr<function, array<vec4<f32>, $RQ>>,
) {
  let base = hidden_sums_at(h);
  let rows = base + (lid / (GN * GN)) * HP * HV + lid % GN;
  let jg = (lid / GN) % GN;
//#for i in 0..NI
//#for b in 0..RQ
  scratch[rows + (4u * jg + ($iu & 3u) + ($iu >> 2u) * BLOCK) * HV + $bu * GN] = (*dw)[$RQ * $i + $b];
//#end
//#end
  let biases = base + G_MATRIX + (lid % GP) * HV + lid / GP;
//#for b in 0..RQ
  scratch[biases + $bu * GN] = (*dbias)[$b];
//#end
}
