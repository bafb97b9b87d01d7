// Adam (Kingma & Ba 2015) on the networks of a group that go on, after verdict.wgsl:
//   g = sum of the segments' gradients, in order
//   m <- m + (1 - beta1) (g - m),  v <- beta2 v + (1 - beta2) g^2
//   p <- p - rate m / (sqrt(v) correction + epsilon)
// One thread per parameter; workgroups (ceil(param_count / 64), slots).

struct AdamParams {
  param_count: u32,
  first: u32,          // of active_nets
  segments: u32,
  pad0: u32,
  one_minus_beta1: f32,
  beta2: f32,
  one_minus_beta2: f32,
  epsilon: f32,
  rate: f32,           // lr / (1 - beta1^t), from f64
  correction: f32,     // 1 / sqrt(1 - beta2^t), from f64
  pad1: u32,
  pad2: u32,
}

//#include siren/parts/net_state.wgsl

@group(0) @binding(0) var<uniform> adam: AdamParams;
@group(0) @binding(1) var<storage, read> active_nets: array<u32>;
@group(0) @binding(2) var<storage, read> states: array<NetState>;             // [nets]
@group(0) @binding(3) var<storage, read> gradients: array<f32>;               // [slots][segments][P]
@group(0) @binding(4) var<storage, read_write> params: array<f32>;            // [nets][P]
@group(0) @binding(5) var<storage, read_write> moments: array<vec2<f32>>;     // [nets][P] (m, v)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
  let p = gid.x;
  let slot = gid.y;
  let net = active_nets[adam.first + slot];
  if p >= adam.param_count || states[net].status != 0u {
    return;
  }
  var g = 0.0;
  for (var s = 0u; s < adam.segments; s++) {
    g += gradients[(slot * adam.segments + s) * adam.param_count + p];
  }
  let at = net * adam.param_count + p;
  let old = moments[at];
  let m = old.x + (g - old.x) * adam.one_minus_beta1;
  let v = old.y * adam.beta2 + g * g * adam.one_minus_beta2;
  moments[at] = vec2<f32>(m, v);
  params[at] -= adam.rate * (m / (sqrt(v) * adam.correction + adam.epsilon));
}
