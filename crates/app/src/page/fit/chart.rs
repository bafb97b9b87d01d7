//! The curve of the loss, on a logarithmic scale, with decibels at its other side.

use crate::page::lab::lab;
use crate::page::plot::{Label, Plot, polyline};
use crate::protocol::fit::Point;
use leptos::prelude::*;
use std::fmt::Write;
use weightlab_lab::meter::count_text;

/// dB at the top and at the bottom: a loss of 1, and one of 0.00003.
const RANGE: [f32; 2] = [0.0, 45.0];

/// Values that have a line of the grid, in dB.
const TICKS: [f32; 4] = [10.0, 20.0, 30.0, 40.0];

fn across(step: u32, most: u32) -> f64 {
    100.0 * f64::from(step) / f64::from(most.max(1))
}

/// The loss falls as the decibels rise.
fn down(db: f32) -> f64 {
    100.0 * f64::from(((db - RANGE[0]) / (RANGE[1] - RANGE[0])).clamp(0.0, 1.0))
}

fn line(points: &[Point], most: u32, value: impl Fn(&Point) -> f32) -> String {
    polyline(points.iter().map(|point| (across(point.step, most), down(value(point)))))
}

/// The area between the worst and the best network.
fn band(points: &[Point], most: u32) -> String {
    let mut path = line(points, most, |p| p.low);
    for point in points.iter().rev() {
        // Writing to a string does not fail.
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
    let labels = |text: fn(f32) -> String| {
        TICKS.map(|db| Label { top: down(db), text: text(db), class: "" }).to_vec()
    };
    let below = move || ["0".to_owned(), format!("{} steps", count_text(f64::from(most.get())))];
    view! {
        <Plot
            title="Loss"
            note="mean squared error"
            said=Signal::derive(said)
            left=labels(loss)
            right=labels(|db| format!("{db} dB"))
            below=Signal::derive(below)
            file="fit"
            table=move |()| lab.fit.curve.with_untracked(|curve| table(curve))
        >
            {move || until().map(|db| view! {
                <line class="goal" x1="0" x2="100" y1=down(db) y2=down(db)></line>
            })}
            <path class="band" d=area></path>
            <path class="curve" d=middle></path>
        </Plot>
    }
}

/// PSNR of the worst, the median and the best network.
fn table(points: &[Point]) -> String {
    let mut text = "step,psnr_min_db,psnr_median_db,psnr_max_db\n".to_owned();
    for Point { step, low, middle, high } in points {
        // Writing to a string does not fail.
        let _written = writeln!(text, "{step},{low},{middle},{high}");
    }
    text
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
