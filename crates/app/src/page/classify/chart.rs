//! Loss and accuracy over epochs, of the current run and of those before it.

use super::bars::percent;
use super::runs::{Run, Scored};
use crate::page::lab::{Lab, lab};
use crate::page::plot::{Label, Plot, apart, polyline};
use crate::state::Part;
use leptos::prelude::*;
use std::fmt::Write;

/// Greatest loss that is shown; a little above that of guessing.
const MOST_LOSS: f64 = 3.0;
/// Ends of the axis, in epochs: it does not creep.
const ENDS: [u32; 9] = [3, 5, 10, 20, 30, 50, 100, 200, 1000];

/// What a chart shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Loss,
    Accuracy,
}

impl Kind {
    /// From the upper edge down.
    fn down(self, value: f64) -> f64 {
        100.0
            * match self {
                Kind::Loss => 1.0 - (value / MOST_LOSS).clamp(0.0, 1.0),
                Kind::Accuracy => 1.0 - value.clamp(0.0, 1.0),
            }
    }

    fn test(self, epoch: &Scored) -> f64 {
        match self {
            Kind::Loss => epoch.test_loss,
            Kind::Accuracy => epoch.test_accuracy,
        }
    }

    /// Epochs and values on what is learnt from.
    fn train(self, run: &Run) -> Vec<(f64, f64)> {
        let per_epoch = f64::from(run.per_epoch.max(1));
        match self {
            Kind::Loss => run
                .points
                .iter()
                .map(|(step, loss)| (f64::from(*step) / per_epoch, f64::from(*loss)))
                .collect(),
            Kind::Accuracy => {
                run.epochs.iter().map(|e| (f64::from(e.epoch), e.train_accuracy)).collect()
            }
        }
    }

    /// What guessing gets, of ten classes.
    fn chance(self) -> f64 {
        match self {
            Kind::Loss => std::f64::consts::LN_10,
            Kind::Accuracy => 0.1,
        }
    }

    fn ticks(self) -> Vec<Label> {
        let label = |value: f64| {
            let text = match self {
                Kind::Loss => value.to_string(),
                Kind::Accuracy => format!("{:.0} %", 100.0 * value),
            };
            Label { top: self.down(value), text, class: "" }
        };
        let values: &[f64] = match self {
            Kind::Loss => &[0.0, 1.0, 2.0, 3.0],
            Kind::Accuracy => &[0.0, 0.25, 0.5, 0.75, 1.0],
        };
        values.iter().copied().map(label).collect()
    }
}

/// A line through points of (epoch, value), and a dot at each.
fn paths(kind: Kind, points: &[(f64, f64)], end: f64) -> [String; 2] {
    let finite = points.iter().filter(|(_, value)| value.is_finite());
    let places = finite.map(|&(epoch, value)| (100.0 * (epoch / end).min(1.0), kind.down(value)));
    let mut dots = String::new();
    for (x, y) in places.clone() {
        // Writing to a string does not fail.
        let _written = write!(dots, "M{x:.2} {y:.2}h0.001");
    }
    [polyline(places), dots]
}

fn end_of_axis(runs: &[Run]) -> f64 {
    let reached = runs.iter().filter_map(|run| run.epochs.last().map(|e| e.epoch)).max();
    let begun = reached.unwrap_or(0) + 1;
    let wanted = runs.iter().map(|run| run.spec.epochs).max().unwrap_or(5);
    let end = ENDS.into_iter().find(|end| *end >= begun).unwrap_or(begun);
    f64::from(end.min(wanted.max(1)))
}

/// Letters at the right edge.
fn letters(kind: Kind, runs: &[Run]) -> Vec<Label> {
    let letter = |run: &Run| {
        let top = kind.down(kind.test(run.epochs.last()?));
        Some(Label { top, text: run.name().to_string(), class: run.class() })
    };
    apart(runs.iter().filter_map(letter).collect())
}

fn epochs(count: f64) -> String {
    if count == 1.0 { "1 epoch".to_owned() } else { format!("{count} epochs") }
}

fn said(kind: Kind, runs: &[Run]) -> String {
    let what = if kind == Kind::Loss { "Loss" } else { "Accuracy" };
    let mut text = format!("{what} over epochs.");
    for run in runs {
        if let Some(last) = run.epochs.last() {
            let value = match kind {
                Kind::Loss => format!("{:.2}", last.test_loss),
                Kind::Accuracy => percent(last.test_accuracy),
            };
            text += &format!(" Run {}: test {value} after epoch {}.", run.name(), last.epoch);
        }
    }
    text
}

