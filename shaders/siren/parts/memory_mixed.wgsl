// Parameters in storage (the caches hold them), activations in workgroup memory: for networks or
// devices where both do not fit.

var<workgroup> work_acts: array<vec4<f32>, AV>;

fn begin_params(lid: u32) {}
fn end_params(lid: u32) {}

fn load_param(i: u32) -> vec4<f32> { return params[param_base + i]; }
fn store_param(i: u32, value: vec4<f32>) { params[param_base + i] = value; }
fn load_act(i: u32) -> vec4<f32> { return work_acts[i]; }
fn store_act(i: u32, value: vec4<f32>) { work_acts[i] = value; }

fn sync() {
  storageBarrier();
  workgroupBarrier();
}
