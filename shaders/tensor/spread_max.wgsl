// Gradient of a maximum:  dx[place of the maximum] += dy. One thread per output; each has a place of its own, so
// nothing is added twice at once. Axes as in parts/reduce.wgsl.

//#include shared/divide.wgsl

override RANK: u32;

struct Spread {
  outputs: u32,
  dy: u32,
  dx: u32,
  pad: u32,
  sizes: array<vec4<u32>, 2>,
  dy_strides: array<vec4<u32>, 2>,
  dx_strides: array<vec4<u32>, 2>,
  reduced_sizes: array<vec4<u32>, 2>,
  reduced_strides: array<vec4<u32>, 2>,   // 0 beyond the last axis, whose sizes are 1
}

@group(0) @binding(0) var<uniform> at: Spread;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;   // [outputs]
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lid;
  if index >= at.outputs {
    return;
  }
  var rest = index;
  var read_at = at.dy;
  var write_at = at.dx;
//#for d in 0..6
  if $du < RANK {
    var c = rest;
    if $du + 1u < RANK {
      let parts = divide(rest, at.sizes[$d / 4][$d % 4]);
      rest = parts.x;
      c = parts.y;
    }
    read_at += c * at.dy_strides[$d / 4][$d % 4];
    write_at += c * at.dx_strides[$d / 4][$d % 4];
  }
//#end
  var left = places[index];
//#for d in 0..6
  {
    let parts = divide(left, at.reduced_sizes[$d / 4][$d % 4]);
    left = parts.x;
    write_at += parts.y * at.reduced_strides[$d / 4][$d % 4];
  }
//#end
  dx[write_at] += dy[read_at];
}
