//! A pad to draw on, white on black: every stroke makes a new picture.

use super::canvas::{context, place};
use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlCanvasElement, PointerEvent};

/// Side of the pad in its own pixels: ten for each that a network is asked about at 28 x 28.
pub(super) const SIDE: f64 = 280.0;
/// Width of a stroke, as in handwritten digits of the usual data sets.
const STROKE: f64 = 24.0;

fn clear(canvas: &HtmlCanvasElement) {
    if let Some(context) = context(canvas) {
        context.set_fill_style_str("black");
        context.fill_rect(0.0, 0.0, SIDE, SIDE);
    }
}

fn stroke(canvas: &HtmlCanvasElement, from: (f64, f64), to: (f64, f64)) {
    if let Some(context) = context(canvas) {
        context.set_stroke_style_str("white");
        context.set_line_width(STROKE);
        context.set_line_cap("round");
        context.begin_path();
        context.move_to(from.0 * SIDE, from.1 * SIDE);
        context.line_to(to.0 * SIDE, to.1 * SIDE);
        context.stroke();
    }
}

#[component]
pub(super) fn Pad(
    /// What is done with a drawing, at the end of every stroke.
    #[prop(into)]
    drawn: Callback<HtmlCanvasElement>,
    /// A sentence below it.
    note: &'static str,
) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    let last = StoredValue::new(None::<(f64, f64)>);
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            clear(&canvas);
        }
    });
    let draw = move |event: &PointerEvent| {
        let at = place(event, (event.client_x(), event.client_y()));
        if let (Some(canvas), Some(at)) = (canvas.get_untracked(), at) {
            stroke(&canvas, last.get_value().unwrap_or(at), at);
            last.set_value(Some(at));
        }
    };
    let down = move |event: PointerEvent| {
        event.prevent_default();
        // Whatever had the focus gives it up, so that the keys are the bench's.
        if let Some(canvas) = canvas.get_untracked() {
            let _focused = canvas.focus();
        }
        if let Some(element) = event.current_target().and_then(|t| t.dyn_into::<Element>().ok()) {
            // Without it the stroke ends at the pad's edge.
            let _captured = element.set_pointer_capture(event.pointer_id());
        }
        draw(&event);
    };
    let moved = move |event: PointerEvent| {
        if last.with_value(Option::is_some) {
            draw(&event);
        }
    };
    let up = move |_: PointerEvent| {
        if last.with_value(Option::is_some) {
            last.set_value(None);
            canvas.get_untracked().into_iter().for_each(|canvas| drawn.run(canvas));
        }
    };
    view! {
        <div class="pad">
            <canvas
                id="pad"
                node_ref=canvas
                width=SIDE
                height=SIDE
                tabindex="-1"
                role="img"
                aria-label="Pad to draw on with a finger, pen or mouse"
                on:pointerdown=down
                on:pointermove=moved
                on:pointerup=up
                on:pointercancel=up
            ></canvas>
            <button
                type="button"
                on:click=move |_| {
                    if let Some(canvas) = canvas.get_untracked() {
                        clear(&canvas);
                    }
                }
            >
                "Clear"
            </button>
            <p class="note">{note}</p>
        </div>
    }
}
