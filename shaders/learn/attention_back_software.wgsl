// Gradient of set attention for software renderers; the formulae are in parts/attention_backward.wgsl. A thread goes through the
// blocks of rows of its unit one after the other and adds up dk and dv in place.
// Workgroups of 8 nets: (ceil(nets / 8), units).

//#include learn/parts/attention_lanes.wgsl

@group(0) @binding(3) var<storage, read> g: array<vec4<f32>>;           // [nets][positions][o_stride]
@group(0) @binding(4) var<storage, read_write> dy: array<vec4<f32>>;    // [nets][positions][y_stride]

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
  for (var first = 0u; first < n; first += 16u) {
//#include learn/parts/attention_lanes_soften.wgsl
//#for i in 0..16
//#for j in 0..8
    var s_$i_$j = vec4<f32>();
//#end
//#end
    for (var c = 0u; c < width; c += 4u) {
//#for i in 0..16
      let g_$i = g[((start + min(first + $iu, n - 1u)) * block.o_stride + unit.w + c) / 4u];
//#end
//#for j in 0..8
      {
//#for e in 0..4
        let v_$e = y[((start + min(4u * $ju + $eu, n - 1u)) * block.y_stride + unit.z + c) / 4u];
//#end
//#for i in 0..16
        s_$i_$j += vec4<f32>(dot(g_$i, v_0), dot(g_$i, v_1), dot(g_$i, v_2), dot(g_$i, v_3));
//#end
      }
//#end
    }
//#for i in 0..16
    {
      var total = 0.0;
//#for j in 0..8
      total += dot(p_$i_$j, s_$i_$j);
//#end
//#for j in 0..8
      s_$i_$j = scale * p_$i_$j * (s_$i_$j - total);
//#end
    }
//#end
    for (var c = 0u; c < width; c += 4u) {
//#for i in 0..16
      let g_$i = g[((start + min(first + $iu, n - 1u)) * block.o_stride + unit.w + c) / 4u];
      let q_$i = y[((start + min(first + $iu, n - 1u)) * block.y_stride + unit.x + c) / 4u];
      var a_$i = g_$i;
//#end
//#for j in 0..8
      {
//#for e in 0..4
        {
          // Keys beyond the last have no weight.
          let at = ((start + min(4u * $ju + $eu, n - 1u)) * block.y_stride + c) / 4u;
          let k = y[at + unit.y / 4u];
          var dk = select(vec4<f32>(), dy[at + unit.y / 4u], first > 0u);
          var dv = select(vec4<f32>(), dy[at + unit.z / 4u], first > 0u);
//#for i in 0..16
          a_$i += s_$i_$j[$e] * k;
          dk += s_$i_$j[$e] * q_$i;
          dv += p_$i_$j[$e] * g_$i;
//#end
          if 4u * $ju + $eu < n {
            dy[at + unit.y / 4u] = dk;
            dy[at + unit.z / 4u] = dv;
          }
        }
//#end
      }
//#end
//#for i in 0..16
      if first + $iu < n {
        dy[((start + first + $iu) * block.y_stride + unit.x + c) / 4u] = a_$i;
      }
//#end
    }
  }
}
