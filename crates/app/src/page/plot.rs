//! The frame of a chart: a grid, and words at its edges. What it draws in is 100 units wide and high, stretched to the
//! place there is.

use super::save::Numbers;
use leptos::prelude::*;
use std::fmt::Write;

/// Least distance of two labels at one edge.
const APART: f64 = 7.0;

/// A word at the left or right edge.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Label {
    /// Units from the upper edge.
    pub(super) top: f64,
    /// The word.
    pub(super) text: String,
    /// What of it the style sheet knows.
    pub(super) class: &'static str,
}

/// Moves labels apart that would lie on each other, without moving any beyond the lower edge.
pub(super) fn apart(given: Vec<Label>) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    for label in given {
        let at = labels.partition_point(|other| other.top <= label.top);
        labels.insert(at, label);
    }
    for i in 1..labels.len() {
        labels[i].top = labels[i].top.max(labels[i - 1].top + APART);
    }
    let over = labels.last().map_or(0.0, |last| (last.top - 100.0).max(0.0));
    labels.iter_mut().for_each(|label| label.top -= over);
    labels
}

/// A line through points, as a path.
pub(super) fn polyline(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _written = write!(path, "{letter}{x:.2} {y:.2}");
    }
    path
}

fn edge(labels: Signal<Vec<Label>>) -> impl IntoView {
    move || {
        let each = labels.get().into_iter().map(|Label { top, text, class }| {
            view! { <span class=class style:top=format!("{top}%")>{text}</span> }
        });
        each.collect_view()
    }
}

/// The frame, with curves in it.
#[component]
pub(super) fn Plot(
    title: &'static str,
    /// What it shows, beside the title.
    #[prop(into)]
    note: Signal<&'static str>,
    /// In a sentence, for screen readers.
    #[prop(into)]
    said: Signal<String>,
    /// Values of the grid's lines.
    #[prop(into)]
    left: Signal<Vec<Label>>,
    /// Words at the other side.
    #[prop(into)]
    right: Signal<Vec<Label>>,
    /// Words at both ends of the lower edge.
    #[prop(into)]
    below: Signal<[String; 2]>,
    /// Name of the files that its numbers are saved in, without their ends.
    file: &'static str,
    /// These numbers, as [`Numbers`] wants them.
    #[prop(into)]
    table: Callback<(), String>,
    /// SVG.
    children: Children,
) -> impl IntoView {
    let grid = move || {
        let each = left.get().into_iter().map(|Label { top, .. }| {
            view! { <line class="grid" x1="0" x2="100" y1=top y2=top></line> }
        });
        each.collect_view()
    };
    view! {
        <figure class="chart">
            <figcaption>
                <strong>{title}</strong>
                <span>{note} <Numbers name=file table/></span>
            </figcaption>
            <div class="plot">
                <div class="axis left" aria-hidden="true">{edge(left)}</div>
                <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label=said>
                    {grid}
                    {children()}
                </svg>
                <div class="axis right" aria-hidden="true">{edge(right)}</div>
                <div class="axis below" aria-hidden="true">
                    {move || below.get().map(|text| view! { <span>{text}</span> }).collect_view()}
                </div>
            </div>
        </figure>
    }
}
