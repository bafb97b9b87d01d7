// Gradient of combine.wgsl by the outputs of maps that exist per position. One thread per row and column of `attended` (and
// `mixed`) and `direct`; table: per column (source, column, first target, targets), per target (state or extra, column, scale). Eight buffers leave no room for a uniform
// block where that has to be a buffer too, so the table begins with it.

//#include learn/parts/combine.wgsl

@group(0) @binding(0) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> state: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> d_state: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> d_extra: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> mixed: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> d_attended: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> d_mixed: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_direct: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let block = head_of(table[0], table[1], table[2]);
  let at = gid.y * grid.x * 64u + gid.x;
  let row = at / block.columns;
  if row >= block.rows {
    return;
  }
  let entry = table[3u + at % block.columns];
  var sum = vec4<f32>();
  for (var t = 0u; t < entry.w; t++) {
    let term = table[entry.z + t];
    var value: vec4<f32>;
    if term.x == 1u {
      value = d_extra[row * block.extra_stride + term.y];
    } else {
      let i = row * block.state_stride + term.y;
      value = d_state[i];
      if block.relu == 1u {
        value = select(vec4<f32>(), block.factor * value, state[i] > vec4<f32>());
      }
    }
    sum += bitcast<f32>(term.z) * value;
  }
  if entry.x == 1u {
    d_direct[row * block.direct_stride + entry.y] = sum;
    return;
  }
  let i = row * block.o_stride + entry.y;
  d_attended[i] = sum;
  d_mixed[i] = select(vec4<f32>(), sum, mixed[i] > vec4<f32>());
}
