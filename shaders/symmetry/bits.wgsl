// What happens to a parameter is said by its bit:
//
//   KIND 0  0 where it is set, numbers.y times itself elsewhere     masking
//   KIND 1  minus itself where it is set                            signs and odd phases of sine neurons
//
// One thread per sixteen parameters.

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/flat.wgsl

override KIND: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> bits: array<u32>;                   // [nets][words], 0 beyond param_count
@group(0) @binding(2) var<storage, read> source: array<vec4<f32>>;           // [nets * param_count / 4]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;        // [nets * param_count / 4]

// Bits of at least `needed` parameters from the spot on, across the ends of nets.
fn bits_from(begin: Spot) -> u32 {
  let needed = select(4u, 16u, STEP == 1u);
  let words = (shape.param_count + 31u) / 32u;
  var spot = begin;
  var found = 0u;
  var many = 0u;
  while many < needed && spot.net < shape.nets {
    found |= (bits[spot.net * words + spot.p / 32u] >> (spot.p % 32u)) << many;
    let here = min(32u - spot.p % 32u, shape.param_count - spot.p);
    many += here;
    spot.p += here;
    if spot.p == shape.param_count {
      spot = Spot(spot.net + 1u, 0u);
    }
  }
  return found;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let quad = first_quad(wid.y * grid.x + wid.x, lane);
  var w = bits_from(spot_of(4u * quad));
//#for k in 0..4
  if $k > 0 {
    if STEP == 1u {
      w >>= 4u;
    } else {
      w = bits_from(spot_of(4u * (quad + STEP * $ku)));
    }
  }
  if quad + STEP * $ku < quad_count() {
    let x = source[quad + STEP * $ku];
    if KIND == 0u {
      let dropped = (vec4<u32>(w) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>();
      out[quad + STEP * $ku] = select(x * shape.numbers.y, vec4<f32>(), dropped);
    } else {
      let signs = (vec4<u32>(w) << vec4<u32>(31u, 30u, 29u, 28u)) & vec4<u32>(0x80000000u);
      out[quad + STEP * $ku] = bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ signs);
    }
  }
//#end
}
