//! Which neuron goes where, and why: the costs of a layer's assignment, before and after.

use crate::page::lab::lab;
use crate::page::shown::shown;
use crate::protocol::mix::name;
use leptos::prelude::*;
use std::fmt::Write;
use weightlab_nets::mix::Mix;

/// Rings around cells `(row, column)` of a matrix.
fn rings(cells: impl Iterator<Item = (u32, u32)>) -> String {
    let mut path = String::new();
    for (row, column) in cells {
        // Writing to a string does not fail.
        let _written = write!(path, "M{column} {row}.5a.5.5 0 1 0 1 0a.5.5 0 1 0-1 0");
    }
    path
}

#[component]
pub(super) fn CostMatrices() -> impl IntoView {
    let lab = lab();
    let costs = lab.mix.costs;
    let width = move || costs.with(|c| c.as_ref().map_or(1, |c| c.width));
    let columns = move || costs.with(|c| c.as_ref().map_or_else(Vec::new, |c| c.columns.clone()));
    let found = move || rings((0..).zip(columns()));
    let diagonal = move || rings((0..columns().len() as u32).map(|i| (i, i)));
    let sum = move |which: usize| {
        costs.with(|c| c.as_ref().map_or("…".to_owned(), |c| format!("{:.3}", c.sums[which])))
    };
    let moved = move || columns().iter().zip(0..).filter(|(column, i)| **column != *i).count();
    let said = move || {
        costs.with(Option::is_some).then(|| format!(
            "{} of {} neurons of the second network go to another place. Added up, neurons of a pair are {} apart as they \
             are and {} apart where they go.",
            moved(),
            width(),
            sum(0),
            sum(1)
        ))
    };
    let layers =
        move || lab.mix.line.with(|line| line.as_ref().map_or(1, |line| line.hidden.len() as u32));
    let layer = move || lab.state.with(|state| state.mix.layer.min(layers()));
    let method = move || lab.state.with(|state| state.mix.method);
    let matrix = move |which: usize, label: &'static str, path: Box<dyn Fn() -> String + Send>| {
        view! {
            <div class="matrix">
                {shown(label, "cells", move || lab.mix.costs_picture(which))}
                <svg viewBox=move || format!("0 0 {0} {0}", width()) aria-hidden="true">
                    <path d=path></path>
                </svg>
            </div>
        }
    };
    view! {
        <section class="costs" aria-label="Which neuron goes where">
            <h3 class="kicker">"Which neuron goes where"</h3>
            <div class="row">
                <div class="segments" role="group" aria-label="Method">
                    {move || lab.mix.methods().into_iter().filter_map(|m| Mix::ALL.get(m as usize)).map(|&m| view! {
                        <button
                            type="button"
                            aria-pressed=move || (method() == m).to_string()
                            on:click=move |_| lab.state.update(|state| state.mix.method = m)
                        >
                            {m.name()}
                        </button>
                    }).collect_view()}
                </div>
                <div class="segments" role="group" aria-label="Hidden layer">
                    {move || (1..=layers()).map(|l| view! {
                        <button
                            type="button"
                            aria-pressed=move || (layer() == l).to_string()
                            on:click=move |_| lab.state.update(|state| state.mix.layer = l)
                        >
                            {format!("layer {l}")}
                        </button>
                    }).collect_view()}
                </div>
            </div>
            <div class="two">
                <figure>
                    {matrix(0, "Costs, neurons of the second network in their own order", Box::new(found))}
                    <figcaption>
                        <strong>"Before"</strong>
                        <span>"in their places: "<b id="costs-before">{move || sum(0)}</b></span>
                    </figcaption>
                </figure>
                <figure>
                    {matrix(1, "Costs, neurons of the second network in their new order", Box::new(diagonal))}
                    <figcaption>
                        <strong>"After"</strong>
                        <span>"in their new places: "<b id="costs-after">{move || sum(1)}</b></span>
                    </figcaption>
                </figure>
            </div>
            <p class="note" id="costs-said">
                {said}
                " A row is a neuron of the first network, a column one of the second; the bluer a cell, the nearer they \
                 are, in all weights that lead in and out. Rings show the partner of each row as "
                {move || name(Mix::ALL.iter().position(|&m| m == method()).unwrap_or(0) as u32)}
                " chooses it. Reordering the columns brings all rings onto the diagonal, and that is all: only “signed” turns some \
                 neurons round besides."
            </p>
        </section>
    }
}
