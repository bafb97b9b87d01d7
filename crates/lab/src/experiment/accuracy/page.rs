//! The tables as Markdown and as pages.

use super::{Cell, Row, Scale, Study, Table};
use crate::report::chart::{Line, Words, lines};
use crate::report::document::{document, escape};
use crate::train::Epoch;
use std::fmt::Write as _;

/// Colours that charts have.
const COLORS: usize = 7;

/// Mean and unbiased standard deviation.
fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    (mean, (values.len() > 1).then(|| (square / (n - 1.0)).sqrt()))
}

fn of<'a>(row: &Row, cells: &'a [Cell]) -> Vec<&'a Cell> {
    cells.iter().filter(|c| c.row == row.folder).collect()
}

fn accuracies(cells: &[&Cell]) -> Vec<f64> {
    cells.iter().map(|c| c.accuracy()).collect()
}

/// On further views of images that were learnt from, %.
fn internal(cells: &[&Cell]) -> Vec<f64> {
    cells.iter().filter_map(|c| c.internal.as_ref()).map(|s| 100.0 * s.accuracy).collect()
}

fn spread(values: &[f64]) -> String {
    match (values.is_empty(), mean_and_deviation(values)) {
        (true, _) => "not yet".to_owned(),
        (_, (mean, Some(deviation))) => format!("{mean:.2} ± {deviation:.2}"),
        (_, (mean, None)) => format!("{mean:.2}"),
    }
}

impl Table {
    /// What it is about.
    fn title(self) -> &'static str {
        match self {
            Table::Augmentations => "Classification by augmentation",
            Table::MixupAblation => "What MixUp consists of",
            Table::Views => "More views, or more images",
            Table::Capacity => "Classification by the size of the model",
        }
    }

    /// Where the published figures are, and what they are of.
    fn published(self) -> &'static str {
        match self {
            Table::Augmentations => {
                "Published: arXiv 2402.04081, Table 1, FMNIST, 1 view, trained on 55,000 networks."
            }
            Table::MixupAblation => {
                "Published: arXiv 2402.04081, Table 5, FMNIST, 1 view, trained on 55,000 networks."
            }
            Table::Views => {
                "First the same objects with more and more views of each (Figure 4 of arXiv 2402.04081), so more networks and more steps; then as \
                 many networks as one view has, of fewer objects with more views of each (Figure 8). Beside the test, the last view of the \
                 objects that were learnt from, which no row has seen. The paper draws both figures without numbers; published is what its \
                 Table 1 has for one view of 55,000 objects, and it has 76.01 ± 1.20 for ten views of them."
            }
            Table::Capacity => {
                "After Figure 9 of arXiv 2402.04081, which is drawn without numbers: there the largest model (hidden 32, four layers) tells \
                 best, although it overfits. So there is nothing published to stand beside these figures."
            }
        }
    }

    /// Heads of the columns.
    fn heads(self) -> Vec<&'static str> {
        match self {
            Table::Augmentations | Table::MixupAblation => {
                vec!["augmentation", "accuracy here", "seeds", "published"]
            }
            Table::Views => vec![
                "views x objects",
                "networks",
                "test",
                "further views of the same images",
                "seeds",
                "published",
            ],
            Table::Capacity => vec!["model", "parameters", "accuracy here", "seeds"],
        }
    }

    fn line(self, row: &Row, cells: &[Cell]) -> Vec<String> {
        let cells = of(row, cells);
        let values = accuracies(&cells);
        let count = |number: fn(&Cell) -> u64| {
            cells.first().map_or("-".to_owned(), |c| number(c).to_string())
        };
        let published = row.published.map_or("-".to_owned(), |[m, d]| format!("{m:.2} ± {d:.2}"));
        let (name, here, seeds) = (row.name.clone(), spread(&values), values.len().to_string());
        match self {
            Table::Augmentations | Table::MixupAblation => vec![name, here, seeds, published],
            Table::Views => {
                let further = spread(&internal(&cells));
                vec![name, count(|c| c.train), here, further, seeds, published]
            }
            Table::Capacity => vec![name, count(|c| c.parameters), here, seeds],
        }
    }
}

/// What the figures mean.
fn about(study: &Study, cells: &[Cell], zoo: &str) -> String {
    let Study { table, scale, epochs } = *study;
    let nets = cells.first().and_then(|c| c.finished.test.as_ref()).map_or(0, |s| s.nets);
    let adapter = cells.first().map_or("-", |c| c.finished.adapter.as_str());
    let size = match scale {
        Scale::Tiny => "hidden 16, one hidden layer, ",
        Scale::Small => "hidden 32, four hidden layers, ",
        Scale::Paper => "hidden 128, four hidden layers, ",
    };
    let size = if table == Table::Capacity { "" } else { size };
    let length = match scale {
        Scale::Tiny => {
            ", 1,000 training networks of one view at most: far from converged, so the order of rows is what chance and speed of learning \
             make it"
        }
        _ => "",
    };
    let on = match nets {
        0 => "the networks held out, as there are none for testing".to_owned(),
        n => format!("{n} test networks"),
    };
    format!(
        "DWS ({size}{epochs} epochs{length}) on {zoo}; accuracy in % on {on} at the epoch with the best validation accuracy, mean and standard deviation \
         over seeds. {} Computed on {adapter}.",
        table.published()
    )
}

/// The table as Markdown.
pub fn markdown(study: &Study, rows: &[Row], cells: &[Cell], zoo: &str) -> String {
    let Study { table, scale, .. } = study;
    let mut text = format!("# {}, scale `{}`\n\n", table.title(), scale.name());
    let _ = writeln!(text, "{}\n", about(study, cells, zoo));
    let heads = table.heads();
    let _ = writeln!(text, "| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", table.line(row, cells).join(" | "));
    }
    text
}

