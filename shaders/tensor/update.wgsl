// One update of all parameters, if the gradients are finite; g is clipped.
//   SGD:   g += l2 p;  m <- momentum m + g;  p -= rate m
//   Adam:  g += l2 p;  p -= decay p;  m <- m + (1 - beta1) (g - m);  v <- beta2 v + (1 - beta2) g^2
//          with AMSGRAD  w <- max(w, v)  stands for v below, else v itself
//          p -= rate m / (sqrt(v) correction + epsilon)
// as PyTorch orders it; decay is 0 for Adam and l2 is 0 for AdamW. See parts/update.wgsl.

//#include tensor/parts/update.wgsl

override KIND: u32;      // 0 SGD, 1 Adam
override AMSGRAD: u32;

@group(0) @binding(1) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> settings: Settings;
@group(0) @binding(3) var<storage, read> verdict: Verdict;
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> first: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> second: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> greatest: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= arena.quads || verdict.finite == 0u {
    return;
  }
  var p = params[index];
  let g = gradients[index] * verdict.factor + p * settings.l2;
  var m = first[index];
  if KIND == 0u {
    m = m * settings.momentum + g;
    p -= m * settings.rate;
  } else {
    p -= p * settings.decay;
    m += (g - m) * settings.one_minus_beta1;
    var v = second[index] * settings.beta2 + g * g * settings.one_minus_beta2;
    second[index] = v;
    if AMSGRAD == 1u {
      v = max(greatest[index], v);
      greatest[index] = v;
    }
    p -= settings.rate * (m / (sqrt(v) * settings.correction + settings.epsilon));
  }
  first[index] = m;
  params[index] = p;
}
