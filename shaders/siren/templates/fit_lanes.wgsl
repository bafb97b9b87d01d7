// Full-batch Adam on many small SIRENs, many steps in one dispatch, one network per invocation: for
// software renderers. The mathematics is that of parts/fit_fused.wgsl:
//
//   z_0 = W_0 x + b_0,  z_l = W_l sin(omega z_{l-1}) + b_l,  y = z_L + offset
//   loss = mean over points and outputs of (y - target)^2
//   delta_L = dloss/dy,  delta_l = omega cos(omega z_l) * (W_{l+1}^T delta_{l+1})
//   dW_l = sum over points of delta_l (sin(omega z_{l-1}))^T,  db_l = sum over points of delta_l
//   Adam (Kingma & Ba 2015) with bias correction, as PyTorch orders the operations.
//
// A software renderer runs the invocations of a workgroup as the lanes of a vector, and executes every
// access to storage or workgroup memory lane by lane. Here nothing is shared between lanes and nothing is
// indexed: parameter k is the variable p<k>, its gradient the variable g<k>, every loop over neurons is
// written out, and so each operation is one vector instruction on data that stays in the first caches. A
// GPU has no room for thousands of variables in an invocation; it gets parts/fit_fused.wgsl.
//
// Sums over points are made one point after the other. Lanes do not see each other, so a network's result
// does not depend on its company.
//
// Memory: parameters of a network are its plain parameter vector (layer by layer weight (out, in), bias),
// padded with zeros to QUADS vec4; moments the same, m then v; coordinates and targets point by point.
// Variables cannot be indexed, so where all of them pass through memory they move up by four places
// per turn of a loop, and the first four are what that turn reads or writes: after the loop each is
// back in its place. That is done in SEGMENTS parts of SIZE vec4 each, because it takes a number of moves
// that is quadratic in the length of a part.
//
// Composed at run time for each architecture (`nets::fit::fused::lanes`): LAYERS, the widths from WIDTH0
// (inputs) to WIDTH<LAYERS> (outputs), the place AT<l> of each layer in the parameter vector, SEGMENTS,
// SIZE and VECTOR. Below are those of 2-32-32-1, with which the build checks this file.
//#default LAYERS 3
//#default WIDTH0 2
//#default WIDTH1 32
//#default WIDTH2 32
//#default WIDTH3 1
//#default AT0 0
//#default AT1 96
//#default AT2 1152
//#default SEGMENTS 4
//#default SIZE 75
//#default VECTOR 8
//#set LAST LAYERS - 1
//#set IN WIDTH0
//#set OUT WIDTH[LAYERS]
//#set QUADS SEGMENTS * SIZE
//#set BLOCK 8

//#include shared/sine.wgsl
//#include siren/parts/net_state.wgsl

struct FitParams {
  nets: u32,           // entries of `active_nets` to process
  points: u32,
  tiles: u32,          // of the other kernel
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
  scratch_stride: u32, // of the other kernel
  pad: u32,
}

@group(0) @binding(0) var<uniform> fit: FitParams;
@group(0) @binding(1) var<storage, read> active_nets: array<u32>;
@group(0) @binding(2) var<storage, read> coords: array<f32>;               // [points][IN]
@group(0) @binding(3) var<storage, read> targets: array<f32>;              // [nets][points][OUT]
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;   // [nets][QUADS]
@group(0) @binding(5) var<storage, read_write> moments: array<vec4<f32>>;  // [nets][2][QUADS]: m, v
@group(0) @binding(6) var<storage, read_write> states: array<NetState>;    // [nets]
// Step s: (lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t)), from f64. All running nets share t. Not in the
// uniform block, which the software driver gets as private variables: indexing those is dear to compile.
@group(0) @binding(7) var<storage, read> schedule: array<vec2<f32>>;       // [64]

// So many invocations are one vector of the software renderer.
@compute @workgroup_size($VECTOR)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let slot = $VECTORu * (workgroup.y * grid.x + workgroup.x) + lane;
  if slot >= fit.nets {
    return;
  }
  let net = active_nets[slot];
  var state = states[net];
  if state.status != 0u {
    return;
  }
  let omega = fit.omega;
  let grad_scale = fit.grad_scale;
  let base = net * $[QUADS]u;

//#for k in 0..4 * QUADS
  var p$k = 0.0;
//#end
//#for s in 0..SEGMENTS
//#set FROM 4 * SIZE * s
//#set LENGTH 4 * SIZE
  for (var r = 0u; r < $[SIZE]u; r++) {
    let next = params[base + $[SIZE * s]u + r];
//#for k in FROM..FROM + LENGTH - 4
    p$k = p$[k + 4];
//#end
//#for c in 0..4
    p$[FROM + LENGTH - 4 + c] = next[$c];
//#end
  }
