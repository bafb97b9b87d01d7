//! Drawings, made like the pictures of clothes that classifiers know.

/// Side of those pictures.
pub const SIDE: usize = 28;
/// Brightness from which a pixel belongs to the drawing.
const INK: u8 = 32;
/// Brightness of what lines enclose: nearly that of the lines, which are seams then, no more.
const CLOTH: u8 = 220;

/// A drawing, white on black, on a square of `side`, as Fashion-MNIST was made (Xiao, Rasul & Vollgraf 2017): the empty edges cut
/// off, the longer side scaled to [`SIDE`], in the middle. `None` if nothing is drawn.
pub fn like_clothes(pixels: &[u8], side: usize, fill: bool) -> Option<Vec<u8>> {
    if side == 0 || pixels.len() != side * side {
        return None;
    }
    let filled;
    let pixels = if fill {
        filled = fill_in(pixels, side);
        &filled
    } else {
        pixels
    };
    let inked = || (0..side * side).filter(|&i| pixels[i] >= INK).map(|i| (i % side, i / side));
    let (left, right) = (inked().map(|p| p.0).min()?, inked().map(|p| p.0).max()? + 1);
    let (top, bottom) = (inked().map(|p| p.1).min()?, inked().map(|p| p.1).max()? + 1);
    // A single dot does not become a square that fills the picture.
    let longer = (right - left).max(bottom - top).max(side / 8).max(1) as f64;
    let middle = [(left + right) as f64 / 2.0, (top + bottom) as f64 / 2.0];
    let scale = longer / SIDE as f64;
    let out = (0..SIDE * SIDE).map(|i| {
        let place = [i % SIDE, i / SIDE];
        let edge = |axis: usize, by: usize| {
            middle[axis] - longer / 2.0 + (place[axis] + by) as f64 * scale
        };
        mean(pixels, side, [edge(0, 0), edge(0, 1)], [edge(1, 0), edge(1, 1)])
    });
    Some(out.collect())
}

/// Mean brightness of a rectangle; beyond the square it is black.
fn mean(pixels: &[u8], side: usize, across: [f64; 2], down: [f64; 2]) -> u8 {
    let cells = |[from, to]: [f64; 2]| {
        let range = from.floor().max(0.0) as usize..(to.ceil().max(0.0) as usize).min(side);
        range.map(move |i| (i, (to.min(i as f64 + 1.0) - from.max(i as f64)).max(0.0)))
    };
    let sum: f64 = cells(down)
        .flat_map(|(y, high)| {
            cells(across).map(move |(x, wide)| high * wide * f64::from(pixels[y * side + x]))
        })
        .sum();
    (sum / ((across[1] - across[0]) * (down[1] - down[0]))).round() as u8
}

/// Fills what lines enclose: all that cannot be reached from the edge over black pixels.
fn fill_in(pixels: &[u8], side: usize) -> Vec<u8> {
    let mut outside = vec![false; side * side];
    let last = side - 1;
    let edge = |i: usize| [i % side, i / side].iter().any(|&at| at == 0 || at == last);
    let mut open: Vec<usize> = (0..side * side).filter(|&i| edge(i) && pixels[i] < INK).collect();
    while let Some(i) = open.pop() {
        if std::mem::replace(&mut outside[i], true) {
            continue;
        }
        let (x, y) = (i % side, i / side);
        let near = [
            (x > 0).then(|| i - 1),
            (x + 1 < side).then(|| i + 1),
            (y > 0).then(|| i - side),
            (y + 1 < side).then(|| i + side),
        ];
        open.extend(near.into_iter().flatten().filter(|&j| !outside[j] && pixels[j] < INK));
    }
    let fill = |(&pixel, outside): (&u8, bool)| if outside { pixel } else { pixel.max(CLOTH) };
    pixels.iter().zip(outside).map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square with a rectangle's outline from `(left, top)` to `(right, bottom)`, two pixels thick.
    fn outline(side: usize, [left, top, right, bottom]: [usize; 4]) -> Vec<u8> {
        let inside = |x: usize, y: usize, by: usize| {
            (left + by..right - by).contains(&x) && (top + by..bottom - by).contains(&y)
        };
        let pixel = |i: usize| {
            let (x, y) = (i % side, i / side);
            if inside(x, y, 0) && !inside(x, y, 2) { 255 } else { 0 }
        };
        (0..side * side).map(pixel).collect()
    }

    #[test]
    fn a_drawing_fills_the_picture_wherever_it_is() {
        let small = like_clothes(&outline(100, [10, 5, 24, 33]), 100, true).unwrap();
        let large = like_clothes(&outline(200, [120, 100, 148, 156]), 200, true).unwrap();
        // Half as wide as high: it stands in the middle and reaches from top to bottom.
        for picture in [&small, &large] {
            let row = |y: usize| &picture[y * SIDE..(y + 1) * SIDE];
            assert!(row(0)[SIDE / 2] > 150 && row(SIDE - 1)[SIDE / 2] > 150);
            assert_eq!((row(14)[5], row(14)[22]), (0, 0));
            assert!(row(14)[8] > 150 && row(14)[14] == CLOTH, "{:?}", row(14));
        }
        let hollow = like_clothes(&outline(100, [10, 5, 24, 33]), 100, false).unwrap();
        assert_eq!(hollow[14 * SIDE + 14], 0);
    }

    #[test]
    fn an_outline_with_a_gap_stays_hollow_and_nothing_is_nothing() {
        let mut gap = outline(100, [20, 20, 80, 80]);
        for y in 78..80 {
            gap[y * 100 + 40..y * 100 + 60].fill(0);
        }
        let picture = like_clothes(&gap, 100, true).unwrap();
        assert_eq!(picture[14 * SIDE + 14], 0);
        assert_eq!(like_clothes(&[0; 400], 20, true), None);
        assert_eq!(like_clothes(&[255; 7], 20, true), None);
        // Everything painted is a picture too, and a dot stays small.
        assert_eq!(like_clothes(&[255; 400], 20, false), Some(vec![255; SIDE * SIDE]));
        let mut dot = vec![0; 10_000];
        dot[5050] = 255;
        let dot = like_clothes(&dot, 100, true).unwrap();
        assert!(dot.iter().filter(|p| **p > 0).count() < 30);
    }
}
