//! The picture of a line between two networks: a strip of images per method, and the errors along them.

use super::{Path, PathPoint, Strip};
use crate::error::LabError;
use crate::picture::{self, Canvas, GLYPH};
use crate::strips::{
    self, BEHIND, BLUE, FAINT, GREEN, GREY, INK, Layout, MARGIN, ORANGE, PAPER, PURPLE, RULE,
};
use weightlab_nets::mix::Mix;

/// Width of the column with the names of the strips.
const NAMES: usize = 232;
/// Images in a strip at most: of more steps some are drawn.
const SHOWN: usize = 11;
/// Height of the charts.
const CHART: usize = 250;

/// Name, colour and two lines about what was done.
fn style(strip: &Strip) -> (&'static str, [u8; 3], [&'static str; 2]) {
    match strip.method {
        None => ("pixels", GREY, ["the two images averaged:", "no networks at all"]),
        Some(Mix::Direct) => ("direct", ORANGE, ["weights averaged as", "they are"]),
        Some(Mix::Random) => ("random", PURPLE, ["neurons of the second", "shuffled first"]),
        Some(Mix::Aligned) => ("aligned", BLUE, ["neurons matched first,", "then averaged"]),
        Some(Mix::Signed) => ("signed", GREEN, ["matched with signs and", "phases, then averaged"]),
    }
}

pub(super) fn draw(path: &Path) -> Result<Vec<u8>, LabError> {
    let [h, w, channels] = path.shape;
    let steps = path.strips.first().map_or(0, |s| s.points.len());
    let count = steps.min(SHOWN);
    // Both ends and what lies evenly between them.
    let picks: Vec<usize> =
        (0..count).map(|i| (i * (steps - 1) + (count - 1) / 2) / (count - 1).max(1)).collect();
    let layout = Layout::new(path.shape, NAMES, count);
    let width = layout.behind().max(MARGIN + NAMES + 480) + BEHIND + MARGIN;
    let header = MARGIN + 3 * 2 * GLYPH + 44;
    let row = layout.row();
    let charts = header + path.strips.len() * row + 3 * GLYPH + 30;
    let height = charts + CHART + 6 * GLYPH + MARGIN;
    let mut canvas = Canvas::new(height, width, PAPER);

    let [from, to] = &path.titles;
    let title = format!("From network {from} to network {to}");
    let room = (width - 2 * MARGIN) / (2 * GLYPH);
    let title: String = title.chars().take(room).collect();
    canvas.text((MARGIN, MARGIN), 2, &title, INK);
    let about = format!(
        "Each picture is drawn by a network whose weights are (1 - t) x the first + t x the second. {} each.",
        path.mlp.dims_text()
    );
    canvas.text((MARGIN + 2 * GLYPH + 8, MARGIN), 1, &about, FAINT);

    let line = header - 2 * GLYPH - 2;
    canvas.text((line, MARGIN), 1, "share t of the second", FAINT);
    let after = layout.behind();
    canvas.text((line - 10, after), 1, "greatest", FAINT);
    canvas.text((line, after), 1, "error", FAINT);
    for (i, &pick) in picks.iter().enumerate() {
        let t = path.strips[0].points[pick].t;
        let text = if t == 0.0 || t == 1.0 { format!("{t}") } else { format!("{t:.2}") };
        layout.head(&mut canvas, line, i, &text);
    }
    for (s, strip) in path.strips.iter().enumerate() {
        let (name, color, what) = style(strip);
        let mut lines = what.map(str::to_owned).to_vec();
        lines.extend(strip.squared_distance.map(|d| format!("distance^2 {d:.3}")));
        let each = h * w * channels;
        let picture = |pick: &usize| {
            let image = &strip.images[pick * each..(pick + 1) * each];
            picture::to_pixels(image, path.mlp.target_range)
        };
        let pictures: Vec<Vec<u8>> = picks.iter().map(picture).collect();
        let worst = strip.points.iter().map(|p| p.mse_blend).fold(0.0, f64::max);
        let strip = strips::Strip {
            color,
            name,
            lines: &lines,
            pictures: &pictures,
            figure: &format!("{worst:.3}"),
        };
        layout.draw(&mut canvas, header + s * row, &strip);
    }

    let half = (width - 2 * MARGIN - 40) / 2;
    let fitted = if path.against_images { "the images" } else { "what both networks draw" };
    chart(
        &mut canvas,
        (charts, MARGIN),
        half,
        &format!("error against the average of {fitted}"),
        path,
        |p| p.mse_blend,
    );
    chart(
        &mut canvas,
        (charts, MARGIN + half + 40),
        half,
        &format!("error against the nearer of {fitted}"),
        path,
        PathPoint::mse_nearer,
    );
    picture::png(&canvas.pixels, canvas.height, canvas.width, 3)
}