//#end

  for (var step = 0u; step < fit.steps; step++) {
//#for k in 0..4 * QUADS
    var g$k = 0.0;
//#end
    var sum = 0.0;
    for (var point = 0u; point < fit.points; point++) {
//#for i in 0..IN
      let h0_$i = coords[$[IN]u * point + $iu];
//#end

      // Forward. h<l>_<i> is input i of layer l, c<l>_<o> the slope of neuron o of layer l. A few neurons at a
      // time, as many sums as a processor has registers for.
//#for l in 0..LAYERS
//#set I WIDTH[l]
//#set O WIDTH[l+1]
//#set W AT[l]
//#set B AT[l] + I * O
//#for b in 0..(O + BLOCK - 1) / BLOCK
//#for o in BLOCK * b..min(BLOCK * b + BLOCK, O)
      var z$l_$o = p$[B + o];
//#end
//#for i in 0..I
//#for o in BLOCK * b..min(BLOCK * b + BLOCK, O)
      z$l_$o += p$[W + o * I + i] * h$l_$i;
//#end
//#end
//#end
//#if LAST - l
//#for q in 0..(O + 3) / 4
      let wave$l_$q = sin_cos(omega * vec4<f32>(
//#for c in 0..4
        z$l_$[min(4 * q + c, O - 1)],
//#end
      ));
//#for o in 4 * q..min(4 * q + 4, O)
      let h$[l + 1]_$o = wave$l_$q.sin[$[o % 4]];
      let c$l_$o = omega * wave$l_$q.cos[$[o % 4]];
//#end
//#end
//#end
//#end

      // delta_L.
//#for o in 0..OUT
      let e$o = z$[LAST]_$o + fit.offset - targets[(net * fit.points + point) * $[OUT]u + $ou];
      sum += e$o * e$o;
      let d$[LAST]_$o = grad_scale * e$o;
//#end

      // Gradient of each layer from its delta, and the delta of the layer below.
//#for r in 0..LAYERS
//#set l LAST - r
//#set I WIDTH[l]
//#set O WIDTH[l+1]
//#set W AT[l]
//#set B AT[l] + I * O
//#for b in 0..(O + BLOCK - 1) / BLOCK
//#for o in BLOCK * b..min(BLOCK * b + BLOCK, O)
      g$[B + o] += d$l_$o;
//#end
//#for i in 0..I
//#for o in BLOCK * b..min(BLOCK * b + BLOCK, O)
      g$[W + o * I + i] += d$l_$o * h$l_$i;
//#end
//#end
//#end
//#if l
//#for b in 0..(I + BLOCK - 1) / BLOCK
//#for i in BLOCK * b..min(BLOCK * b + BLOCK, I)
      var b$l_$i = 0.0;
//#end
//#for o in 0..O
//#for i in BLOCK * b..min(BLOCK * b + BLOCK, I)
      b$l_$i += p$[W + o * I + i] * d$l_$o;
//#end
//#end
//#for i in BLOCK * b..min(BLOCK * b + BLOCK, I)
      let d$[l - 1]_$i = b$l_$i * c$[l - 1]_$i;
//#end
//#end
//#end
//#end
    }

    let mse = sum * fit.loss_scale;
    state.mse = mse;
    if is_not_finite(mse) {
      state.status = 3u;
    } else if mse < fit.target_mse {
      state.status = 1u;
    } else if state.steps >= fit.max_steps {
      state.status = 2u;
    } else {
      state.steps += 1u;
    }
    if state.status != 0u {
      break;
    }

    let rate = schedule[step];
//#for s in 0..SEGMENTS
//#set FROM 4 * SIZE * s
//#set LENGTH 4 * SIZE
    for (var r = 0u; r < $[SIZE]u; r++) {
      let at = 2u * base + $[SIZE * s]u + r;
      let g = vec4<f32>(g$[FROM], g$[FROM + 1], g$[FROM + 2], g$[FROM + 3]);
      let m_old = moments[at];
      let m = m_old + (g - m_old) * fit.one_minus_beta1;
      let v = moments[at + $[QUADS]u] * fit.beta2 + g * g * fit.one_minus_beta2;
      moments[at] = m;
      moments[at + $[QUADS]u] = v;
      let old = vec4<f32>(p$[FROM], p$[FROM + 1], p$[FROM + 2], p$[FROM + 3]);
      let next = old - rate.x * (m / (sqrt(v) * rate.y + fit.epsilon));
//#for k in FROM..FROM + LENGTH - 4
      p$k = p$[k + 4];
      g$k = g$[k + 4];
//#end
//#for c in 0..4
      p$[FROM + LENGTH - 4 + c] = next[$c];
//#end
    }
//#end
  }

  states[net] = state;
//#for s in 0..SEGMENTS
//#set FROM 4 * SIZE * s
//#set LENGTH 4 * SIZE
  for (var r = 0u; r < $[SIZE]u; r++) {
    params[base + $[SIZE * s]u + r] =
      vec4<f32>(p$[FROM], p$[FROM + 1], p$[FROM + 2], p$[FROM + 3]);
//#for k in FROM..FROM + LENGTH - 4
    p$k = p$[k + 4];
//#end
  }
//#end
}
