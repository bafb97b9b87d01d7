// Set attention:  o = q + softmax(scale q k^T) v, for every head of every set map and every net.
// Threads own 4 x 4 tiles of the scores and then of the output. See parts/attention.wgsl.

@group(0) @binding(0) var<uniform> block: Block;
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let unit = unit_of(group.x);
  let net = group.y;
  let n = block.positions;
  let quads = (n + 3u) / 4u;
  let channels = (unit.width + 3u) / 4u;
  for (var first = 0u; first < n; first += block.block_rows) {
    soften(unit, net, first, lid);
    for (var t = lid; t < block.block_rows / 4u * channels; t += 64u) {
      let i0 = 4u * (t / channels);
      let c = 4u * (t % channels);
      let left = unit.width - c;
//#for i in 0..4
      var o_$i = vec4<f32>();
//#end
      for (var j = 0u; j < quads; j++) {
//#for e in 0..4
        let v_$e = read_y((net * n + min(4u * j + $eu, n - 1u)) * block.y_stride + unit.v + c, left);
//#end
//#for i in 0..4
        {
          let w = weights[(i0 + $iu) * quads + j];
          o_$i += w.x * v_0 + w.y * v_1 + w.z * v_2 + w.w * v_3;
        }
//#end
      }
//#for i in 0..4
      if first + i0 + $iu < n {
        let row = net * n + first + i0 + $iu;
        write_o(row * block.o_stride + unit.o + c, left, read_y(row * block.y_stride + unit.q + c, left) + o_$i);
      }
//#end
    }
    workgroupBarrier();
  }
}
