//! Everything else that can be set, each with a sentence on what it does.

use super::super::lab::{Lab, lab};
use super::super::menu::Menu;
use super::stage::{save_picture, unzoom, zoom};
use crate::state::{Detail, FitSpec, FitView, MAX_HIDDEN, Many, Palette, Part, Picture, WIDTHS};
use leptos::prelude::*;
use weightlab_nets::Convention;

/// Numbers of networks of the same picture that are offered.
const VIEWS: [u32; 6] = [4, 16, 64, 144, 256, 400];
/// Learning rates that are offered.
const RATES: [f32; 9] = [1e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2];
/// Numbers of steps that are offered.
const STEPS: [u32; 6] = [200, 500, 1000, 2000, 5000, 20_000];
/// Qualities to stop at that are offered, dB.
const GOALS: [f32; 5] = [20.0, 25.0, 30.0, 40.0, 50.0];

/// dB to stop at, or never.
type Goal = Option<f32>;

fn fit<T>(lab: Lab, read: impl Fn(&FitSpec) -> T) -> T {
    lab.state.with(|state| read(&state.fit))
}

#[component]
pub(super) fn ManyControls() -> impl IntoView {
    let lab = lab();
    let kind = move || fit(lab, |f| f.many);
    let choose = move |many: Many| {
        lab.state.update(|state| state.view.net = 0);
        lab.edit(|fit| fit.many = many);
    };
    let whole = move || {
        let of = match fit(lab, |f| f.picture) {
            Picture::Own => "your pictures",
            _ => "64 pictures of Fashion-MNIST",
        };
        format!("A network for each of {of}, all at once.")
    };
    let pressed = move |is: fn(Many) -> bool| move || is(kind()).to_string();
    view! {
        <fieldset>
            <legend>"How many"</legend>
            <div class="segments" role="group" aria-label="How many networks">
                <button
                    type="button"
                    aria-pressed=pressed(|many| many == Many::One)
                    on:click=move |_| choose(Many::One)
                >
                    "One"
                </button>
                <button
                    type="button"
                    aria-pressed=pressed(|many| matches!(many, Many::Views(_)))
                    on:click=move |_| choose(Many::Views(16))
                >
                    "Many of it"
                </button>
                <button
                    type="button"
                    aria-pressed=pressed(|many| many == Many::Set)
                    on:click=move |_| choose(Many::Set)
                >
                    "Whole set"
                </button>
            </div>
            <Show when=move || matches!(kind(), Many::Views(_))>
                <Menu
                    label="Networks"
                    note="The same picture, each from another start: none will have the same weights."
                    options=VIEWS.map(|n| (n, n.to_string())).to_vec()
                    value=move || if let Many::Views(n) = kind() { n } else { VIEWS[1] }
                    other=|n: u32| n.to_string()
                    set=move |n: u32| choose(Many::Views(n))
                />
            </Show>
            <Show when=move || kind() == Many::Set>
                <p class="note">{whole}</p>
            </Show>
        </fieldset>
    }
}

