//! Target, network and difference side by side, all through the same window.

use super::super::canvas::{crop, image, nth, place, put, screen_side};
use super::super::lab::{Lab, lab};
use super::super::save;
use super::model::Pixels;
use super::recorded::{Recorded, is_recorded};
use crate::protocol::fit::DrawingKind;
use crate::state::{Detail, Many, Part};
use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlCanvasElement, PointerEvent, WheelEvent};
use weightlab_lab::meter::count_text;

/// The element that shows what the network draws.
const NET: &str = "net";

/// Saves what the network draws, as it is on the screen.
pub(super) fn save_picture() {
    let net = document().get_element_by_id(NET).and_then(|net| net.dyn_into().ok());
    // Before there is anything to see, there is nothing to save.
    let _saved = net.and_then(|net| save::canvas("network.png", &net));
}

/// Least and greatest width of the window, in widths of the picture.
const SIZES: std::ops::RangeInclusive<f64> = 0.02..=4.0;

#[component]
pub(super) fn Stage() -> impl IntoView {
    let lab = lab();
    let difference =
        move || lab.state.with(|state| state.view.difference && !state.hides(Part::Difference));
    let live = move || lab.fit.frame.with(Option::is_some);
    let targeted = move || lab.fit.target.with(Option::is_some);
    let size = move || {
        lab.fit.target.with(|target| {
            target.as_ref().map_or(String::new(), |t| format!("{} × {} pixels", t.width, t.height))
        })
    };
    let what = move || {
        let index = shown_object(lab);
        lab.fit.target.with(|target| {
            let name = target.as_ref().and_then(|t| t.names.get(index as usize)).cloned();
            name.filter(|name| !name.is_empty()).map(|name| format!("{} · ", name.to_lowercase()))
        })
    };
    view! {
        <div class="trio" class:two=move || !difference()>
            <figure>
                <Show when=targeted fallback=|| view! { <Recorded target=true/> }>
                    <TargetCanvas/>
                </Show>
                <figcaption><strong>"Target"</strong><span>{what}{size}</span></figcaption>
            </figure>
            <figure>
                <Show when=live fallback=|| view! { <Recorded target=false/> }>
                    <NetCanvas/>
                </Show>
                <figcaption>
                    <strong>{move || net_title(lab)}</strong>
                    <span>{move || net_note(lab)}</span>
                </figcaption>
            </figure>
            <Show when=difference>
                <figure>
                    <Show when=live fallback=|| view! { <div class="pane empty"></div> }>
                        <DifferenceCanvas/>
                    </Show>
                    <figcaption>
                        <strong>"Difference"</strong>
                        <span class="legend">
                            "too dark"<i class=move || palette_class(lab) aria-hidden="true"></i>"too bright"
                        </span>
                    </figcaption>
                </figure>
            </Show>
        </div>
    }
}

/// Which of the targets belongs to the network that is looked at.
fn shown_object(lab: Lab) -> u32 {
    lab.state.with(|state| if state.fit.many == Many::Set { state.view.net } else { 0 })
}

pub(super) fn palette_class(lab: Lab) -> &'static str {
    use crate::state::Palette;
    match lab.state.with(|state| state.view.palette) {
        Palette::BlueOrange => "scale blue-orange",
        Palette::Viridis => "scale viridis",
        Palette::Cividis => "scale cividis",
        Palette::Grey => "scale grey",
    }
}

fn net_title(lab: Lab) -> String {
    if let Some(wave) = lab.fit.look.with(|look| look.wave) {
        return format!("Neuron {} alone", wave + 1);
    }
    match lab.state.with(|state| (state.fit.many, state.view.net)) {
        (Many::One, _) => "Network".to_owned(),
        (_, net) => format!("Network {}", net + 1),
    }
}

/// How large the network is, and how finely it is drawn.
fn net_note(lab: Lab) -> String {
    if !lab.fit.frame.with(Option::is_some) && is_recorded(lab) {
        return "recorded earlier".to_owned();
    }
    let count = lab.state.with(|state| {
        let channels = if state.fit.grey { 1 } else { 3 };
        // The output is grey or not depending on the picture, which `started` knows.
        let outputs = lab.fit.started.with(|started| {
            let last = started.as_ref().and_then(|s| s.dims.rsplit('-').next()?.parse().ok());
            last.unwrap_or(channels)
        });
        state.fit.mlp(outputs).map_or(0, |mlp| mlp.param_count())
    });
    let numbers = if count < 10_000 { count.to_string() } else { count_text(count as f64) };
    match lab.state.with(|state| state.view.detail) {
        Detail::Smooth => format!("{numbers} numbers · no pixels"),
        Detail::Pixels => format!("{numbers} numbers · at the pixels"),
    }
}

#[component]
fn TargetCanvas() -> impl IntoView {
    let lab = lab();
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        let (Some(canvas), Some(target)) = (canvas.get(), lab.fit.target.get()) else { return };
        let window = window_of(lab);
        let index = shown_object(lab).min(target.count.saturating_sub(1));
        let side = lab.fit.look.with(|look| look.side);
        let image = lab
            .fit
            .target_pixels
            .with(|pixels| nth(pixels.as_ref()?, index, target.width, target.height));
        if let Some(image) = image {
            // A canvas that cannot be drawn on stays empty.
            let _drawn = crop(&canvas, &image, window, side);
        }
    });
    view! { <Pane canvas label="The picture that the network is to become"/> }
}

