//! Run, step, reset, and how the fit stands in figures.

use super::super::lab::{Gpu, lab};
use crate::protocol::NoGpu;
use leptos::prelude::*;
use weightlab_lab::meter::{bytes_text, count_text, duration_text};

#[component]
pub(super) fn Transport() -> impl IntoView {
    let lab = lab();
    let frame = move || lab.fit.frame.get();
    let step = move || frame().map_or(0, |frame| frame.step);
    let db = move || frame().and_then(|f| f.db).map_or("–".to_owned(), |db| format!("{db:.1}"));
    let label = move || {
        if lab.fit.going.get() {
            "Pause"
        } else if lab.is_over() {
            "Run again"
        } else {
            "Run"
        }
    };
    let rate = move || frame().and_then(|f| f.rate).map_or("–".to_owned(), count_text);
    let eta = move || {
        let seconds = frame().and_then(|frame| frame.eta_s);
        seconds.map_or_else(String::new, |s| format!("{} left", duration_text(s)))
    };
    let nets = move || frame().map(|f| f.nets).filter(|nets| nets[1] > 1);
    let status = move || {
        if let Some(finished) = lab.fit.finished.get() {
            let reached = finished.reached_target;
            return if reached > 0 && finished.nets == 1 {
                "Done: as good as you asked for.".to_owned()
            } else if reached > 0 {
                format!("Done: {reached} of {} as good as you asked for.", finished.nets)
            } else {
                "Done: all steps are used up.".to_owned()
            };
        }
        if lab.fit.failed.get() {
            return "It cannot be done as it is set.".to_owned();
        }
        match lab.gpu.get() {
            Gpu::Waiting => "Looking for a GPU …".to_owned(),
            Gpu::Missing(NoGpu::NoWorker(_)) => "This is a recording.".to_owned(),
            Gpu::Lost { .. } => "The GPU went away.".to_owned(),
            gpu => match lab.fit.started.get() {
                None => "Preparing …".to_owned(),
                Some(_) if matches!(gpu, Gpu::Missing(_)) => {
                    "On the processor, since there is no GPU.".to_owned()
                }
                Some(_) if frame().is_none_or(|frame| !frame.prepared) => {
                    "Compiling for this GPU …".to_owned()
                }
                Some(started) => format!("Needs {} of GPU memory.", bytes_text(started.bytes)),
            },
        }
    };
    let most = move || lab.state.with(|state| state.fit.steps);
    // A screen reader hears where the fit is now and then, not sixteen times a second.
    let spoken = StoredValue::new(0u32);
    Effect::new(move |_| {
        let step = step();
        let every = (most() / 5).max(1);
        if lab.fit.going.get_untracked() && step / every != spoken.get_value() {
            spoken.set_value(step / every);
            lab.say_standing("Running");
        }
    });
    // The end is told once the figures of the end are there.
    let told = StoredValue::new(None::<u32>);
    Effect::new(move |_| {
        let run = frame().filter(|frame| lab.is_over() && !frame.running).map(|frame| frame.run);
        if run.is_some() && run != told.get_value() {
            told.set_value(run);
            lab.say_standing("Finished");
        }
    });
    view! {
        <div class="transport">
            <div class="buttons">
                <button
                    class="main run"
                    id="run"
                    disabled=move || !lab.can_run()
                    aria-keyshortcuts="Space"
                    on:click=move |_| lab.toggle()
                >
                    {label}
                </button>
                <button
                    id="step"
                    disabled=move || !lab.can_run() || lab.is_over()
                    aria-keyshortcuts="ArrowRight"
                    on:click=move |_| lab.step()
                >
                    "Step"
                </button>
                <button
                    id="reset"
                    disabled=move || !lab.can_run()
                    aria-keyshortcuts="R"
                    on:click=move |_| lab.reset()
                >
                    "Reset"
                </button>
                <button
                    id="keep"
                    title="Puts the networks on the Zoo bench, once the fit is over"
                    disabled=move || !lab.is_over() || lab.fit.kept.get()
                    on:click=move |_| lab.keep()
                >
                    {move || if lab.fit.kept.get() { "Kept" } else { "Keep" }}
                </button>
                <label class="switch slow">
                    <input
                        type="checkbox"
                        prop:checked=move || lab.state.with(|state| state.view.slow)
                        on:change=move |ev| {
                            let slow = event_target_checked(&ev);
                            lab.state.update(|state| state.view.slow = slow);
                        }
                    />
                    "slowly"
                </label>
            </div>
            <dl class="figures">
                <div class="large">
                    <dt>"quality"</dt>
                    <dd><span id="db">{db}</span>" dB"</dd>
                </div>
                <div>
                    <dt>"step"</dt>
                    <dd id="step-count">{step}</dd>
                </div>
                <div>
                    <dt>"steps per second"</dt>
                    <dd id="rate">{rate}</dd>
                </div>
                {move || nets().map(|[done, all]| view! {
                    <div>
                        <dt>"networks done"</dt>
                        <dd>{format!("{done} / {all}")}</dd>
                    </div>
                })}
            </dl>
            <div class="progress">
                <progress
                    aria-label="Steps done"
                    max=move || most().to_string()
                    value=move || step().to_string()
                ></progress>
                <p>
                    <span id="status">{status}</span>
                    <span>{move || if lab.fit.going.get() { eta() } else { String::new() }}</span>
                </p>
            </div>
        </div>
    }
}
