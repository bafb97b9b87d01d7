//! Choosing a network of the zoo: one canvas with a picture of each.

use crate::page::canvas::{image, put_image};
use crate::page::lab::lab;
use crate::page::tiles::Tiles;
use js_sys::Uint8Array;
use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::{Element, KeyboardEvent, MouseEvent};
use weightlab_lab::meter::networks_text;

/// Pictures of the zoo's networks, side by side; clicking or the arrow keys choose one.
#[component]
pub(in crate::page) fn Picker(
    /// What it is for, for screen readers.
    label: &'static str,
    /// Pictures in a row.
    columns: u32,
    /// The networks that are marked; the first of them is the one that the arrow keys move.
    #[prop(into)]
    chosen: Signal<Vec<u32>>,
    /// Called with the position of a network.
    #[prop(into)]
    choose: Callback<u32>,
    /// Only networks of this class.
    #[prop(into)]
    class: Signal<Option<i64>>,
) -> impl IntoView {
    let zoo = lab().zoo;
    let canvas = NodeRef::<Canvas>::new();
    let shown = Memo::new(move |_| {
        let class = class.get();
        zoo.opened.with(|opened| {
            let nets = opened.iter().flat_map(|opened| opened.nets.iter().enumerate());
            let of_class = nets.filter(|(_, net)| class.is_none_or(|class| class == net.label));
            of_class.map(|(position, _)| position as u32).collect::<Vec<u32>>()
        })
    });
    let tiles = move || Tiles { count: shown.with(Vec::len) as u32, columns };
    Effect::new(move |_| {
        let (Some(canvas), Some(opened)) = (canvas.get(), zoo.opened.get()) else { return };
        let (shown, [height, width]) = (shown.get(), opened.picture.unwrap_or([28, 28]));
        let rows = tiles().rows();
        // Setting the size also empties it.
        canvas.set_width(columns * width);
        canvas.set_height(rows * height);
        zoo.pixels.with(|pixels| {
            let all = Uint8Array::new(pixels.as_ref()?);
            let bytes = width * height * 4;
            for (cell, &position) in shown.iter().enumerate() {
                if (position + 1) * bytes > all.length() {
                    return None;
                }
                let part = all.slice(position * bytes, (position + 1) * bytes).buffer();
                let (x, y) = (cell as u32 % columns, cell as u32 / columns);
                let image = image(&part, width, height)?;
                put_image(&canvas, &image, f64::from(x * width), f64::from(y * height));
            }
            Some(())
        });
    });
    let cell = move |position: u32| shown.with(|shown| shown.iter().position(|&p| p == position));
    let choose_tile = move |tile: u32| {
        let position = shown.with_untracked(|shown| shown.get(tile as usize).copied());
        position.into_iter().for_each(|position| choose.run(position));
    };
    let clicked = move |event: MouseEvent| {
        untrack(tiles).pointed(&event).into_iter().for_each(choose_tile);
    };
    let keyed = move |event: KeyboardEvent| {
        let now = chosen.with_untracked(|chosen| chosen.first().copied());
        let now = now.and_then(|now| untrack(|| cell(now))).map(|cell| cell as u32);
        untrack(tiles).keyed(&event, now).into_iter().for_each(choose_tile);
    };
    // The marker of the first one stays in sight.
    let scroller = NodeRef::<leptos::html::Div>::new();
    Effect::new(move |_| {
        let first = chosen.with(|chosen| chosen.first().copied());
        let (Some(scroller), Some(cell)) = (scroller.get(), first.and_then(cell)) else { return };
        let rows = tiles().rows();
        // Networks that have just come take their place only after this.
        request_animation_frame(move || {
            let element: &Element = &scroller;
            let row = f64::from(element.scroll_height()) / f64::from(rows);
            let top = row * f64::from(cell as u32 / columns);
            let from = f64::from(element.scroll_top());
            let height = f64::from(element.client_height());
            if top < from || top + row > from + height {
                element.set_scroll_top((top - height / 2.0).max(0.0) as i32);
            }
        });
    });
    let markers = move || {
        let marker = |(order, position): (usize, u32)| {
            let class = if order == 0 { "marker" } else { "marker second" };
            Some(tiles().marker(cell(position)? as u32, class))
        };
        chosen.get().into_iter().enumerate().filter_map(marker).collect_view()
    };
    let said = move || {
        let first = chosen.with(|chosen| chosen.first().copied());
        format!(
            "{label}. {}; arrow keys choose one. Now {}.",
            networks_text(shown.with(Vec::len) as u64),
            first.map_or_else(|| "none".to_owned(), |first| zoo.net_title(first))
        )
    };
    let waiting = move || zoo.opened.with(Option::is_none);
    view! {
        <div class="picker" node_ref=scroller>
            <Show when=waiting>
                <p class="note">
                    {move || zoo.refused.get().unwrap_or_else(|| "The networks are loading …".to_owned())}
                </p>
            </Show>
            <div class="tiles" class:unseen=waiting>
                <canvas
                    node_ref=canvas
                    width="64"
                    height="64"
                    tabindex="0"
                    role="application"
                    aria-label=said
                    on:click=clicked
                    on:keydown=keyed
                ></canvas>
                {markers}
            </div>
        </div>
    }
}

/// A menu of the zoo's classes; `None` is all of them.
#[component]
pub(in crate::page) fn ClassMenu(class: RwSignal<Option<i64>>) -> impl IntoView {
    let zoo = lab().zoo;
    let classes =
        move || zoo.opened.with(|o| o.as_ref().map_or_else(Vec::new, |o| o.classes.clone()));
    view! {
        <label class="row">
            "Only "
            <select
                class="short"
                on:change=move |ev| class.set(event_target_value(&ev).parse().ok())
            >
                <option value="" selected=move || class.get().is_none()>"all classes"</option>
                {move || classes().into_iter().enumerate().map(|(i, name)| view! {
                    <option value=i selected=move || class.get() == Some(i as i64)>{name}</option>
                }).collect_view()}
            </select>
        </label>
    }
}
