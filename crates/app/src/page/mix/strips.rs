//! The whole way at a glance: a strip of pictures for every method.

use crate::page::canvas::place;
use crate::page::lab::lab;
use crate::page::shown::show;
use crate::protocol::mix::{STEPS, name};
use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::MouseEvent;

#[component]
pub(super) fn Strips() -> impl IntoView {
    let lab = lab();
    let mix = lab.mix;
    let last = (STEPS - 1) as f64;
    let clicked = move |event: MouseEvent| {
        let Some((x, _)) = place(&event, (event.client_x(), event.client_y())) else { return };
        let step = (x.clamp(0.0, 0.9999) * STEPS as f64).floor();
        lab.state.update(|state| state.mix.t = step / last);
    };
    let here = move || {
        let step = lab.state.with(|state| (state.mix.t * last).round());
        format!("{}%", 100.0 * step / STEPS as f64)
    };
    let strip = move |which: usize, title: &'static str| {
        let canvas = NodeRef::<Canvas>::new();
        show(canvas, Box::new(move || mix.strip(which)));
        view! {
            <li data-method=title>
                <span><i class="key" aria-hidden="true"></i>{title}</span>
                <canvas
                    node_ref=canvas
                    width=28 * STEPS
                    height="28"
                    role="img"
                    aria-label=format!("Pictures along the way: {title}")
                    on:click=clicked
                ></canvas>
            </li>
        }
    };
    view! {
        <section aria-label="The whole way">
            <h3 class="kicker">"The whole way"</h3>
            <ol class="strips">
                {strip(0, "pictures")}
                {move || {
                    let methods = mix.methods().into_iter().enumerate();
                    methods.map(|(place, method)| strip(place + 1, name(method))).collect_view()
                }}
                <li class="here" aria-hidden="true"><i style:left=here></i></li>
            </ol>
            <p class="note">
                "From the first network at the left to the second at the right. “pictures” is the average of the pictures: no \
                 networks at all. Click a place to go there."
            </p>
        </section>
    }
}