#[component]
pub(super) fn NetworkControls() -> impl IntoView {
    let lab = lab();
    let depth = move || fit(lab, |f| f.hidden.len());
    let width = move || fit(lab, |f| f.hidden.first().copied().unwrap_or(0));
    let widths = |now: u32| now.to_string();
    let mut goals: Vec<_> = GOALS.iter().map(|&db| (Some(db), format!("{db} dB"))).collect();
    goals.push((None, "never".to_owned()));
    view! {
        <fieldset class="network">
            <legend>"Network"</legend>
            <div class="pair">
                <Menu
                    label="Hidden layers"
                    options={(1..=MAX_HIDDEN).map(|n| (n, n.to_string())).collect::<Vec<_>>()}
                    value=depth
                    other=|n: usize| n.to_string()
                    set=move |n: usize| lab.edit(|fit| {
                        let width = fit.hidden.first().copied().unwrap_or(32);
                        fit.hidden.resize(n, width);
                    })
                />
                <Menu
                    label="Neurons in each"
                    options=WIDTHS.map(|n| (n, n.to_string())).to_vec()
                    value=width
                    other=widths
                    set=move |n: u32| lab.edit(|fit| fit.hidden.fill(n))
                />
            </div>
            <label class="field">
                <span>"Frequency ω₀ " <output>{move || fit(lab, |f| f.omega)}</output></span>
                <input
                    id="omega"
                    type="range"
                    min="1"
                    max="90"
                    step="1"
                    prop:value=move || fit(lab, |f| f.omega).to_string()
                    on:input=move |ev| lab.edit(|fit| {
                        fit.omega = event_target_value(&ev).parse().unwrap_or(fit.omega);
                    })
                />
                <small>"How fine its waves are. Low: blurred. High: grainy."</small>
            </label>
            <Menu
                label="Learning rate"
                note="How far each step goes. Too far, and it never settles."
                options=RATES.map(|r| (r, r.to_string())).to_vec()
                value=move || fit(lab, |f| f.rate)
                other=|r: f32| r.to_string()
                set=move |r: f32| lab.edit(|fit| fit.rate = r)
            />
            <div class="pair">
                <Menu
                    label="Steps at most"
                    options=STEPS.map(|n| (n, n.to_string())).to_vec()
                    value=move || fit(lab, |f| f.steps)
                    other=|n: u32| n.to_string()
                    set=move |n: u32| lab.edit(|fit| fit.steps = n)
                />
                <Menu
                    label="Stop at"
                    options=goals
                    value=move || fit(lab, |f| f.until)
                    other=|db: Goal| db.map_or_else(String::new, |db| format!("{db} dB"))
                    set=move |db: Goal| lab.edit(|fit| fit.until = db)
                />
            </div>
            <Menu
                label="Convention"
                note="How the first weights are drawn and what the output means: sitzmann draws detail at once; dwsnets is that \
                      of the published collections, and wants half the learning rate."
                options=Convention::ALL.map(|c| (c, c.name().to_owned())).to_vec()
                value=move || fit(lab, |f| f.convention)
                other=|c: Convention| c.name().to_owned()
                set=move |c: Convention| lab.edit(|fit| fit.convention = c)
            />
            <div class="field">
                <label for="seed">"Seed"</label>
                <div class="row">
                    <input
                        id="seed"
                        type="number"
                        min="0"
                        step="1"
                        prop:value=move || fit(lab, |f| f.seed).to_string()
                        on:change=move |ev| match event_target_value(&ev).parse() {
                            Ok(seed) => lab.edit(|fit| fit.seed = seed),
                            Err(_) => {
                                let what = format!("A seed is a whole number from 0 to {}; it stays as it was.", u64::MAX);
                                lab.tell(true, what);
                                lab.state.update(|_| {});
                            }
                        }
                    />
                    <button type="button" on:click=move |_| lab.edit(|fit| fit.seed = fit.seed.wrapping_add(1))>
                        "Next"
                    </button>
                </div>
                <small>"The same seed gives the same network, to the last bit, on the same device."</small>
            </div>
        </fieldset>
    }
}

/// Zoom, detail and colours: below the pictures, since it is about looking.
#[component]
pub(super) fn ViewControls() -> impl IntoView {
    let lab = lab();
    let view = move || lab.state.with(|state| state.view.clone());
    let switch = move |label, value: fn(&FitView) -> bool, set: fn(&mut FitView, bool)| {
        view! {
            <label class="switch">
                <input
                    type="checkbox"
                    prop:checked=move || value(&view())
                    on:change=move |ev| {
                        let on = event_target_checked(&ev);
                        lab.state.update(|state| set(&mut state.view, on));
                    }
                />
                {label}
            </label>
        }
    };
    let hidden = move || lab.state.with(|state| state.hides(Part::Difference));
    view! {
        <div class="view" role="group" aria-label="View">
            <div class="zoom">
                <label for="zoom">"Zoom"</label>
                <input
                    id="zoom"
                    type="range"
                    min="-1"
                    max="5"
                    step="0.05"
                    prop:value=move || (-view().size.log2()).to_string()
                    on:input=move |ev| {
                        let power: f64 = event_target_value(&ev).parse().unwrap_or(0.0);
                        zoom(lab, 2f64.powf(-power) / untrack(view).size, (0.5, 0.5));
                    }
                />
                <output for="zoom">{move || format!("{:.1}×", 1.0 / view().size)}</output>
                <button type="button" on:click=move |_| unzoom(lab)>"Whole"</button>
            </div>
            {switch(
                "only at the pixels",
                |view| view.detail == Detail::Pixels,
                |view, on| view.detail = if on { Detail::Pixels } else { Detail::Smooth },
            )}
            <Show when=move || !hidden()>
                {switch("difference", |view| view.difference, |view, on| view.difference = on)}
            </Show>
            <Menu
                label="Colours"
                options=Palette::ALL.map(|(palette, name)| (palette, name.to_owned())).to_vec()
                value=move || view().palette
                other=|_: Palette| String::new()
                set=move |palette: Palette| lab.state.update(|state| state.view.palette = palette)
            />
            <button
                type="button"
                class="save"
                title="Save what the network draws, as finely as the screen shows it"
                on:click=move |_| save_picture()
            >
                "Save PNG"
            </button>
            <p class="note">
                "A network has no pixels: zoom in to look between them, or out to see what it makes of the world \
                 beyond the frame. Drag to move."
            </p>
        </div>
    }
}
