//! Rows of pictures with words before them, which stand on top where a page is narrow.

use super::chart::{Line, Words, lines};
use super::document::escape;
use crate::error::LabError;
use crate::path::{Path, PathPoint, Strip};
use crate::picture;
use std::fmt::Write as _;
use weightlab_nets::mix::Mix;

/// Pictures in a row: more are too small to see on a phone.
const SHOWN: usize = 7;

/// Number of its colour, and what was done to the second network.
fn style(method: Option<Mix>) -> (usize, &'static str, &'static str) {
    match method {
        None => (0, "Pictures averaged", "no networks at all: the two images laid over each other"),
        Some(Mix::Direct) => (1, "Weights averaged", "number by number, as they are"),
        Some(Mix::Random) => (2, "Shuffled first", "the second network's neurons in random order"),
        Some(Mix::Aligned) => {
            (3, "Aligned first", "each neuron of the second beside its likest of the first")
        }
        Some(Mix::Signed) => {
            (4, "Aligned with signs", "neurons may also be turned over, sign and phase")
        }
    }
}

/// The line between two networks under every method: rows of pictures, and the errors along them.
pub(crate) fn path(path: &Path, error_against: &str) -> Result<String, LabError> {
    let steps = path.strips.first().map_or(0, |s| s.points.len());
    let count = steps.min(SHOWN);
    let picks: Vec<usize> =
        (0..count).map(|i| (i * (steps - 1) + (count - 1) / 2) / (count - 1).max(1)).collect();
    let share = |pick: &usize| format!("<span>{:.2}</span>", path.strips[0].points[*pick].t);
    let heads: String = picks.iter().map(share).collect();
    let mut html = format!(
        r#"<div class="strip heads" style="--c:transparent"><p>share of the second network</p><div class="row heads">{heads}</div></div>"#
    );
    for strip in &path.strips {
        html += &row(path, strip, &picks)?;
    }
    let line = |strip: &Strip| {
        let (color, name, _) = style(strip.method);
        let point = |p: &PathPoint| (p.t, p.mse_blend);
        Line { name: name.to_owned(), color, points: strip.points.iter().map(point).collect() }
    };
    let all: Vec<Line> = path.strips.iter().map(line).collect();
    let y = format!("mean squared error against {error_against}");
    let words = Words { title: &y, x: "share of the second network", y: &y };
    Ok(html + &lines(&all, &words, false))
}

fn row(path: &Path, strip: &Strip, picks: &[usize]) -> Result<String, LabError> {
    let [h, w, c] = path.shape;
    let (color, name, what) = style(strip.method);
    let mut pictures = String::new();
    for &pick in picks {
        let image = &strip.images[pick * h * w * c..(pick + 1) * h * w * c];
        let png = picture::png(&picture::to_pixels(image, path.mlp.target_range), h, w, c)?;
        let t = strip.points[pick].t;
        let _ = write!(
            pictures,
            r#"<img src="{}" alt="{name}, share {t:.2}">"#,
            picture::data_uri(&png)
        );
    }
    let distance = strip
        .squared_distance
        .map_or(String::new(), |d| format!("<br>squared distance of the weights: {d:.1}"));
    let what = escape(what);
    Ok(format!(
        r#"<div class="strip l{color}"><p><b>{name}</b><br>{what}{distance}</p><div class="row">{pictures}</div></div>"#
    ))
}
