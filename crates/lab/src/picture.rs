//! Small pictures in memory: from network outputs, scaled, with text, as PNG.

use crate::error::LabError;
use font8x8::UnicodeFonts;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// Outputs as bytes: `range[0]` is 0, `range[1]` is 255, clipped. NaN becomes 0.
pub fn to_pixels(outputs: &[f32], range: [f32; 2]) -> Vec<u8> {
    let [lo, hi] = range;
    // `as` saturates and makes NaN 0.
    outputs.iter().map(|&y| ((y - lo) / (hi - lo) * 255.0).round() as u8).collect()
}

/// A picture as PNG; `pixels` is `[height, width, channels]`, grey or RGB.
///
/// # Errors
/// Lengths that do not agree.
pub fn png(
    pixels: &[u8],
    height: usize,
    width: usize,
    channels: usize,
) -> Result<Vec<u8>, LabError> {
    let color = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let too_large = |e: std::num::TryFromIntError| LabError::Encode(e.to_string());
    let (h, w) =
        (u32::try_from(height).map_err(too_large)?, u32::try_from(width).map_err(too_large)?);
    if pixels.len() != height * width * channels {
        return Err(LabError::Encode(format!("{} bytes for {w} x {h} pixels", pixels.len())));
    }
    let mut out = Vec::new();
    PngEncoder::new(&mut out)
        .write_image(pixels, w, h, color)
        .map_err(|e| LabError::Encode(e.to_string()))?;
    Ok(out)
}

/// Marks where there is nothing to draw: neither black nor white nor anything that a network draws.
const HATCH: [u8; 3] = [214, 208, 200];
const HATCH_PAPER: [u8; 3] = [240, 237, 232];
/// The cross over the hatching, and words of warning.
pub(crate) const ALARM: [u8; 3] = [178, 34, 34];

/// `[height, width, 3]`: hatched and crossed out, in place of what a network that diverged would draw.
pub(crate) fn crossed_out(height: usize, width: usize) -> Vec<u8> {
    // Distance from the two diagonals, in pixels of the shorter side, so that thin pictures work too.
    let stroke = (height.min(width) as f64 / 40.0).max(1.0);
    let pixel = |y: usize, x: usize| {
        let (v, u) = ((y as f64 + 0.5) / height as f64, (x as f64 + 0.5) / width as f64);
        let off = (v - u).abs().min((v + u - 1.0).abs()) * height.min(width) as f64;
        match () {
            () if off < stroke => ALARM,
            () if (x + y) % 8 < 3 => HATCH,
            () => HATCH_PAPER,
        }
    };
    (0..height * width).flat_map(|i| pixel(i / width, i % width)).collect()
}

