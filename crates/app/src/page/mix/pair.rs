//! Choosing the two networks.

use crate::page::lab::lab;
use crate::page::zoo::picker::{ClassMenu, Picker};
use leptos::prelude::*;

/// Pairs worth a look: what it is called, the zoo, and the networks.
const TRY: [(&str, &str, [u32; 2]); 5] = [
    ("Two pairs of trousers", "test", [175, 144]),
    ("Two coats", "test", [25, 51]),
    ("One sandal, fitted twice", "train", [179, 178]),
    ("Trousers and a boot", "test", [179, 178]),
    ("A network and itself", "test", [175, 175]),
];

#[component]
pub(super) fn PairControls() -> impl IntoView {
    let lab = lab();
    let end = lab.mix.end;
    let class = RwSignal::new(None::<i64>);
    // The arrow keys move the end that is being set.
    let chosen = Signal::derive(move || {
        let [first, second] = lab.pair();
        if end.get() == 0 { vec![first, second] } else { vec![second, first] }
    });
    let is = move |zoo: &str, pair: [u32; 2]| {
        lab.state.with(|state| state.zoo == zoo && state.mix.pair == pair)
    };
    view! {
        <aside class="settings" aria-label="Settings">
            <fieldset>
                <legend>"Try"</legend>
                <div class="tries">
                    {TRY.map(|(title, zoo, pair)| view! {
                        <button
                            type="button"
                            aria-pressed=move || is(zoo, pair).to_string()
                            on:click=move |_| lab.state.update(|state| {
                                zoo.clone_into(&mut state.zoo);
                                state.mix.pair = pair;
                            })
                        >
                            {title}
                        </button>
                    })}
                </div>
            </fieldset>
            <fieldset>
                <legend>"Networks"</legend>
                <div class="segments" role="group" aria-label="Which end a choice sets">
                    {["First", "Second"].into_iter().enumerate().map(|(which, name)| view! {
                        <button
                            type="button"
                            id=format!("end-{which}")
                            aria-pressed=move || (end.get() == which).to_string()
                            on:click=move |_| end.set(which)
                        >
                            {name}": "{move || lab.zoo.net_title(lab.pair()[which])}
                        </button>
                    }).collect_view()}
                </div>
                <ClassMenu class/>
                <Picker
                    label="The network at the end that is being set"
                    columns=7
                    chosen
                    choose=move |net: u32| lab.state.update(|state| {
                        state.mix.pair[end.get_untracked().min(1)] = net;
                    })
                    class
                />
                <button
                    type="button"
                    on:click=move |_| lab.state.update(|state| state.mix.seed = state.mix.seed.wrapping_add(1))
                >
                    "Shuffle anew"
                </button>
                <p class="note" id="shuffle">
                    {move || lab.state.with(|state| {
                        format!("Now as by weightlab path --seed {}.", state.mix.seed)
                    })}
                </p>
                <p class="note">
                    "Orange marks the network that your next click sets, blue the other. Shuffling changes what “random” \
                     does, and in which order matching visits the layers."
                </p>
            </fieldset>
        </aside>
    }
}
