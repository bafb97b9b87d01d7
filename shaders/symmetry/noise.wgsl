// Gaussian noise, per tensor T: T <- T + numbers.x * (sd(T) + 1e-8) * eps, eps ~ N(0, 1).
//
// eps is drawn here by Box and Muller's method from philox(counter (p / 4, object, view, stream), seed): words
// 0, 1 give parameters 4 q, 4 q + 1 and words 2, 3 the next two. GIVEN = 1 reads eps from `normals` instead.
// One thread per RUN parameters (parts/run.wgsl), four of which share a Philox block.

//#include shared/philox.wgsl
//#include shared/normal.wgsl
//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/place.wgsl
//#include symmetry/parts/run.wgsl

override GIVEN: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read> normals: array<f32>;                // [nets][param_count] if GIVEN
@group(0) @binding(3) var<storage, read> spreads: array<f32>;                // [nets][2 layers]
@group(0) @binding(4) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(5) var<storage, read_write> out: array<f32>;              // [nets][param_count]

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
  // A tensor's spread is loaded where the tensor or the run begins.
  var seen = 0xffffffffu;
  var sd = 0.0;
//#for b in 0..4
  if 4u * $bu < RUN {
    var eps = vec4<f32>();
    if GIVEN == 0u {
      eps = normal4(philox4x32(vec4<u32>(run.p / 4u + $bu, id, shape.stream), shape.seed));
    }
//#for i in 0..4
    {
      let p = run.p + 4u * $bu + $iu;
      if p < shape.param_count {
        let place = placed(p);
        let tensor = (run.net * shape.layers + place.layer) * 2u + u32(place.is_bias);
        if tensor != seen {
          seen = tensor;
          sd = spreads[tensor];
        }
        var e = eps[$i];
        if GIVEN == 1u {
          e = normals[run.base + p];
        }
        out[run.base + p] = source[run.base + p] + shape.numbers.x * (sd + 1e-8) * e;
      }
    }
//#end
  }
//#end
}
