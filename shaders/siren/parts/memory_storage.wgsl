// Parameters and activations in storage: deep and wide networks, whose tile of activations exceeds
// workgroup memory. Activations follow the running sums in the workgroup's part of `scratch`.

override ACTS: u32 = select(0u, (HL - 1u) * G_LAYER, HL > 2u);

fn begin_params(lid: u32) {}
fn end_params(lid: u32) {}

fn load_param(i: u32) -> vec4<f32> { return params[param_base + i]; }
fn store_param(i: u32, value: vec4<f32>) { params[param_base + i] = value; }
fn load_act(i: u32) -> vec4<f32> { return scratch[scratch_base + ACTS + i]; }
fn store_act(i: u32, value: vec4<f32>) { scratch[scratch_base + ACTS + i] = value; }

fn sync() {
  storageBarrier();
  workgroupBarrier();
}
