// A matrix product for software renderers: one thread makes a tile of NI rows by NQ column quads from registers alone. There a
// load of four numbers costs as much as some fifty multiply-adds of one lane, from workgroup memory no less than from storage,
// so what counts is multiply-adds per load; spilt accumulators come from the first cache. Large tiles take long
// to compile, though. Workgroups of 8: the lanes of one vector. NI is 4 NR.

//#include tensor/parts/matmul.wgsl

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = (group.y * groups.x + group.x) * 8u + lid;
  if index >= at.row_tiles * at.column_tiles * at.batch * at.segments {
    return;
  }
  let tile = tile_at(index);
  let row0 = tile.row * $NIu;
  let quad0 = tile.column * $NQu;

  // Where the rows of A begin; rows beyond the last are the last again, and are not stored.
  var a_row: array<u32, $NI>;
  {
    var row = row_at(min(row0, at.m - 1u));
//#for i in 0..NI
    a_row[$i] = tile.a + row_place(row, at.a_rows);
    if row0 + $iu + 1u < at.m {
      row = next_row(row);
    }
//#end
  }

  var acc: array<vec4<f32>, $NI * $NQ>;   // [row][column quad]
//#for i in 0..NI
//#for q in 0..NQ
  acc[$NQ * $i + $q] = vec4<f32>();
//#end
//#end
  var sums: array<f32, $NI>;

  let end = min(at.k, (tile.segment + 1u) * at.segment);
  for (var k = tile.segment * at.segment; k < end; k += 4u) {
    var a_quads: array<vec4<f32>, $NI>;   // [row], along k
    if KIND_A == 0u {
//#for i in 0..NI
      a_quads[$i] = quad_a(a_row[$i], k / 4u, end);
//#end
    } else {
      // Beyond the end A is 0, so that B may be anything.
//#for e in 0..4
      {
        let line = tile.a + min(k + $eu, end - 1u) * at.a_k;
        let inside = k + $eu < end;
//#for q in 0..NR
        {
          let v = quad_a(line, row0 / 4u + $qu, at.m);
//#for i in 0..4
          a_quads[4 * $q + $i][$e] = select(0.0, v[$i], inside);
//#end
        }
//#end
      }
//#end
    }
//#for e in 0..4
//#for q in 0..NQ
    var b$e_$q: vec4<f32>;
//#end
//#end
    if KIND_B == 0u {
//#for e in 0..4
      {
        let line = tile.b + min(k + $eu, end - 1u) * at.b_k;
//#for q in 0..NQ
        b$e_$q = quad_b(line, quad0 + $qu, at.n);
//#end
      }
//#end
    } else {
//#for q in 0..NQ
//#for j in 0..4
      {
        let column = min(4u * (quad0 + $qu) + $ju, at.n - 1u);
        let v = quad_b(tile.b + column * at.b_n, k / 4u, end);
//#for e in 0..4
        b$e_$q[$j] = v[$e];
//#end
      }
//#end
//#end
    }
//#for i in 0..NI
//#for q in 0..NQ
    {
      var t = acc[$NQ * $i + $q];
//#for e in 0..4
      t += a_quads[$i][$e] * b$e_$q;
//#end
      acc[$NQ * $i + $q] = t;
    }
//#end
//#end
    if SUMS == 1u && tile.column == 0u {
//#for i in 0..NI
      sums[$i] += dot(a_quads[$i], vec4<f32>(1.0));
//#end
    }
  }

  var row = row_at(row0);
//#for i in 0..NI
  if row0 + $iu < at.m {
//#for q in 0..NQ
    put(tile.c, row, quad0 + $qu, acc[$NQ * $i + $q]);
//#end
  }
  row = next_row(row);
//#end
  if SUMS == 1u && tile.column == 0u {
//#for q in 0..NR
    put_sums(tile.segment, $NRu * tile.row + $qu, vec4<f32>(sums[4 * $q], sums[4 * $q + 1], sums[4 * $q + 2], sums[4 * $q + 3]));
//#end
  }
}
