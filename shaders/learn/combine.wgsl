// Next state from the outputs of all maps:  state[r][c] = relu(sum_t scale_t source_t[r][c_t]), and the same without ReLU for the
// extra terms. One thread per row and target column; table: per column (target, column, first term, terms), per term (source,
// column, scale). Reading each output once is all this costs; the many small sums of the model are this one dispatch.

//#include learn/parts/combine.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> attended: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> mixed: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> direct: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> pooled: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> state: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> extra: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = gid.y * grid.x * 64u + gid.x;
  let row = at / block.columns;
  if row >= block.rows {
    return;
  }
  let entry = table[at % block.columns];
  var sum = vec4<f32>();
  for (var t = 0u; t < entry.w; t++) {
    let term = table[entry.z + t];
    var value: vec4<f32>;
    if term.x == 0u {
      let i = row * block.o_stride + term.y;
      value = attended[i] + max(mixed[i], vec4<f32>());
    } else if term.x == 1u {
      value = direct[row * block.direct_stride + term.y];
    } else {
      value = pooled[row / block.positions * block.pooled_stride + term.y];
    }
    sum += bitcast<f32>(term.z) * value;
  }
  if entry.x == 1u {
    extra[row * block.extra_stride + entry.y] = sum;
    return;
  }
  let i = row * block.state_stride + entry.y;
  if block.accumulate == 1u {
    sum += state[i];
  }
  if block.relu == 1u {
    sum = max(sum, vec4<f32>());
  }
  state[i] = sum;
}
