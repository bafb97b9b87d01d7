//! The errors along the way, under every method.

use crate::page::lab::lab;
use crate::page::plot::{Label, Plot, apart, polyline};
use crate::protocol::mix::{Strip, name};
use leptos::prelude::*;
use std::fmt::Write;
use std::sync::Arc;

/// A round number that is at least `high`, and what lies between two lines of the grid.
fn scale(high: f64) -> (f64, f64) {
    let raw = (high / 4.0).max(1e-6);
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= raw);
    let step = step.unwrap_or(raw);
    ((high / step).ceil().max(1.0) * step, step)
}

/// The greatest error of a strip.
fn worst(strip: &Strip) -> f64 {
    strip.points.iter().map(|p| p.mse_blend).fold(0.0, f64::max)
}

/// The curve.
fn curve(strip: &Strip, high: f64) -> String {
    let points = strip.points.iter();
    polyline(points.map(|point| (100.0 * point.t, 100.0 * (1.0 - point.mse_blend / high))))
}

/// Names, each at its curve's highest point.
fn names(strips: &[Arc<Strip>], high: f64) -> Vec<Label> {
    let label = |strip: &Arc<Strip>| {
        let name = name(strip.method);
        Label { top: 100.0 * (1.0 - worst(strip) / high), text: name.to_owned(), class: name }
    };
    apart(strips.iter().map(label).collect())
}

/// The table of `weightlab path`, without its last column, which says the same in dB.
fn table(strips: &[Arc<Strip>]) -> String {
    let mut text = "method,t,mse_blend,mse_nearer,mse_first,mse_second\n".to_owned();
    for strip in strips {
        for p in &strip.points {
            let name = name(strip.method);
            // Writing to a string does not fail.
            let _written = writeln!(
                text,
                "{name},{},{},{},{},{}",
                p.t,
                p.mse_blend,
                p.mse_nearer(),
                p.mse_first,
                p.mse_second
            );
        }
    }
    text
}

#[component]
pub(super) fn Chart() -> impl IntoView {
    let lab = lab();
    let strips = lab.mix.strips;
    let range = Memo::new(move |_| {
        scale(strips.with(|strips| strips.iter().map(|s| worst(s)).fold(0.0, f64::max)))
    });
    let ticks = move || {
        let (high, step) = range.get();
        let count = (high / step).round() as u32;
        let decimals = (2.0 - step.log10().floor()).clamp(1.0, 6.0) as usize - 1;
        let tick = |k: u32| {
            let value = f64::from(k) * step;
            Label {
                top: 100.0 * (1.0 - value / high),
                text: format!("{value:.decimals$}"),
                class: "",
            }
        };
        // Nothing is known of a scale while there is nothing on it.
        let known = strips.with(|strips| !strips.is_empty());
        (0..=count).filter(|_| known).map(tick).collect::<Vec<_>>()
    };
    let here = move || lab.state.with(|state| 100.0 * state.mix.t);
    let said = move || {
        let parts: Vec<_> = strips.with(|strips| {
            let part = |s: &Arc<Strip>| format!("{} {:.3}", name(s.method), worst(s));
            strips.iter().map(part).collect()
        });
        format!("Error along the way. Greatest errors: {}.", parts.join(", "))
    };
    let note = move || match lab.mix.line.with(|line| line.as_ref().map(|line| line.against_images))
    {
        Some(false) => "mean square, against the average of what both networks draw",
        _ => "mean square, against the average of both pictures",
    };
    let below = || ["first network", "second network"].map(str::to_owned);
    view! {
        <div class="mix-chart">
            <Plot
                title="Error along the way"
                note=Signal::derive(note)
                said=Signal::derive(said)
                left=Signal::derive(ticks)
                right=Signal::derive(move || strips.with(|strips| names(strips, range.get().0)))
                below=Signal::derive(below)
                file="path"
                table=move |()| strips.with_untracked(|strips| table(strips))
            >
                <line class="here" x1=here x2=here y1="0" y2="100"></line>
                {move || strips.with(|strips| strips.iter().map(|strip| view! {
                    <path class="curve" data-method=name(strip.method) d=curve(strip, range.get().0)></path>
                }).collect_view())}
            </Plot>
        </div>
    }
}
