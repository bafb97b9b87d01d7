//! The figure as one picture.

use super::{Figure, Group, Row};
use crate::error::LabError;
use crate::picture::{self, Canvas, GLYPH};
use crate::strips::{
    BEHIND, BLUE, FAINT, GREEN, GREY, INK, Layout, MARGIN, ORANGE, PAPER, PURPLE, Strip,
};

/// Width of the column with the names of the rows.
const NAMES: usize = 376;
/// Between two groups of rows, their titles included.
const GROUP: usize = 46;

/// Colour and words of a group.
pub(super) fn style(group: Group) -> ([u8; 3], &'static str) {
    match group {
        Group::Before => (GREY, "Before"),
        Group::Input => (BLUE, "Acts on the input: the picture moves"),
        Group::Same => (GREEN, "Preserves the function: other weights, the same picture"),
        Group::Other => (ORANGE, "Changes the function"),
        Group::Mixture => (PURPLE, "Mixtures: half of the weights are the next column's"),
    }
}

/// The greatest change of a row, in a few characters.
pub(super) fn greatest(row: &Row) -> String {
    match row.change.max {
        _ if row.op.is_empty() => String::new(),
        None => "not finite".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(x) if x < 0.001 => format!("{x:.0e}"),
        Some(x) => format!("{x:.2}"),
    }
}

/// What a row does and its parameters, in lines that have room.
fn small_print(row: &Row) -> Vec<String> {
    const ROOM: usize = (NAMES - 26) / GLYPH;
    if row.op.contains(' ') {
        // One operation of a chain per line.
        return row.op.split(' ').map(str::to_owned).collect();
    }
    let mut lines = vec![String::new()];
    for word in row.what.split(' ') {
        let last = lines.len() - 1;
        if lines[last].len() + word.len() >= ROOM {
            lines.push(word.to_owned());
        } else {
            let space = if lines[last].is_empty() { "" } else { " " };
            lines[last] += space;
            lines[last] += word;
        }
    }
    let parameters = row.op.split_once(':').map_or("", |(_, parameters)| parameters);
    lines.extend((!parameters.is_empty()).then(|| parameters.to_owned()));
    lines
}

pub(super) fn draw(figure: &Figure) -> Result<Vec<u8>, LabError> {
    let count = figure.titles.len();
    let layout = Layout::new(figure.shape, NAMES, count);
    let groups = figure.rows.windows(2).filter(|r| r[0].group != r[1].group).count() + 1;
    let width = (layout.behind() + BEHIND + MARGIN).max(900);
    let top = MARGIN + 3 * 2 * GLYPH + 20;
    let height = top + figure.rows.len() * layout.row() + groups * GROUP + MARGIN;
    let mut canvas = Canvas::new(height, width, PAPER);
    canvas.text((MARGIN, MARGIN), 2, "What augmenting weights does to the picture", INK);
    let about = format!(
        "Every picture is drawn by a network of {}; only its weights were changed. Seed {}.",
        figure.mlp.dims_text(),
        figure.seed
    );
    canvas.text((MARGIN + 2 * GLYPH + 8, MARGIN), 1, &about, FAINT);
    let line = top - GLYPH - 6;
    for (i, title) in figure.titles.iter().enumerate() {
        layout.head(&mut canvas, line, i, title);
    }
    canvas.text((line, layout.behind()), 1, "max |f - f'|", FAINT);

    let mut at = top;
    let mut last = None;
    for row in &figure.rows {
        let (color, title) = style(row.group);
        if last != Some(row.group) {
            if last.is_some() {
                at += GROUP;
                canvas.text((at - 2 * GLYPH - 6, MARGIN), 1, title, color);
            }
            last = Some(row.group);
        }
        let pictures: Vec<Vec<u8>> = (0..count).map(|net| figure.pixels(row, net)).collect();
        let lines = small_print(row);
        let figure = greatest(row);
        let strip =
            Strip { color, name: &row.name, lines: &lines, pictures: &pictures, figure: &figure };
        layout.draw(&mut canvas, at, &strip);
        at += layout.row();
    }
    picture::png(&canvas.pixels, canvas.height, canvas.width, 3)
}
