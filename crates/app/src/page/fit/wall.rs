//! Many networks at once, converging together: one canvas, whatever their number.

use crate::page::canvas::put;
use crate::page::lab::lab;
use crate::page::tiles::Tiles;
use crate::protocol::fit::DrawingKind;
use crate::protocol::mosaic;
use crate::state::Many;
use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::{KeyboardEvent, MouseEvent};

#[component]
pub(super) fn Wall() -> impl IntoView {
    let lab = lab();
    let canvas = NodeRef::<Canvas>::new();
    let count = Memo::new(move |_| {
        lab.fit.frame.with(|frame| frame.as_ref().map_or(0, |frame| frame.nets[1] as u32))
    });
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        lab.fit.drawings.with(|drawings| put(&canvas, drawings.get(&DrawingKind::Wall)?));
    });
    let tiles = move || {
        let count = count.get();
        Tiles { count, columns: mosaic(count).0 }
    };
    let choose = move |net: u32| lab.state.update(|state| state.view.net = net);
    let clicked = move |event: MouseEvent| {
        untrack(tiles).pointed(&event).into_iter().for_each(choose);
    };
    let keyed = move |event: KeyboardEvent| {
        let now = lab.state.with_untracked(|state| state.view.net);
        untrack(tiles).keyed(&event, Some(now)).into_iter().for_each(choose);
    };
    let marker = move || {
        let net = lab.state.with(|state| state.view.net);
        (net < count.get()).then(|| tiles().marker(net, "marker"))
    };
    let title = move || match lab.state.with(|state| state.fit.many) {
        Many::Set => "One network for each picture",
        _ => "Networks of the same picture, each from another start",
    };
    let spread = move || {
        lab.fit.curve.with(|curve| {
            curve.last().map(|p| {
                format!("{:.1} to {:.1} dB, half of them above {:.1}", p.low, p.high, p.middle)
            })
        })
    };
    let chosen = move || {
        let net = lab.state.with(|state| state.view.net);
        let db = lab.fit.frame.with(|frame| {
            // Of the same step as the range above.
            frame
                .as_ref()
                .and_then(|frame| frame.each.get(net as usize).copied().flatten().or(frame.db))
        });
        match db {
            Some(db) => {
                format!("Network {} has {db:.1} dB. Click another to look at it below.", net + 1)
            }
            None => "Click a network to look at it below.".to_owned(),
        }
    };
    view! {
        <figure class="wall">
            <figcaption><strong>{title}</strong><span>{spread}</span></figcaption>
            <div class="tiles">
                <canvas
                    id="wall"
                    node_ref=canvas
                    width="64"
                    height="64"
                    tabindex="0"
                    role="application"
                    aria-label="What all networks draw. Arrow keys choose one."
                    on:click=clicked
                    on:keydown=keyed
                ></canvas>
                {marker}
            </div>
            <p class="note" aria-live="polite">{chosen}</p>
        </figure>
    }
}
