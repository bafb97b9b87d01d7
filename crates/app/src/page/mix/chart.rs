//! The errors along the way, under every method.

use crate::page::lab::lab;
use crate::protocol::mix::{Strip, name};
use leptos::prelude::*;
use std::fmt::Write;
use std::sync::Arc;

/// Least distance of two names beside the chart, in hundredths of its height.
const LINE: f64 = 7.0;

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

/// The curve, in hundredths of the chart.
fn curve(strip: &Strip, high: f64) -> String {
    let mut path = String::new();
    for point in &strip.points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        let y = 100.0 * (1.0 - point.mse_blend / high);
        // Writing to a string does not fail.
        let _written = write!(path, "{letter}{:.2} {y:.2}", 100.0 * point.t);
    }
    path
}

/// Where names stand: each at its curve's highest point, and below each other.
fn names(strips: &[Arc<Strip>], high: f64) -> Vec<(u32, f64)> {
    let mut all: Vec<(u32, f64)> =
        strips.iter().map(|s| (s.method, 100.0 * (1.0 - worst(s) / high))).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = 0.0;
    for (_, y) in &mut all {
        *y = y.max(free);
        free = *y + LINE;
    }
    all
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
        (0..=count).map(move |k| (f64::from(k) * step, 100.0 * (1.0 - f64::from(k) * step / high)))
    };
    let decimals = move || (2.0 - range.get().1.log10().floor()).clamp(1.0, 6.0) as usize - 1;
    let here = move || lab.state.with(|state| 100.0 * state.mix.t);
    let said = move || {
        let parts: Vec<_> = strips.with(|strips| {
            let part = |s: &Arc<Strip>| format!("{} {:.3}", name(s.method), worst(s));
            strips.iter().map(part).collect()
        });
        format!("Error along the way. Greatest errors: {}.", parts.join(", "))
    };
    view! {
        <figure class="chart mix-chart">
            <figcaption>
                <strong>"Error along the way"</strong>
                <span>
                    {move || lab.mix.line.with(|line| match line.as_ref().map(|line| line.against_images) {
                        Some(false) => "mean square, against the average of what both networks draw",
                        _ => "mean square, against the average of both pictures",
                    })}
                </span>
            </figcaption>
            <div class="plot">
                <div class="axis left" aria-hidden="true">
                    {move || ticks().map(|(value, y)| {
                        let decimals = decimals();
                        view! { <span style:top=format!("{y}%")>{format!("{value:.decimals$}")}</span> }
                    }).collect_view()}
                </div>
                <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label=said>
                    {move || ticks().map(|(_, y)| view! {
                        <line class="grid" x1="0" x2="100" y1=y y2=y></line>
                    }).collect_view()}
                    <line class="here" x1=here x2=here y1="0" y2="100"></line>
                    {move || strips.with(|strips| strips.iter().map(|strip| view! {
                        <path class="curve" data-method=name(strip.method) d=curve(strip, range.get().0)></path>
                    }).collect_view())}
                </svg>
                <div class="axis right" aria-hidden="true">
                    {move || strips.with(|strips| names(strips, range.get().0)).into_iter().map(|(method, y)| view! {
                        <span data-method=name(method) style:top=format!("{y}%")>{name(method)}</span>
                    }).collect_view()}
                </div>
                <div class="axis below" aria-hidden="true">
                    <span>"first network"</span>
                    <span>"second network"</span>
                </div>
            </div>
        </figure>
    }
}
