// Equivariant map of a matrix, entry by entry:
//   out[b][r][c] = relu(scale (x[b][r][c] W^T + bias) + row_terms[b][r] + column_terms[b][c]).
// The terms hold everything that other maps add. Tiles as in linear_forward.wgsl.
// Workgroups: (ceil(outputs / (ACROSS * QUADS) quads), ceil(entries / 128)).

//#include learn/parts/entries.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> row_terms: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> column_terms: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size($THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let count = block.nets * block.rows * block.columns;
  let quad0 = (group.x * $ACROSSu + lid % $ACROSSu) * $QUADSu;
  let row0 = group.y * 128u + lid / $ACROSSu * $ROWSu;
  if quad0 >= block.outputs || row0 >= count {
    return;
  }
//#for q in 0..QUADS
  var bias_$q = vec4<f32>();
  if block.bias != 0u {
    bias_$q = params[block.bias - 1u + quad0 + $qu];
  }
//#end
//#for i in 0..ROWS
  let x_row_$i = min(row0 + $iu, count - 1u) * block.inputs;
//#for q in 0..QUADS
  var acc_$i_$q = bias_$q;
//#end
//#end
  let w0 = block.weight + 4u * quad0 * block.weight_stride;
  let inputs = block.inputs * PRODUCT;
  for (var k = 0u; k < inputs; k++) {
//#for i in 0..ROWS
    var x_$i = x[x_row_$i + k];
    if RELU == 1u {
      x_$i = max(x_$i, vec4<f32>());
    }
//#end
//#for q in 0..QUADS
    {
//#for e in 0..4
      let w_$e = params[w0 + (4u * $qu + $eu) * block.weight_stride + k];
//#end
//#for i in 0..ROWS
      acc_$i_$q += vec4<f32>(dot(x_$i, w_0), dot(x_$i, w_1), dot(x_$i, w_2), dot(x_$i, w_3));
//#end
    }
//#end
  }
//#for i in 0..ROWS
  {
    let at = row0 + $iu;
    if at < count {
      let row = at / block.columns;
      let column = row / block.rows * block.columns + at % block.columns;
//#for q in 0..QUADS
      if quad0 + $qu < block.outputs {
        var value = block.scale * acc_$i_$q;
        if TERMS == 1u {
          value += row_terms[row * block.row_stride + block.row_at + quad0 + $qu]
            + column_terms[column * block.column_stride + block.column_at + quad0 + $qu];
        }
        let i = at * block.outputs + quad0 + $qu;
        if ACCUMULATE == 1u {
          value += out[i];
        }
        if RELU_OUT == 1u {
          value = max(value, vec4<f32>());
        }
        out[i] = value;
      }
//#end
    }
  }
//#end
}
