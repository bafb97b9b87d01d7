//! The user's own pictures: files, camera pictures and drawings become a square of pixels.
//!
//! The browser decodes, because it knows more formats and turns photographs the right way up; the header of
//! PNG and JPEG is read first, so that a small file that unfolds into gigabytes is refused unopened.

use crate::web;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, DedicatedWorkerGlobalScope, ImageBitmap, OffscreenCanvas,
    OffscreenCanvasRenderingContext2d,
};
use weightlab_data::{ImageSet, MAX_PIXELS, SourceOptions};

/// Largest file that is looked into, in bytes.
const MAX_BYTES: f64 = 64e6;
/// Side of the square that is kept; networks are fitted to less.
const SIDE: u32 = 256;

/// Reads a file (`Blob`) or a picture that is decoded already (`ImageBitmap`): its centre square, grey if it has no
/// colour.
pub(super) async fn read(name: &str, part: JsValue) -> Result<ImageSet, String> {
    let bitmap = match part.dyn_into::<ImageBitmap>() {
        Ok(bitmap) => bitmap,
        Err(part) => decode(name, &part).await?,
    };
    let pixels = square(&bitmap).map_err(|error| unreadable(name, &web::words(&error)));
    bitmap.close();
    let rgba = pixels?;
    let grey = rgba.chunks_exact(4).all(|p| p[0] == p[1] && p[1] == p[2]);
    let channels = if grey { 1 } else { 3 };
    let pixels = rgba.chunks_exact(4).flat_map(|p| &p[..channels]).copied().collect();
    let side = SIDE as usize;
    ImageSet::from_pixels(pixels, [side, side, channels], name, &SourceOptions::default())
        .map_err(|error| error.to_string())
}

async fn decode(name: &str, part: &JsValue) -> Result<ImageBitmap, String> {
    let blob: &Blob = part.dyn_ref().ok_or_else(|| unreadable(name, "it is not a file"))?;
    if blob.size() > MAX_BYTES {
        return Err(format!(
            "“{name}” has {:.0} MB. Pictures of up to {:.0} MB can be opened; a smaller copy will do, since \
             networks are fitted to some thousands of pixels.",
            blob.size() / 1e6,
            MAX_BYTES / 1e6
        ));
    }
    let buffer = JsFuture::from(blob.array_buffer())
        .await
        .map_err(|error| unreadable(name, &web::words(&error)))?;
    let bytes = Uint8Array::new(&buffer).to_vec();
    // Other formats, and broken ones, are the browser's to judge.
    if let Ok(size) = imagesize::blob_size(&bytes)
        && size.height as u64 * size.width as u64 > MAX_PIXELS
    {
        return Err(format!(
            "“{name}” would unfold into {} × {} pixels. Pictures of up to {} million pixels can be opened.",
            size.width,
            size.height,
            MAX_PIXELS / 1_000_000
        ));
    }
    drop(bytes);
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let refused = |error: JsValue| unreadable(name, &web::words(&error));
    let promise = scope.create_image_bitmap_with_blob(blob).map_err(refused)?;
    let bitmap = JsFuture::from(promise).await.map_err(refused)?;
    bitmap.dyn_into().map_err(refused)
}

fn unreadable(name: &str, why: &str) -> String {
    format!(
        "“{name}” is not a picture that this browser can open ({why}). PNG, JPEG, WebP and GIF files work."
    )
}

/// The largest centred square, at [`SIDE`], transparent parts over white: RGBA.
fn square(bitmap: &ImageBitmap) -> Result<Vec<u8>, JsValue> {
    let canvas = OffscreenCanvas::new(SIDE, SIDE)?;
    let context: OffscreenCanvasRenderingContext2d =
        canvas.get_context("2d")?.ok_or("no canvas")?.dyn_into()?;
    let (width, height) = (f64::from(bitmap.width()), f64::from(bitmap.height()));
    let (edge, side) = (width.min(height), f64::from(SIDE));
    context.set_fill_style_str("white");
    context.fill_rect(0.0, 0.0, side, side);
    context.draw_image_with_image_bitmap_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
        bitmap,
        (width - edge) / 2.0,
        (height - edge) / 2.0,
        edge,
        edge,
        0.0,
        0.0,
        side,
        side,
    )?;
    Ok(context.get_image_data(0.0, 0.0, side, side)?.data().0)
}
