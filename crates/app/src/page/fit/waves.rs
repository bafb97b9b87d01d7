//! The first layer: every neuron of it is a plane wave, and pointing at one shows it alone.

use crate::page::canvas::{put, screen_side};
use crate::page::lab::{Lab, lab};
use crate::page::tiles::Tiles;
use crate::protocol::fit::DrawingKind;
use crate::protocol::mosaic;
use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::{KeyboardEvent, PointerEvent};
use weightlab_lab::view::Wave;

fn waves(lab: Lab) -> Vec<Wave> {
    lab.fit.frame.with(|frame| frame.as_ref().map(|frame| frame.waves.clone())).unwrap_or_default()
}

fn choose(lab: Lab, wave: Option<u32>) {
    if lab.fit.look.with_untracked(|look| look.wave != wave) {
        lab.fit.look.update(|look| look.wave = wave);
    }
}

#[component]
pub(super) fn Waves() -> impl IntoView {
    let lab = lab();
    let canvas = NodeRef::<Canvas>::new();
    let count = Memo::new(move |_| waves(lab).len() as u32);
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        lab.fit.drawings.with(|drawings| put(&canvas, drawings.get(&DrawingKind::Waves)?));
        let (columns, _) = mosaic(count.get());
        // Small tiles: there may be hundreds, and waves are simple.
        let side = (screen_side(&canvas) / columns).clamp(12, 48);
        if lab.fit.look.with_untracked(|look| look.wave_side.abs_diff(side)) > 4 {
            lab.fit.look.update(|look| look.wave_side = side);
        }
    });
    on_cleanup(move || lab.fit.look.update(|look| (look.wave, look.wave_side) = (None, 0)));
    let tiles = move || {
        let count = count.get();
        Tiles { count, columns: mosaic(count).0 }
    };
    let pointed = move |event: PointerEvent| choose(lab, untrack(tiles).pointed(&event));
    let keyed = move |event: KeyboardEvent| {
        let now = lab.fit.look.with_untracked(|look| look.wave);
        if event.key() == "Escape" {
            event.prevent_default();
            choose(lab, None);
        } else if let Some(wave) = untrack(tiles).keyed(&event, now) {
            choose(lab, Some(wave));
        }
    };
    let shown = move || {
        let index = lab.fit.look.with(|look| look.wave)?;
        Some((index, *waves(lab).get(index as usize)?))
    };
    let marker = move || shown().map(|(index, _)| tiles().marker(index, "marker"));
    let text = move || match shown() {
        Some((index, wave)) => format!(
            "Neuron {}: {:.1} crests across the picture, running at {:.0}°.",
            index + 1,
            wave.crests(),
            wave.degrees()
        ),
        None => "Point at one to see it alone. All the rest of the network does is to mix them."
            .to_owned(),
    };
    view! {
        <figure class="waves">
            <figcaption>
                <strong>"First layer"</strong>
                <span>{move || (count.get() > 0).then(|| format!("{} neurons, each a wave", count.get()))}</span>
            </figcaption>
            <div class="tiles">
                <canvas
                    node_ref=canvas
                    width="64"
                    height="64"
                    tabindex="0"
                    role="application"
                    aria-label="The waves of the first layer. Arrow keys choose one."
                    on:pointermove=pointed
                    on:pointerdown=pointed
                    on:pointerleave=move |event: PointerEvent| {
                        if event.pointer_type() == "mouse" {
                            choose(lab, None);
                        }
                    }
                    on:keydown=keyed
                    on:blur=move |_| choose(lab, None)
                ></canvas>
                {marker}
            </div>
            <p class="note" id="wave-text" aria-live="polite">{text}</p>
        </figure>
    }
}
