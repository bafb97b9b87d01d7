// Parameters and activations in storage: deep and wide networks, whose tile of activations exceeds
// workgroup memory. Activations follow the running sums in the workgroup's part of `scratch`.

fn act_base() -> u32 {
  return scratch_base + select(0u, (HL - 1u) * G_LAYER, HL > 2u);
}

fn begin_params(lid: u32) {}
fn end_params(lid: u32) {}

fn load_param(i: u32) -> vec4<f32> { return params[param_base + i]; }
fn store_param(i: u32, value: vec4<f32>) { params[param_base + i] = value; }
fn load_act(i: u32) -> vec4<f32> { return scratch[act_base() + i]; }
fn store_act(i: u32, value: vec4<f32>) { scratch[act_base() + i] = value; }

fn sync() {
  storageBarrier();
  workgroupBarrier();
}
