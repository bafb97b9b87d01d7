// Some nets of a batch, by index, with their identities: out[n][p] = source[indices[extra.x + n]][p].
//
// One thread per RUN parameters (parts/run.wgsl).

//#include symmetry/parts/shape.wgsl
//#include symmetry/parts/run.wgsl

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> indices: array<u32>;                // [any]
@group(0) @binding(2) var<storage, read> source: array<f32>;                 // [any][param_count]
@group(0) @binding(3) var<storage, read> source_ids: array<vec2<u32>>;       // [any] (object, view)
@group(0) @binding(4) var<storage, read_write> out: array<f32>;              // [nets][param_count]
@group(0) @binding(5) var<storage, read_write> out_ids: array<vec2<u32>>;    // [nets]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let run = run_of((wid.y * grid.x + wid.x) * 64u + lane);
  if run.net >= shape.nets {
    return;
  }
  let chosen = indices[shape.extra.x + run.net];
  if run.p == 0u {
    out_ids[run.net] = source_ids[chosen];
  }
//#for i in 0..16
  if $iu < RUN && run.p + $iu < shape.param_count {
    out[run.base + run.p + $iu] = source[chosen * shape.param_count + run.p + $iu];
  }
//#end
}
