// Biases after shifts of phases: b_i <- b_i + k_i numbers.x, with k of parts/phase.wgsl. All other parameters are written by
// bits.wgsl.
//
// One thread per RUN hidden neurons, a multiple of the four that share a block of random words.

//#include shared/philox.wgsl
//#include symmetry/parts/shape.wgsl
//#include shared/divide.wgsl
//#include symmetry/parts/phase.wgsl

override RUN: u32;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;              // [nets] (object, view)
@group(0) @binding(2) var<storage, read> source: array<f32>;                 // [nets][param_count]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;              // [nets][param_count]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = divide((wid.y * grid.x + wid.x) * 64u + lane, (shape.hidden + RUN - 1u) / RUN);
  if at.x >= shape.nets {
    return;
  }
  let id = ids[at.x];
//#for q in 0..4
  if 4u * $qu < RUN {
    let first = RUN * at.y + 4u * $qu;
    let k = shifts_of(id, first / 4u);
//#for i in 0..4
    {
      let h = first + $iu;
      // Where the bias of neuron 0 of the layer lies, less the number of that neuron.
      var bias = shape.layer[0].y;
//#for l in 1..8
      bias = select(bias, shape.layer[$l].y - shape.neuron[$l].x, h >= shape.neuron[$l].x);
//#end
      if h < shape.hidden {
        let p = at.x * shape.param_count + bias + h;
        out[p] = source[p] + f32(k[$i]) * shape.numbers.x;
      }
    }
//#end
  }
//#end
}
