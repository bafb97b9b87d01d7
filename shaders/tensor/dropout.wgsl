// y (+)= x / (1 - rate) with probability 1 - rate, else 0: the same elements for the same seed, step and site, so that the
// gradient is the same kernel on dy. Philox counter: (element / 4, site, step, purpose). One thread per four elements;
// all contiguous.

//#include shared/philox.wgsl

struct Dropout {
  count: u32,
  accumulate: u32,
  below: u32,          // an element is kept if its random word is below this
  factor: f32,
  site: u32,
  purpose: u32,
  x_place: u32,
  y_place: u32,
}

@group(0) @binding(0) var<uniform> at: Dropout;
@group(0) @binding(1) var<storage, read> step: array<u32>;   // seed (2), step, ..: see program.rs
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let quad = (group.y * groups.x + group.x) * 64u + lid;
  if 4u * quad >= at.count {
    return;
  }
  let words = philox4x32(vec4<u32>(quad, at.site, step[2], at.purpose), vec2<u32>(step[0], step[1]));
//#for e in 0..4
  if 4u * quad + $eu < at.count {
    var v = select(0.0, x[at.x_place + 4u * quad + $eu] * at.factor, words[$e] < at.below);
    if at.accumulate != 0u {
      v += y[at.y_place + 4u * quad + $eu];
    }
    y[at.y_place + 4u * quad + $eu] = v;
  }
//#end
}
