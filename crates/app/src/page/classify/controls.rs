//! What a classifier is trained with.

use crate::page::lab::{Gpu, Lab, lab};
use crate::page::menu::Menu;
use crate::state::{ClassifySpec, Mixture, USUAL_ZOO};
use leptos::prelude::*;
use weightlab_lab::meter::networks_text;
use weightlab_learn::dws::SetLayer;

const EPOCHS: [u32; 6] = [5, 10, 30, 50, 100, 200];
const FEATURES: [u32; 4] = [8, 16, 24, 32];
const BATCHES: [u32; 5] = [8, 16, 32, 64, 128];
const RATES: [f32; 6] = [5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2];
/// Mixtures as people call them.
const MIXED: [(Mixture, &str); 4] = [
    (Mixture::None, "nothing"),
    (Mixture::Direct, "another network, as it is"),
    (Mixture::Aligned, "another one, aligned"),
    (Mixture::Signed, "another one, aligned with signs"),
];

fn spec<T>(lab: Lab, read: impl Fn(&ClassifySpec) -> T) -> T {
    lab.state.with(|state| read(&state.classify))
}

/// Zoos that can be learnt from: all but the one that is tested on.
fn zoos(lab: Lab) -> Vec<(String, String)> {
    lab.zoo.shelf.with(|shelf| {
        let all = shelf.iter().flat_map(|shelf| &shelf.entries);
        let others = all.filter(|entry| entry.name != USUAL_ZOO);
        others.map(|e| (e.name.clone(), format!("{}, {}", e.name, networks_text(e.nets)))).collect()
    })
}

fn note(mixture: Mixture) -> &'static str {
    match mixture {
        Mixture::None => "Every network is shown as it is.",
        Mixture::Direct => {
            "The mean of two networks, number by number. Their neurons do not correspond, so it draws neither picture."
        }
        Mixture::Aligned => {
            "The neurons of one are put in the order of the other's first: the mean draws something of both."
        }
        Mixture::Signed => "As aligned; a neuron may also change its sign, which a sine forgives.",
    }
}

#[component]
pub(super) fn Controls() -> impl IntoView {
    let lab = lab();
    let named = |n: u32| n.to_string();
    let slow = move || {
        let aligned = matches!(spec(lab, |s| s.mixture), Mixture::Aligned | Mixture::Signed);
        aligned && lab.gpu.with(|gpu| matches!(gpu, Gpu::Ready(device) if device.software))
    };
    view! {
        <fieldset>
            <legend>"Augmentation"</legend>
            <p class="note">
                "Each time a network is shown, it is changed a little, so that it cannot be learnt by heart."
            </p>
            <label class="switch">
                <input
                    id="negate"
                    type="checkbox"
                    prop:checked=move || spec(lab, |s| s.negate)
                    on:change=move |ev| lab.edit_training(|s| s.negate = event_target_checked(&ev))
                />
                "flip signs of neurons"
            </label>
            <small>"Other numbers, the same picture: sin(−x) = −sin(x)."</small>
            <Menu
                label="Mix with"
                options=MIXED.map(|(mixture, name)| (mixture, name.to_owned())).to_vec()
                value=move || spec(lab, |s| s.mixture)
                other=|_: Mixture| String::new()
                set=move |mixture: Mixture| lab.edit_training(|s| s.mixture = mixture)
            />
            <small id="mixture-note">{move || note(spec(lab, |s| s.mixture))}</small>
            <Show when=slow>
                <small>
                    "There is no graphics card here: with alignment it may take minutes until the first step is done."
                </small>
            </Show>
        </fieldset>
        <fieldset>
            <legend>"Classifier"</legend>
            {move || view! {
                <Menu
                    label="Learns from the zoo"
                    options=zoos(lab)
                    value=move || spec(lab, |s| s.zoo.clone())
                    other=|name: String| name
                    set=move |name: String| lab.edit_training(|s| s.zoo = name)
                />
            }}
            <div class="pair">
                <Menu
                    label="Epochs"
                    options=EPOCHS.map(|n| (n, n.to_string())).to_vec()
                    value=move || spec(lab, |s| s.epochs)
                    other=named
                    set=move |n: u32| lab.edit_training(|s| s.epochs = n)
                />
                <Menu
                    label="Features"
                    options=FEATURES.map(|n| (n, n.to_string())).to_vec()
                    value=move || spec(lab, |s| s.hidden)
                    other=named
                    set=move |n: u32| lab.edit_training(|s| s.hidden = n)
                />
                <Menu
                    label="Batch"
                    options=BATCHES.map(|n| (n, n.to_string())).to_vec()
                    value=move || spec(lab, |s| s.batch)
                    other=named
                    set=move |n: u32| lab.edit_training(|s| s.batch = n)
                />
                <Menu
                    label="Learning rate"
                    options=RATES.map(|r| (r, r.to_string())).to_vec()
                    value=move || spec(lab, |s| s.rate)
                    other=|r: f32| r.to_string()
                    set=move |r: f32| lab.edit_training(|s| s.rate = r)
                />
            </div>
            <Menu
                label="Looks at neurons by"
                note="Attention compares each of them with every other one: often better, and ten times as slow."
                options=vec![
                    (SetLayer::Ds, "deep sets".to_owned()),
                    (SetLayer::Sab, "attention".to_owned()),
                ]
                value=move || spec(lab, |s| s.sets)
                other=|_: SetLayer| String::new()
                set=move |sets: SetLayer| lab.edit_training(|s| s.sets = sets)
            />
            <small>
                "An epoch shows it every network once, so many at a time. Features are what it notes about each weight. A \
                 change begins a new run; the old one stays in the chart."
            </small>
            <div class="field">
                <label for="train-seed">"Seed"</label>
                <div class="row">
                    <input
                        id="train-seed"
                        type="number"
                        min="0"
                        step="1"
                        prop:value=move || spec(lab, |s| s.seed).to_string()
                        on:change=move |ev| lab.edit_training(|s| {
                            s.seed = event_target_value(&ev).parse().unwrap_or(s.seed);
                        })
                    />
                    <button
                        type="button"
                        on:click=move |_| lab.edit_training(|s| s.seed = s.seed.wrapping_add(1))
                    >
                        "Next"
                    </button>
                </div>
            </div>
            <p class="note">
                "A deep weight-space network (DWS) with one hidden layer. On the command line, “weightlab train” holds \
                 some pictures back and keeps the epoch that reads those best. Here nothing is chosen: you see the test \
                 networks after every epoch."
            </p>
        </fieldset>
    }
}
