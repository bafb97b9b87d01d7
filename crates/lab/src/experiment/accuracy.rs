//! Tables 1 and 5 of Shamsian et al. (ICML 2024, arXiv 2402.04081): how well DWS tells apart what networks draw, by augmentation, and
//! which part of MixUp does it.

use crate::error::LabError;
use crate::picture::data_uri;
use crate::train::{CURVES_FILE, Epoch, Finished, METRICS_FILE};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use weightlab_data::Store;
use weightlab_learn::train::TrainConfig;
use weightlab_learn::{DwsConfig, ModelConfig};

/// A row: name, augmentation, and what was published for DWS on Fashion-MNIST with one view (mean and standard deviation, %).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// As the table has it.
    pub name: &'static str,
    /// As `train --augment` takes it.
    pub augment: &'static str,
    /// This share of every label is spread over all classes.
    pub smoothing: f32,
    /// Published accuracy, %.
    pub published: Option<[f64; 2]>,
}

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Table 1.
    Augmentations,
    /// Table 5.
    MixupAblation,
}

const fn row(
    name: &'static str,
    augment: &'static str,
    smoothing: f32,
    published: Option<[f64; 2]>,
) -> Row {
    Row { name, augment, smoothing, published }
}

const AUGMENTATIONS: [Row; 9] = [
    row("No augmentation", "none", 0.0, Some([68.30, 0.62])),
    row("Translate", "translate", 0.0, Some([67.90, 0.24])),
    row("SIREN negation", "siren-negation", 0.0, Some([71.40, 0.29])),
    row("Masking", "masking", 0.0, Some([68.48, 0.14])),
    row("Gaussian noise", "gaussian-noise", 0.0, Some([68.53, 0.09])),
    row("MixUp", "mixup", 0.0, Some([74.36, 1.17])),
    row("MixUp + random perm.", "mixup-random", 0.0, Some([73.89, 0.89])),
    row("Alignment + MixUp", "mixup-aligned", 0.0, Some([75.67, 0.36])),
    row("Signed alignment + MixUp", "mixup-signed", 0.0, None),
];

const ABLATION: [Row; 5] = [
    row("No augmentation", "none", 0.0, Some([68.30, 0.62])),
    row("Label smoothing", "none", 0.1, Some([69.15, 0.51])),
    row("Input averaging", "input-mixup", 0.0, Some([72.38, 0.39])),
    row("MixUp", "mixup", 0.0, Some([74.36, 1.17])),
    row("Alignment + MixUp", "mixup-aligned", 0.0, Some([75.67, 0.36])),
];

impl Table {
    /// Its number and what it is about.
    fn title(self) -> (u32, &'static str) {
        match self {
            Table::Augmentations => (1, "Classification by augmentation"),
            Table::MixupAblation => (5, "What MixUp consists of"),
        }
    }

    /// Its rows at a scale.
    pub fn rows(self, scale: Scale) -> Vec<Row> {
        let short = ["none", "siren-negation", "mixup", "mixup-aligned", "mixup-signed"];
        match self {
            Table::MixupAblation => ABLATION.to_vec(),
            Table::Augmentations if scale != Scale::Tiny => AUGMENTATIONS.to_vec(),
            Table::Augmentations => {
                AUGMENTATIONS.into_iter().filter(|r| short.contains(&r.augment)).collect()
            }
        }
    }
}

impl Row {
    /// Name of its runs' folders, the seed apart. Rows of both tables that are the same have the same.
    pub fn folder(&self) -> String {
        match self.smoothing > 0.0 {
            true => format!("{}-smoothing", self.augment),
            false => self.augment.to_owned(),
        }
    }
}

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// A small model, a thousand networks, five rows, one seed: minutes on two cores.
    Tiny,
    /// The reference's smaller model, three seeds: a GPU's afternoon.
    Small,
    /// The paper's model and length, three seeds.
    Paper,
}

