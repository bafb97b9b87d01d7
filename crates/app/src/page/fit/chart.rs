//! The curve of the loss, on a logarithmic scale, with decibels at its other side.

use super::super::lab::lab;
use crate::protocol::fit::Point;
use leptos::prelude::*;
use std::fmt::Write;
use weightlab_lab::meter::count_text;

/// Size of the drawing in its own units; it is stretched to the place there is.
const WIDTH: f32 = 100.0;
const HEIGHT: f32 = 100.0;
/// dB at the top and at the bottom: a loss of 1, and one of 0.00003.
const RANGE: [f32; 2] = [0.0, 45.0];

fn across(step: u32, most: u32) -> f32 {
    WIDTH * step as f32 / most.max(1) as f32
}

/// The loss falls as the decibels rise.
fn down(db: f32) -> f32 {
    HEIGHT * ((db - RANGE[0]) / (RANGE[1] - RANGE[0])).clamp(0.0, 1.0)
}

fn line(points: &[Point], most: u32, value: impl Fn(&Point) -> f32) -> String {
    let mut path = String::new();
    for point in points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _written =
            write!(path, "{letter}{:.2} {:.2}", across(point.step, most), down(value(point)));
    }
    path
}

/// The area between the worst and the best network.
fn band(points: &[Point], most: u32) -> String {
    let mut path = line(points, most, |p| p.low);
    for point in points.iter().rev() {
        let _written = write!(path, "L{:.2} {:.2}", across(point.step, most), down(point.high));
    }
    if !path.is_empty() {
        path.push('Z');
    }
    path
}

/// The end of the axis: the step that was reached, rounded up so that the curve does not creep.
fn end_of_axis(step: u32, wanted: u32) -> u32 {
    let mut end = 50;
    while end < step {
        end *= 2;
    }
    end.min(wanted.max(step)).max(1)
}

#[component]
pub(super) fn Chart() -> impl IntoView {
    let lab = lab();
    let wanted = move || lab.state.with(|state| state.fit.steps);
    let until = move || lab.state.with(|state| state.fit.until);
    let most = Memo::new(move |_| {
        let step = lab.fit.curve.with(|curve| curve.last().map_or(0, |point| point.step));
        end_of_axis(step, wanted())
    });
    let middle = move || lab.fit.curve.with(|curve| line(curve, most.get(), |p| p.middle));
    let area = move || lab.fit.curve.with(|curve| band(curve, most.get()));
    let said = move || {
        lab.fit.curve.with(|curve| match (curve.first(), curve.last()) {
            (Some(first), Some(last)) => format!(
                "Loss over steps. It went from {} at step {} to {} at step {}.",
                loss(first.middle),
                first.step,
                loss(last.middle),
                last.step
            ),
            _ => "Loss over steps; empty so far.".to_owned(),
        })
    };
    let ticks = || [10.0f32, 20.0, 30.0, 40.0];
    view! {
        <figure class="chart">
            <figcaption><strong>"Loss"</strong><span>"mean squared error, at every step"</span></figcaption>
            <div class="plot">
                <div class="axis left" aria-hidden="true">
                    {ticks().map(|db| view! {
                        <span style:top=format!("{}%", down(db))>{loss(db)}</span>
                    }).collect_view()}
                </div>
                <svg
                    viewBox="0 0 100 100"
                    preserveAspectRatio="none"
                    role="img"
                    aria-label=said
                >
                    {ticks().map(|db| view! {
                        <line class="grid" x1="0" x2="100" y1=down(db) y2=down(db)></line>
                    }).collect_view()}
                    {move || until().map(|db| view! {
                        <line class="goal" x1="0" x2="100" y1=down(db) y2=down(db)></line>
                    })}
                    <path class="band" d=area></path>
                    <path class="curve" d=middle></path>
                </svg>
                <div class="axis right" aria-hidden="true">
                    {ticks().map(|db| view! {
                        <span style:top=format!("{}%", down(db))>{format!("{db} dB")}</span>
                    }).collect_view()}
                </div>
                <div class="axis below" aria-hidden="true">
                    <span>"0"</span>
                    <span>{move || format!("{} steps", count_text(f64::from(most.get())))}</span>
                </div>
            </div>
        </figure>
    }
}

/// The loss of so many dB, for targets from 0 to 1.
fn loss(db: f32) -> String {
    let loss = 10f32.powf(-db / 10.0);
    if loss >= 0.0001 {
        let text = format!("{loss:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{loss:.0e}")
    }
}
