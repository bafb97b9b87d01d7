// The loss of each network of a group, and whether it goes on. One thread per slot.

struct VerdictParams {
  slots: u32,
  first: u32,          // of active_nets
  blocks: u32,
  max_steps: u32,
  loss_scale: f32,     // 1 / (points * outputs)
  target_mse: f32,
  pad0: u32,
  pad1: u32,
}

//#include siren/parts/net_state.wgsl

//#include shared/sine.wgsl

@group(0) @binding(0) var<uniform> verdict: VerdictParams;
@group(0) @binding(1) var<storage, read> active_nets: array<u32>;
@group(0) @binding(2) var<storage, read> partials: array<f32>;            // [slots][blocks]
@group(0) @binding(3) var<storage, read_write> states: array<NetState>;   // [nets]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
  let slot = gid.x;
  if slot >= verdict.slots {
    return;
  }
  var sum = 0.0;
  for (var b = 0u; b < verdict.blocks; b++) {
    sum += partials[slot * verdict.blocks + b];
  }
  let mse = sum * verdict.loss_scale;
  let net = active_nets[verdict.first + slot];
  var state = states[net];
  if state.status != 0u {
    return;
  }
  state.mse = mse;
  if is_not_finite(mse) {
    state.status = 3u;
  } else if mse < verdict.target_mse {
    state.status = 1u;
  } else if state.steps >= verdict.max_steps {
    state.status = 2u;
  } else {
    state.steps += 1u;
  }
  states[net] = state;
}