/// The table as a page that stands alone, with its figure and learning curves: `histories` are the epochs of one cell of each row, by the
/// row's name.
pub fn html(
    study: &Study,
    rows: &[Row],
    cells: &[Cell],
    zoo: &str,
    histories: &[(String, Vec<Epoch>)],
) -> String {
    let Study { table, scale, .. } = *study;
    let heads: String = table.heads().iter().map(|h| format!("<th>{h}</th>")).collect();
    let mut body = String::new();
    for row in rows {
        let line = table.line(row, cells);
        let cells: String =
            line.iter().skip(1).map(|t| format!("<td>{}</td>", escape(t))).collect();
        let _ = write!(body, "<tr><th>{}</th>{cells}</tr>", escape(&line[0]));
    }
    let title = format!("{}, scale {}", table.title(), scale.name());
    let page = format!(
        r#"<header><p class="kicker">Weightlab</p><h1>{}</h1><p>{}</p></header>
<div class="scroll"><table class="facts"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>{}{}"#,
        escape(&title),
        escape(&about(study, cells, zoo)),
        figure(table, rows, cells),
        overfitting(histories),
    );
    document(&title, &page)
}

/// The figure that the table is after, if it is one.
fn figure(table: Table, rows: &[Row], cells: &[Cell]) -> String {
    let place = |rows: &[&Row], x: &dyn Fn(&Row, &[&Cell]) -> f64, y: fn(&[&Cell]) -> Vec<f64>| {
        let point = |row: &&Row| {
            let cells = of(row, cells);
            let values = y(&cells);
            (!values.is_empty()).then(|| (x(row, &cells), mean_and_deviation(&values).0))
        };
        rows.iter().filter_map(point).collect::<Vec<_>>()
    };
    let line = |name: &str, color, points| Line { name: name.to_owned(), color, points };
    match table {
        Table::Augmentations | Table::MixupAblation => String::new(),
        Table::Views => {
            let views = |row: &Row, _: &[&Cell]| f64::from(row.views.unwrap_or(1));
            let same: Vec<&Row> = rows.iter().filter(|r| !r.folder.ends_with("fewer")).collect();
            let fewer: Vec<&Row> =
                rows.iter().filter(|r| r.folder.ends_with("fewer") || r.views == Some(1)).collect();
            let all = [
                line("more views, test images", 3, place(&same, &views, accuracies)),
                line(
                    "more views, further views of the same images",
                    2,
                    place(&same, &views, internal),
                ),
                line(
                    "as many networks of fewer images, test images",
                    1,
                    place(&fewer, &views, accuracies),
                ),
            ];
            let words =
                Words { title: "Accuracy by views", x: "views of every image", y: "accuracy, %" };
            format!(
                "<section><h2>By the number of views</h2>{}</section>",
                lines(&all, &words, false)
            )
        }
        Table::Capacity => {
            let size =
                |_: &Row, cells: &[&Cell]| cells.first().map_or(1.0, |c| c.parameters as f64);
            let mut depths: Vec<usize> = rows.iter().filter_map(|r| r.size).map(|s| s[1]).collect();
            depths.dedup();
            let depth = |(i, &depth): (usize, &usize)| {
                let own: Vec<&Row> =
                    rows.iter().filter(|r| r.size.is_some_and(|s| s[1] == depth)).collect();
                line(&format!("layers {depth}"), [1, 3, 4][i % 3], place(&own, &size, accuracies))
            };
            let all: Vec<Line> = depths.iter().enumerate().map(depth).collect();
            let words = Words {
                title: "Accuracy by parameters",
                x: "parameters of the model",
                y: "accuracy, %",
            };
            format!(
                "<section><h2>By the size of the model</h2>{}</section>",
                lines(&all, &words, true)
            )
        }
    }
}

/// Losses by epoch: all rows beside each other as in Figure 1 of the paper, and each with its training loss as in Figure 3.
fn overfitting(histories: &[(String, Vec<Epoch>)]) -> String {
    let over = |name: &str, color: usize, epochs: &[Epoch], loss: fn(&Epoch) -> Option<f64>| {
        let point = |e: &Epoch| loss(e).map(|y| (f64::from(e.epoch), y));
        Line { name: name.to_owned(), color, points: epochs.iter().filter_map(point).collect() }
    };
    let words = |title| Words { title, x: "epochs", y: "cross entropy" };
    let together: Vec<Line> = histories
        .iter()
        .enumerate()
        .map(|(i, (name, epochs))| over(name, i % COLORS, epochs, |e| e.validation_loss))
        .collect();
    let mut figures = String::new();
    for (name, epochs) in histories {
        let two = [
            over("training", 1, epochs, |e| Some(e.loss)),
            over("validation", 3, epochs, |e| e.validation_loss),
        ];
        let _ = write!(
            figures,
            "<div><h3>{}</h3>{}</div>",
            escape(name),
            lines(&two, &words("Training and validation loss by epoch"), false)
        );
    }
    format!(
        r#"<section><h2>Overfitting</h2><p>Where validation loss rises while training loss falls, the model learns networks by heart. Training loss is
that of batches as they were augmented: of mixtures it is higher by nature. One training of each row; after Figures 1 and 3 of arXiv 2402.04081.</p>
<h3>Validation loss of all</h3>{}<div class="two">{figures}</div></section>"#,
        lines(&together, &words("Validation loss by epoch"), false)
    )
}
