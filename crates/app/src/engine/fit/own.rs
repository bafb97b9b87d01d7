//! The user's own pictures: files, camera pictures and drawings become squares of pixels; so do those of IDX
//! files, as MNIST's, and of NumPy's arrays, at their own size; of a mesh slices are made.
//!
//! The browser decodes, because it knows more formats and turns photographs the right way up; the header of
//! PNG and JPEG is read first, so that a small file that unfolds into gigabytes is refused unopened.

use crate::web;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DedicatedWorkerGlobalScope, File, ImageBitmap, OffscreenCanvas,
    OffscreenCanvasRenderingContext2d,
};
use weightlab_data::{
    ImageSet, MAX_PIXELS, SourceError, SourceOptions, is_arrays_name, is_mesh_name,
};

/// Largest file that is looked into, in bytes.
const MAX_BYTES: f64 = 64e6;
/// Side of the square that is kept; networks are fitted to less.
const SIDE: u32 = 256;
/// Of more pictures than this, squares of half the side are kept.
const FEW: usize = 16;
/// Most pictures at once: as many networks as are shown at once.
const MOST: usize = 400;
/// What to do with a file that may be of another bench.
const ZOO_HINT: &str = "If it holds networks, drop it on the Zoo bench.";
/// What IDX files of images and of labels begin with, and gzipped ones.
const IDX: [u8; 3] = [0, 0, 8];
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads files (`File`) or one picture that is decoded already (`ImageBitmap`, which is called `name`). Of each its centre square,
/// grey if none has colour; or the images of an IDX file, with its labels if they come along; or those of arrays; or the slices of a
/// mesh. Of many the first [`MOST`]. Beside them what there is to know of them, in a sentence.
pub(super) async fn read(name: &str, parts: &Array) -> Result<(ImageSet, Option<String>), String> {
    let mut files = Vec::new();
    for part in parts.iter().take(MOST) {
        let bitmap = match part.dyn_into::<ImageBitmap>() {
            Ok(bitmap) => bitmap,
            Err(part) => {
                let file: File =
                    part.dyn_into().map_err(|_| unreadable(name, "it is not a file"))?;
                files.push((file.name(), bytes_of(&file).await?, file));
                continue;
            }
        };
        return Ok((squares(vec![(name.to_owned(), bitmap)])?, None));
    }
    let is_idx = |bytes: &[u8]| bytes.starts_with(&GZIP) || bytes.starts_with(&IDX);
    for (name, bytes, _) in &files {
        if bytes.starts_with(&GZIP) && is_mesh_name(name.trim_end_matches(".gz")) {
            return Err(format!("“{name}” is packed: unpack it, and give what comes out."));
        }
    }
    if !files.is_empty() && files.iter().all(|(_, bytes, _)| is_idx(bytes)) {
        return idx(&files).map_err(told);
    }
    if let [(name, bytes, _)] = files.as_slice()
        && (is_mesh_name(name) || is_arrays_name(name))
    {
        return shapes_or_arrays(name, bytes).map_err(|error| match error {
            // Weights are arrays too.
            SourceError::NoPictures { .. } | SourceError::Levels { .. } => {
                format!("{error}. {ZOO_HINT}")
            }
            error => told(error),
        });
    }
    let mut bitmaps = Vec::new();
    for (name, bytes, file) in &files {
        let bitmap = decode(name, bytes, file).await.map_err(|what| match files.len() {
            1 => what,
            all => format!("{what} None of the {all} files was taken."),
        })?;
        bitmaps.push((name.clone(), bitmap));
    }
    let pictures = squares(bitmaps)?;
    let note = left_out(parts.length() as usize, pictures.len());
    Ok((pictures, note))
}

/// An error in words for people who have no command line.
fn told(error: SourceError) -> String {
    match error {
        SourceError::ImageTooSmall { file, width, height } => {
            format!(
                "“{file}” has pictures of {width} × {height} pixels: too few to fit a network to."
            )
        }
        error => error.to_string(),
    }
}

fn left_out(all: usize, taken: usize) -> Option<String> {
    (all > taken).then(|| format!("Of {all} pictures the first {taken} are taken."))
}

/// The first [`MOST`] of a set, their centre squares.
fn most(mut set: ImageSet) -> Result<(ImageSet, Option<String>), SourceError> {
    let all = set.len();
    let (height, width) = (set.height, set.width);
    let side = height.min(width);
    if height != width {
        let (top, left) = ((height - side) / 2, (width - side) / 2);
        let rows = (0..all.min(MOST))
            .flat_map(|i| set.image(i).chunks(width * set.channels).skip(top).take(side));
        set.pixels = rows
            .flat_map(|row| row[left * set.channels..][..side * set.channels].to_vec())
            .collect();
        (set.height, set.width) = (side, side);
    }
    let set = set.first(MOST, &SourceOptions::default())?;
    let note = left_out(all, set.len());
    Ok((set, note))
}

