// Gaussian noise, per tensor T: T <- T + numbers.x * (sd(T) + 1e-8) * eps, eps ~ N(0, 1).
//
// eps is drawn here by Box and Muller's method from philox(counter (p / 4, object, view, stream), seed): words
// 0, 1 give parameters 4 q, 4 q + 1 and words 2, 3 the next two. GIVEN = 1 reads eps from `normals` instead.
// One thread per four parameters, which share a Philox block; x over them, y (and z) over nets.

//#include shared/philox.wgsl
//#include shared/normal.wgsl
//#include symmetry/parts/shape.wgsl

override GIVEN: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read> normals: array<f32>;                // [nets][param_count] if GIVEN
@group(0) @binding(3) var<storage, read> spreads: array<f32>;                // [nets][2 layers]
@group(0) @binding(4) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(5) var<storage, read_write> out: array<f32>;              // [nets][param_count]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let net = gid.z * grid.y + gid.y;
  if net >= shape.nets || 4u * gid.x >= shape.param_count {
    return;
  }
  var eps = vec4<f32>();
  if GIVEN == 0u {
    eps = normal4(philox4x32(vec4<u32>(gid.x, ids[net], shape.stream), shape.seed));
  }
//#for i in 0..4
  {
    let p = 4u * gid.x + $iu;
    if p < shape.param_count {
      let at = net * shape.param_count + p;
      var e = eps[$i];
      if GIVEN == 1u {
        e = normals[at];
      }
      let place = place_of(p);
      let tensor = 2u * place.layer + select(0u, 1u, place.column == BIAS);
      let sd = spreads[net * 2u * shape.layers + tensor];
      out[at] = source[at] + shape.numbers.x * (sd + 1e-8) * e;
    }
  }
//#end
}
