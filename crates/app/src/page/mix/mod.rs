//! The Align & Mix bench: what lies between two networks, and what order of their neurons has to do with it.

mod chart;
mod costs;
mod figures;
pub(super) mod model;
mod pair;
mod stage;
mod strips;

use super::device::MissingGpu;
use super::lab::lab;
use crate::state::Part;
use chart::Chart;
use costs::CostMatrices;
use figures::Figures;
use leptos::prelude::*;
use pair::PairControls;
use stage::Stage;
use strips::Strips;

/// What is done to the second network, for people, in the order of `Mix::ALL`.
pub(super) const WHAT: [&str; 4] = [
    "weights averaged as they are",
    "neurons shuffled first",
    "neurons matched first",
    "matched with signs and phases",
];

#[component]
pub(super) fn MixBench() -> impl IntoView {
    let lab = lab();
    let shown = move |part| lab.state.with(|state| !state.hides(part));
    view! {
        <MissingGpu/>
        <Show when=move || shown(Part::Intro)>
            <section class="intro">
                <h2>"Half of one network, half of another"</h2>
                <p>
                    "Average two pictures, and you see both. Average the weights of two networks that draw them, and you \
                     mostly see nonsense: neuron 7 of the one has nothing to do with neuron 7 of the other. Find for each \
                     neuron its partner first, and the average makes sense again."
                </p>
            </section>
        </Show>
        <div class="bench">
            <section class="work" aria-label="Between the networks">
                <Stage/>
                <Show when=move || shown(Part::Strips)>
                    <Strips/>
                </Show>
                <div class="below stack">
                    <Show when=move || shown(Part::Chart)>
                        <Chart/>
                    </Show>
                    <Show when=move || shown(Part::Figures)>
                        <Figures/>
                    </Show>
                </div>
                <Show when=move || shown(Part::Costs)>
                    <CostMatrices/>
                </Show>
            </section>
            <Show when=move || shown(Part::Picker)>
                <PairControls/>
            </Show>
        </div>
    }
}