fn shapes_or_arrays(name: &str, bytes: &[u8]) -> Result<(ImageSet, Option<String>), SourceError> {
    let usual = SourceOptions::default();
    if is_arrays_name(name) {
        return most(ImageSet::from_array_bytes(bytes, name, &usual)?);
    }
    let slices = ImageSet::from_mesh_bytes(bytes, name, &usual)?;
    let open = slices.pixels.iter().all(|&grey| grey <= 128);
    let note = open.then(|| {
        format!("The surface of “{name}” is not closed, so nothing is within it: its slices show how far it is, and no more.")
    });
    Ok((slices, note))
}

/// The images of an IDX file; a second file, before or after it, has their labels.
fn idx(files: &[(String, Vec<u8>, File)]) -> Result<(ImageSet, Option<String>), SourceError> {
    let read = |images: usize, labels: Option<usize>| {
        let file =
            |i: usize| files.get(i).map(|(name, bytes, _)| (name.as_str(), bytes.as_slice()));
        let images = file(images).unwrap_or_default();
        let usual = SourceOptions::default();
        most(ImageSet::from_idx_bytes(images, labels.and_then(file), None, &usual)?)
    };
    match files.len() {
        1 => read(0, None),
        _ => read(0, Some(1)).or_else(|_| read(1, Some(0))),
    }
}

/// The centre squares of pictures.
fn squares(bitmaps: Vec<(String, ImageBitmap)>) -> Result<ImageSet, String> {
    let side = if bitmaps.len() > FEW { SIDE / 2 } else { SIDE };
    let (mut rgba, mut names) = (Vec::new(), Vec::new());
    for (name, bitmap) in bitmaps {
        let pixels = square(&bitmap, side).map_err(|error| unreadable(&name, &web::words(&error)));
        bitmap.close();
        rgba.extend(pixels?);
        names.push(name);
    }
    let grey = rgba.chunks_exact(4).all(|p| p[0] == p[1] && p[1] == p[2]);
    let channels = if grey { 1 } else { 3 };
    let pixels = rgba.chunks_exact(4).flat_map(|p| &p[..channels]).copied().collect();
    let side = side as usize;
    ImageSet::from_pixels(pixels, [side, side, channels], names, &SourceOptions::default())
        .map_err(|error| error.to_string())
}

async fn bytes_of(file: &File) -> Result<Vec<u8>, String> {
    let name = file.name();
    if file.size() > MAX_BYTES {
        return Err(format!(
            "“{name}” has {:.0} MB. Pictures of up to {:.0} MB can be opened; a smaller copy will do, since \
             networks are fitted to some thousands of pixels.",
            file.size() / 1e6,
            MAX_BYTES / 1e6
        ));
    }
    let buffer = JsFuture::from(file.array_buffer())
        .await
        .map_err(|error| unreadable(&name, &web::words(&error)))?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

async fn decode(name: &str, bytes: &[u8], file: &File) -> Result<ImageBitmap, String> {
    // Other formats, and broken ones, are the browser's to judge.
    if let Ok(size) = imagesize::blob_size(bytes)
        && size.height as u64 * size.width as u64 > MAX_PIXELS
    {
        return Err(format!(
            "“{name}” would unfold into {} × {} pixels. Pictures of up to {} million pixels can be opened.",
            size.width,
            size.height,
            MAX_PIXELS / 1_000_000
        ));
    }
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let refused = |error: JsValue| unreadable(name, &web::words(&error));
    let promise = scope.create_image_bitmap_with_blob(file).map_err(refused)?;
    let bitmap = JsFuture::from(promise).await.map_err(refused)?;
    bitmap.dyn_into().map_err(refused)
}

fn unreadable(name: &str, why: &str) -> String {
    let name_in_lower_case = name.to_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| name_in_lower_case.ends_with(end));
    if ends(&[".pth", ".pt", ".safetensors", ".zip"]) {
        return format!("“{name}” is no picture. {ZOO_HINT}");
    }
    if is_mesh_name(name) || is_arrays_name(name) {
        return format!("“{name}” is a set of its own: give it alone.");
    }
    format!(
        "“{name}” is not a picture that this browser can open ({why}). PNG, JPEG, WebP and GIF files work, and IDX \
         files as MNIST's, NumPy's npz, and meshes (OBJ, OFF, STL)."
    )
}

/// The largest centred square, `side` pixels wide, transparent parts over white: RGBA.
fn square(bitmap: &ImageBitmap, side: u32) -> Result<Vec<u8>, JsValue> {
    let canvas = OffscreenCanvas::new(side, side)?;
    let context: OffscreenCanvasRenderingContext2d =
        canvas.get_context("2d")?.ok_or("no canvas")?.dyn_into()?;
    let (width, height) = (f64::from(bitmap.width()), f64::from(bitmap.height()));
    let (edge, side) = (width.min(height), f64::from(side));
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
