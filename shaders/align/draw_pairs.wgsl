// Partners for the items of a batch: pairs[i] = (a, b, n, epoch) with n = items[first + i] and
//
//   b = pool[floor(u * count)],  u = philox(counter (0, n, epoch, stream), seed)[0] / 2^32,
//
// uniform over the pool, n itself and its class included, as in the reference code. a is n, or the position i if the
// first nets of the pairs were picked into a batch of their own. (n, epoch) is also the stream of everything else
// that is drawn for the pair, so a net's mixture depends on the seed, the net and the epoch, and not on its batch.
//
// count = nets of the pool, extra = (first, 1 for positions, epoch). One thread per pair.

//#include shared/philox.wgsl
//#include symmetry/parts/shape.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> items: array<u32>;                  // [any] indices of nets
@group(0) @binding(2) var<storage, read> pool: array<u32>;                   // [count] indices of nets
@group(0) @binding(3) var<storage, read_write> pairs: array<vec4<u32>>;      // [pairs]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = 64u * (wid.y * grid.x + wid.x) + lane;
  if i >= shape.nets {
    return;
  }
  let net = items[shape.extra.x + i];
  let epoch = shape.extra.z;
  let word = philox4x32(vec4<u32>(0u, net, epoch, shape.stream), shape.seed).x;
  let partner = pool[product(word, shape.count).x];
  pairs[i] = vec4<u32>(select(net, i, shape.extra.y == 1u), partner, net, epoch);
}
