//! The page of the demo, chapter by chapter.

use super::{Story, Training};
use crate::LabError;
use crate::experiment::midpoints::Mean;
use crate::meter::duration_text;
use crate::report::chart::{Line, Words, lines};
use crate::report::document::{document, escape};
use crate::report::{page, rows};
use crate::train::{Epoch, Score};
use std::fmt::Write as _;

pub(super) fn html(story: &Story) -> Result<String, LabError> {
    let mut body = head(story);
    body += r#"<section id="fit"><h2>1. Pictures become networks</h2></section>"#;
    body += &page::chapter(&story.fit);
    body += &mixing(story)?;
    body += &learning(story);
    body += &reading(story);
    body += &page::table(&story.fit);
    body += &explanation(story);
    Ok(document("from pictures to networks that read networks", &body))
}

fn percent(share: f64) -> String {
    // A narrow space that no line breaks at.
    format!("{:.0}&#8239;%", 100.0 * share)
}

fn head(story: &Story) -> String {
    let fit = &story.fit;
    let (h, w) = fit.size;
    let time = fit.finished.seconds
        + story.midpoints.seconds
        + story.trainings.iter().map(|t| t.finished.seconds).sum::<f64>();
    format!(
        r##"<header><p class="kicker">Weightlab</p>
<h1>Pictures as networks, and a network that reads them</h1>
<p class="lead">Each of {n} pictures was turned into a small network of its own: a function with {params} numbers inside that is asked
&ldquo;how bright is the image at this place?&rdquo; and answers. The {h}&times;{w} image holds {values} values; the network never sees it
whole, it only learns to answer right at every place. Then the networks themselves became the data: they were averaged, aligned, and
read by another network. All of it took {time} on <b>{adapter}</b>.</p>
<ol class="toc"><li><a href="#fit">Pictures become networks</a></li><li><a href="#mix">Averaging breaks them, alignment mends</a></li>
<li><a href="#learn">A network learns to read networks</a></li><li><a href="#read">What it says about those fitted above</a></li></ol></header>"##,
        n = fit.nets.len(),
        params = fit.mlp.param_count(),
        values = h * w * fit.mlp.outputs(),
        time = duration_text(time),
        adapter = escape(&fit.finished.adapter),
    )
}

fn with_margin(m: &Mean) -> String {
    format!("{:.4} &plusmn; {:.4}", m.mean, m.margin)
}

fn mixing(story: &Story) -> Result<String, LabError> {
    let m = &story.midpoints;
    let mut table = String::new();
    for row in &m.rows {
        let name = match row.method.as_str() {
            "direct" => "averaged as they are",
            "random" => "the second shuffled first",
            "aligned" => "aligned first",
            "signed" => "aligned with signs",
            other => other,
        };
        let _ = write!(
            table,
            "<tr><th>{name}</th><td>{}</td><td>{:.1}</td></tr>",
            with_margin(&row.mse_blend),
            row.squared_distance.mean
        );
    }
    let mean = |name: &str| m.rows.iter().find(|r| r.method == name).map(|r| r.mse_blend.mean);
    let verdict = match (mean("direct"), mean("signed")) {
        (Some(direct), Some(signed)) if signed < direct => format!(
            "Over {} pairs, aligning with signs leaves {} of the error of plain averaging. {}",
            m.pairs,
            percent(signed / direct),
            match signed < m.constant.mean {
                true => "That is less than an even grey has, but far from the networks themselves.",
                false =>
                    "On average that is still no better than an even grey: half mended, not healed.",
            }
        ),
        _ => format!("Over {} pairs, alignment made nothing better in this run.", m.pairs),
    };
    let [a, b] = [&story.apart.titles[0], &story.apart.titles[1]].map(|t| escape(t));
    Ok(format!(
        r#"<section id="mix"><h2>2. Averaging breaks them, alignment mends</h2>
<p>Two networks were fitted to the <em>same</em> picture, from different random starts. Both draw it well. Now walk from the first to
the second on a straight line: every picture below is drawn by a network whose numbers are a mixture of both, with the share of the second
written on top. Shown is the pair, of {pairs}, that alignment mends best; below are the figures of all.</p>{same}
<p>The plain average draws rubbish in the middle. A network's neurons have no fixed order, and a wave may be stored upside down with its
weight negative: two networks can say the same in different words, and averaging word by word makes no sentence. <b>Alignment</b> first
reorders the second network's neurons (and turns some over) so that each stands beside the one it resembles most. That changes nothing that the
second network draws, only how it is written down. Then the average makes more sense.</p>
<h3>The same over {pairs} pictures</h3>
<div class="scroll"><table class="facts"><thead><tr><th></th><th>mean squared error half way</th><th>squared distance of the weights</th></tr></thead>
<tbody>{table}<tr><th>the networks themselves</th><td>{ends}</td><td></td></tr><tr><th>an even grey</th><td>{grey}</td><td></td></tr></tbody></table></div>
<p>With 95&thinsp;% confidence. {verdict} What remains has a reason: besides order and sign, the waves of two fits differ in
direction and phase, and no reordering undoes that.</p>
<h3>Between two different pictures</h3>
<p>From {a} to {b}. Here there is nothing to mend to: no network on this line was ever asked to draw a blend, so half way
even the best alignment draws a poor picture. The chart's yardstick is the plain blend of both images, in the top row. For learning
this is no loss, as the next chapter shows: a mixture is useful there as a network that is <em>like</em> both.</p>{apart}</section>"#,
        same = rows::path(&story.same, "the image")?,
        apart = rows::path(&story.apart, "the blend of both images")?,
        pairs = m.pairs,
        ends = with_margin(&m.ends),
        grey = with_margin(&m.constant),
    ))
}

