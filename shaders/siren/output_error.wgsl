// Loss and its derivative:  e = y - target;  y <- grad_scale e;  partial = sum of e^2 over a block.
// Points beyond the signal count as exact. One workgroup per block of 1024 points and slot; every
// block has its own partial sum, added in order by verdict.wgsl.

struct OutputParams {
  outputs: u32,
  chunk: u32,          // padded points of a chunk
  first: u32,          // of active_nets
  start: u32,          // first point of the chunk within the signal
  points: u32,         // of the signal
  point_stride: u32,   // padded points of a signal in `targets`
  first_block: u32,    // blocks before this chunk
  blocks: u32,         // blocks of a whole signal
  grad_scale: f32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<uniform> output: OutputParams;
@group(0) @binding(1) var<storage, read> active_nets: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;             // [nets][outputs][point_stride]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;             // [slots][outputs][chunk]
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;      // [slots][blocks]

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let net = active_nets[output.first + group.z];
  let end = min((group.x + 1u) * 1024u, output.chunk);
  var sum = 0.0;
  for (var o = 0u; o < output.outputs; o++) {
    for (var p = group.x * 1024u + lid; p < end; p += 64u) {
      let at = (group.z * output.outputs + o) * output.chunk + p;
      var e = 0.0;
      if output.start + p < output.points {
        e = y[at] - targets[(net * output.outputs + o) * output.point_stride + output.start + p];
      }
      y[at] = output.grad_scale * e;
      sum += e * e;
    }
  }
  sums[lid] = sum;
  workgroupBarrier();
  if lid == 0u {
    var total = 0.0;
    for (var t = 0u; t < 64u; t++) {
      total += sums[t];
    }
    partials[group.z * output.blocks + output.first_block + group.x] = total;
  }
}
