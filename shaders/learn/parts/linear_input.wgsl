// Gradient of linear_forward.wgsl by its input:  dx[r][a + k] = sum over blocks that read columns a of sum_o dy[r][c + o] W[o][k].
// Columns that nothing reads get zeros. Tiles as in linear_forward.wgsl; W is read along its rows.
// Workgroups: (tiles, ceil(rows / 128)).

//#include learn/parts/linear.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;             // [rows][x_stride], the input, for its sign
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;            // [rows][y_stride]
@group(0) @binding(4) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;      // [rows][x_stride]

// 1: there was a ReLU on x.
override RELU: u32;

@compute @workgroup_size($THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let tile = table[2u * group.x];             // (x quad, quads, first quad of W's columns, first segment)
  let segments = table[2u * group.x + 1u].x;
  let quad0 = lid % $ACROSSu * $QUADSu;
  let row0 = group.y * 128u + lid / $ACROSSu * $ROWSu;
  if quad0 >= tile.y || row0 >= block.rows {
    return;
  }
//#for i in 0..ROWS
  let y_row_$i = min(row0 + $iu, block.rows - 1u) * block.y_stride;
//#for q in 0..QUADS
  var acc_$i_$q = vec4<f32>();
//#end
//#end
  for (var s = 0u; s < segments; s++) {
    let segment = table[tile.w + s];          // (y quad, quads of y, W, W's stride)
    let w0 = segment.z + tile.z + quad0;
    for (var o = 0u; o < segment.y; o++) {
//#for i in 0..ROWS
      let d_$i = dy[y_row_$i + segment.x + o];
//#end
//#for e in 0..4
      {
//#for q in 0..QUADS
        let w_$q = params[w0 + (4u * o + $eu) * segment.w + $qu];
//#for i in 0..ROWS
        acc_$i_$q += d_$i[$e] * w_$q;
//#end
//#end
      }
//#end
    }
  }
//#for i in 0..ROWS
  if row0 + $iu < block.rows {
//#for q in 0..QUADS
    if quad0 + $qu < tile.y {
      let at = (row0 + $iu) * block.x_stride + tile.x + quad0 + $qu;
      if RELU == 1u {
        acc_$i_$q = select(vec4<f32>(), acc_$i_$q, x[at] > vec4<f32>());
      }
      if block.accumulate == 1u {
        acc_$i_$q += dx[at];
      }
      dx[at] = acc_$i_$q;
    }
//#end
  }
//#end
}