impl Scale {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Tiny => "tiny",
            Scale::Small => "small",
            Scale::Paper => "paper",
        }
    }

    /// Trainings per row.
    pub fn seeds(self) -> u64 {
        if self == Scale::Tiny { 1 } else { 3 }
    }

    /// The training of one cell. The paper's optimiser in all.
    ///
    /// # Errors
    /// Not an augmentation.
    pub fn config(self, row: &Row, seed: u64) -> Result<TrainConfig, LabError> {
        let (hidden, hidden_layers, epochs, batch, limit) = match self {
            Scale::Tiny => (16, 1, 12, 32, Some(1000)),
            Scale::Small => (32, 4, 50, 64, None),
            Scale::Paper => (128, 4, 300, 128, None),
        };
        let model = ModelConfig::Dws(DwsConfig { hidden, hidden_layers, ..DwsConfig::default() });
        Ok(TrainConfig {
            seed,
            epochs,
            batch,
            limit,
            augment: row.augment.parse()?,
            label_smoothing: row.smoothing,
            model,
            ..TrainConfig::default()
        })
    }
}

/// A trained cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The row, by [`Row::folder`].
    pub row: String,
    /// Key of its random numbers.
    pub seed: u64,
    /// What it came to.
    pub finished: Finished,
}

impl Cell {
    /// Name of the file in a cell's folder that says it is done.
    pub const FILE: &'static str = "cell.json";

    /// Accuracy on test networks, %; on validation networks if there are none.
    pub fn accuracy(&self) -> f64 {
        let test = self.finished.test.as_ref().map(|s| s.accuracy);
        100.0 * test.or(self.finished.validation_accuracy).unwrap_or(f64::NAN)
    }

    /// A finished cell of a folder.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn read<S: Store>(store: &S) -> Result<Option<Cell>, LabError> {
        if !store.exists(Cell::FILE).await? {
            return Ok(None);
        }
        // One that cannot be read is done again.
        Ok(serde_json::from_slice(&store.read(Cell::FILE).await?).ok())
    }

    /// Says that a cell is done.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub async fn write<S: Store>(&self, store: &S) -> Result<(), LabError> {
        let bytes =
            serde_json::to_vec_pretty(self).map_err(|e| LabError::Tensors(e.to_string()))?;
        Ok(store.write(Cell::FILE, &bytes).await?)
    }
}

/// Mean and unbiased standard deviation.
fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    (mean, (values.len() > 1).then(|| (square / (n - 1.0)).sqrt()))
}

/// Lines of the table: name, here, published.
fn lines(table: Table, scale: Scale, cells: &[Cell]) -> Vec<[String; 4]> {
    let line = |row: Row| {
        let values: Vec<f64> =
            cells.iter().filter(|c| c.row == row.folder()).map(Cell::accuracy).collect();
        let here = match (values.is_empty(), mean_and_deviation(&values)) {
            (true, _) => "not yet".to_owned(),
            (_, (mean, Some(deviation))) => format!("{mean:.2} ± {deviation:.2}"),
            (_, (mean, None)) => format!("{mean:.2}"),
        };
        let published = row.published.map_or("-".to_owned(), |[m, d]| format!("{m:.2} ± {d:.2}"));
        [row.name.to_owned(), here, values.len().to_string(), published]
    };
    table.rows(scale).into_iter().map(line).collect()
}

/// What the figures mean.
fn about(table: Table, scale: Scale, cells: &[Cell], zoo: &str) -> String {
    let (number, _) = table.title();
    let nets = cells.first().and_then(|c| c.finished.test.as_ref()).map_or(0, |s| s.nets);
    let adapter = cells.first().map_or("-", |c| c.finished.adapter.as_str());
    let what = match scale {
        Scale::Tiny => {
            "hidden 16, one hidden layer, 12 epochs, 1,000 training networks at most: far from converged, so the order of rows is what \
             chance and speed of learning make it"
        }
        Scale::Small => "hidden 32, four hidden layers, 50 epochs",
        Scale::Paper => "hidden 128, four hidden layers, 300 epochs",
    };
    format!(
        "DWS ({what}) on {zoo}; accuracy in % on {nets} test networks at the epoch with the best validation accuracy, mean and standard \
         deviation over seeds. Published: arXiv 2402.04081, Table {number}, FMNIST, 1 view, trained on 55,000 networks. Computed on {adapter}."
    )
}