#[component]
fn NetCanvas() -> impl IntoView {
    let lab = lab();
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        let window = window_of(lab);
        let wave = lab.fit.look.with(|look| look.wave.is_some());
        lab.fit.drawings.with(|drawings| {
            let found = |kind| drawings.get(&kind);
            let alone = found(DrawingKind::Wave).filter(|_| wave);
            if let Some(drawing) = alone.or_else(|| found(DrawingKind::Net)) {
                put(&canvas, drawing)
            } else {
                let drawing = found(DrawingKind::NetPixels)?;
                pixelated(lab, &canvas, drawing, window)
            }
        });
        let side = screen_side(&canvas);
        if lab.fit.look.with_untracked(|look| look.side.abs_diff(side)) > 8 {
            lab.fit.look.update(|look| look.side = side);
        }
    });
    view! { <Pane canvas label="What the network draws" id=NET/> }
}

#[component]
fn DifferenceCanvas() -> impl IntoView {
    let lab = lab();
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        let window = window_of(lab);
        lab.fit.drawings.with(|drawings| {
            let drawing = drawings.get(&DrawingKind::Difference)?;
            pixelated(lab, &canvas, drawing, window)
        });
    });
    view! { <Pane canvas label="Where the network is too bright or too dark"/> }
}

fn pixelated(
    lab: Lab,
    canvas: &HtmlCanvasElement,
    (drawing, pixels): &Pixels,
    window: [f64; 3],
) -> Option<()> {
    let image = image(pixels, drawing.width, drawing.height)?;
    crop(canvas, &image, window, lab.fit.look.with(|look| look.side))
}

fn window_of(lab: Lab) -> [f64; 3] {
    lab.state.with(|state| [state.view.x, state.view.y, state.view.size])
}

/// Makes the window `factor` times as wide, keeping the point at (`x`, `y`) of it in its place.
pub(in crate::page) fn zoom(lab: Lab, factor: f64, (x, y): (f64, f64)) {
    lab.state.update(|state| {
        let view = &mut state.view;
        let size = (view.size * factor).clamp(*SIZES.start(), *SIZES.end());
        view.x = (view.x + x * (view.size - size)).clamp(-4.0, 4.0);
        view.y = (view.y + y * (view.size - size)).clamp(-4.0, 4.0);
        view.size = size;
    });
}

/// Shows the picture as a whole again.
pub(in crate::page) fn unzoom(lab: Lab) {
    lab.state.update(|state| state.view.see_all());
}

/// Moves the window by so many of its widths to the right and down.
pub(in crate::page) fn pan(lab: Lab, (x, y): (f64, f64)) {
    lab.state.update(|state| {
        let view = &mut state.view;
        view.x = (view.x + x * view.size).clamp(-4.0, 4.0);
        view.y = (view.y + y * view.size).clamp(-4.0, 4.0);
    });
}

/// A canvas that looks through the window: dragging moves it, pinching (or Ctrl and the wheel) zooms, a double
/// click shows the whole.
#[component]
fn Pane(
    canvas: NodeRef<Canvas>,
    label: &'static str,
    #[prop(optional)] id: Option<&'static str>,
) -> impl IntoView {
    let lab = lab();
    let dragged = StoredValue::new(None::<(f64, f64)>);
    let at = |event: &PointerEvent| place(event, (event.client_x(), event.client_y()));
    let down = move |event: PointerEvent| {
        let zoomed = lab.state.with_untracked(|state| state.view.size < 1.0);
        // A finger on the whole picture scrolls the page.
        if zoomed || event.pointer_type() == "mouse" {
            dragged.set_value(at(&event));
            if let Some(element) = event.current_target().and_then(|t| t.dyn_into::<Element>().ok())
            {
                // Without it the drag ends at the canvas's edge.
                let _captured = element.set_pointer_capture(event.pointer_id());
            }
        }
    };
    let moved = move |event: PointerEvent| {
        if let (Some(from), Some(to)) = (dragged.get_value(), at(&event)) {
            dragged.set_value(Some(to));
            pan(lab, (from.0 - to.0, from.1 - to.1));
        }
    };
    let up = move |_: PointerEvent| dragged.set_value(None);
    let wheel = move |event: WheelEvent| {
        if event.ctrl_key() || event.meta_key() {
            event.prevent_default();
            if let Some(at) = place(&event, (event.client_x(), event.client_y())) {
                zoom(lab, (event.delta_y() * 0.01).clamp(-0.5, 0.5).exp(), at);
            }
        }
    };
    view! {
        <canvas
            class="pane"
            class:zoomed=move || lab.state.with(|state| state.view.size < 1.0)
            node_ref=canvas
            id=id
            width="64"
            height="64"
            role="img"
            aria-label=label
            on:pointerdown=down
            on:pointermove=moved
            on:pointerup=up
            on:pointercancel=up
            on:wheel=wheel
            on:dblclick=move |_| unzoom(lab)
        ></canvas>
    }
}
