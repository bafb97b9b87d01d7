//! Colours for values: a table of anchors per palette, linear in between.

use crate::state::Palette;

/// Viridis (Smith & van der Walt, CC0), at equal distances.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// Cividis (Nunez, Anderton & Renslow 2018, CC0), at equal distances.
const CIVIDIS: [[u8; 3]; 9] = [
    [0, 32, 77],
    [26, 56, 111],
    [64, 77, 107],
    [92, 99, 110],
    [120, 121, 120],
    [150, 145, 119],
    [184, 170, 111],
    [219, 197, 95],
    [255, 234, 70],
];

const GREY: [[u8; 3]; 2] = [[0, 0, 0], [255, 255, 255]];

/// Blue and orange of Okabe and Ito, which no common colour blindness confuses, around a light ground.
const BLUE_ORANGE: [[u8; 3]; 5] =
    [[0, 62, 117], [64, 146, 199], [247, 245, 240], [230, 143, 50], [143, 66, 0]];

/// The same around a dark ground.
const BLUE_ORANGE_DARK: [[u8; 3]; 5] =
    [[150, 208, 247], [38, 120, 178], [24, 25, 28], [194, 106, 26], [255, 205, 140]];

/// The colours of 256 values from least to greatest, on a page that is dark or not.
pub fn table(palette: Palette, dark: bool) -> [[u8; 3]; 256] {
    let anchors: &[[u8; 3]] = match palette {
        Palette::Viridis => &VIRIDIS,
        Palette::Cividis => &CIVIDIS,
        Palette::Grey => &GREY,
        Palette::BlueOrange if dark => &BLUE_ORANGE_DARK,
        Palette::BlueOrange => &BLUE_ORANGE,
    };
    std::array::from_fn(|i| {
        let at = i as f32 / 255.0 * (anchors.len() - 1) as f32;
        let from = (at as usize).min(anchors.len() - 2);
        let share = at - from as f32;
        std::array::from_fn(|c| {
            let [a, b] = [anchors[from][c], anchors[from + 1][c]].map(f32::from);
            (a + (b - a) * share).round() as u8
        })
    })
}

/// Values from -1 to 1 as RGBA.
pub fn colour(values: impl IntoIterator<Item = f32>, table: &[[u8; 3]; 256]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        // `as` saturates, and makes NaN 0.
        let index = ((value + 1.0) * 127.5).round() as u8;
        let [r, g, b] = table[usize::from(index)];
        out.extend([r, g, b, 255]);
    }
    out
}

/// Grey or RGB pixels as RGBA.
pub fn opaque(pixels: &[u8], channels: usize) -> Vec<u8> {
    let rgba = |p: &[u8]| match p {
        [grey] => [*grey, *grey, *grey, 255],
        [r, g, b, ..] => [*r, *g, *b, 255],
        _ => [0, 0, 0, 255],
    };
    pixels.chunks_exact(channels).flat_map(rgba).collect()
}

/// Tiles of `rows x columns` pixels of RGBA, one after the other, set side by side: pixels, width and height.
/// Places that no tile fills are transparent.
pub fn tile(tiles: &[u8], [rows, columns]: [usize; 2], across: usize) -> (Vec<u8>, [usize; 2]) {
    let count = tiles.len() / (rows * columns * 4).max(1);
    let down = count.div_ceil(across.max(1));
    let width = across * columns;
    let mut out = vec![0; width * down * rows * 4];
    for (i, tile) in tiles.chunks_exact(rows * columns * 4).enumerate() {
        let (left, top) = (i % across * columns, i / across * rows);
        for (y, line) in tile.chunks_exact(columns * 4).enumerate() {
            let at = ((top + y) * width + left) * 4;
            out[at..at + columns * 4].copy_from_slice(line);
        }
    }
    (out, [width, down * rows])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palettes_run_from_end_to_end() {
        for (palette, name) in Palette::ALL {
            for dark in [false, true] {
                let table = table(palette, dark);
                let brightness = |c: [u8; 3]| c.map(u32::from).iter().sum::<u32>();
                let [first, middle, last] = [0, 128, 255].map(|i| brightness(table[i]));
                if palette == Palette::BlueOrange {
                    // Both ends stand out from the ground.
                    assert_eq!(dark, middle < first && middle < last, "{name}");
                } else {
                    assert!(first < middle && middle < last, "{name}");
                }
            }
        }
        let grey = table(Palette::Grey, false);
        assert_eq!(
            colour([-1.0, 1.0, 7.0, f32::NAN], &grey),
            [0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 255]
        );
    }

    #[test]
    fn tiles_lie_side_by_side() {
        let tiles: Vec<u8> = (0..3u8).flat_map(|t| [t + 1; 2 * 4]).collect();
        let (pixels, [width, height]) = tile(&tiles, [1, 2], 2);
        assert_eq!((width, height), (4, 2));
        let expected: Vec<u8> =
            [1, 1, 2, 2, 3, 3, 0, 0].iter().flat_map(|&t: &u8| [t; 4]).collect();
        assert_eq!(pixels, expected);
        assert_eq!(opaque(&[1, 2], 1), [1, 1, 1, 255, 2, 2, 2, 255]);
    }
}
