//! Charts as inline SVG. Lines are drawn by SVG in a unit square that stretches to any width; text is
//! HTML beside it, so that it stays readable on a phone.

use crate::message::Metric;
use crate::stats;
use std::fmt::Write as _;

/// Units of the drawing; it is stretched to the page.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 500.0;

/// A range of an axis with its round tick marks.
struct Axis {
    lo: f64,
    hi: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// From below `lo` to above `hi` in about `wanted` round steps.
    fn new(lo: f64, hi: f64, wanted: f64) -> Axis {
        let raw = ((hi - lo) / wanted).max(1e-9);
        let power = 10f64.powf(raw.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= raw).unwrap_or(raw);
        let (first, last) = ((lo / step).floor(), (hi / step).ceil());
        let ticks = (0..=(last - first) as u32).map(|i| (first + f64::from(i)) * step).collect();
        Axis { lo: first * step, hi: last * step, ticks }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.lo) / (self.hi - self.lo)
    }
}

/// Learning curves: a thin line per network, a bold one for the median, a dashed one for the target.
/// `ends[i]` is the number of steps after which network `i` stopped.
pub(super) fn curves(metrics: &[Metric], ends: &[i64], target: Option<f32>) -> String {
    let values = || metrics.iter().flat_map(|m| m.nets.iter().flatten().flatten());
    let lo = values().copied().fold(f32::INFINITY, f32::min);
    let hi = values().copied().chain(target).fold(f32::NEG_INFINITY, f32::max);
    if lo >= hi {
        return String::from("<p>No network has a curve.</p>");
    }
    let last = metrics.iter().map(|m| m.step).max().unwrap_or(1);
    let x_axis = Axis { hi: f64::from(last), ..Axis::new(0.0, f64::from(last), 4.0) };
    let y_axis = Axis::new(f64::from(lo), f64::from(hi), 5.0);
    let x = |step: f64| x_axis.share(step) * WIDTH;
    let y = |db: f64| (1.0 - y_axis.share(db)) * HEIGHT;

    let mut svg = String::new();
    for &tick in &y_axis.ticks {
        let _ = write!(svg, r#"<path class="grid" d="M0 {0:.1}H{WIDTH}"/>"#, y(tick));
    }
    // One path for all networks keeps the page small.
    let mut thin = String::new();
    for (net, &end) in ends.iter().enumerate() {
        let mut pen = 'M';
        for metric in metrics {
            let value = metric.nets.as_ref().and_then(|n| n.get(net).copied().flatten());
            let Some(db) = value else { continue };
            // A finished network keeps its value; its line ends where it did.
            let step = i64::from(metric.step).min(end);
            let _ = write!(thin, "{pen}{:.1} {:.1}", x(step as f64), y(f64::from(db)));
            pen = 'L';
            if step == end {
                break;
            }
        }
    }
    let _ = write!(svg, r#"<path class="net" d="{thin}"/>"#);
    if let Some(target) = target {
        let _ = write!(svg, r#"<path class="goal" d="M0 {0:.1}H{WIDTH}"/>"#, y(f64::from(target)));
    }
    let mut bold = String::new();
    for metric in metrics {
        if let Some(median) = metric.psnr.median {
            let pen = if bold.is_empty() { 'M' } else { 'L' };
            let _ = write!(bold, "{pen}{:.1} {:.1}", x(f64::from(metric.step)), y(median));
        }
    }
    let _ = write!(svg, r#"<path class="median" d="{bold}"/>"#);

    let y_labels = labels(&y_axis.ticks, |t| 100.0 * (1.0 - y_axis.share(t)), "top");
    let shown: Vec<f64> = x_axis.ticks.iter().copied().filter(|&t| t <= x_axis.hi).collect();
    let x_labels = labels(&shown, |t| 100.0 * x_axis.share(t), "left");
    frame("Learning curves of all networks", &svg, &y_labels, &x_labels, "dB", "optimiser steps")
}

/// A line of a chart, coloured by its number: see `.l0` and so on in `style.css`.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) color: usize,
    /// `(x, y)`, from left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

/// What a chart of lines says beside its lines.
pub(crate) struct Words<'a> {
    /// For those who cannot see it.
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
}

/// Lines with their points, and a key of their colours. The vertical axis begins at zero; the horizontal one is logarithmic if so wanted.
pub(crate) fn lines(lines: &[Line], words: &Words<'_>, logarithmic: bool) -> String {
    let along = |x: f64| if logarithmic { x.log10() } else { x };
    let finite = |p: &&(f64, f64)| along(p.0).is_finite() && p.1.is_finite();
    let points = || lines.iter().flat_map(|l| l.points.iter().filter(finite));
    let (mut first, mut last, mut high) = (f64::INFINITY, f64::NEG_INFINITY, 0f64);
    for &(x, y) in points() {
        (first, last, high) = (first.min(along(x)), last.max(along(x)), high.max(y));
    }
    if first > last {
        return String::from("<p>There is nothing to draw yet.</p>");
    }
    // A single point stands in the middle.
    let (first, last) = if first < last { (first, last) } else { (first - 1.0, last + 1.0) };
    let x_axis = match logarithmic {
        true => Axis::new(first.floor(), last.ceil(), last.ceil() - first.floor()),
        false => Axis { lo: first, hi: last, ..Axis::new(first, last, 5.0) },
    };
    let y_axis = Axis::new(0.0, if high > 0.0 { high } else { 1.0 }, 5.0);
    let mut svg = String::new();
    for &tick in &y_axis.ticks {
        let y = (1.0 - y_axis.share(tick)) * HEIGHT;
        let _ = write!(svg, r#"<path class="grid" d="M0 {y:.1}H{WIDTH}"/>"#);
    }
    let mut keys = String::new();
    for Line { name, color, points } in lines {
        let (mut line, mut dots, mut pen) = (String::new(), String::new(), 'M');
        for point in points.iter().filter(finite) {
            let x = x_axis.share(along(point.0)) * WIDTH;
            let y = (1.0 - y_axis.share(point.1)) * HEIGHT;
            let _ = write!(line, "{pen}{x:.1} {y:.1}");
            let _ = write!(dots, "M{x:.1} {y:.1}h0");
            pen = 'L';
        }
        let name = super::document::escape(name);
        let _ = write!(
            svg,
            r#"<path class="line l{color}" d="{line}"><title>{name}</title></path><path class="dots l{color}" d="{dots}"/>"#
        );
        let _ = write!(keys, r#"<span class="key l{color}">{name}</span>"#);
    }
    let y_labels = labels(&y_axis.ticks, |t| 100.0 * (1.0 - y_axis.share(t)), "top");
    let shown: Vec<f64> =
        x_axis.ticks.iter().copied().filter(|t| (x_axis.lo..=x_axis.hi).contains(t)).collect();
    let place = |t: f64| 100.0 * x_axis.share(t);
    let x_labels = match logarithmic {
        true => shown
            .iter()
            .map(|&t| format!(r#"<span style="left:{:.2}%">{}</span>"#, place(t), 10f64.powf(t)))
            .collect(),
        false => labels(&shown, place, "left"),
    };
    let chart = frame(words.title, &svg, &y_labels, &x_labels, words.y, words.x);
    format!(r#"<p class="keys">{keys}</p>{chart}"#)
}

/// A histogram of PSNR.
pub(super) fn histogram(psnr: &[f32]) -> String {
    let finite = psnr.iter().copied().filter(|x| x.is_finite());
    let (lo, hi) =
        finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
    if lo > hi {
        return String::from("<p>No network has a PSNR.</p>");
    }
    // About a dozen bars of round width.
    let spread = f64::from(hi - lo);
    let width = [0.5, 1.0, 2.0, 5.0].into_iter().find(|w| spread / w <= 14.0).unwrap_or(10.0);
    let bins = stats::histogram(psnr, width);
    let most = bins.iter().map(|b| b.1).max().unwrap_or(1).max(1) as f64;
    let y_axis = Axis::new(0.0, most, 4.0);
    let each = WIDTH / bins.len() as f64;
    let mut svg = String::new();
    for &tick in &y_axis.ticks {
        let _ = write!(
            svg,
            r#"<path class="grid" d="M0 {0:.1}H{WIDTH}"/>"#,
            (1.0 - y_axis.share(tick)) * HEIGHT
        );
    }
    for (i, &(low, count)) in bins.iter().enumerate() {
        let height = y_axis.share(count as f64) * HEIGHT;
        let _ = write!(
            svg,
            r#"<rect class="bar" x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}"><title>{low} to {} dB: {count}</title></rect>"#,
            i as f64 * each + 2.0,
            HEIGHT - height,
            each - 4.0,
            height,
            low + width
        );
    }
    let whole: Vec<f64> = y_axis.ticks.iter().copied().filter(|t| t.fract() == 0.0).collect();
    let y_labels = labels(&whole, |t| 100.0 * (1.0 - y_axis.share(t)), "top");
    let (first, end) = (bins[0].0, bins[0].0 + width * bins.len() as f64);
    let every = bins.len().div_ceil(6);
    let edges: Vec<f64> =
        (0..=bins.len()).step_by(every).map(|i| first + width * i as f64).collect();
    let x_labels = labels(&edges, |t| 100.0 * (t - first) / (end - first), "left");
    frame("How many networks reached which PSNR", &svg, &y_labels, &x_labels, "networks", "dB")
}

fn labels(ticks: &[f64], at: impl Fn(f64) -> f64, side: &str) -> String {
    // Multiples of a step such as 0.1 are not what their decimals say, to the last bit.
    let text = |t: f64| (t * 1e6).round() / 1e6;
    let label = |&t: &f64| format!(r#"<span style="{side}:{:.2}%">{}</span>"#, at(t), text(t));
    ticks.iter().map(label).collect()
}

fn frame(title: &str, svg: &str, y: &str, x: &str, y_unit: &str, x_unit: &str) -> String {
    format!(
        r#"<div class="chart"><div class="yunit">{y_unit}</div><div class="y">{y}</div><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{title}">{svg}</svg><div class="x">{x}</div><div class="xunit">{x_unit}</div></div>"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Distribution;

    #[test]
    fn axes_have_round_ticks_around_the_data() {
        let axis = Axis::new(11.3, 41.9, 5.0);
        assert_eq!(axis.ticks, [10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!((axis.share(10.0), axis.share(50.0)), (0.0, 1.0));
        let axis = Axis::new(0.0, 1000.0, 4.0);
        assert_eq!(axis.ticks, [0.0, 500.0, 1000.0]);
    }

    fn metric(step: u32, nets: &[Option<f32>]) -> Metric {
        Metric {
            first_net: 0,
            step,
            running: 1,
            psnr: Distribution::of(nets.iter().flatten().map(|&x| f64::from(x))),
            nets: Some(nets.to_vec()),
        }
    }

    #[test]
    fn a_line_ends_where_its_network_did() {
        let metrics = [
            metric(10, &[Some(20.0), Some(10.0)]),
            metric(20, &[Some(30.0), Some(15.0)]),
            metric(30, &[Some(30.0), Some(18.0)]),
        ];
        let svg = curves(&metrics, &[20, 30], Some(40.0));
        let thin = svg.split("class=\"net\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let lines: Vec<&str> = thin.split('M').skip(1).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].matches('L').count(), 1, "two points: {}", lines[0]);
        assert_eq!(lines[1].matches('L').count(), 2, "three points: {}", lines[1]);
        assert!(svg.contains("class=\"goal\"") && !svg.contains("NaN"));
    }

    #[test]
    fn lines_go_where_their_points_are() {
        let line = |name: &str, color, points: &[(f64, f64)]| Line {
            name: name.to_owned(),
            color,
            points: points.to_vec(),
        };
        let words = Words { title: "a", x: "epochs", y: "loss" };
        let two = [
            line("a < b", 0, &[(1.0, 0.0), (3.0, 0.4), (5.0, 0.2)]),
            line("c", 1, &[(1.0, f64::NAN), (5.0, 0.3)]),
        ];
        let html = lines(&two, &words, false);
        // From corner to corner: 0 is at the bottom, the greatest value is a round one.
        assert!(
            html.contains(r#"class="line l0" d="M0.0 500.0L500.0 0.0L1000.0 250.0""#),
            "{html}"
        );
        assert!(html.contains("a &lt; b") && html.contains(r#"top:25.00%">0.3<"#), "{html}");
        assert!(!html.contains("NaN"));
        let html = lines(&[line("p", 2, &[(1e3, 50.0), (1e5, 100.0)])], &words, true);
        assert!(html.contains(r#"left:50.00%">10000<"#), "{html}");
        assert!(html.contains("M0.0 250.0L1000.0 0.0"), "{html}");
        assert!(!lines(&[line("one", 0, &[(4.0, 0.0)])], &words, false).contains("NaN"));
    }

    #[test]
    fn nothing_to_draw_is_said() {
        assert!(lines(&[], &Words { title: "", x: "", y: "" }, false).contains("nothing"));
        assert!(curves(&[metric(1, &[None])], &[1], None).contains("No network"));
        assert!(histogram(&[f32::NAN]).contains("No network"));
        assert!(!histogram(&[33.0]).contains("NaN"));
    }
}
