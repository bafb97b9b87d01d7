// What forward and backward of set attention share. A unit is one head of one set map: columns of Q, K, V in y and of
// its output, the head's width, and the scale of the scores. One workgroup of 64 does one unit of one net, in blocks of
// `block_rows` positions (multiple of 4, block_rows * ceil4(positions) <= 1024), so that the scores of a block are one 4 x 4
// tile per thread. Workgroups: (units, nets).

struct Block {
  positions: u32,
  block_rows: u32,
  // Numbers from one position to the next.
  y_stride: u32,
  o_stride: u32,
}

struct Unit {
  q: u32,
  k: u32,
  v: u32,
  o: u32,
  width: u32,
  scale: f32,
}

const LOWEST = -3.0e38;

var<workgroup> weights: array<vec4<f32>, 256>;   // [block_rows][quads of positions]
var<workgroup> partial: array<f32, 256>;         // [block_rows][quads of positions]
var<workgroup> row_value: array<f32, 64>;        // [block_rows]

fn unit_of(index: u32) -> Unit {
  let a = table[2u * index];
  let b = table[2u * index + 1u];
  return Unit(a.x, a.y, a.z, a.w, b.x, bitcast<f32>(b.y));
}

fn sum4(v: vec4<f32>) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

fn max4(v: vec4<f32>) -> f32 {
  return max(max(v.x, v.y), max(v.z, v.w));
}

// Softmax of the scores of rows first .. first + block_rows, into `weights`; rows beyond the last position get zeros.
fn soften(unit: Unit, net: u32, first: u32, lid: u32) {
  let n = block.positions;
  let quads = (n + 3u) / 4u;
  let i0 = 4u * (lid / quads);
  let j0 = 4u * (lid % quads);
  let busy = i0 < block.block_rows;
//#for i in 0..4
  var s_$i = vec4<f32>();
//#end
  if busy {
//#for i in 0..4
    let q_$i = (net * n + min(first + i0 + $iu, n - 1u)) * block.y_stride + unit.q;
    let k_$i = (net * n + min(j0 + $iu, n - 1u)) * block.y_stride + unit.k;
//#end
    for (var c = 0u; c < unit.width; c += 4u) {
      let left = unit.width - c;
//#for i in 0..4
      let b_$i = read_y(k_$i + c, left);
//#end
//#for i in 0..4
      {
        let a = read_y(q_$i + c, left);
        s_$i += vec4<f32>(dot(a, b_0), dot(a, b_1), dot(a, b_2), dot(a, b_3));
      }
//#end
    }
    let inside = vec4<u32>(j0, j0 + 1u, j0 + 2u, j0 + 3u) < vec4<u32>(n);
//#for i in 0..4
    s_$i = select(vec4<f32>(LOWEST), s_$i * unit.scale, inside);
    partial[(i0 + $iu) * quads + j0 / 4u] = max4(s_$i);
//#end
  }
  workgroupBarrier();
  if lid < block.block_rows {
    var top = LOWEST;
    for (var j = 0u; j < quads; j++) {
      top = max(top, partial[lid * quads + j]);
    }
    row_value[lid] = top;
  }
  workgroupBarrier();
  if busy {
//#for i in 0..4
    s_$i = exp(s_$i - row_value[i0 + $iu]);
    partial[(i0 + $iu) * quads + j0 / 4u] = sum4(s_$i);
//#end
  }
  workgroupBarrier();
  if lid < block.block_rows {
    var total = 0.0;
    for (var j = 0u; j < quads; j++) {
      total += partial[lid * quads + j];
    }
    row_value[lid] = select(0.0, 1.0 / total, first + lid < n);
  }
  workgroupBarrier();
  if busy {
//#for i in 0..4
    weights[(i0 + $iu) * quads + j0 / 4u] = s_$i * row_value[i0 + $iu];
//#end
  }
  workgroupBarrier();
}
