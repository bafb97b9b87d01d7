//! The pictures of a run.

use super::run::Epoch;
use crate::error::LabError;
use crate::picture::{self, Canvas, GLYPH};

const PAPER: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [33, 33, 33];
const FAINT: [u8; 3] = [140, 140, 140];
const GRID: [u8; 3] = [228, 228, 228];
/// Training, validation, test: apart for most colour-blind eyes too.
const COLORS: [[u8; 3]; 3] = [[31, 119, 180], [230, 97, 1], [70, 70, 70]];

/// Counts `[classes][classes]` as a PNG: rows are classes, columns what they were taken for, darkness is the share of the row.
pub(crate) fn confusion(
    counts: &[Vec<u64>],
    names: &[String],
    title: &str,
) -> Result<Vec<u8>, LabError> {
    const CELL: usize = 44;
    const MARGIN: usize = 16;
    let n = counts.len();
    let name = |i: usize| names.get(i).cloned().unwrap_or_else(|| i.to_string());
    let longest = (0..n).map(|i| name(i).chars().count()).max().unwrap_or(1).min(14);
    let left = MARGIN + (longest + 1) * GLYPH;
    let top = MARGIN + 5 * GLYPH;
    let width = (left + n * CELL + MARGIN).max(2 * MARGIN + title.len() * GLYPH);
    let mut canvas = Canvas::new(top + n * CELL + 4 * GLYPH + MARGIN, width, PAPER);
    canvas.text((MARGIN, MARGIN), 1, title, INK);
    for (i, row) in counts.iter().enumerate() {
        let y = top + i * CELL;
        let label: String = name(i).chars().take(longest).collect();
        canvas.text((y + CELL / 2 - GLYPH / 2, MARGIN), 1, &label, INK);
        let sum = row.iter().sum::<u64>().max(1) as f64;
        for (j, &count) in row.iter().enumerate() {
            let x = left + j * CELL;
            let share = count as f64 / sum;
            let to = if i == j { COLORS[0] } else { COLORS[1] };
            let color = [0, 1, 2].map(|c| (255.0 + share * (f64::from(to[c]) - 255.0)) as u8);
            canvas.fill((y, x), (CELL - 1, CELL - 1), color);
            let text = count.to_string();
            let at = x + (CELL - 1).saturating_sub(text.len() * GLYPH) / 2;
            let ink = if share > 0.6 { PAPER } else { INK };
            if count > 0 {
                canvas.text((y + CELL / 2 - GLYPH / 2, at), 1, &text, ink);
            }
        }
        let short: String = name(i).chars().take(5).collect();
        canvas.text((top + n * CELL + 4, left + i * CELL), 1, &short, INK);
    }
    canvas.text((top + n * CELL + 4 + 2 * GLYPH, left), 1, "taken for", FAINT);
    canvas.text((top - GLYPH - 2, MARGIN), 1, "class", FAINT);
    picture::png(&canvas.pixels, canvas.height, canvas.width, 3)
}

