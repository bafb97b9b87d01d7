//! The Fit bench: a picture becomes a network.

mod camera;
mod chart;
mod controls;
pub(super) mod model;
pub(super) mod pictures;
mod recorded;
pub(super) mod stage;
mod transport;
mod wall;
mod waves;

use super::device::MissingGpu;
use super::lab::lab;
use crate::state::{Many, Part};
use chart::Chart;
use controls::{ManyControls, NetworkControls, ViewControls};
use leptos::prelude::*;
use pictures::Pictures;
use stage::Stage;
use transport::Transport;
use wall::Wall;
use waves::Waves;

#[component]
pub(super) fn FitBench() -> impl IntoView {
    let lab = lab();
    let shown = move |part| lab.state.with(|state| !state.hides(part));
    let many = move || lab.state.with(|state| state.fit.many != Many::One);
    view! {
        <MissingGpu/>
        <Show when=move || shown(Part::Intro)>
            <section class="intro">
                <h2>"A network learns to be a picture"</h2>
                <p>
                    "Ask the network for a place (x, y), and it answers with a brightness. At first its answers are \
                     noise. Each step compares all of them with the picture, and turns every weight a little \
                     in the better direction."
                </p>
            </section>
        </Show>
        <div class="bench">
            <section class="work" aria-label="The fit">
                <Show when=many>
                    <Wall/>
                </Show>
                <Transport/>
                <Stage/>
                <Show when=move || shown(Part::View)>
                    <ViewControls/>
                </Show>
                <div class="below">
                    <Show when=move || shown(Part::Chart)>
                        <Chart/>
                    </Show>
                    <Show when=move || shown(Part::Waves)>
                        <Waves/>
                    </Show>
                </div>
            </section>
            <aside class="settings" aria-label="Settings">
                <Show when=move || shown(Part::Picture)>
                    <Pictures/>
                </Show>
                <Show when=move || shown(Part::Many)>
                    <ManyControls/>
                </Show>
                <Show when=move || shown(Part::Network)>
                    <NetworkControls/>
                </Show>
            </aside>
        </div>
    }
}
