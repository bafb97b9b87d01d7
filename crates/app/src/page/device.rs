//! The GPU as far as the user is concerned: whether there is one, what it can do, whether it computes right.

use super::dialog::{hide_dialog, show_dialog};
use super::lab::{Checked, Gpu, Lab, lab};
use super::lessons::figure;
use crate::lessons::recorded;
use crate::protocol::{BUILD, Device, NoGpu};
use crate::state::Bench;
use crate::words::{Advice, advice};
use leptos::prelude::*;
use std::fmt::Write;
use wasm_bindgen_futures::JsFuture;
use weightlab_lab::check::CaseStatus;
use weightlab_lab::meter::bytes_text;

/// What the button in the bar and the head of the panel call the GPU.
pub(super) fn title(gpu: &Gpu) -> String {
    match gpu {
        Gpu::Waiting => "Looking for a GPU …".to_owned(),
        Gpu::Ready(device) => name(device),
        Gpu::Missing(_) => "No GPU".to_owned(),
        Gpu::Lost { .. } => "GPU lost".to_owned(),
    }
}

/// What the browser tells of the GPU: often only who made it.
fn name(device: &Device) -> String {
    if device.software {
        return "Software GPU".to_owned();
    }
    match device.made.split(", ").take(2).collect::<Vec<_>>().join(" ") {
        made if made.is_empty() => "GPU ready".to_owned(),
        made => made,
    }
}

fn agent() -> String {
    window().navigator().user_agent().unwrap_or_default()
}

/// The advice for the GPU that is missing, if one is.
pub(super) fn missing(lab: Lab) -> Option<Advice> {
    lab.gpu.with(|gpu| match gpu {
        Gpu::Missing(cause) => Some(advice(cause, &agent())),
        _ => None,
    })
}

#[component]
pub(super) fn DeviceButton() -> impl IntoView {
    let lab = lab();
    let kind = move || {
        lab.gpu.with(|gpu| match gpu {
            Gpu::Waiting => "dot waiting",
            Gpu::Ready(device) if device.software => "dot slow",
            Gpu::Ready(_) => "dot good",
            Gpu::Missing(_) | Gpu::Lost { .. } => "dot bad",
        })
    };
    view! {
        <button class="quiet device" title="About this device" on:click=move |_| show_dialog("device")>
            <span class=kind aria-hidden="true"></span>
            {move || lab.gpu.with(title)}
        </button>
    }
}

/// Why there is no GPU and what to do, where the bench would be alive otherwise.
#[component]
pub(super) fn MissingGpu() -> impl IntoView {
    let lab = lab();
    // In a lesson it would stand between the text and what the text is about.
    let shown = move || lab.state.with(|state| state.lesson.is_none());
    let bench = move || lab.state.with(|state| state.bench);
    move || {
        missing(lab).filter(|_| shown()).map(|advice| {
            let retry = lab.gpu.with_untracked(|gpu| !matches!(gpu, Gpu::Missing(NoGpu::NoWorker(_))));
            view! {
                <section class="missing" id="missing" aria-labelledby="missing-title">
                    <h2 id="missing-title">{advice.title}</h2>
                    <p>{advice.why}</p>
                    <ul>{advice.what_to_do.into_iter().map(|what| view! { <li>{what}</li> }).collect_view()}</ul>
                    <p hidden=move || matches!(bench(), Bench::Zoo | Bench::Lessons)>{move || meanwhile(bench())}</p>
                    {move || recorded(bench()).map(figure)}
                    {retry.then(|| view! {
                        <button on:click=move |_| lab.find_gpu()>"Look again"</button>
                    })}
                </section>
            }
        })
    }
}

/// What there is without a GPU.
fn meanwhile(bench: Bench) -> &'static str {
    if bench == Bench::Fit {
        "Until then, this computer’s processor fits below: live, but one network after the other and many times slower."
    } else {
        "Until then, the pictures below are recordings of what the lab computes, made with the same program. The Fit \
         bench is live: it makes do with the processor."
    }
}

/// What a fit takes.
fn memory(lab: Lab) -> Option<String> {
    let bytes = lab.fit.frame.with(|frame| frame.as_ref().map(|frame| frame.bytes));
    bytes.map(|[gpu, worker]| {
        format!("{} on the GPU, {} in the worker", bytes_text(gpu), bytes_text(worker))
    })
}

/// All that is known, as text that can go into a report.
fn report(lab: Lab) -> String {
    let mut out = String::from("Weightlab device report\n");
    let mut line = |key: &str, value: String| {
        // Writing to a string does not fail.
        let _written = writeln!(out, "{key}: {value}");
    };
    line("version", format!("{} ({BUILD})", env!("CARGO_PKG_VERSION")));
    line("browser", agent());
    lab.gpu.with(|gpu| match gpu {
        Gpu::Ready(device) => rows(device).into_iter().for_each(|(key, value)| line(key, value)),
        Gpu::Missing(cause) => line("no GPU", format!("{cause:?}")),
        other => line("GPU", title(other)),
    });
    if let Some(memory) = memory(lab) {
        line("memory in use", memory);
    }
    lab.fit.started.with(|started| {
        if let Some(started) = started {
            line("kernel", started.kernel.clone());
        }
    });
    lab.checked.with(|checked| {
        for case in &checked.cases {
            let worst = case.worst.map_or_else(|| "-".to_owned(), |worst| format!("{worst:.3}"));
            let detail = case.detail.as_deref().unwrap_or_default();
            line(
                "check",
                format!("{:?} {} {} {worst} {detail}", case.status, case.group, case.case),
            );
        }
        if let Some(sum) = checked.summary {
            line("checked", format!("{} pass, {} fail", sum.pass, sum.fail));
        }
        if let Some(failed) = &checked.failed {
            line("check stopped", failed.clone());
        }
    });
    if let Some(speed) = lab.speed.get() {
        line("speed", speed);
    }
    lab.log.with(|log| log.iter().for_each(|entry| line("log", entry.clone())));
    out
}

