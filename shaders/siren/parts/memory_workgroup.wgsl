// Parameters and activations in workgroup memory.

var<workgroup> work_params: array<vec4<f32>, PV>;
var<workgroup> work_acts: array<vec4<f32>, AV>;

fn begin_params(lid: u32) {
  for (var i = lid; i < PV; i += WG) {
    work_params[i] = params[param_base + i];
  }
  workgroupBarrier();
}

fn end_params(lid: u32) {
  for (var i = lid; i < PV; i += WG) {
    params[param_base + i] = work_params[i];
  }
}

fn load_param(i: u32) -> vec4<f32> { return work_params[i]; }
fn store_param(i: u32, value: vec4<f32>) { work_params[i] = value; }
fn load_act(i: u32) -> vec4<f32> { return work_acts[i]; }
fn store_act(i: u32, value: vec4<f32>) { work_acts[i] = value; }

fn sync() {
  storageBarrier();
  workgroupBarrier();
}