/// Round steps up to at least `high`.
fn ticks(high: f64) -> (f64, usize) {
    let raw = (high / 4.0).max(1e-9);
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= raw);
    let step = step.unwrap_or(raw);
    (step, (high / step).ceil().max(1.0) as usize)
}

/// Mean squared errors along all strips, `at` the top left corner, `width` pixels wide.
fn chart(
    canvas: &mut Canvas,
    at: (usize, usize),
    width: usize,
    title: &str,
    path: &Path,
    value: impl Fn(&PathPoint) -> f64,
) {
    canvas.text(at, 1, title, INK);
    let axis = 6 * GLYPH + 6;
    let (top, left) = (at.0 + 2 * GLYPH + 6, at.1 + axis);
    let (height, width) = (CHART, width - axis - 8 * GLYPH);
    let finite = path.strips.iter().flat_map(|s| &s.points).map(&value).filter(|x| x.is_finite());
    let (step, count) = ticks(finite.fold(0.0, f64::max));
    let high = step * count as f64;
    let place = |t: f64, x: f64| {
        let up = (x / high).clamp(0.0, 1.05);
        (top as f64 + height as f64 * (1.0 - up), left as f64 + width as f64 * t)
    };
    for k in 0..=count {
        let x = step * k as f64;
        let (y, _) = place(0.0, x);
        canvas.line((y, left as f64), (y, (left + width) as f64), 1.0, RULE);
        let decimals = (-step.log10()).ceil().clamp(0.0, 5.0) as usize
            + usize::from((step * 10f64.powf((-step.log10()).ceil())).fract() > 1e-6);
        let text = format!("{x:.decimals$}");
        let start = left.saturating_sub(6 + GLYPH * text.len());
        canvas.text((y as usize - GLYPH / 2, start), 1, &text, FAINT);
    }
    for t in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (y, x) = place(t, 0.0);
        canvas.line((y, x), (y + 4.0, x), 1.0, FAINT);
        let text = format!("{t}");
        let start = (x as usize).saturating_sub(GLYPH * text.len() / 2);
        canvas.text((y as usize + 8, start), 1, &text, FAINT);
    }
    canvas.text((top + height + 22, left), 1, "share t of the second network", FAINT);
    // Names at the right end would fall on each other: the curves meet there. So each stands at its highest point.
    let mut labels: Vec<(f64, f64, &'static str, [u8; 3])> = Vec::new();
    for strip in &path.strips {
        let (name, color, _) = style(strip);
        let points: Vec<(f64, f64)> = strip
            .points
            .iter()
            .filter(|p| value(p).is_finite())
            .map(|p| place(p.t, value(p)))
            .collect();
        for pair in points.windows(2) {
            canvas.line(pair[0], pair[1], 2.5, color);
        }
        for &p in &points {
            canvas.line(p, p, 6.0, color);
        }
        if let Some(&(y, _)) = points.iter().min_by(|p, q| p.0.total_cmp(&q.0)) {
            labels.push((y, y, name, color));
        }
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = top as f64;
    for (wanted, y, name, color) in &mut labels {
        *y = wanted.max(free);
        free = *y + GLYPH as f64 + 4.0;
        let x = left + width + 8;
        canvas.text(((*y - GLYPH as f64 / 2.0).max(0.0) as usize, x), 1, name, *color);
    }
}
