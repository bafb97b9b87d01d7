//! The Classify bench: networks that read networks.

mod bars;
mod chart;
mod confused;
mod confusion;
mod controls;
pub(super) mod model;
mod read;
mod runs;
mod transport;

use super::device::MissingGpu;
use super::lab::lab;
use crate::state::{Part, USUAL_TRAIN};
use chart::Charts;
use confused::Confused;
use confusion::Confusion;
use controls::Controls;
use leptos::prelude::*;
use read::Read;
use transport::Transport;

#[component]
pub(super) fn ClassifyBench() -> impl IntoView {
    let lab = lab();
    let shown = move |part| lab.state.with(|state| !state.hides(part));
    let learnt = move || match lab.state.with(|state| state.classify.zoo.clone()) {
        name if name == USUAL_TRAIN => {
            "It learns from 720 networks, which draw 360 pieces of clothing twice each,".to_owned()
        }
        name => format!("It learns from the networks of “{name}”"),
    };
    let tested = move || lab.classify.tested.with(Option::is_some);
    view! {
        <MissingGpu/>
        <Show when=move || shown(Part::Intro)>
            <section class="intro">
                <h2>"Reading a network without running it"</h2>
                <p>
                    "A picture can be kept as a network: 1,185 numbers in a row. Another network, the classifier, gets \
                     only these numbers, never the picture, and says what they would draw."
                </p>
            </section>
        </Show>
        <Show when=move || shown(Part::Reading)>
            <Read/>
        </Show>
        <Show when=move || shown(Part::Training)>
            <section class="training" aria-labelledby="training-title">
                <h3 id="training-title">"Train a classifier yourself"</h3>
                <p class="note">
                    {learnt}
                    " and is tested on the 180 networks of other pieces that come with the lab. Of their ten classes, guessing gets one in \
                     ten."
                </p>
                <div class="bench">
                    <section class="work" aria-label="The training">
                        <Transport/>
                        <Charts/>
                        <Show when=tested>
                            <div class="verdicts">
                                <Confusion/>
                                <Confused/>
                            </div>
                        </Show>
                    </section>
                    <aside class="settings" aria-label="Settings">
                        <Controls/>
                    </aside>
                </div>
            </section>
        </Show>
    }
}
