//! Putting pixels on the screen.

use super::fit::model::Pixels;
use crate::web;
use js_sys::{Object, Uint8Array, Uint8ClampedArray};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, Event, HtmlCanvasElement, ImageData};

/// The drawing context of a canvas, which keeps its pixels off the GPU: that is busy with other things.
pub(super) fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    let options = Object::new();
    web::set(&options, "willReadFrequently", &true.into());
    canvas.get_context_with_context_options("2d", &options).ok().flatten()?.dyn_into().ok()
}

/// RGBA in a buffer as an image.
pub(super) fn image(buffer: &JsValue, width: u32, height: u32) -> Option<ImageData> {
    let bytes = Uint8ClampedArray::new(buffer);
    ImageData::new_with_js_u8_clamped_array_and_sh(&bytes, width, height).ok()
}

/// Fills a canvas with a drawing, one pixel to a pixel.
pub(super) fn put(canvas: &HtmlCanvasElement, (drawing, pixels): &Pixels) -> Option<()> {
    if (canvas.width(), canvas.height()) != (drawing.width, drawing.height) {
        canvas.set_width(drawing.width);
        canvas.set_height(drawing.height);
    }
    let image = image(pixels, drawing.width, drawing.height)?;
    context(canvas)?.put_image_data(&image, 0.0, 0.0).ok()
}

/// Puts an image into a canvas, its upper left corner at (`x`, `y`).
pub(super) fn put_image(canvas: &HtmlCanvasElement, image: &ImageData, x: f64, y: f64) {
    if let Some(context) = context(canvas) {
        // Fails on an image whose pixels changed hands, and this one is ours.
        let _put = context.put_image_data(image, x, y);
    }
}

/// Fills a canvas of `side` pixels with the part of an image that is in the window `[x, y, size]` (1 is the whole
/// image); what is beyond the image stays empty. Pixels stay squares.
pub(super) fn crop(
    canvas: &HtmlCanvasElement,
    image: &ImageData,
    [x, y, size]: [f64; 3],
    side: u32,
) -> Option<()> {
    let source: HtmlCanvasElement = document().create_element("canvas").ok()?.dyn_into().ok()?;
    source.set_width(image.width());
    source.set_height(image.height());
    context(&source)?.put_image_data(image, 0.0, 0.0).ok()?;
    // Setting the size also empties it.
    canvas.set_width(side);
    canvas.set_height(side);
    let context = context(canvas)?;
    context.set_image_smoothing_enabled(false);
    let scale = f64::from(side) / size;
    context
        .draw_image_with_html_canvas_element_and_dw_and_dh(
            &source,
            -x * scale,
            -y * scale,
            scale,
            scale,
        )
        .ok()
}

/// Image number `index` of several that lie one after the other in a buffer.
pub(super) fn nth(buffer: &JsValue, index: u32, width: u32, height: u32) -> Option<ImageData> {
    let bytes = width * height * 4;
    let all = Uint8Array::new(buffer);
    if (index + 1) * bytes > all.length() {
        return None;
    }
    // A copy of the browser's own: an image over this program's memory would change with it.
    image(&all.slice(index * bytes, (index + 1) * bytes).buffer(), width, height)
}

/// Whether a media query holds.
pub(super) fn media(query: &str) -> bool {
    window().match_media(query).ok().flatten().is_some_and(|query| query.matches())
}

/// Whether the page is dark.
pub(super) fn is_dark() -> bool {
    media("(prefers-color-scheme: dark)")
}

/// Side in the screen's own pixels of a square canvas.
pub(super) fn screen_side(canvas: &HtmlCanvasElement) -> u32 {
    let ratio = window().device_pixel_ratio().clamp(1.0, 2.0);
    let side = canvas.get_bounding_client_rect().width() * ratio;
    (side.round() as u32).clamp(16, 1024)
}

/// Where in the canvas something was pointed at: 0 to 1 from its left and upper edge.
pub(super) fn place(event: &Event, client: (i32, i32)) -> Option<(f64, f64)> {
    let canvas: HtmlCanvasElement = event.current_target()?.dyn_into().ok()?;
    let area = canvas.get_bounding_client_rect();
    let share = |at: i32, start: f64, size: f64| (f64::from(at) - start) / size.max(1.0);
    Some((share(client.0, area.left(), area.width()), share(client.1, area.top(), area.height())))
}
