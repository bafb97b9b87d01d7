// Masking: every entry is kept with probability 1 - numbers.x and then multiplied by numbers.y, else 0.
//
// Word p of net n is philox(counter (p / 4, object, view, stream), seed)[p % 4]; it drops the entry if its upper
// 24 bits, as a fraction, are below numbers.x. GIVEN = 1 reads `keep` (0 or 1) instead. One thread per RUN
// parameters (parts/run.wgsl), four of which share a Philox block.

//#include shared/philox.wgsl
//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/run.wgsl

override GIVEN: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read> keep: array<f32>;                   // [nets][param_count] if GIVEN
@group(0) @binding(3) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;              // [nets][param_count]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let run = run_of((wid.y * grid.x + wid.x) * 64u + lane);
  if run.net >= shape.nets {
    return;
  }
  let id = ids[run.net];
//#for b in 0..4
  if 4u * $bu < RUN {
    var words = vec4<u32>();
    if GIVEN == 0u {
      words = philox4x32(vec4<u32>(run.p / 4u + $bu, id, shape.stream), shape.seed);
    }
    let u = vec4<f32>(words >> vec4<u32>(8u)) * (1.0 / 16777216.0);
//#for i in 0..4
    {
      let p = run.p + 4u * $bu + $iu;
      if p < shape.param_count {
        var kept = u[$i] >= shape.numbers.x;
        if GIVEN == 1u {
          kept = keep[run.base + p] != 0.0;
        }
        out[run.base + p] = select(0.0, source[run.base + p] * shape.numbers.y, kept);
      }
    }
//#end
  }
//#end
}
