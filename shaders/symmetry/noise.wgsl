// Gaussian noise, per tensor T: T <- T + numbers.x * (sd(T) + 1e-8) * eps, eps ~ N(0, 1).
//
// eps is drawn here by Box and Muller's method from philox(counter (p / 4, object, view, stream), seed): words
// 0, 1 give parameters 4 q, 4 q + 1 and words 2, 3 the next two. GIVEN = 1 reads eps from `normals` instead.
// One thread per four parameters, which share a Philox block; x over them, y (and z) over nets.

//#include shared/philox.wgsl
//#include shared/sine.wgsl
//#include symmetry/parts/shape.wgsl

override GIVEN: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read> normals: array<f32>;                // [nets][param_count] if GIVEN
@group(0) @binding(3) var<storage, read> spreads: array<f32>;                // [nets][2 layers]
@group(0) @binding(4) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(5) var<storage, read_write> out: array<f32>;              // [nets][param_count]

// ln x of a normal number, to a few units in the last place also near 1, where WGSL promises only 2^-21:
// x = m 2^e with m in [0.7, 1.42), s = (m - 1) / (m + 1), ln m = 2 artanh s.
fn ln(x: vec2<f32>) -> vec2<f32> {
  let bits = bitcast<vec2<u32>>(x) - vec2<u32>(0x3f3504f3u);
  let e = bitcast<vec2<i32>>(bits) >> vec2<u32>(23u);
  let m = bitcast<vec2<f32>>((bits & vec2<u32>(0x007fffffu)) + vec2<u32>(0x3f3504f3u));
  let s = (m - 1.0) / (m + 1.0);
  let z = s * s;
  let p = (((z * (1.0 / 9.0) + (1.0 / 7.0)) * z + 0.2) * z + (1.0 / 3.0)) * z;
  return vec2<f32>(e) * 0.6931471805599453 + (2.0 * s + 2.0 * s * p);
}

fn normal4(words: vec4<u32>) -> vec4<f32> {
  // (0, 1], so that the logarithm exists.
  let u = vec2<f32>((words.xz >> vec2<u32>(8u)) + 1u) * (1.0 / 16777216.0);
  let r = sqrt(max(-2.0 * ln(u), vec2<f32>(0.0)));
  let e = sin_cos(3.14159265358979 * symmetric(words.ywyw));
  return vec4<f32>(r.x * e.cos.x, r.x * e.sin.x, r.y * e.cos.y, r.y * e.sin.y);
}

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
