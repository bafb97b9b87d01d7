// Gradient of linear_forward.wgsl by weights and biases:
//   dW[o][k] = scale sum_p sum_r dy[r][c_p + o] x[r][a_p + k],   db[o] = scale sum_p sum_r dy[r][c_p + o],
// summed over the pairs p of columns that share the weight. Rows are cut into spans; each span writes a partial sum of
// its own, which linear_reduce.wgsl adds in order, so that the result does not depend on timing.
//
// A workgroup makes TILES tiles, a thread QUADS quads of outputs by QUADS quads of inputs, ACROSS threads side by side along the inputs.
// Workgroups: (ceil(tiles / TILES), spans).

//#include learn/parts/linear.wgsl

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;             // [rows][x_stride]
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;            // [rows][y_stride]
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;     // [spans][partial_stride]

// 1: ReLU on x.
override RELU: u32;

@compute @workgroup_size($THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let index = group.x * $TILESu + lid * $TILESu / $THREADSu;
  if index >= block.tiles {
    return;
  }
  let tile = table[3u * index];               // (W at the tile's corner, quads of o, quads of k, W's stride)
  let more = table[3u * index + 1u];          // (db + 1 or 0, first pair, pairs, scale)
  let corner = table[3u * index + 2u];        // (first quad of o, first quad of k, ..)
  let within = lid % ($THREADSu / $TILESu);
  let k0 = within % $ACROSSu * $QUADSu;
  let o0 = within / $ACROSSu * $QUADSu;
  if k0 >= tile.z || o0 >= tile.y {
    return;
  }
//#for q in 0..QUADS
  var bias_$q = vec4<f32>();
//#for e in 0..4
//#for k in 0..QUADS
  var acc_$q_$e_$k = vec4<f32>();
//#end
//#end
//#end
  let first = group.y * block.span;
  let last = min(first + block.span, block.rows);
  for (var p = 0u; p < more.z; p++) {
    let pair = table[more.y + p];             // (y quad, x quad)
    let y0 = pair.x + corner.x + o0;
    let x0 = pair.y + corner.y + k0;
    for (var r = first; r < last; r++) {
//#for k in 0..QUADS
      var x_$k = x[r * block.x_stride + x0 + $ku];
      if RELU == 1u {
        x_$k = max(x_$k, vec4<f32>());
      }
//#end
//#for q in 0..QUADS
      {
        let d = dy[r * block.y_stride + y0 + $qu];
        bias_$q += d;
//#for e in 0..4
//#for k in 0..QUADS
        acc_$q_$e_$k += d[$e] * x_$k;
//#end
//#end
      }
//#end
    }
  }
  let scale = bitcast<f32>(more.w);
  let base = group.y * block.partial_stride;
//#for q in 0..QUADS
  if o0 + $qu < tile.y {
//#for e in 0..4
//#for k in 0..QUADS
    if k0 + $ku < tile.z {
      let at = base + tile.x - block.base + (4u * (o0 + $qu) + $eu) * tile.w + k0 + $ku;
      var sum = scale * acc_$q_$e_$k;
      if block.accumulate == 1u {
        sum += out[at];
      }
      out[at] = sum;
    }
//#end
//#end
    if more.x != 0u && k0 == 0u {
      let at = base + more.x - 1u - block.base + corner.x + o0 + $qu;
      var sum = scale * bias_$q;
      if block.accumulate == 1u {
        sum += out[at];
      }
      out[at] = sum;
    }
  }
//#end
}
