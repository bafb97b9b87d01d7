// Rotation and scaling of the input: A_0 <- A_0 M, everything else unchanged.
//
//   KIND 0  M = s                       f'(x) = f(s x)      draw: s
//   KIND 1  M = R^T, 2-D                f'(x) = f(R^T x)    draw: angle in degrees
//   KIND 2  M = R^T about `numbers.xyz` (a unit axis), 3-D  draw: angle in degrees
//   KIND 3  M = R^T, uniform over SO(3)                     draw: three numbers on [0, 1)
//
// R = [[cos, -sin], [sin, cos]] in 2-D, Rodrigues' formula about an axis; the uniform rotation is the unit
// quaternion of Shoemake (Graphics Gems III, 1992). One thread per row of A_0; all other parameters have been copied
// (copy.wgsl).

//#include shared/sine.wgsl
//#include symmetry/parts/shape.wgsl
//#include shared/divide.wgsl

override KIND: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> draws: array<f32>;                  // [nets][1 or 3]
@group(0) @binding(2) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;              // [nets][param_count]

const RADIANS = 0.017453292519943295;
const TURN = 6.283185307179586;

// Rotation from a unit quaternion (x, y, z, w), column by column.
fn rotation(q: vec4<f32>) -> mat3x3<f32> {
  let d = 2.0 * q.xyz * q.xyz;
  let o = 2.0 * q.xyz * q.yzx;                                               // 2 (xy, yz, zx)
  let r = 2.0 * q.xyz * q.w;
  return mat3x3<f32>(
    1.0 - d.y - d.z, o.x + r.z, o.z - r.y,
    o.x - r.z, 1.0 - d.x - d.z, o.y + r.x,
    o.z + r.y, o.y - r.x, 1.0 - d.x - d.y,
  );
}

fn rotation_of(net: u32) -> mat3x3<f32> {
  if KIND == 1u {
    let e = sin_cos(vec4<f32>(draws[net] * RADIANS));
    return mat3x3<f32>(e.cos.x, e.sin.x, 0.0, -e.sin.x, e.cos.x, 0.0, 0.0, 0.0, 1.0);
  }
  if KIND == 2u {
    let e = sin_cos(vec4<f32>(draws[net] * (0.5 * RADIANS)));
    return rotation(vec4<f32>(shape.numbers.xyz * e.sin.x, e.cos.x));
  }
  let u = vec3<f32>(draws[3u * net], draws[3u * net + 1u], draws[3u * net + 2u]);
  let e = sin_cos(TURN * vec4<f32>(u.y - 0.5, u.z - 0.5, 0.0, 0.0));
  let a = sqrt(1.0 - u.x);
  let b = sqrt(u.x);
  return rotation(vec4<f32>(a * e.sin.x, a * e.cos.x, b * e.sin.y, b * e.cos.y));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = shape.layer[0];
  let at = divide((wid.y * grid.x + wid.x) * 64u + lane, first.w);
  let net = at.x;
  if net >= shape.nets {
    return;
  }
  let row = net * shape.param_count + at.y * first.z;
  if KIND == 0u {
    for (var c = 0u; c < first.z; c++) {
      out[row + c] = draws[net] * source[row + c];
    }
    return;
  }
  var x = vec3<f32>(source[row], source[row + 1u], 0.0);
  if KIND != 1u {
    x.z = source[row + 2u];
  }
  // (A R^T)[i][c] = sum_k A[i][k] R[c][k] = (R x)[c].
  let y = rotation_of(net) * x;
  out[row] = y.x;
  out[row + 1u] = y.y;
  if KIND != 1u {
    out[row + 2u] = y.z;
  }
}
