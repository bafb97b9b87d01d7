// Set attention for software renderers:  o = q + softmax(scale q k^T) v.
// Workgroups of 8 nets: (ceil(nets / 8), units, blocks of 16 rows).

//#include learn/parts/attention_lanes.wgsl

@group(0) @binding(3) var<storage, read_write> o: array<vec4<f32>>;     // [nets][positions][o_stride]

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
  let net = gid.x;
  if net >= block.nets {
    return;
  }
  let unit = table[2u * gid.y];
  let width = table[2u * gid.y + 1u].x;
  let scale = bitcast<f32>(table[2u * gid.y + 1u].y);
  let n = block.positions;
  let start = net * n;
  let first = 16u * gid.z;
//#include learn/parts/attention_lanes_soften.wgsl
  for (var c = 0u; c < width; c += 4u) {
//#for i in 0..16
    var o_$i = y[((start + min(first + $iu, n - 1u)) * block.y_stride + unit.x + c) / 4u];
//#end
//#for j in 0..8
    {
//#for e in 0..4
      let v_$e = y[((start + min(4u * $ju + $eu, n - 1u)) * block.y_stride + unit.z + c) / 4u];
//#end
//#for i in 0..16
      o_$i += p_$i_$j.x * v_0 + p_$i_$j.y * v_1 + p_$i_$j.z * v_2 + p_$i_$j.w * v_3;
//#end
    }
//#end
//#for i in 0..16
    if first + $iu < n {
      o[((start + first + $iu) * block.o_stride + unit.w + c) / 4u] = o_$i;
    }
//#end
  }
}