/// A `data:` address of a PNG, for pages that must stand alone.
pub fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64(png))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut word = [0u8; 3];
        word[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, word[0], word[1], word[2]]);
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(DIGITS[(bits >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// Width and height of one character, pixels.
pub(crate) const GLYPH: usize = 8;

/// An RGB canvas.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Canvas {
    pub(crate) fn new(height: usize, width: usize, color: [u8; 3]) -> Canvas {
        Canvas { height, width, pixels: color.repeat(height * width) }
    }

    fn put(&mut self, y: usize, x: usize, color: [u8; 3]) {
        if y < self.height && x < self.width {
            let at = (y * self.width + x) * 3;
            self.pixels[at..at + 3].copy_from_slice(&color);
        }
    }

    /// Draws `[height, width, channels]` pixels scaled to `size = (height, width)` by nearest
    /// neighbour, which shows pixels as they are.
    pub(crate) fn picture(
        &mut self,
        at: (usize, usize),
        size: (usize, usize),
        pixels: &[u8],
        shape: [usize; 3],
    ) {
        let [h, w, c] = shape;
        for y in 0..size.0 {
            for x in 0..size.1 {
                let from = (y * h / size.0 * w + x * w / size.1) * c;
                let color = match c {
                    1 => [pixels[from]; 3],
                    _ => [pixels[from], pixels[from + 1], pixels[from + 2]],
                };
                self.put(at.0 + y, at.1 + x, color);
            }
        }
    }

    /// Lays a colour over a pixel with this coverage, 0 to 1.
    fn blend(&mut self, y: usize, x: usize, color: [u8; 3], cover: f64) {
        if y < self.height && x < self.width && cover > 0.0 {
            let at = (y * self.width + x) * 3;
            for (below, above) in self.pixels[at..at + 3].iter_mut().zip(color) {
                let mixed =
                    f64::from(*below) + cover.min(1.0) * (f64::from(above) - f64::from(*below));
                *below = mixed.round() as u8;
            }
        }
    }

    /// Fills a rectangle of `size = (height, width)`.
    pub(crate) fn fill(&mut self, at: (usize, usize), size: (usize, usize), color: [u8; 3]) {
        for (y, x) in (0..size.0).flat_map(|y| (0..size.1).map(move |x| (y, x))) {
            self.put(at.0 + y, at.1 + x, color);
        }
    }

    /// Draws a straight line with round ends between two points `(y, x)`, smoothly. With both the same it is a disc.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, color: [u8; 3]) {
        let reach = width / 2.0 + 1.0;
        let low = |a: f64, b: f64| (a.min(b) - reach).max(0.0) as usize;
        let high = |a: f64, b: f64, end: usize| ((a.max(b) + reach).max(0.0) as usize).min(end);
        let (dy, dx) = (to.0 - from.0, to.1 - from.1);
        let length = dy * dy + dx * dx;
        for y in low(from.0, to.0)..high(from.0, to.0, self.height) {
            for x in low(from.1, to.1)..high(from.1, to.1, self.width) {
                let (py, px) = (y as f64 + 0.5 - from.0, x as f64 + 0.5 - from.1);
                let along =
                    if length > 0.0 { ((py * dy + px * dx) / length).clamp(0.0, 1.0) } else { 0.0 };
                let away = (py - along * dy).hypot(px - along * dx);
                self.blend(y, x, color, width / 2.0 + 0.5 - away);
            }
        }
    }

    /// Draws text, a glyph per character, clipped at the border. Unknown characters are drawn as `?`.
    pub(crate) fn text(&mut self, at: (usize, usize), scale: usize, text: &str, color: [u8; 3]) {
        for (i, character) in text.chars().enumerate() {
            let glyph = font8x8::BASIC_FONTS
                .get(character)
                .or_else(|| font8x8::LATIN_FONTS.get(character))
                .or_else(|| font8x8::BASIC_FONTS.get('?'))
                .unwrap_or_default();
            for (y, row) in glyph.iter().enumerate() {
                for x in 0..GLYPH {
                    if row >> x & 1 == 1 {
                        for (dy, dx) in (0..scale).flat_map(|a| (0..scale).map(move |b| (a, b))) {
                            let left = at.1 + (i * GLYPH + x) * scale + dx;
                            self.put(at.0 + y * scale + dy, left, color);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_become_bytes() {
        assert_eq!(
            to_pixels(&[-0.2, 0.0, 0.5, 1.0, 7.0, f32::NAN], [0.0, 1.0]),
            [0, 0, 128, 255, 255, 0]
        );
        assert_eq!(to_pixels(&[-1.0, 0.0, 1.0], [-1.0, 1.0]), [0, 128, 255]);
    }

    /// The examples of RFC 4648, section 10.
    #[test]
    fn base64_known_answers() {
        for (text, code) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), code);
        }
    }

    #[test]
    fn what_is_crossed_out_shows_it_at_any_size() {
        for (h, w) in [(84, 84), (2, 2), (300, 20), (7, 5)] {
            let pixels = crossed_out(h, w);
            assert_eq!(pixels.len(), h * w * 3);
            assert!(pixels.chunks_exact(3).any(|p| p == ALARM), "{h} x {w}");
            assert_eq!(&pixels[..3], ALARM, "from corner to corner");
        }
        let large = crossed_out(84, 84);
        let count = |c: [u8; 3]| large.chunks_exact(3).filter(|p| *p == c).count();
        assert!(count(HATCH) > 1000 && count(HATCH_PAPER) > 1000 && count(ALARM) > 300);
    }

    #[test]
    fn a_png_reads_back() {
        let pixels: Vec<u8> = (0..2 * 3 * 3).collect();
        let bytes = png(&pixels, 2, 3, 3).unwrap();
        let back = image::load_from_memory(&bytes).unwrap().into_rgb8();
        assert_eq!((back.width(), back.height()), (3, 2));
        assert_eq!(back.into_raw(), pixels);
        assert!(png(&pixels, 2, 2, 3).is_err());
    }

    #[test]
    fn lines_cover_what_they_should() {
        let mut canvas = Canvas::new(20, 30, [0; 3]);
        canvas.line((10.0, 5.0), (10.0, 25.0), 4.0, [200; 3]);
        let at = |canvas: &Canvas, y: usize, x: usize| canvas.pixels[(y * 30 + x) * 3];
        assert_eq!((at(&canvas, 9, 15), at(&canvas, 5, 15), at(&canvas, 10, 29)), (200, 0, 0));
        // 20 long, 4 wide, and two half discs of radius 2.
        let sum: f64 = canvas.pixels.iter().step_by(3).map(|&p| f64::from(p) / 200.0).sum();
        assert!((sum - 80.0 - 4.0 * std::f64::consts::PI).abs() < 2.0, "{sum}");
        // Beyond the border nothing happens.
        canvas.line((-50.0, -3.0), (60.0, 400.0), 2.0, [9; 3]);
        canvas.fill((18, 28), (9, 9), [7; 3]);
        assert_eq!(at(&canvas, 19, 29), 7);
    }

    #[test]
    fn text_and_pictures_stay_within_the_canvas() {
        let mut canvas = Canvas::new(10, 20, [0; 3]);
        canvas.text((0, 0), 1, "I", [255; 3]);
        assert!(canvas.pixels.contains(&255));
        let before = canvas.pixels.clone();
        canvas.text((10, 0), 1, "below", [255; 3]);
        canvas.text((0, 20), 1, "beside", [255; 3]);
        assert_eq!(canvas.pixels, before);
        canvas.picture((8, 16), (8, 8), &[7; 4], [2, 2, 1]);
        let at = |y: usize, x: usize| canvas.pixels[(y * 20 + x) * 3];
        assert_eq!((at(9, 19), at(7, 19)), (7, before[(7 * 20 + 19) * 3]));
    }
}
