//! The Augment bench: operations on the weights of a network, and what becomes of its function.

mod chain;
pub(super) mod model;
mod seen;

use super::device::MissingGpu;
use super::lab::lab;
use super::zoo::picker::{ClassMenu, Picker};
use crate::state::Part;
use chain::Chain;
use leptos::prelude::*;
use seen::Seen;

#[component]
pub(super) fn AugmentBench() -> impl IntoView {
    let lab = lab();
    let shown = move |part| lab.state.with(|state| !state.hides(part));
    let class = RwSignal::new(None::<i64>);
    let chosen = Signal::derive(move || vec![lab.state.with(|state| state.net)]);
    view! {
        <MissingGpu/>
        <Show when=move || shown(Part::Intro)>
            <section class="intro">
                <h2>"Other numbers, the same network"</h2>
                <p>
                    "A network is a long list of numbers, and many lists draw the same picture. Change the list below and \
                     watch: some operations change every number and nothing else, some turn or shift the picture, and \
                     some spoil it."
                </p>
            </section>
        </Show>
        <div class="bench">
            <section class="work" aria-label="What is done to the network">
                <Show when=move || shown(Part::Operations)>
                    <Chain/>
                </Show>
                <Seen/>
            </section>
            <aside class="settings" aria-label="Settings">
                <Show when=move || shown(Part::Picker)>
                    <fieldset>
                        <legend>"Network"</legend>
                        <strong id="net-title">
                            {move || lab.zoo.net_title(lab.state.with(|state| state.net))}
                        </strong>
                        <ClassMenu class/>
                        <Picker
                            label="The network that things are done to"
                            columns=7
                            chosen
                            choose=move |net: u32| lab.state.update(|state| state.net = net)
                            class
                        />
                        <p class="note">"Each was fitted to the picture that it is shown by. The Zoo has more of them."</p>
                    </fieldset>
                </Show>
            </aside>
        </div>
    }
}