/// A line of a chart: colour index, name, points `(epoch, value)`.
type Line = (usize, &'static str, Vec<(f64, f64)>);

/// Loss and accuracy over epochs as a PNG.
pub(crate) fn curves(history: &[Epoch], title: &str) -> Result<Vec<u8>, LabError> {
    const SIZE: (usize, usize) = (240, 520);
    const LEFT: usize = 64;
    const TOP: usize = 64;
    let mut canvas = Canvas::new(2 * (SIZE.0 + TOP) + 40, LEFT + SIZE.1 + 32, PAPER);
    canvas.text((16, 16), 1, title, INK);
    let of = |pick: fn(&Epoch) -> Option<f64>| -> Vec<(f64, f64)> {
        let point = |e: &Epoch| pick(e).filter(|v| v.is_finite()).map(|v| (f64::from(e.epoch), v));
        history.iter().filter_map(point).collect()
    };
    let losses: [Line; 2] =
        [(0, "training", of(|e| Some(e.loss))), (1, "validation", of(|e| e.validation_loss))];
    let accuracies: [Line; 3] = [
        (0, "training", of(|e| Some(100.0 * e.accuracy))),
        (1, "validation", of(|e| e.validation_accuracy.map(|a| 100.0 * a))),
        (2, "test", of(|e| e.test_accuracy.map(|a| 100.0 * a))),
    ];
    let epochs = history.last().map_or(1.0, |e| f64::from(e.epoch)).max(2.0);
    chart(&mut canvas, (TOP, LEFT), SIZE, "loss", &losses, epochs, None);
    let below = (2 * TOP + SIZE.0, LEFT);
    chart(&mut canvas, below, SIZE, "accuracy, %", &accuracies, epochs, Some(100.0));
    picture::png(&canvas.pixels, canvas.height, canvas.width, 3)
}

fn chart(
    canvas: &mut Canvas,
    (top, left): (usize, usize),
    (height, width): (usize, usize),
    name: &str,
    lines: &[Line],
    epochs: f64,
    most: Option<f64>,
) {
    let values = || lines.iter().flat_map(|l| l.2.iter().map(|p| p.1));
    let high = most.unwrap_or_else(|| values().fold(0.0, f64::max).max(1e-3));
    canvas.text((top - 2 * GLYPH - 6, left), 1, name, INK);
    let mut at = left + (name.len() + 3) * GLYPH;
    for (color, name, points) in lines.iter().filter(|l| !l.2.is_empty()) {
        let y = (top - 2 * GLYPH - 2) as f64;
        canvas.line((y, at as f64), (y, at as f64 + 20.0), 3.0, COLORS[*color]);
        canvas.text((top - 2 * GLYPH - 6, at + 28), 1, name, INK);
        at += 28 + (name.len() + 3) * GLYPH;
        debug_assert!(!points.is_empty());
    }
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let y = top + ((1.0 - share) * height as f64) as usize;
        canvas.fill((y, left), (1, width), GRID);
        let value = share * high;
        let text = if high >= 10.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        let x = (left - 8).saturating_sub(text.len() * GLYPH);
        canvas.text((y.saturating_sub(GLYPH / 2), x), 1, &text, FAINT);
    }
    let place = |&(epoch, value): &(f64, f64)| {
        let x = left as f64 + (epoch - 1.0) / (epochs - 1.0) * width as f64;
        (top as f64 + (1.0 - (value / high).clamp(0.0, 1.0)) * height as f64, x)
    };
    for (color, _, points) in lines {
        for pair in points.windows(2) {
            canvas.line(place(&pair[0]), place(&pair[1]), 2.0, COLORS[*color]);
        }
        if let [only] = &points[..] {
            canvas.line(place(only), place(only), 5.0, COLORS[*color]);
        }
    }
    for (epoch, align) in [(1.0, 0), (epochs, 1)] {
        let text = format!("{epoch}");
        let x = left as f64 + (epoch - 1.0) / (epochs - 1.0) * width as f64;
        let x = x as usize - align * text.len() * GLYPH;
        canvas.text((top + height + 6, x), 1, &text, FAINT);
    }
    canvas.text((top + height + 6, left + width / 2 - 3 * GLYPH), 1, "epochs", FAINT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_can_be_drawn_of_little_and_of_much() {
        let size = |png: &[u8]| {
            let image = image::load_from_memory(png).unwrap().into_rgb8();
            let inked = image.pixels().filter(|p| p.0 != PAPER).count();
            (image.width(), image.height(), inked)
        };
        let (_, _, inked) = size(&confusion(&[vec![3, 1], vec![0, 0]], &[], "two").unwrap());
        assert!(inked > 1000);
        let names: Vec<String> = (0..12).map(|i| format!("a rather long name {i}")).collect();
        let many = vec![vec![123; 12]; 12];
        assert!(size(&confusion(&many, &names, "twelve").unwrap()).0 > 500);

        let epoch = |epoch, best: bool| Epoch {
            epoch,
            step: 10 * epoch,
            loss: 2.0 / f64::from(epoch),
            accuracy: 0.3,
            validation_loss: (epoch > 1).then_some(1.0),
            validation_accuracy: None,
            test_accuracy: best.then_some(0.4),
            best,
            samples_per_s: None,
        };
        let few = size(&curves(&[epoch(1, true)], "one").unwrap());
        let more: Vec<Epoch> = (1..30).map(|e| epoch(e, e % 7 == 0)).collect();
        let many = size(&curves(&more, "many").unwrap());
        assert!(few.2 > 500 && many.2 > few.2 + 500, "{few:?} {many:?}");
        curves(&[], "none").unwrap();
    }
}
