// `count` random bits per net, packed: bit e % 32 of word e / 32, and 0 from `count` on. One of two kinds:
//
//   0  1 with probability numbers.x
//   1  whether the shift k of neuron e (parts/phase.wgsl) is odd
//
// Kind 0 compares 24 bits with the probability, but spends 16 on an entry: both entries of a word see all of it, the second
// with the halves exchanged. So each has the very probability; and that one looks at a half that belongs to the other happens
// once in 2^16, which bounds their correlation. One thread per word.

//#include shared/philox.wgsl
//#include symmetry/parts/shape.wgsl
//#include shared/divide.wgsl
//#include symmetry/parts/phase.wgsl

override KIND: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read_write> bits: array<u32>;             // [nets][words]

// Bits 0 to 7 of the entries 8 b to 8 b + 7.
fn chosen(id: vec2<u32>, b: u32) -> u32 {
  let words = philox4x32(vec4<u32>(b, id, shape.stream), shape.seed);
  let bound = vec4<u32>(u32(ceil(shape.numbers.x * 16777216.0)));
  let first = (words >> vec4<u32>(8u)) < bound;
  let second = (((words << vec4<u32>(16u)) | (words >> vec4<u32>(16u))) >> vec4<u32>(8u)) < bound;
  let e = select(vec4<u32>(), vec4<u32>(1u, 4u, 16u, 64u), first)
    | select(vec4<u32>(), vec4<u32>(2u, 8u, 32u, 128u), second);
  return (e.x | e.y) | (e.z | e.w);
}

// Bits 0 to 3 of the neurons 4 q to 4 q + 3.
fn odd(id: vec2<u32>, q: u32) -> u32 {
  let k = bitcast<vec4<u32>>(shifts_of(id, q)) & vec4<u32>(1u);
  return (k.x | (k.y << 1u)) | ((k.z << 2u) | (k.w << 3u));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let words = (shape.count + 31u) / 32u;
  let at = divide((wid.y * grid.x + wid.x) * 64u + lane, words);
  if at.x >= shape.nets {
    return;
  }
  let id = ids[at.x];
  var word = 0u;
  if KIND == 0u {
//#for i in 0..4
    word |= chosen(id, 4u * at.y + $iu) << $[8 * i]u;
//#end
  } else {
//#for i in 0..8
    word |= odd(id, 8u * at.y + $iu) << $[4 * i]u;
//#end
  }
  let left = shape.count - 32u * at.y;
  if left < 32u {
    word &= (1u << left) - 1u;
  }
  bits[at.x * words + at.y] = word;
}