/// A line over epochs.
fn over_epochs(name: String, color: usize, t: &Training, of: fn(&Epoch) -> Option<f64>) -> Line {
    let point = |e: &Epoch| of(e).map(|y| (f64::from(e.epoch), y));
    Line { name, color, points: t.epochs.iter().filter_map(point).collect() }
}

/// How people call it.
fn called(augment: &str) -> &str {
    match augment {
        "none" => "as they are",
        "mixup-aligned" => "with aligned MixUp",
        other => other,
    }
}

fn scored(score: Option<&Score>) -> String {
    score.map_or("&ndash;".to_owned(), |s| {
        let [low, high] = s.interval.map(percent);
        format!("{} ({low} to {high})", percent(s.accuracy))
    })
}

fn learning(story: &Story) -> String {
    let Some(first) = story.trainings.first() else { return String::new() };
    let s = &first.started;
    let (mut accuracy, mut loss, mut table) = (Vec::new(), Vec::new(), String::new());
    for (i, t) in story.trainings.iter().enumerate() {
        let name = called(&t.augment);
        let color = [1, 3][i % 2];
        accuracy.push(over_epochs(name.to_owned(), color, t, |e| {
            e.validation_accuracy.map(|a| 100.0 * a)
        }));
        let other = [5, 4][i % 2];
        loss.push(over_epochs(format!("{name}, training"), other, t, |e| Some(e.loss)));
        loss.push(over_epochs(format!("{name}, held out"), color, t, |e| e.validation_loss));
        let _ = write!(
            table,
            "<tr><th>{name}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            t.finished.validation_accuracy.map_or("&ndash;".to_owned(), percent),
            scored(t.finished.test.as_ref()),
            t.finished.best_epoch,
            duration_text(t.finished.seconds)
        );
    }
    let words = |title, y| Words { title, x: "passes over the networks", y };
    format!(
        r#"<section id="learn"><h2>3. A network learns to read networks</h2>
<p>Weightlab comes with {all} networks that were fitted beforehand, each to a picture. A second network, a <i>deep weight-space network</i> (DWS,
{parameters} numbers), is shown their weights &ndash; never a picture &ndash; and learns to say what each draws: a shirt, a bag, a boot. It is built so that
the order of a network's neurons cannot matter to it. {train} networks are learnt from, {held} are held out to choose the best pass, and {test}
of test images say what it is worth. Guessing would be right in {chance} of the cases.</p>
<p>Two trainings: one on the networks as they are, and one on mixtures of two, aligned first (<i>MixUp</i>): no mixture is
seen twice, so nothing can be learnt by heart.</p>
<div class="two"><div><h3>Accuracy on networks held out</h3>{accuracy}</div><div><h3>Loss</h3>{loss}</div></div>
<p>Training loss of mixtures is higher by nature, since a mixture has two right answers. Where the loss on networks held out rises while training loss
falls, a model learns networks by heart instead of what they have in common.</p>
<div class="scroll"><table class="facts"><thead><tr><th>training</th><th>held out</th><th>test, with 95&thinsp;% interval</th><th>best pass</th><th>time</th></tr></thead>
<tbody>{table}</tbody></table></div><p>{verdict}</p>{confusion}</section>"#,
        all = s.train + s.validation + s.test,
        parameters = s.parameters,
        train = s.train,
        held = s.validation,
        test = s.test,
        chance = percent(1.0 / s.classes.max(1) as f64),
        accuracy = lines(&accuracy, &words("Accuracy by passes over the networks", "%"), false),
        loss = lines(&loss, &words("Loss by passes over the networks", "cross entropy"), false),
        verdict = verdict(&story.trainings),
        confusion = confusion(story.better()),
    )
}

