// What the kernels of an update share. All walk arenas as quads, one thread per quad in workgroups of 64.

struct Arena {
  quads: u32,
  parts: u32,      // of the norm
  pad0: u32,
  pad1: u32,
}

// Of one update; written by the host, products and powers made in f64.
struct Settings {
  rate: f32,            // lr, with Adam lr / (1 - beta1^t)
  correction: f32,      // 1 / sqrt(1 - beta2^t)
  decay: f32,           // lr * weight decay, apart from the gradient
  l2: f32,              // weight decay in the gradient
  one_minus_beta1: f32,
  beta2: f32,
  one_minus_beta2: f32,
  epsilon: f32,
  momentum: f32,
  clip: f32,            // greatest norm
  weight: f32,          // of a micro-batch
  keep: f32,            // 0 for the first of a sum
}

struct Verdict {
  norm: f32,
  factor: f32,          // of the gradients
  finite: u32,
  skipped: u32,
}

@group(0) @binding(0) var<uniform> arena: Arena;
