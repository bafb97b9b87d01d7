//! Drawings that the worker made, on canvases.

use super::canvas::{image, put_image};
use leptos::html::Canvas;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

/// RGBA in a buffer, and its height and width.
pub(super) type Drawn = (JsValue, [u32; 2]);

/// A canvas that shows the newest drawing, a pixel to a pixel; styles make it larger.
pub(super) fn shown(
    label: &'static str,
    class: &'static str,
    drawn: impl Fn() -> Option<Drawn> + 'static,
) -> AnyView {
    let canvas = NodeRef::<Canvas>::new();
    show(canvas, Box::new(drawn));
    view! { <canvas node_ref=canvas class=class width="28" height="28" role="img" aria-label=label></canvas> }
        .into_any()
}

/// Keeps a canvas showing the newest drawing.
pub(super) fn show(canvas: NodeRef<Canvas>, drawn: Box<dyn Fn() -> Option<Drawn>>) {
    Effect::new(move |_| {
        let canvas = canvas.get()?;
        let (pixels, [height, width]) = drawn()?;
        if (canvas.width(), canvas.height()) != (width, height) {
            canvas.set_width(width);
            canvas.set_height(height);
        }
        put_image(&canvas, &image(&pixels, width, height)?, 0.0, 0.0);
        Some(())
    });
}
