// What forward and backward of set attention share for software renderers and up to 32 positions: one thread does 16 rows of
// one unit of one net with all scores in registers, as loads are what costs there; neighbouring threads do other nets, so
// that the lanes of a vector do the same. Heads' widths and columns are multiples of 4. Units as in attention.wgsl.

struct Block {
  positions: u32,
  nets: u32,
  // Numbers from one position to the next.
  y_stride: u32,
  o_stride: u32,
}

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;           // [nets][positions][y_stride]

const LOWEST = -3.0e38;

fn sum4(v: vec4<f32>) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

fn max4(v: vec4<f32>) -> f32 {
  return max(max(v.x, v.y), max(v.z, v.w));
}
