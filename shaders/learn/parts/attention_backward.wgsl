// Gradient of set attention. With P = softmax(scale q k^T) of a block of rows and the output's gradient g:
//   dP = g v^T,  dS = scale P (dP - rowsum(P dP)),  dq = g + dS k,  dk += dS^T q,  dv += P^T g.
// P is computed again. Every tile of dk and dv belongs to one thread, which adds to it block by block.
// See parts/attention.wgsl.

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;

var<workgroup> slopes: array<vec4<f32>, 256>;    // dS, [block_rows][quads of positions]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let unit = unit_of(group.x);
  let net = group.y;
  let n = block.positions;
  let quads = (n + 3u) / 4u;
  let channels = (unit.width + 3u) / 4u;
  let ti = 4u * (lid / quads);
  let tj = 4u * (lid % quads);
  let busy = ti < block.block_rows;
  for (var first = 0u; first < n; first += block.block_rows) {
    soften(unit, net, first, lid);
//#for i in 0..4
    var p_$i = vec4<f32>();
    var s_$i = vec4<f32>();
//#end
    if busy {
      for (var c = 0u; c < unit.width; c += 4u) {
        let left = unit.width - c;
//#for e in 0..4
        let v_$e = read_y((net * n + min(tj + $eu, n - 1u)) * block.y_stride + unit.v + c, left);
//#end
//#for i in 0..4
        {
          let g = read_g((net * n + min(first + ti + $iu, n - 1u)) * block.o_stride + unit.o + c, left);
          s_$i += vec4<f32>(dot(g, v_0), dot(g, v_1), dot(g, v_2), dot(g, v_3));
        }
//#end
      }
//#for i in 0..4
      p_$i = weights[(ti + $iu) * quads + tj / 4u];
      partial[(ti + $iu) * quads + tj / 4u] = dot(p_$i, s_$i);
//#end
    }
    workgroupBarrier();
    if lid < block.block_rows {
      var total = 0.0;
      for (var j = 0u; j < quads; j++) {
        total += partial[lid * quads + j];
      }
      row_value[lid] = total;
    }
    workgroupBarrier();
    if busy {
//#for i in 0..4
      slopes[(ti + $iu) * quads + tj / 4u] = unit.scale * p_$i * (s_$i - row_value[ti + $iu]);
//#end
    }
    workgroupBarrier();

    for (var t = lid; t < block.block_rows / 4u * channels; t += 64u) {
      let i0 = 4u * (t / channels);
      let c = 4u * (t % channels);
      let left = unit.width - c;
//#for i in 0..4
      var a_$i = vec4<f32>();
//#end
      for (var j = 0u; j < quads; j++) {
//#for e in 0..4
        let k_$e = read_y((net * n + min(4u * j + $eu, n - 1u)) * block.y_stride + unit.k + c, left);
//#end
//#for i in 0..4
        {
          let w = slopes[(i0 + $iu) * quads + j];
          a_$i += w.x * k_0 + w.y * k_1 + w.z * k_2 + w.w * k_3;
        }
//#end
      }
//#for i in 0..4
      if first + i0 + $iu < n {
        let row = net * n + first + i0 + $iu;
        write_dy(row * block.y_stride + unit.q + c, left, read_g(row * block.o_stride + unit.o + c, left) + a_$i);
      }
//#end
    }

    for (var t = lid; t < quads * channels; t += 64u) {
      let j0 = t / channels;
      let c = 4u * (t % channels);
      let left = unit.width - c;
//#for e in 0..4
      var k_$e = vec4<f32>();
      var v_$e = vec4<f32>();
//#end
      for (var i = 0u; i < block.block_rows; i++) {
        // Rows beyond the last position have zero weights and slopes.
        let row = net * n + min(first + i, n - 1u);
        let q = read_y(row * block.y_stride + unit.q + c, left);
        let g = read_g(row * block.o_stride + unit.o + c, left);
        let s = slopes[i * quads + j0];
        let p = weights[i * quads + j0];
//#for e in 0..4
        k_$e += s[$e] * q;
        v_$e += p[$e] * g;
//#end
      }
//#for e in 0..4
      if 4u * j0 + $eu < n {
        let row = (net * n + 4u * j0 + $eu) * block.y_stride + c;
        if first > 0u {
          k_$e += read_dy(row + unit.k, left);
          v_$e += read_dy(row + unit.v, left);
        }
        write_dy(row + unit.k, left, k_$e);
        write_dy(row + unit.v, left, v_$e);
      }
//#end
    }
    workgroupBarrier();
  }
}