/// The table as Markdown.
pub fn markdown(table: Table, scale: Scale, cells: &[Cell], zoo: &str) -> String {
    let mut text = format!("# {}, scale `{}`\n\n", table.title().1, scale.name());
    let _ = writeln!(text, "{}\n", about(table, scale, cells, zoo));
    text += "| augmentation | accuracy here | seeds | published |\n|---|---|---|---|\n";
    for [name, here, seeds, published] in lines(table, scale, cells) {
        let _ = writeln!(text, "| {name} | {here} | {seeds} | {published} |");
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The table as a page that stands alone, with learning curves: `curves` are `(name, PNG)`.
pub fn html(
    table: Table,
    scale: Scale,
    cells: &[Cell],
    zoo: &str,
    curves: &[(String, Vec<u8>)],
) -> String {
    let mut rows = String::new();
    for line in lines(table, scale, cells) {
        let [name, here, seeds, published] = line.map(|t| escape(&t));
        let _ = writeln!(rows, "<tr><td>{name}<td>{here}<td>{seeds}<td>{published}</tr>");
    }
    let mut figures = String::new();
    for (name, png) in curves {
        let _ = writeln!(
            figures,
            "<figure><img src=\"{}\" alt=\"Loss and accuracy by epoch\"><figcaption>{}</figcaption></figure>",
            data_uri(png),
            escape(name)
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{0}</title>\n<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;\
         padding:0 1rem}}td,th{{padding:.3rem 1rem;border-bottom:1px solid #ccc;text-align:left}}figure{{display:inline-block;margin:.5rem}}\
         img{{max-width:100%}}</style>\n<h1>{0}, scale {1}</h1>\n<p>{2}</p>\n<table><tr><th>augmentation<th>accuracy \
         here<th>seeds<th>published</tr>\n{rows}</table>\n<h2>Overfitting</h2>\n<p>Training loss is that of batches as they were augmented; \
         where validation loss rises while it falls, the model learns networks by heart.</p>\n{figures}</html>\n",
        table.title().1,
        scale.name(),
        escape(&about(table, scale, cells, zoo))
    )
}

/// A cell's learning curves as PNG, and its epochs.
///
/// # Errors
/// A store that cannot be read.
pub async fn curves<S: Store>(store: &S) -> Result<(Vec<u8>, Vec<Epoch>), LabError> {
    let text = store.read(METRICS_FILE).await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let epochs = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Ok((store.read(CURVES_FILE).await?, epochs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(row: &str, seed: u64, accuracy: f64) -> Cell {
        let finished = Finished {
            steps: 1,
            best_epoch: 1,
            validation_accuracy: Some(accuracy),
            test: None,
            seconds: 1.0,
            samples_per_s: None,
            dispatches: 1,
            adapter: "a <b>".to_owned(),
        };
        Cell { row: row.to_owned(), seed, finished }
    }

    #[test]
    fn the_table_has_mean_deviation_and_what_was_published() {
        let cells = [cell("none", 0, 0.5), cell("none", 1, 0.6), cell("mixup", 0, 0.7)];
        let text = markdown(Table::Augmentations, Scale::Small, &cells, "a zoo");
        assert!(text.contains("| No augmentation | 55.00 ± 7.07 | 2 | 68.30 ± 0.62 |"), "{text}");
        assert!(text.contains("| MixUp | 70.00 | 1 | 74.36 ± 1.17 |"), "{text}");
        assert!(text.contains("| Masking | not yet | 0 |"), "{text}");
        let page = html(
            Table::Augmentations,
            Scale::Tiny,
            &cells,
            "a zoo",
            &[("none".to_owned(), vec![1, 2])],
        );
        assert!(
            page.contains("a &lt;b&gt;")
                && page.contains("data:image/png")
                && !page.contains("Masking")
        );
    }

    #[test]
    fn every_cell_can_be_trained() {
        for table in [Table::Augmentations, Table::MixupAblation] {
            for scale in [Scale::Tiny, Scale::Small, Scale::Paper] {
                let rows = table.rows(scale);
                rows.iter().for_each(|row| scale.config(row, 2).unwrap().validate().unwrap());
                // No two rows share their runs.
                let mut folders: Vec<String> = rows.iter().map(Row::folder).collect();
                folders.sort_unstable();
                folders.dedup();
                assert_eq!(folders.len(), rows.len());
            }
        }
    }
}
