//! Rows of small pictures with words before and behind them: what several figures are made of.

use crate::picture::{Canvas, GLYPH};

pub(crate) const PAPER: [u8; 3] = [250, 250, 248];
pub(crate) const INK: [u8; 3] = [30, 30, 34];
pub(crate) const FAINT: [u8; 3] = [110, 110, 118];
pub(crate) const RULE: [u8; 3] = [222, 222, 218];
/// Okabe and Ito's colours, which colour-blind people tell apart.
pub(crate) const GREY: [u8; 3] = [120, 120, 126];
pub(crate) const ORANGE: [u8; 3] = [213, 94, 0];
pub(crate) const PURPLE: [u8; 3] = [204, 121, 167];
pub(crate) const BLUE: [u8; 3] = [0, 114, 178];
pub(crate) const GREEN: [u8; 3] = [0, 158, 115];

/// Pixels around everything.
pub(crate) const MARGIN: usize = 24;
/// Least side of a picture; small ones are enlarged by whole factors.
const SIDE: usize = 84;
/// Between two pictures, and between two rows.
const GAP: usize = 4;
const ROW_GAP: usize = 14;
/// Width of the column behind the pictures.
pub(crate) const BEHIND: usize = 124;

/// Where rows and their pictures go.
pub(crate) struct Layout {
    /// `[height, width, channels]` of a picture.
    shape: [usize; 3],
    /// Its size as it is drawn.
    shown: (usize, usize),
    /// Left edge of the first picture.
    left: usize,
    count: usize,
}

/// A row.
pub(crate) struct Strip<'a> {
    pub(crate) color: [u8; 3],
    pub(crate) name: &'a str,
    /// Small print below the name.
    pub(crate) lines: &'a [String],
    /// A picture each, `[height, width, channels]`.
    pub(crate) pictures: &'a [Vec<u8>],
    /// Behind them.
    pub(crate) figure: &'a str,
}

impl Layout {
    /// For rows of `count` pictures, with a column of `names` pixels before them.
    pub(crate) fn new(shape: [usize; 3], names: usize, count: usize) -> Layout {
        let [h, w, _] = shape;
        let scale = SIDE.div_ceil(h.max(w)).max(1);
        Layout { shape, shown: (h * scale, w * scale), left: MARGIN + names, count }
    }

    /// Between the tops of two rows.
    pub(crate) fn row(&self) -> usize {
        // The small print needs its room too.
        self.shown.0.max(SIDE) + ROW_GAP
    }

    /// Right of the last picture.
    pub(crate) fn behind(&self) -> usize {
        self.left + self.count * (self.shown.1 + GAP) - GAP + 14
    }

    /// Left edge of picture `i`.
    fn at(&self, i: usize) -> usize {
        self.left + i * (self.shown.1 + GAP)
    }

    /// Writes a word over the middle of picture `i`, as much as has room.
    pub(crate) fn head(&self, canvas: &mut Canvas, top: usize, i: usize, text: &str) {
        let text: String = text.chars().take(self.shown.1 / GLYPH).collect();
        let room = self.shown.1.saturating_sub(GLYPH * text.chars().count());
        canvas.text((top, self.at(i) + room / 2), 1, &text, INK);
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas, top: usize, strip: &Strip<'_>) {
        canvas.fill((top, MARGIN), (self.shown.0, 6), strip.color);
        canvas.text((top + 6, MARGIN + 18), 2, strip.name, INK);
        for (k, text) in strip.lines.iter().enumerate() {
            canvas.text((top + 30 + 13 * k, MARGIN + 18), 1, text, FAINT);
        }
        for (i, pixels) in strip.pictures.iter().enumerate() {
            canvas.picture((top, self.at(i)), self.shown, pixels, self.shape);
        }
        let middle = top + self.shown.0 / 2 - GLYPH;
        canvas.text((middle, self.behind()), 2, strip.figure, strip.color);
    }
}
