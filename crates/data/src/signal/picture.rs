//! Single images: PNG and JPEG, to grey or RGB bytes, at another size.

use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Limits, Luma, Rgb};

use super::Raw;
use super::error::SourceError;

/// Most pixels of one image: 64 megapixels.
pub const MAX_PIXELS: u64 = 64_000_000;
/// What a decoder may allocate: 64 megapixels of 16-bit RGBA, and as much again to work in.
const MAX_ALLOC: u64 = 2 * 8 * MAX_PIXELS;

/// One decoded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// `[height, width, channels]`.
    pub pixels: Vec<u8>,
}

fn format_of(bytes: &[u8], file: &str) -> Result<(ImageFormat, &'static str), SourceError> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => Ok((ImageFormat::Png, "PNG")),
        Ok(ImageFormat::Jpeg) => Ok((ImageFormat::Jpeg, "JPEG")),
        _ => {
            let found = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect::<Vec<_>>();
            Err(SourceError::ImageFormat {
                file: file.to_string(),
                found: if found.is_empty() { "nothing".to_string() } else { found.join(" ") },
            })
        }
    }
}

/// A decoder that has read the header and no pixel.
fn open<'a>(
    bytes: &'a [u8],
    file: &str,
) -> Result<(impl ImageDecoder + 'a, &'static str), SourceError> {
    let (format, name) = format_of(bytes, file)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| undecodable(file, name, &e))?;
    Ok((decoder, name))
}

fn undecodable(file: &str, format: &'static str, error: &image::ImageError) -> SourceError {
    // Some decoders end their messages with a line break.
    let detail = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    SourceError::ImageDecode { file: file.to_string(), format, detail }
}

/// `(height, width)` of a PNG or JPEG, from its header alone.
///
/// # Errors
/// Another format or a damaged header.
pub fn image_dimensions(bytes: &[u8], file: &str) -> Result<(usize, usize), SourceError> {
    let (decoder, _) = open(bytes, file)?;
    let (width, height) = decoder.dimensions();
    Ok((height as usize, width as usize))
}

/// Decodes a PNG or JPEG to 8 bits, grey if it holds no colour and RGB otherwise; an orientation
/// recorded by a camera is applied, transparent pixels are laid over white. The size is checked
/// before any pixel is decoded.
///
/// # Errors
/// Another format, a damaged file, or more than [`MAX_PIXELS`].
pub fn decode_image(bytes: &[u8], file: &str) -> Result<Picture, SourceError> {
    let (mut decoder, format) = open(bytes, file)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(SourceError::ImageTooLarge { file: file.to_string(), width, height });
    }
    // A damaged orientation must not cost the image.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut image =
        DynamicImage::from_decoder(decoder).map_err(|e| undecodable(file, format, &e))?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let color = image.color();
    let (channels, pixels) = match (color.has_color(), color.has_alpha()) {
        (false, false) => (1, image.into_luma8().into_raw()),
        (true, false) => (3, image.into_rgb8().into_raw()),
        (false, true) => (1, over_white::<2, 1>(&image.into_luma_alpha8().into_raw())),
        (true, true) => (3, over_white::<4, 3>(&image.into_rgba8().into_raw())),
    };
    Ok(Picture { height, width, channels, pixels })
}

/// Drops the alpha channel, the last of `N`, by laying the pixels over white.
fn over_white<const N: usize, const C: usize>(pixels: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / N * C);
    for pixel in pixels.chunks_exact(N) {
        let alpha = u32::from(pixel[C]);
        out.extend(pixel[..C].iter().map(|&p| {
            let value = u32::from(p) * alpha + 255 * (255 - alpha);
            ((value + 127) / 255) as u8
        }));
    }
    out
}

/// `[.., from]` to `[.., to]`: grey is Rec. 709 luma of the stored values, RGB of grey repeats it.
pub(crate) fn convert_channels(pixels: Vec<u8>, from: usize, to: usize) -> Vec<u8> {
    match (from, to) {
        (3, 1) => pixels
            .chunks_exact(3)
            .map(|p| {
                let [r, g, b] = [p[0], p[1], p[2]].map(u32::from);
                ((2126 * r + 7152 * g + 722 * b + 5000) / 10000) as u8
            })
            .collect(),
        (1, 3) => pixels.into_iter().flat_map(|p| [p; 3]).collect(),
        _ => pixels,
    }
}

/// `[height, width, channels]` at another size `(height, width)`, without keeping the aspect.
/// Lanczos (3 lobes, widened when reducing, so it does not alias) to make smaller, linear
/// interpolation to make larger. `path` is the source, for messages.
pub(crate) fn resize(
    pixels: &[u8],
    from: (usize, usize),
    to: (usize, usize),
    channels: usize,
    path: &str,
) -> Result<Vec<u8>, SourceError> {
    if to.0 < 2 || to.1 < 2 {
        return Err(SourceError::ImageTooSmall {
            file: format!("--size {}x{}", to.0, to.1),
            width: to.1 as u64,
            height: to.0 as u64,
        });
    }
    let memory = || SourceError::Memory {
        path: path.to_string(),
        count: (pixels.len() / (from.0 * from.1 * channels).max(1)) as u64,
        height: to.0 as u64,
        width: to.1 as u64,
        channels: channels as u64,
    };
    // The resampler first makes an image of the new height and the old width.
    for width in [to.1, from.1] {
        if (to.0 as u64).saturating_mul(width as u64) > MAX_PIXELS {
            return Err(memory());
        }
    }
    let side = |n: usize| u32::try_from(n).map_err(|_| memory());
    let (height, width) = (side(from.0)?, side(from.1)?);
    let (new_height, new_width) = (side(to.0)?, side(to.1)?);
    let filter =
        if to.0 * to.1 < from.0 * from.1 { FilterType::Lanczos3 } else { FilterType::Triangle };
    if channels == 1 {
        let image = ImageBuffer::<Luma<u8>, &[u8]>::from_raw(width, height, pixels);
        let image = image.ok_or_else(memory)?;
        Ok(imageops::resize(&image, new_width, new_height, filter).into_raw())
    } else {
        let image = ImageBuffer::<Rgb<u8>, &[u8]>::from_raw(width, height, pixels);
        let image = image.ok_or_else(memory)?;
        Ok(imageops::resize(&image, new_width, new_height, filter).into_raw())
    }
}

/// Every image of a set at another size.
pub(crate) fn resize_all(raw: &Raw, height: usize, width: usize) -> Result<Vec<u8>, SourceError> {
    let from = (raw.height, raw.width);
    let stride = raw.height * raw.width * raw.channels;
    let mut out: Vec<u8> = Vec::new();
    for image in raw.pixels.chunks_exact(stride) {
        let resized = resize(image, from, (height, width), raw.channels, &raw.name)?;
        out.try_reserve(resized.len()).map_err(|_| SourceError::Memory {
            path: raw.name.clone(),
            count: (raw.pixels.len() / stride) as u64,
            height: height as u64,
            width: width as u64,
            channels: raw.channels as u64,
        })?;
        out.extend(resized);
    }
    Ok(out)
}
