//! The first layer: every neuron of it is a plane wave, and pointing at one shows it alone.

use super::super::canvas::{place, put, screen_side};
use super::super::lab::{Lab, lab};
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
    let pointed = move |event: PointerEvent| {
        let Some((x, y)) = place(&event, (event.client_x(), event.client_y())) else { return };
        let (columns, rows) = mosaic(count.get_untracked());
        let cell = |share: f64, cells: u32| (share.clamp(0.0, 0.999) * f64::from(cells)) as u32;
        let index = cell(y, rows) * columns + cell(x, columns);
        choose(lab, Some(index).filter(|&index| index < count.get_untracked()));
    };
    let keyed = move |event: KeyboardEvent| {
        let count = count.get_untracked();
        let (columns, _) = mosaic(count);
        let now = lab.fit.look.with_untracked(|look| look.wave);
        let moved = |by: i64| {
            let next = now.map_or(0, |now| i64::from(now) + by);
            Some(next.clamp(0, i64::from(count) - 1) as u32)
        };
        let next = match event.key().as_str() {
            "ArrowRight" => moved(1),
            "ArrowLeft" => moved(-1),
            "ArrowDown" => moved(i64::from(columns)),
            "ArrowUp" => moved(-i64::from(columns)),
            "Escape" => None,
            _ => return,
        };
        event.prevent_default();
        if count > 0 {
            choose(lab, next);
        }
    };
    let shown = move || {
        let index = lab.fit.look.with(|look| look.wave)?;
        Some((index, *waves(lab).get(index as usize)?))
    };
    let marker = move || {
        let (index, _) = shown()?;
        let (columns, rows) = mosaic(count.get());
        let (column, row) = (index % columns, index / columns);
        let percent = |part: u32, of: u32| format!("{}%", 100.0 * f64::from(part) / f64::from(of));
        Some(view! {
            <i
                class="marker"
                aria-hidden="true"
                style:left=percent(column, columns)
                style:top=percent(row, rows)
                style:width=percent(1, columns)
                style:height=percent(1, rows)
            ></i>
        })
    };
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
                <span>{move || format!("{} neurons, each a wave", count.get())}</span>
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
