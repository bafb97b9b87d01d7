//! Many networks at once, converging together: one canvas, whatever their number.

use super::super::canvas::{place, put};
use super::super::lab::lab;
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
    let choose = move |net: u32| lab.state.update(|state| state.view.net = net);
    let clicked = move |event: MouseEvent| {
        let Some((x, y)) = place(&event, (event.client_x(), event.client_y())) else { return };
        let (columns, rows) = mosaic(count.get_untracked());
        let cell = |share: f64, cells: u32| (share.clamp(0.0, 0.999) * f64::from(cells)) as u32;
        let net = cell(y, rows) * columns + cell(x, columns);
        if net < count.get_untracked() {
            choose(net);
        }
    };
    let keyed = move |event: KeyboardEvent| {
        let (columns, _) = mosaic(count.get_untracked());
        let by = match event.key().as_str() {
            "ArrowRight" => 1,
            "ArrowLeft" => -1,
            "ArrowDown" => i64::from(columns),
            "ArrowUp" => -i64::from(columns),
            _ => return,
        };
        event.prevent_default();
        let now = i64::from(lab.state.with_untracked(|state| state.view.net));
        let last = i64::from(count.get_untracked().saturating_sub(1));
        choose((now + by).clamp(0, last) as u32);
    };
    let marker = move || {
        let net = lab.state.with(|state| state.view.net);
        (net < count.get()).then(|| {
            let (columns, rows) = mosaic(count.get());
            let percent =
                |part: u32, of: u32| format!("{}%", 100.0 * f64::from(part) / f64::from(of));
            view! {
                <i
                    class="marker"
                    aria-hidden="true"
                    style:left=percent(net % columns, columns)
                    style:top=percent(net / columns, rows)
                    style:width=percent(1, columns)
                    style:height=percent(1, rows)
                ></i>
            }
        })
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
            frame.as_ref().and_then(|frame| frame.each.get(net as usize).copied().flatten())
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
