//! The Zoo bench: the networks there are.

pub(super) mod model;
pub(super) mod picker;
mod shelf;

use super::canvas::media;
use super::lab::lab;
use crate::state::Part;
use leptos::prelude::*;
use picker::{ClassMenu, Picker};
use shelf::Shelf;
use weightlab_lab::meter::networks_text;

#[component]
pub(super) fn ZooBench() -> impl IntoView {
    let lab = lab();
    let shown = move |part| lab.state.with(|state| !state.hides(part));
    let class = RwSignal::new(None::<i64>);
    let chosen = Signal::derive(move || vec![lab.state.with(|state| state.net)]);
    let what = move || {
        lab.zoo.opened.with(|opened| {
            opened.as_ref().map(|o| {
                let convention = o.convention.as_deref().unwrap_or("own");
                format!(
                    "{} of {}, convention {convention}",
                    networks_text(o.nets.len() as u64),
                    o.dims
                )
            })
        })
    };
    let of_it = move || {
        let position = lab.state.with(|state| state.net);
        lab.zoo.opened.with(|opened| {
            let net = opened.as_ref()?.nets.get(position as usize)?;
            let quality = net.db.map_or_else(String::new, |db| format!(", {db:.1} dB"));
            let title = opened.as_ref()?.net_title(position);
            Some(format!("{title}: image {}, its network {}{quality}", net.object, net.view + 1))
        })
    };
    view! {
        <Show when=move || shown(Part::Intro)>
            <section class="intro">
                <h2>"Networks as data"</h2>
                <p>
                    "Every picture below is a network that was fitted to it: some thousand numbers in a row. The other \
                     benches take networks from here."
                </p>
            </section>
        </Show>
        <div class="bench">
            <section class="work" aria-label="The networks of the zoo">
                <div class="row">
                    <ClassMenu class/>
                    <span class="dim" id="zoo-what">{what}</span>
                </div>
                <Picker
                    label="The networks of the zoo"
                    columns=if media("(max-width: 40rem)") { 10 } else { 20 }
                    chosen
                    choose=move |net: u32| lab.state.update(|state| state.net = net)
                    class
                />
                <p class="note" id="zoo-net" aria-live="polite">{of_it}</p>
            </section>
            <aside class="settings" aria-label="Zoos">
                <Shelf/>
            </aside>
        </div>
    }
}
