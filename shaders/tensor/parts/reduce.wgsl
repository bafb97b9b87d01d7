// Walks what one thread of a reduction reduces: an output element of type T (a number, or four neighbours) and a
// segment of the reduced elements. With more than one segment y is [segments][outputs], and a second call
// reduces that. Axes are numbered from the innermost; the reduced ones, at most six, are counted through by carries, as
// integer division is slow.

//#include shared/divide.wgsl

override RANK: u32;    // axes of the output
override REDUCED: u32; // reduced axes

struct Reduce {
  outputs: u32,
  accumulate: u32,
  scale: f32,
  reduced: u32,        // elements
  segment: u32,        // elements of a segment
  segments: u32,
  x_place: u32,
  y_place: u32,
  sizes: array<vec4<u32>, 2>,
  x_strides: array<vec4<u32>, 2>,
  y_strides: array<vec4<u32>, 2>,
  reduced_sizes: array<vec4<u32>, 2>,
  reduced_strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> at: Reduce;

var<private> read_at: u32;
var<private> write_at: u32;
var<private> first: u32;
var<private> end: u32;
var<private> counter: array<u32, 6>;

// Where thread `index` begins.
fn begin(index: u32) {
  let parts = divide(index, at.outputs);
  var rest = parts.y;
  read_at = at.x_place;
  write_at = at.y_place + parts.x * at.outputs;
//#for d in 0..6
  if $du < RANK {
    var c = rest;
    if $du + 1u < RANK {
      let parts = divide(rest, at.sizes[$d / 4][$d % 4]);
      rest = parts.x;
      c = parts.y;
    }
    read_at += c * at.x_strides[$d / 4][$d % 4];
    write_at += c * at.y_strides[$d / 4][$d % 4];
  }
//#end
  first = parts.x * at.segment;
  end = min(first + at.segment, at.reduced);
  rest = first;
//#for d in 0..6
  if $du < REDUCED {
    let parts = divide(rest, at.reduced_sizes[$d / 4][$d % 4]);
    rest = parts.x;
    counter[$d] = parts.y;
    read_at += parts.y * at.reduced_strides[$d / 4][$d % 4];
  }
//#end
}

// To the next reduced element.
fn advance() {
  var carry = true;
//#for d in 0..6
  if $du < REDUCED && carry {
    let stride = at.reduced_strides[$d / 4][$d % 4];
    read_at += stride;
    if $du + 1u < REDUCED {
      counter[$d] += 1u;
      carry = counter[$d] == at.reduced_sizes[$d / 4][$d % 4];
      if carry {
        counter[$d] = 0u;
        read_at -= stride * at.reduced_sizes[$d / 4][$d % 4];
      }
    }
  }
//#end
}
