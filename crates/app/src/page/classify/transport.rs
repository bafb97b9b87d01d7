//! Run, reset, and how the training stands in figures.

use super::bars::percent;
use crate::page::lab::{Gpu, lab};
use leptos::prelude::*;
use weightlab_lab::meter::{bytes_text, count_text, duration_text};

#[component]
pub(super) fn Transport() -> impl IntoView {
    let lab = lab();
    let model = lab.classify;
    let label = move || {
        if model.going.get() {
            "Pause"
        } else if lab.is_trained() {
            "Run again"
        } else {
            "Run"
        }
    };
    let all = move || lab.state.with(|state| state.classify.epochs);
    let step = move || model.standing.with(|s| s.as_ref().map_or(0, |s| s.step));
    let per_epoch = move || model.started.with(|s| s.as_ref().map_or(1, |s| s.steps_per_epoch));
    let epoch = move || f64::from(step()) / f64::from(per_epoch().max(1));
    // Of the current run, else of the one before.
    let last = move || {
        let current = model.current.get();
        model.runs.with(|runs| {
            let run = runs.last().filter(|run| current.is_none() || Some(run.number) == current);
            run.and_then(|run| run.epochs.last().copied())
        })
    };
    let test = move || last().map_or("–".to_owned(), |e| percent(e.test_accuracy));
    let train = move || last().map_or("–".to_owned(), |e| percent(e.train_accuracy));
    let rate = move || {
        let rate = model.standing.with(|s| s.as_ref().and_then(|s| s.rate));
        rate.map_or("–".to_owned(), count_text)
    };
    let status = move || match lab.gpu.get() {
        Gpu::Waiting => "Looking for a GPU …".to_owned(),
        Gpu::Missing(_) => "There is no GPU to train on.".to_owned(),
        Gpu::Lost { .. } => "The GPU went away.".to_owned(),
        Gpu::Ready(_) => match (model.current.get(), model.started.get()) {
            (None, _) => "Ready. Run starts the training.".to_owned(),
            (Some(_), None) => "Preparing …".to_owned(),
            (Some(_), Some(_)) if lab.is_trained() => {
                "Done. Run again trains with the next seed: how much is luck?".to_owned()
            }
            (Some(_), Some(_)) if step() == 0 => "Compiling for this GPU …".to_owned(),
            (Some(_), Some(started)) => format!(
                "A classifier of {} numbers; {} of GPU memory.",
                count_text(started.parameters as f64),
                bytes_text(started.bytes)
            ),
        },
    };
    let eta = move || {
        let seconds = model.standing.with(|s| s.as_ref().and_then(|s| s.eta_s));
        seconds.filter(|_| model.going.get()).map(|s| format!("{} left", duration_text(s)))
    };
    view! {
        <div class="transport">
            <div class="buttons">
                <button
                    class="main run"
                    id="train"
                    disabled=move || !lab.can_train()
                    aria-keyshortcuts="Space"
                    on:click=move |_| lab.toggle_training()
                >
                    {label}
                </button>
                <button
                    id="train-reset"
                    disabled=move || !lab.can_train() || model.current.with(Option::is_none)
                    aria-keyshortcuts="R"
                    on:click=move |_| lab.reset_training()
                >
                    "Reset"
                </button>
            </div>
            <dl class="figures">
                <div class="large">
                    <dt>"test accuracy"</dt>
                    <dd id="test-accuracy">{test}</dd>
                </div>
                <div>
                    <dt>"training accuracy"</dt>
                    <dd id="train-accuracy">{train}</dd>
                </div>
                <div>
                    <dt>"epoch"</dt>
                    <dd><span id="epoch">{move || format!("{:.1}", epoch())}</span>{move || format!(" / {}", all())}</dd>
                </div>
                <div>
                    <dt>"networks per second"</dt>
                    <dd>{rate}</dd>
                </div>
            </dl>
            <div class="progress">
                <progress
                    aria-label="Epochs done"
                    max=move || all().to_string()
                    value=move || epoch().to_string()
                ></progress>
                <p>
                    <span id="train-status">{status}</span>
                    <span>{eta}</span>
                </p>
            </div>
        </div>
    }
}
