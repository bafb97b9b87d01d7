//! Opening the GPU, and finding out why there is none.

use crate::protocol::{Device, NoGpu};
use crate::web;
use js_sys::{Array, Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use weightlab_gpu::{Gpu, GpuError, OpenOptions};

/// Opens the device that the browser offers.
pub(super) async fn open() -> Result<(Gpu, Device), NoGpu> {
    let global = JsValue::from(js_sys::global());
    if web::get(&global, "isSecureContext").and_then(|v| v.as_bool()) == Some(false) {
        return Err(NoGpu::Insecure);
    }
    let Some(api) = web::get(&global, "navigator").and_then(|n| web::get(&n, "gpu")) else {
        return Err(NoGpu::Absent);
    };
    let gpu = Gpu::open(&OpenOptions::default()).await.map_err(|error| match error {
        GpuError::NoAdapter { .. } => NoGpu::NoAdapter,
        other => NoGpu::Unusable(other.to_string()),
    })?;
    let (made, features) = told(&api).await.unwrap_or_default();
    let device = Device { adapter: gpu.report().clone(), made, features, software: gpu.is_cpu() };
    Ok((gpu, device))
}

/// What the browser says of the adapter: who made it, of which most say only the vendor and the architecture, for privacy; and its
/// features.
async fn told(api: &JsValue) -> Option<(String, String)> {
    let request: Function = web::get(api, "requestAdapter")?.dyn_into().ok()?;
    let promise: Promise = request.call0(api).ok()?.dyn_into().ok()?;
    let adapter = JsFuture::from(promise).await.ok()?;
    let info = web::get(&adapter, "info")?;
    let words =
        ["vendor", "architecture", "device", "description"].map(|key| web::text(&info, key));
    let mut said: Vec<&str> = Vec::new();
    for word in words.iter().map(String::as_str).filter(|w| !w.is_empty()) {
        if !said.contains(&word) {
            said.push(word);
        }
    }
    let features = web::get(&adapter, "features").map(|set| Array::from(&set).join(", "));
    Some((said.join(", "), features.map(String::from).unwrap_or_default()))
}
