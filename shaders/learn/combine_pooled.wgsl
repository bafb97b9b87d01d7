// Gradient of combine.wgsl by the outputs of maps that exist once per net: sums over positions. One thread per net and
// column of `pooled`; the table is that of combine_back.wgsl.

//#include learn/parts/combine.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> state: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> d_state: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> d_extra: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> d_pooled: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = gid.y * grid.x * 64u + gid.x;
  let net = at / block.columns;
  if net * block.positions >= block.rows {
    return;
  }
  let entry = table[at % block.columns];
  var sum = vec4<f32>();
  for (var t = 0u; t < entry.w; t++) {
    let term = table[entry.z + t];
    let scale = bitcast<f32>(term.z);
    for (var p = 0u; p < block.positions; p++) {
      let row = net * block.positions + p;
      if term.x == 1u {
        sum += scale * d_extra[row * block.extra_stride + term.y];
      } else {
        let i = row * block.state_stride + term.y;
        var value = d_state[i];
        if block.relu == 1u {
          value = select(vec4<f32>(), block.factor * value, state[i] > vec4<f32>());
        }
        sum += scale * value;
      }
    }
  }
  d_pooled[net * block.pooled_stride + entry.y] = sum;
}
