// Pools a tensor [nets][rows][columns][features] over its rows (axis 0) or columns (axis 1) into columns of a tensor by
// positions; remembers which entry was the maximum, the first of several. One thread per kept position and quad.

struct Block {
  nets: u32,
  rows: u32,
  columns: u32,
  quads: u32,
  axis: u32,
  // Of the output [nets][positions][stride] and where in it, quads.
  stride: u32,
  at: u32,
  // Where the places of maxima begin, quads.
  best_at: u32,
}

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> best: array<vec4<u32>>;   // [..][nets][positions][quads], for the maximum

// 0: maximum, 1: mean, 2: sum.
override POOLING: u32;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = gid.y * grid.x * 64u + gid.x;
  let kept = select(block.columns, block.rows, block.axis == 1u);
  let pooled = select(block.rows, block.columns, block.axis == 1u);
  let quad = at % block.quads;
  let position = at / block.quads;
  let net = position / kept;
  if net >= block.nets {
    return;
  }
  let step = select(block.columns, 1u, block.axis == 1u) * block.quads;
  let other = position % kept;
  var i = net * block.rows * block.columns * block.quads + quad
    + other * select(block.quads, block.columns * block.quads, block.axis == 1u);
  var value = x[i];
  var index = vec4<u32>();
  for (var p = 1u; p < pooled; p++) {
    i += step;
    let next = x[i];
    if POOLING == 0u {
      index = select(index, vec4<u32>(p), next > value);
      value = max(value, next);
    } else {
      value += next;
    }
  }
  if POOLING == 1u {
    value /= f32(pooled);
  }
  out[position * block.stride + block.at + quad] = value;
  if POOLING == 0u {
    best[block.best_at + at] = index;
  }
}
