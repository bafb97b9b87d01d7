// A matrix product for GPUs: a workgroup makes a tile of TILE x TILE, each of its (TILE / 8)^2 threads 8 x 8 of it in registers.
// Thread (r, c) owns row quads r and r + TILE / 8 and column quads c and c + TILE / 8. Operands go through workgroup memory 16
// deep, [k][row quad] and [k][column quad], loaded in blocks of 4 x 4 that are turned in registers where
// they lie the other way; four vec4 loads then feed 64 multiply-adds.

//#include tensor/parts/matmul.wgsl

const SIDE: u32 = $TILEu / 8u;
const QUADS: u32 = $TILEu / 4u;
const THREADS: u32 = SIDE * SIDE;
const DEPTH: u32 = 16u;

var<workgroup> tile_a: array<vec4<f32>, DEPTH * QUADS>;
var<workgroup> tile_b: array<vec4<f32>, DEPTH * QUADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lid: u32,
) {
  let index = group.y * groups.x + group.x;
  if index >= at.row_tiles * at.column_tiles * at.batch * at.segments {
    return;
  }
  let tile = tile_at(index);
  let row0 = tile.row * $TILEu;
  let quad0 = tile.column * QUADS;
  let r = lid / SIDE;
  let c = lid % SIDE;

  // The block that this thread loads; neighbours lie along the quads. With more threads than blocks of one operand, half
  // of the threads load A and half load B.
  let both = THREADS == $TILEu;
  let block = lid % $TILEu;
  let a_quad = select(block % QUADS, block / 4u, KIND_A == 0u);
  let a_depth = 4u * select(block / QUADS, block % 4u, KIND_A == 0u);
  let b_quad = select(block % QUADS, block / 4u, KIND_B == 1u);
  let b_depth = 4u * select(block / QUADS, block % 4u, KIND_B == 1u);
  var a_line: array<u32, 4>;
  {
    var row = row_at(min(row0 + 4u * a_quad, at.m - 1u));
//#for i in 0..4
    a_line[$i] = tile.a + row_place(row, at.a_rows);
    if row0 + 4u * a_quad + $iu + 1u < at.m {
      row = next_row(row);
    }
//#end
  }

  var acc: array<vec4<f32>, 16>;
//#for i in 0..16
  acc[$i] = vec4<f32>();
//#end
  var sums0 = vec4<f32>();
  var sums1 = vec4<f32>();

  let end = min(at.k, (tile.segment + 1u) * at.segment);
  for (var k0 = tile.segment * at.segment; k0 < end; k0 += DEPTH) {
    workgroupBarrier();
    if both || lid < $TILEu {
      let k = k0 + a_depth;
//#for e in 0..4
      var v$e = vec4<f32>();
//#end
      if KIND_A == 0u {
        if k < end {
//#for i in 0..4
          let u$i = quad_a(a_line[$i], k / 4u, end);
//#end
//#for e in 0..4
          v$e = vec4<f32>(u0[$e], u1[$e], u2[$e], u3[$e]);
//#end
        }
      } else {
//#for e in 0..4
        if k + $eu < end {
          v$e = quad_a(tile.a + (k + $eu) * at.a_k, row0 / 4u + a_quad, at.m);
        }
//#end
      }
//#for e in 0..4
      tile_a[(a_depth + $eu) * QUADS + a_quad] = v$e;
//#end
    }
    if both || lid >= $TILEu {
      let k = k0 + b_depth;
//#for e in 0..4
      var v$e = vec4<f32>();
//#end
      if KIND_B == 0u {
//#for e in 0..4
        if k + $eu < end {
          v$e = quad_b(tile.b + (k + $eu) * at.b_k, quad0 + b_quad, at.n);
        }
//#end
      } else {
        if k < end {
//#for j in 0..4
          let u$j = quad_b(tile.b + min(4u * (quad0 + b_quad) + $ju, at.n - 1u) * at.b_n, k / 4u, end);
//#end
//#for e in 0..4
          v$e = vec4<f32>(u0[$e], u1[$e], u2[$e], u3[$e]);
//#end
        }
      }
//#for e in 0..4
      tile_b[(b_depth + $eu) * QUADS + b_quad] = v$e;
//#end
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let a0 = tile_a[k * QUADS + r];
      let a1 = tile_a[k * QUADS + SIDE + r];
      let b0 = tile_b[k * QUADS + c];
      let b1 = tile_b[k * QUADS + SIDE + c];
//#for i in 0..4
      acc[2 * $i] += a0[$i] * b0;
      acc[2 * $i + 1] += a0[$i] * b1;
      acc[8 + 2 * $i] += a1[$i] * b0;
      acc[9 + 2 * $i] += a1[$i] * b1;
//#end
      if SUMS == 1u {
        sums0 += a0;
        sums1 += a1;
      }
    }
  }

//#for h in 0..2
  {
    let first = row0 + 4u * (r + $hu * SIDE);
    var row = row_at(first);
//#for i in 0..4
    if first + $iu < at.m {
//#for q in 0..2
      put(tile.c, row, quad0 + c + $qu * SIDE, acc[8 * $h + 2 * $i + $q]);
//#end
    }
    row = next_row(row);
//#end
    if SUMS == 1u && tile.column == 0u && c == 0u {
      put_sums(tile.segment, first / 4u, sums$h);
    }
  }
//#end
}
