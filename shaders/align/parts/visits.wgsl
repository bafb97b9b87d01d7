// What weight matching does at a visit of a layer and when it visits which: the common part of its two kernels.
// Expects `shape`, `pairs`, `orders` and SIGNED of match.wgsl, and shared/philox.wgsl.

const FAR = 3.0e38;

//#include symmetry/parts/neuron_move.wgsl

// Gain of a neuron that gets the sign s and the phase shift k pi / omega_0.
fn gain(r: f32, o: f32, x: f32, y: f32, s: f32, k: f32) -> f32 {
  let t = select(1.0, -1.0, (i32(k) & 1) != 0);
  let moved = s * y + k * shape.numbers.x;
  return s * r + s * t * o + (x * moved - 0.5 * (moved - y) * (moved + y));
}

// (gain, s, k) of the best choice.
fn choose(r: f32, o: f32, x: f32, y: f32) -> vec3<f32> {
  if SIGNED == 0u {
    return vec3<f32>(r + o + x * y, 1.0, 0.0);
  }
  var best = vec3<f32>(-FAR, 1.0, 0.0);
//#for sign in 0..2
//#for odd in 0..2
  {
    let s = 1.0 - 2.0 * f32($sign);
    let k = 2.0 * round(0.5 * ((x - s * y) / shape.numbers.x - f32($odd))) + f32($odd);
    let g = gain(r, o, x, y, s, k);
    if g > best.x {
      best = vec3<f32>(g, s, k);
    }
  }
//#end
//#end
  return best;
}

// The move of the choice (gain, s, k) that brings neuron `from`.
fn move_of(neuron: u32, best: vec3<f32>) -> Move {
  let t = select(1.0, -1.0, (i32(best.z) & 1) != 0);
  return Move(neuron, best.y, best.z * shape.numbers.x, best.y * t);
}

// Hidden layers in the order of a sweep, one per 4 bits, first in the low ones.
fn order_of(pair: u32, sweep: u32) -> u32 {
  let ascending = 0x76543210u;
  if shape.extra.y == 2u && sweep < shape.extra.z {
    return orders[pair * shape.extra.z + sweep];
  }
  if shape.extra.y != 1u || (SIGNED == 1u && sweep == 0u) {
    return ascending;
  }
  // Fisher and Yates; 16 bits are plenty for a choice among seven.
  let words = philox4x32(vec4<u32>(sweep, pairs[pair].zw, shape.stream), shape.seed);
  var order = ascending;
  for (var left = shape.layers - 1u; left > 1u; left--) {
    let bits = (words[(left & 7u) / 2u] >> (16u * (left & 1u))) & 0xffffu;
    let a = 4u * ((bits * left) >> 16u);
    let b = 4u * (left - 1u);
    let change = ((order >> a) ^ (order >> b)) & 15u;
    order ^= change << a;
    if a != b {
      order ^= change << b;
    }
  }
  return order;
}

// The state of a pair: (visits done, order of the sweep, flags, status: 0 running, 1 converged, 2 out of sweeps, 16 + l).
// Flags: 1 the sweep gained; 256 << l a neighbour of layer l moved since its last visit; 65536 << l layer l has dual variables
// of an earlier assignment.
const GAINED = 1u;
const STALE = 256u;
const VISITED = 65536u;

fn layer_of(state: vec4<u32>) -> u32 {
  let layers = shape.layers - 1u;
  return min((state.y >> (4u * (state.x % layers))) & 15u, layers - 1u);
}

// After a visit.
fn passed(before: vec4<u32>) -> vec4<u32> {
  var state = before;
  let layers = shape.layers - 1u;
  state.x++;
  if state.x % layers == 0u {
    if (state.z & GAINED) == 0u {
      state.w = 1u;
    } else if state.x / layers >= shape.extra.x {
      state.w = 2u;
    }
  }
  return state;
}

// At the next visit that can bring something, or done. Where no neighbour moved, the assignment would be that of the last visit.
fn advanced(pair: u32, before: vec4<u32>) -> vec4<u32> {
  var state = before;
  let layers = shape.layers - 1u;
  while state.w == 0u {
    if state.x % layers == 0u {
      state.y = order_of(pair, state.x / layers);
      state.z &= ~GAINED;
    }
    if (state.z & (STALE << layer_of(state))) != 0u {
      break;
    }
    state = passed(state);
  }
  return state;
}

// Whether the visit of this state ignores outgoing weights: those to neurons not placed yet.
fn is_rough(state: vec4<u32>) -> bool {
  let layers = shape.layers - 1u;
  return SIGNED == 1u && state.x < layers && layer_of(state) + 1u < layers;
}

// After a visit that gained or not, and moved neurons or not.
fn visited(before: vec4<u32>, gained: bool, moved: bool) -> vec4<u32> {
  var state = before;
  let l = layer_of(state);
  state.z = (state.z & ~(STALE << l)) | (VISITED << l);
  if gained {
    state.z |= GAINED;
  }
  if moved {
    state.z |= STALE << (l + 1u);
    if l > 0u {
      state.z |= STALE << (l - 1u);
    }
  }
  if is_rough(state) {
    state.z |= STALE << l;
  }
  return passed(state);
}