/// A line per run and epoch.
fn table(runs: &[Run]) -> String {
    let mut text =
        "run,what,epoch,step,train_loss,train_accuracy,test_loss,test_accuracy\n".to_owned();
    for run in runs {
        for e in &run.epochs {
            // Writing to a string does not fail.
            let _written = writeln!(
                text,
                "{},\"{}\",{},{},{},{},{},{}",
                run.name(),
                run.title(),
                e.epoch,
                e.step,
                e.train_loss,
                e.train_accuracy,
                e.test_loss,
                e.test_accuracy
            );
        }
    }
    text
}

#[component]
fn Curves(kind: Kind) -> impl IntoView {
    let runs = lab().classify.runs;
    let end = Memo::new(move |_| runs.with(|runs| end_of_axis(runs)));
    let (title, note) = match kind {
        Kind::Loss => ("Loss", "cross entropy"),
        Kind::Accuracy => ("Accuracy", "share that is read right"),
    };
    let chance = kind.down(kind.chance());
    let lines = move || {
        runs.with(|runs| {
            let each = runs.iter().map(|run| {
                let test: Vec<_> =
                    run.epochs.iter().map(|e| (f64::from(e.epoch), kind.test(e))).collect();
                let [train, _] = paths(kind, &kind.train(run), end.get());
                let [test, dots] = paths(kind, &test, end.get());
                view! {
                    <g class=run.class()>
                        <path class="learnt" d=train></path>
                        <path class="tested" d=test></path>
                        <path class="dots" d=dots></path>
                    </g>
                }
            });
            each.collect_view()
        })
    };
    let right = move || {
        let mut labels = runs.with(|runs| letters(kind, runs));
        labels.push(Label { top: chance, text: "guessing".to_owned(), class: "guess" });
        labels
    };
    view! {
        <Plot
            title=title
            note=note
            said=Signal::derive(move || runs.with(|runs| said(kind, runs)))
            left=Signal::derive(move || kind.ticks())
            right=Signal::derive(right)
            below=Signal::derive(move || ["0".to_owned(), epochs(end.get())])
            file="training"
            table=move |()| runs.with_untracked(|runs| table(runs))
        >
            <line class="goal" x1="0" x2="100" y1=chance y2=chance></line>
            {lines}
        </Plot>
    }
}

/// Whether there is a run in the chart that could be cleared away.
fn has_earlier(lab: Lab) -> bool {
    let current = lab.classify.current.get();
    lab.classify.runs.with(|runs| runs.iter().any(|run| Some(run.number) != current))
}

#[component]
pub(super) fn Charts() -> impl IntoView {
    let lab = lab();
    let runs = lab.classify.runs;
    let shown = move || lab.state.with(|state| !state.hides(Part::Chart));
    let item = |run: Run| {
        let worth = run.epochs.last().map(|e| {
            format!("test {}, training {}", percent(e.test_accuracy), percent(e.train_accuracy))
        });
        view! {
            <li class=run.class()>
                <span class="letter">{run.name()}</span>
                <span>{run.title()}</span>
                <span class="dim">{worth}</span>
            </li>
        }
    };
    view! {
        <Show when=shown>
            <div class="curves">
                <Curves kind=Kind::Loss/>
                <Curves kind=Kind::Accuracy/>
            </div>
            <div class="runs">
                <p class="note keys-of-lines">
                    <svg viewBox="0 0 40 10" aria-hidden="true"><path class="tested" d="M0 5H40"></path></svg>
                    "test networks "
                    <svg viewBox="0 0 40 10" aria-hidden="true"><path class="learnt" d="M0 5H40"></path></svg>
                    "networks that it learns from"
                </p>
                <ul id="runs" aria-label="Runs in the charts">
                    {move || runs.get().into_iter().map(item).collect_view()}
                </ul>
                <Show when=move || has_earlier(lab)>
                    <button id="clear-runs" type="button" on:click=move |_| lab.clear_runs()>
                        "Clear earlier runs"
                    </button>
                </Show>
            </div>
        </Show>
    }
}