fn rows(device: &Device) -> Vec<(&'static str, String)> {
    let adapter = &device.adapter;
    let made = if device.made.is_empty() { "not told by the browser" } else { &device.made };
    vec![
        ("adapter", made.to_owned()),
        (
            "kind",
            if device.software { "a program on the processor" } else { "graphics card" }.to_owned(),
        ),
        ("largest buffer", bytes_text(adapter.max_buffer_bytes)),
        ("largest binding", bytes_text(adapter.max_binding_bytes)),
        ("workgroup memory", bytes_text(u64::from(adapter.max_workgroup_bytes))),
        ("invocations per workgroup", adapter.max_invocations.to_string()),
        ("storage buffers per shader", adapter.max_storage_buffers.to_string()),
        ("features, unused here", device.features.clone()),
    ]
}

/// The check's outcome so far, in words.
fn verdict(checked: &Checked) -> Option<String> {
    if let Some(failed) = &checked.failed {
        return Some(format!("The check could not go on: {failed}."));
    }
    if let Some(sum) = checked.summary {
        return Some(match sum.fail {
            0 => format!("All {} checks pass: this GPU computes what it should.", sum.pass),
            fail => format!(
                "{fail} of {} checks fail: do not trust what this GPU computes. Copy the report and \
                 send it to us.",
                sum.pass + fail
            ),
        });
    }
    checked.running.then(|| format!("Checking … {} done", checked.cases.len()))
}

#[component]
pub(super) fn DevicePanel() -> impl IntoView {
    let lab = lab();
    let copied = RwSignal::new(false);
    // Whether the log is open: who does not look at it need not pay for it.
    let reading = RwSignal::new(false);
    let copy = move |_| {
        let text = report(lab);
        leptos::task::spawn_local(async move {
            let promise = window().navigator().clipboard().write_text(&text);
            copied.set(JsFuture::from(promise).await.is_ok());
        });
    };
    let device = move || {
        lab.gpu.with(|gpu| match gpu {
            Gpu::Ready(device) => Some(device.clone()),
            _ => None,
        })
    };
    let ready = move || lab.gpu.with(|gpu| matches!(gpu, Gpu::Ready(_)));
    view! {
        <dialog id="device" aria-labelledby="device-title">
            <form method="dialog" class="dialog-head">
                <h2 id="device-title">"About this device"</h2>
                <button class="quiet">"Close"</button>
            </form>
            <p class="device-name">{move || lab.gpu.with(title)}</p>
            {move || device().filter(|device| device.software).map(|_| view! {
                <p>
                    "The browser has no graphics card to use and computes on the processor instead. Everything \
                     works, only slowly."
                </p>
            })}
            {move || missing(lab).map(|advice| view! {
                <p>{advice.title} ". " {advice.why}</p>
                <ul>{advice.what_to_do.into_iter().map(|what| view! { <li>{what}</li> }).collect_view()}</ul>
            })}
            <table>
                <tbody>
                    {move || device().map(|device| {
                        rows(&device)
                            .into_iter()
                            .map(|(key, value)| view! { <tr><th scope="row">{key}</th><td>{value}</td></tr> })
                            .collect_view()
                    })}
                    {move || memory(lab).map(|memory| view! {
                        <tr><th scope="row">"memory in use"</th><td id="memory">{memory}</td></tr>
                    })}
                </tbody>
            </table>
            <div class="row">
                <button
                    class="main"
                    disabled=move || !ready() || lab.checked.with(|checked| checked.running)
                    on:click=move |_| lab.check()
                >
                    "Check my GPU"
                </button>
                <button disabled=move || !ready() on:click=move |_| lab.measure()>
                    "Measure its speed"
                </button>
                <button on:click=copy>
                    {move || if copied.get() { "Report copied" } else { "Copy report" }}
                </button>
            </div>
            <p id="speed" role="status">{move || lab.speed.get()}</p>
            <p id="verdict" role="status">{move || lab.checked.with(verdict)}</p>
            <ul class="cases">
                {move || lab.checked.with(|checked| {
                    checked
                        .cases
                        .iter()
                        .map(|case| {
                            let (mark, class) = match case.status {
                                CaseStatus::Pass => ("✓", "pass"),
                                CaseStatus::Fail => ("✗ failed", "fail"),
                                CaseStatus::Unsupported => ("– not done here", "pass"),
                            };
                            view! { <li class=class>{format!("{mark} {}: {}", case.group, case.case)}</li> }
                        })
                        .collect_view()
                })}
            </ul>
            <details on:toggle=move |_| reading.update(|reading| *reading = !*reading)>
                <summary>"Log: what has happened so far"</summary>
                <ul class="log">
                    {move || reading.get().then(|| lab.log.with(|log| {
                        log.iter().rev().map(|entry| view! { <li>{entry.clone()}</li> }).collect_view()
                    }))}
                </ul>
                <p class="note">"The report has it too. It stays in this tab and ends with it."</p>
            </details>
            <details>
                <summary>"What if the graphics card fails?"</summary>
                <p>
                    "Drivers crash and computers go to sleep. The lab keeps a copy of every fit and goes on from \
                     there. You can try it:"
                </p>
                <button disabled=move || !ready() on:click=move |_| {
                    // What happens is told on the page, and so is how to go on.
                    hide_dialog("device");
                    lab.lose_gpu();
                }>
                    "Take the GPU away"
                </button>
            </details>
        </dialog>
    }
}
