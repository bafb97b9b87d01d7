// One thread makes `per` output elements (of type T: a number, or four neighbours) from up to seven strided operands:
// more than one on software renderers, where reading the uniform block costs as much as an element.
//
// Axes are numbered from the innermost; the host merges axes that all operands walk alike, so that RANK is 1
// for contiguous tensors. Operand 6 is the output. A stride of 0 broadcasts. Sizes, strides and offsets count
// elements of type T. Workgroups of 64 in one or two dimensions, see gpu::grid.

//#include shared/divide.wgsl

override RANK: u32;

struct Strided {
  count: u32,
  accumulate: u32,          // 1: add to the output
  scale: f32,
  constant: f32,
  per: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  sizes: array<vec4<u32>, 2>,
  offsets: array<vec4<u32>, 2>,
  strides: array<vec4<u32>, 14>,   // [operand][axis]
  coefficients: array<vec4<f32>, 2>,
}

@group(0) @binding(0) var<uniform> at: Strided;

var<private> place: array<u32, 7>;

// Fills `place` with where element `index` lies in every operand.
fn locate(index: u32) {
//#for x in 0..7
  place[$x] = at.offsets[$x / 4][$x % 4];
//#end
  var rest = index;
//#for d in 0..6
  if $du < RANK {
    var c = rest;
    if $du + 1u < RANK {
      let parts = divide(rest, at.sizes[$d / 4][$d % 4]);
      rest = parts.x;
      c = parts.y;
    }
//#for x in 0..7
    place[$x] += c * at.strides[2 * $x + $d / 4][$d % 4];
//#end
  }
//#end
}

// First element of a thread; the others follow by 64.
fn linear(group: vec3<u32>, groups: vec3<u32>, lid: u32) -> u32 {
  return (group.y * groups.x + group.x) * at.per * 64u + lid;
}
