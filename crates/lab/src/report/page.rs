//! The fit as a chapter of a page.

use super::document::escape;
use super::{Report, chart};
use crate::meter::{bytes_text, duration_text};
use std::fmt::Write as _;

/// The chapter on the fit.
pub(crate) fn chapter(report: &Report) -> String {
    [figures(report), pictures(report), close_up(report), learning(report)].concat()
}

fn db(x: Option<f64>) -> String {
    x.map_or("&ndash;".to_owned(), |x| format!("{x:.1}&thinsp;dB"))
}

fn figures(report: &Report) -> String {
    let f = &report.finished;
    let rate = f.nets_per_s.map_or("&ndash;".to_owned(), |r| match r {
        r if r < 10.0 => format!("{r:.1}"),
        r => format!("{r:.0}"),
    });
    let steps = f.steps as f64 / f.seconds.max(1e-9);
    let cards = [
        (db(f.psnr.median), "median likeness (PSNR)".to_owned()),
        (duration_text(f.seconds), "from the first step to the last".to_owned()),
        (rate, "networks per second".to_owned()),
        (format!("{:.0}", steps.round()), "learning steps per second".to_owned()),
        (bytes_text(f.bytes), "of GPU memory".to_owned()),
        (f.diverged.len().to_string(), "networks that diverged".to_owned()),
    ];
    let cards: String =
        cards.iter().map(|(v, k)| format!("<li><b>{v}</b><span>{k}</span></li>")).collect();
    format!(r#"<ul class="cards">{cards}</ul>"#)
}

fn pictures(report: &Report) -> String {
    let mut cells = String::new();
    for net in &report.nets {
        let name = escape(&net.name);
        let steps = net.steps;
        let (likeness, drawing) = match net.psnr.is_nan() {
            true => ("diverged".to_owned(), "crossed out: its network diverged"),
            false => (format!("{:.1} dB", net.psnr), "what its network draws"),
        };
        let _ = write!(
            cells,
            r#"<figure><div class="pair"><img src="{}" alt="image {name}"><img src="{}" alt="{drawing}"></div><figcaption><b>{name}</b><span>{likeness}, {steps} steps</span></figcaption></figure>"#,
            net.target, net.drawn,
        );
    }
    format!(
        r#"<section><h2>Images and what their networks draw</h2>
<p>Left the image, right the picture that its network draws, both at {}&times;{} pixels. The more dB, the more alike:
at 20&thinsp;dB a picture is soft but plain, at 30&thinsp;dB a careful look still finds differences, at 40&thinsp;dB hardly any.</p>
<div class="gallery">{cells}</div></section>"#,
        report.size.0, report.size.1
    )
}

fn close_up(report: &Report) -> String {
    let Some(net) = report.nets.get(report.close_up.net) else { return String::new() };
    if report.close_up.pictures.is_empty() {
        return String::new();
    }
    let mut cells = format!(
        r#"<figure><img src="{}" alt="image {}"><figcaption>the image</figcaption></figure>"#,
        net.target,
        escape(&net.name)
    );
    for (h, w, picture) in &report.close_up.pictures {
        let _ = write!(
            cells,
            r#"<figure><img src="{picture}" alt="the network at {h} by {w}"><figcaption>network, {h}&times;{w}</figcaption></figure>"#
        );
    }
    format!(
        r#"<section><h2>A network has no pixels</h2>
<p>It is a function of any two coordinates, so it can be asked between the pixels it learned from. This is
{}, the network of median quality, asked at more and more places. What appears in between was not in the
data: it is what these particular waves do there.</p><div class="close">{cells}</div></section>"#,
        escape(&net.name)
    )
}

fn learning(report: &Report) -> String {
    let ends: Vec<i64> = report.nets.iter().map(|n| n.steps).collect();
    let target = report.settings.until_psnr;
    let curves = chart::curves(&report.metrics, &ends, target);
    let goal = target.map_or(String::new(), |db| {
        format!(r#"<span class="key goal">{db} dB, where a network stops early</span>"#)
    });
    // A tenth of the points says the same in words.
    let every = report.metrics.len().div_ceil(10).max(1);
    let mut rows = String::new();
    for metric in report.metrics.iter().rev().step_by(every).collect::<Vec<_>>().into_iter().rev() {
        let p = &metric.psnr;
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            metric.step,
            db(p.median),
            db(p.min),
            db(p.max),
            metric.running
        );
    }
    format!(
        r#"<section><h2>Learning curves</h2>
<p>Every network starts as random waves and is corrected step by step. Likeness over steps, one thin line per network.</p>
<p class="keys"><span class="key net">one network</span><span class="key median">median</span>{goal}</p>{curves}
<details><summary>The same as a table</summary><div class="scroll"><table><thead><tr><th>steps</th><th>median</th><th>lowest</th><th>highest</th>
<th>still learning</th></tr></thead><tbody>{rows}</tbody></table></div></details></section>"#
    )
}

pub(crate) fn table(report: &Report) -> String {
    let rows: String = report
        .rows()
        .iter()
        .map(|(k, v)| format!("<tr><th>{}</th><td>{}</td></tr>", escape(k), escape(v)))
        .collect();
    format!(
        r#"<section><h2>In figures</h2><div class="two"><div>{}</div>
<div class="scroll"><table class="facts"><tbody>{rows}</tbody></table></div></div></section>"#,
        chart::histogram(&report.psnr())
    )
}

/// What a network of this kind is, and how it was fitted.
pub(crate) fn explanation(report: &Report) -> String {
    let s = &report.settings;
    let started = &report.started;
    let diverged = match report.finished.diverged.len() {
        0 => String::new(),
        n => format!(
            "<p><b>{n} networks diverged</b>: their error became infinite. They are marked above and count in no average.</p>"
        ),
    };
    format!(
        r#"{diverged}
<p>A network of this kind (a <i>SIREN</i>, {dims}) takes the coordinates of a place, passes them through two layers of sine
waves and adds the waves up to one brightness. Its {params} numbers start at random. In every step the network is
asked at all {points} places, its answers are compared with the image, and every number is moved a little in the direction that
makes the error smaller (Adam, step size {lr}). At most {steps} steps were made per network, and all networks learned at the same
time, {at_once} at once, in {bytes} of GPU memory (kernel: {kernel}).</p>
<p><b>PSNR</b> measures likeness on a logarithmic scale: 10&thinsp;dB more mean a tenth of the squared error.
The images are the first {count} test images of Fashion-MNIST (&copy; 2017 Zalando SE, MIT licence).</p>"#,
        dims = report.mlp.dims_text(),
        params = report.mlp.param_count(),
        points = started.points,
        lr = s.learning_rate,
        steps = s.max_steps,
        at_once = started.nets_per_batch,
        bytes = bytes_text(started.bytes),
        kernel = escape(&started.kernel),
        count = report.nets.len(),
    )
}
