// Defines p_0_0 .. p_15_7, the softmax of the scores of rows first .. first + 15, given `unit` (q, k, v, o), `width`,
// `scale`, `first`, `n`, and `start`, the number of the net's first position.
//#for i in 0..16
//#for j in 0..8
  var p_$i_$j = vec4<f32>();
//#end
//#end
  for (var c = 0u; c < width; c += 4u) {
//#for i in 0..16
    let q_$i = y[((start + min(first + $iu, n - 1u)) * block.y_stride + unit.x + c) / 4u];
//#end
//#for j in 0..8
    {
//#for e in 0..4
      let k_$e = y[((start + min(4u * $ju + $eu, n - 1u)) * block.y_stride + unit.y + c) / 4u];
//#end
//#for i in 0..16
      p_$i_$j += vec4<f32>(dot(q_$i, k_0), dot(q_$i, k_1), dot(q_$i, k_2), dot(q_$i, k_3));
//#end
    }
//#end
  }
//#for i in 0..16
  {
    var top = LOWEST;
//#for j in 0..8
    p_$i_$j = select(vec4<f32>(LOWEST), p_$i_$j * scale,
      vec4<u32>(4u * $ju, 4u * $ju + 1u, 4u * $ju + 2u, 4u * $ju + 3u) < vec4<u32>(n));
    top = max(top, max4(p_$i_$j));
//#end
    var total = 0.0;
//#for j in 0..8
    p_$i_$j = exp(p_$i_$j - top);
    total += sum4(p_$i_$j);
//#end
    let share = select(0.0, 1.0 / total, first + $iu < n);
//#for j in 0..8
    p_$i_$j *= share;
//#end
  }
//#end
