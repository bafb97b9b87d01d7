// Gradient by the input of matrix_forward.wgsl and of the pools that read the same tensor:
//   dx[b][r][c] = scale dy[b][r][c] W + pooled over rows: d_over_rows[b][c] + over columns: d_over_columns[b][r],
// where a maximum passes its gradient to the entry that was chosen; then through the ReLU that made x.
// Tiles as in linear_forward.wgsl; here `inputs` are the features of dy and `outputs` those of x.

//#include learn/parts/entries.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> d_over_columns: array<vec4<f32>>;   // by rows
@group(0) @binding(4) var<storage, read> d_over_rows: array<vec4<f32>>;      // by columns
// The best column of each row, [nets][rows][outputs], then the best row of each column, [nets][columns][outputs].
@group(0) @binding(5) var<storage, read> best: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> dx: array<vec4<f32>>;

// 0: maximum, 1: mean, 2: sum.
override POOLING: u32;
@compute @workgroup_size($THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let count = block.nets * block.rows * block.columns;
  let quad0 = (group.x * $ACROSSu + lid % $ACROSSu) * $QUADSu;
  let row0 = group.y * 128u + lid / $ACROSSu * $ROWSu;
  if quad0 >= block.outputs || row0 >= count {
    return;
  }
//#for i in 0..ROWS
  let y_row_$i = min(row0 + $iu, count - 1u) * block.inputs;
//#for q in 0..QUADS
  var acc_$i_$q = vec4<f32>();
//#end
//#end
  let w0 = block.weight + quad0;
  let inputs = block.inputs * PRODUCT;
  for (var o = 0u; o < inputs; o++) {
//#for i in 0..ROWS
    let d_$i = dy[y_row_$i + o];
//#end
//#for e in 0..4
    {
//#for q in 0..QUADS
      let w_$q = params[w0 + (4u * o + $eu) * block.weight_stride + $qu];
//#for i in 0..ROWS
      acc_$i_$q += d_$i[$e] * w_$q;
//#end
//#end
    }
//#end
  }
//#for i in 0..ROWS
  {
    let at = row0 + $iu;
    if at < count {
      let row = at / block.columns;
      let c = at % block.columns;
      let column = row / block.rows * block.columns + c;
//#for q in 0..QUADS
      if quad0 + $qu < block.outputs {
        let i = at * block.outputs + quad0 + $qu;
        var value = block.scale * acc_$i_$q;
        if ACCUMULATE == 1u {
          value += dx[i];
        }
        if TERMS == 1u {
          var by_row = d_over_columns[row * block.row_stride + block.row_at + quad0 + $qu];
          var by_column = d_over_rows[column * block.column_stride + block.column_at + quad0 + $qu];
          if POOLING == 0u {
            by_row = select(vec4<f32>(), by_row,
              best[row * block.outputs + quad0 + $qu] == vec4<u32>(c));
            by_column = select(vec4<f32>(), by_column,
              best[(block.nets * block.rows + column) * block.outputs + quad0 + $qu] == vec4<u32>(row % block.rows));
          } else if POOLING == 1u {
            by_row /= f32(block.columns);
            by_column /= f32(block.rows);
          }
          value += by_row + by_column;
        }
        if RELU == 1u || RELU_OUT == 1u {
          value = select(vec4<f32>(), block.factor * value, x[i] > vec4<f32>());
        }
        dx[i] = value;
      }
//#end
    }
  }
//#end
}
