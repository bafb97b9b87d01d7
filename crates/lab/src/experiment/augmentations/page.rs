//! The figure as a page.

use super::sheet::{greatest, style};
use super::{Figure, Group};
use crate::error::LabError;
use crate::picture;
use crate::report::document::{document, escape};
use std::fmt::Write as _;

pub(super) fn html(figure: &Figure, command: &str) -> Result<String, LabError> {
    let [h, w, c] = figure.shape;
    let mut body = format!(
        r#"<header><p class="kicker">Weightlab</p>
<h1>What augmenting weights does to the picture</h1>
<p class="lead">Every picture is drawn by a small network ({dims}, {params} numbers). Below, only those numbers were changed, each time
in another way; the networks were not trained again. Behind every name: the greatest difference that this made at any pixel, where
black is {lo} and white {hi}.</p></header>"#,
        lo = figure.mlp.target_range[0],
        hi = figure.mlp.target_range[1],
        dims = figure.mlp.dims_text(),
        params = figure.mlp.param_count(),
    );
    let heads: String =
        figure.titles.iter().map(|t| format!("<span>{}</span>", escape(t))).collect();
    let mut last = None;
    for row in &figure.rows {
        let ([r, g, b], title) = style(row.group);
        if last != Some(row.group) {
            last = Some(row.group);
            let _ = write!(
                body,
                r#"<section><h2>{}</h2><p>{}</p></section><div class="strip heads" style="--c:transparent"><p></p><div class="row heads">{heads}</div></div>"#,
                escape(title),
                explanation(row.group),
            );
        }
        let mut pictures = String::new();
        for (net, title) in figure.titles.iter().enumerate() {
            let png = picture::png(&figure.pixels(row, net), h, w, c)?;
            let _ = write!(
                pictures,
                r#"<img src="{}" alt="{}, {}">"#,
                picture::data_uri(&png),
                escape(title),
                escape(&row.name)
            );
        }
        let change = match greatest(row) {
            text if text.is_empty() => String::new(),
            text => format!("<br>max |f &minus; f&prime;| = {text}"),
        };
        let _ = write!(
            body,
            r#"<div class="strip" style="--c:rgb({r},{g},{b})"><p><b>{}</b><br>{}<br><code>{}</code>{change}</p><div class="row">{pictures}</div></div>"#,
            escape(&row.name),
            escape(&row.what),
            escape(&row.op),
        );
    }
    body += &format!(
        r#"<section class="text"><h2>Do it yourself</h2><pre>{} --out DIR
weightlab help augment</pre>
<p>The images are test images of Fashion-MNIST (&copy; 2017 Zalando SE, MIT licence) unless the networks came from another zoo. After
figure 2 of Shamsian et al., <i>Data augmentations in deep weight spaces</i>, 2023 (arXiv 2311.08851).</p></section>"#,
        escape(command)
    );
    Ok(document("augmenting weights", &body))
}

fn explanation(group: Group) -> &'static str {
    match group {
        Group::Before => "The images, and what the networks fitted to them draw.",
        Group::Input => {
            "The first layer reads the coordinates, so a change of it turns, shifts or scales the whole picture. What comes \
             in from outside was never seen in training."
        }
        Group::Same => {
            "Neurons can change places, sine neurons can change sign or phase, if the layer behind is changed to match. The \
             weights are others, the picture is the same but for rounding."
        }
        Group::Other => {
            "Noise and deletion do to the picture what no camera does: errors are spread all over it, because every \
             weight takes part in every pixel."
        }
        Group::Mixture => {
            "The plain average of the weights of two networks is no average of pictures: their neurons stand in different orders and \
             have different signs. Bringing the second network nearer to the first before mixing helps."
        }
    }
}
