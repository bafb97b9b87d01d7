// Many affine maps of the columns of one matrix in one dispatch:
//   y[r][c + o] = sum_s (sum_k x[r][a_s + k] W_s[o][k] + b_s[o])   for every block of columns c, o < n,
// where a block sums over its segments s. Weights are (out, in) with rows padded to quads, all in one arena.
//
// A workgroup makes a tile of 128 rows by ACROSS * QUADS column quads, a thread ROWS by QUADS of it. Both operands are
// contiguous along k. No workgroup memory: the tiles of x and W are small and stay in the caches.
// Workgroups: (tiles, ceil(rows / 128)).

//#include learn/parts/linear.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;             // [rows][x_stride]
@group(0) @binding(3) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;       // [rows][y_stride]

// 1: ReLU on x.
override RELU: u32;

@compute @workgroup_size($THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let tile = table[2u * group.x];             // (column quad, quads, first row of W, first segment)
  let segments = table[2u * group.x + 1u].x;
  let quad0 = lid % $ACROSSu * $QUADSu;
  let row0 = group.y * 128u + lid / $ACROSSu * $ROWSu;
  if quad0 >= tile.y || row0 >= block.rows {
    return;
  }
//#for i in 0..ROWS
  let x_row_$i = min(row0 + $iu, block.rows - 1u) * block.x_stride;
//#for q in 0..QUADS
  var acc_$i_$q = vec4<f32>();
//#end
//#end
  for (var s = 0u; s < segments; s++) {
    let segment = table[tile.w + 2u * s];     // (x quad, k quads, W, W's stride)
    let bias = table[tile.w + 2u * s + 1u].x; // 0: none
    if bias != 0u {
//#for q in 0..QUADS
      let bias_$q = params[bias - 1u + tile.z / 4u + quad0 + $qu];
//#for i in 0..ROWS
      acc_$i_$q += bias_$q;
//#end
//#end
    }
    let w0 = segment.z + (tile.z + 4u * quad0) * segment.w;
    for (var k = 0u; k < segment.y; k++) {
//#for i in 0..ROWS
      var x_$i = x[x_row_$i + segment.x + k];
      if RELU == 1u {
        x_$i = max(x_$i, vec4<f32>());
      }
//#end
//#for q in 0..QUADS
      {
//#for e in 0..4
        let w_$e = params[w0 + (4u * $qu + $eu) * segment.w + k];
//#end
//#for i in 0..ROWS
        acc_$i_$q += vec4<f32>(dot(x_$i, w_0), dot(x_$i, w_1), dot(x_$i, w_2), dot(x_$i, w_3));
//#end
      }
//#end
    }
  }
//#for i in 0..ROWS
  if row0 + $iu < block.rows {
//#for q in 0..QUADS
    if quad0 + $qu < tile.y {
      let at = (row0 + $iu) * block.y_stride + tile.x + quad0 + $qu;
      if block.accumulate == 1u {
        acc_$i_$q += y[at];
      }
      y[at] = acc_$i_$q;
    }
//#end
  }
//#end
}
