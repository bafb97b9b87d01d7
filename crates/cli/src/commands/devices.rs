//! `weightlab devices`.

use super::open_gpu;
use crate::args::Global;
use crate::output::Out;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_gpu::{AdapterReport, list_adapters};
use weightlab_lab::meter::bytes_text;

/// Lists adapters and marks the one that would be used.
pub async fn run(global: &Global, out: &Out) -> Result<ExitCode> {
    let adapters = list_adapters().await;
    // Opening it also tells whether it can be used at all, and what it grants.
    let gpu = open_gpu(global).await;
    let used = gpu.as_ref().ok().map(|g| g.report());
    for adapter in &adapters {
        let is_used = used.is_some_and(|u| u.index == adapter.index);
        out.object(&json!({"adapter": adapter, "used": is_used}));
        out.line(&describe(adapter, is_used));
    }
    let gpu = gpu?;
    let granted = gpu.report();
    out.object(&json!({"granted": granted}));
    out.line(&format!(
        "would be used: {} ({}; at most {} per binding, {} of workgroup memory)",
        granted.index,
        granted.name,
        bytes_text(granted.max_binding_bytes),
        bytes_text(u64::from(granted.max_workgroup_bytes)),
    ));
    if gpu.is_cpu() {
        out.note("this is a software GPU on the CPU: it computes the same, only slower");
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(adapter: &AdapterReport, is_used: bool) -> String {
    format!(
        "{} {}: {}\n    {}, {}, {}\n    buffers to {}, bindings to {}, workgroup memory {}, {} invocations, {} storage buffers",
        if is_used { "*" } else { " " },
        adapter.index,
        adapter.name,
        adapter.device_type,
        adapter.backend,
        adapter.driver,
        bytes_text(adapter.max_buffer_bytes),
        bytes_text(adapter.max_binding_bytes),
        bytes_text(u64::from(adapter.max_workgroup_bytes)),
        adapter.max_invocations,
        adapter.max_storage_buffers,
    )
}
