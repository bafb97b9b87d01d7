// The state that a model reads, from nets in the layout of files:  out[b][p][c] = nets[b][at_c + p step_c], or 0 where the
// column is padding. One thread per net, position and column; table: per column (at, step), at 0xffffffff for none.

struct Block {
  nets: u32,
  positions: u32,
  columns: u32,
  param_count: u32,
}

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> nets: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = gid.y * grid.x * 64u + gid.x;
  let row = at / block.columns;
  let net = row / block.positions;
  if net >= block.nets {
    return;
  }
  let place = table[at % block.columns];
  var value = 0.0;
  if place.x != 0xffffffffu {
    value = nets[net * block.param_count + place.x + row % block.positions * place.y];
  }
  out[at] = value;
}