/// What the test says of MixUp, no more than it can.
fn verdict(trainings: &[Training]) -> String {
    let tests: Vec<&Score> = trainings.iter().filter_map(|t| t.finished.test.as_ref()).collect();
    let [plain, mixed] = tests[..] else { return String::new() };
    let apart = plain.interval[1] < mixed.interval[0] || mixed.interval[1] < plain.interval[0];
    let said = match (apart, mixed.accuracy > plain.accuracy) {
        (true, true) => "On test networks aligned MixUp is clearly better here.",
        (true, false) => {
            "On test networks aligned MixUp is clearly worse here: so short a training ends before it pays."
        }
        (false, _) => {
            "On test networks both are within each other's 95&thinsp;% intervals: so few networks and so short a training cannot tell which is \
             better."
        }
    };
    format!(
        "{said} Published, with 55,000 networks and 300 passes of a larger model: 68.3&thinsp;% without and 75.7&thinsp;% with aligned MixUp \
         (arXiv 2402.04081, Table 1)."
    )
}

fn class_name(names: &[String], class: usize) -> String {
    names.get(class).map_or_else(|| format!("class {class}"), |n| escape(n))
}

fn confusion(t: &Training) -> String {
    let Some(score) = &t.finished.test else { return String::new() };
    let names = &t.fresh.class_names;
    let heads: String = (0..score.confusion.len())
        .map(|c| format!("<th><span>{}</span></th>", class_name(names, c)))
        .collect();
    let mut body = String::new();
    for (class, row) in score.confusion.iter().enumerate() {
        let all = row.iter().sum::<u64>().max(1) as f64;
        let _ = write!(body, "<tr><th>{}</th>", class_name(names, class));
        for (taken, &count) in row.iter().enumerate() {
            let kind = if taken == class { "right" } else { "wrong" };
            let share = 100.0 * count as f64 / all;
            let text = if count > 0 { count.to_string() } else { String::new() };
            let _ = write!(body, r#"<td class="{kind}" style="--s:{share:.0}%">{text}</td>"#);
        }
        body += "</tr>";
    }
    format!(
        r#"<h3>What is taken for what</h3><p>Test networks by what they draw (rows) and what the model trained {} takes them for (columns).</p>
<div class="scroll"><table class="confusion"><thead><tr><th></th>{heads}</tr></thead><tbody>{body}</tbody></table></div>"#,
        called(&t.augment)
    )
}

fn reading(story: &Story) -> String {
    let t = story.better();
    let names = &t.fresh.class_names;
    let mut cells = String::new();
    for (net, p) in story.fit.nets.iter().zip(&t.fresh.predictions) {
        let right = p.label == p.predicted as i64;
        let sure = p.probabilities.get(p.predicted as usize).copied().unwrap_or(0.0);
        let _ = write!(
            cells,
            r#"<figure class="{}"><img src="{}" alt="what network {name} draws"><figcaption><b>{} {}</b><span>{} sure; it is {name}</span></figcaption></figure>"#,
            if right { "right" } else { "wrong" },
            net.drawn,
            if right { "&#10003;" } else { "&#10007;" },
            class_name(names, p.predicted as usize),
            percent(sure),
            name = escape(&net.name),
        );
    }
    let score = t.fresh.score.as_ref();
    format!(
        r#"<section id="read"><h2>4. What it says about those fitted above</h2>
<p>The networks of chapter 1 were fitted while you waited, to images that neither training ever used. The model that did better on networks held out
(trained {how}) reads their weights and names {correct} of {nets} rightly: {accuracy}. Below is what every network draws &ndash; which the
model does not see &ndash; and what it was taken for. This is a look at the test of chapter 3, not a second one: its first networks are of
these same images, and with seed 0 and the usual number of steps they are the same networks, fitted beforehand.</p><div class="gallery read">{cells}</div></section>"#,
        how = called(&t.augment),
        correct = score.map_or(0, |s| s.correct),
        nets = score.map_or(0, |s| s.nets),
        accuracy = scored(score),
    )
}

fn explanation(story: &Story) -> String {
    format!(
        r#"<section class="text"><h2>What happened here</h2>{fit}
<p>Why turn images into networks? Because then a <i>set of networks</i> is the data: shapes, scenes and sounds are stored this way
too, and one tool reads them all. That is what Weightlab is for.</p>
<h3>Do it yourself</h3>
<pre>weightlab fit FOLDER-WITH-IMAGES --views 2 --out zoo
weightlab render zoo --resolution 256x256 --out grid.png
weightlab path zoo --pair 0,1 --out path.png
weightlab train zoo --augment mixup-aligned --out run
weightlab eval run OTHER-ZOO</pre></section>"#,
        fit = page::explanation(&story.fit),
    )
}
