// What the kernels of the tiled path share: one layer of a group of networks over a chunk of points.
//
// Activations are [slot][neuron][chunk], the chunk padded to whole 64-point tiles; slot s holds the
// network active_nets[first + s]. Parameters are the plain vectors [nets][param_count], layer by layer
// weight (out, in) and bias (out). A workgroup of 8 x 8 threads makes a 64 x 64 tile of the result;
// each thread owns rows 4 r + {0..3} and 32 + 4 r + {0..3} and column quads c and 8 + c. Operands go
// through two 4 kB tiles of workgroup memory, 16 deep; four vec4 loads feed 64 multiply-adds.

//#include siren/parts/layer_block.wgsl

const TILE: u32 = 64u;
const DEPTH: u32 = 16u;

var<workgroup> rows: array<vec4<f32>, 256>;      // [DEPTH][64 rows]
var<workgroup> columns: array<vec4<f32>, 256>;   // [DEPTH][64 columns]

// acc[2 i + q] += over the DEPTH, row i of thread r times column quad q of thread c.
fn multiply(acc: ptr<function, array<vec4<f32>, 16>>, r: u32, c: u32) {
  for (var k = 0u; k < DEPTH; k++) {
    let a0 = rows[16u * k + r];
    let a1 = rows[16u * k + 8u + r];
    let b0 = columns[16u * k + c];
    let b1 = columns[16u * k + 8u + c];
//#for i in 0..4
    (*acc)[2 * $i] += a0[$i] * b0;
    (*acc)[2 * $i + 1] += a0[$i] * b1;
    (*acc)[8 + 2 * $i] += a1[$i] * b0;
    (*acc)[9 + 2 * $i] += a1[$i] * b1;
//#end
  }
}
