//! Tables and figures of Shamsian et al. (ICML 2024, arXiv 2402.04081): how well DWS tells apart what networks draw, by augmentation
//! (Table 1), by what MixUp consists of (Table 5), by the number of views (Figures 4 and 8) and by the size of the model (Figure 9).
//!
//! A table is rows by seeds; a cell is one training, in a folder of its own.

mod page;
mod rows;

pub use page::{html, markdown};
pub use rows::Extent;

use crate::error::LabError;
use crate::train::{self, Epoch, Finished, METRICS_FILE, RunInfo, Score};
use serde::{Deserialize, Serialize};
use weightlab_data::{Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_learn::train::TrainConfig;
use weightlab_learn::{DwsConfig, ModelConfig};

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Table 1.
    Augmentations,
    /// Table 5.
    MixupAblation,
    /// Figures 4 and 8.
    Views,
    /// Figure 9.
    Capacity,
}

/// A row: what is special about its trainings, and what was published for DWS on Fashion-MNIST.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// As the table has it.
    pub name: String,
    /// Name of its runs' folders, the seed apart. Rows of several tables that are the same have the same.
    pub folder: String,
    /// As `train --augment` takes it.
    pub augment: &'static str,
    /// This share of every label is spread over all classes.
    pub smoothing: f32,
    /// Views of each object to train on; all if absent.
    pub views: Option<u32>,
    /// Networks to train on, if not as many as the scale has.
    pub limit: Option<usize>,
    /// Features of the model's hidden states, and layers after the first, if not those of the scale.
    pub size: Option<[usize; 2]>,
    /// Published accuracy, %: mean and standard deviation.
    pub published: Option<[f64; 2]>,
}

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// A small model, a thousand networks, few rows, one seed: minutes on two cores.
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

    /// Networks of one view to train on at most.
    pub fn limit(self) -> Option<usize> {
        (self == Scale::Tiny).then_some(1000)
    }

    /// Epochs of a training.
    pub fn epochs(self) -> u32 {
        match self {
            Scale::Tiny => 8,
            Scale::Small => 50,
            Scale::Paper => 300,
        }
    }

    /// Features of the model's hidden states and layers after the first, networks of a batch.
    fn size(self) -> ([usize; 2], usize) {
        match self {
            Scale::Tiny => ([16, 1], 32),
            Scale::Small => ([32, 4], 64),
            Scale::Paper => ([128, 4], 128),
        }
    }
}

/// A table, and how much is done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Study {
    /// Which.
    pub table: Table,
    /// Model, networks, seeds.
    pub scale: Scale,
    /// Epochs of every training.
    pub epochs: u32,
}

impl Study {
    /// As long as its scale says.
    pub fn new(table: Table, scale: Scale) -> Study {
        Study { table, scale, epochs: scale.epochs() }
    }

    /// Name of a cell's folder: trainings of another length have another.
    pub fn folder(&self, row: &Row, seed: u64) -> String {
        let length = match self.epochs == self.scale.epochs() {
            true => String::new(),
            false => format!("-epochs{}", self.epochs),
        };
        format!("{}{length}-seed{seed}", row.folder)
    }

    /// The training of one cell. The paper's optimiser in all.
    ///
    /// # Errors
    /// Not an augmentation.
    pub fn config(&self, row: &Row, seed: u64) -> Result<TrainConfig, LabError> {
        let (size, batch) = self.scale.size();
        let [hidden, hidden_layers] = row.size.unwrap_or(size);
        let model = ModelConfig::Dws(DwsConfig { hidden, hidden_layers, ..DwsConfig::default() });
        Ok(TrainConfig {
            seed,
            epochs: self.epochs,
            batch,
            views: row.views,
            limit: row.limit.or(self.scale.limit()),
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
    /// Trainable numbers of the model.
    #[serde(default)]
    pub parameters: u64,
    /// Networks it learnt from.
    #[serde(default)]
    pub train: u64,
    /// On networks of the training images that no training of the table has seen.
    #[serde(default)]
    pub internal: Option<Score>,
}

impl Cell {
    /// Name of the file in a cell's folder that says it is done.
    pub const FILE: &'static str = "cell.json";

    /// What a training that has ended came to; `run` is its folder and `config` what it was told.
    ///
    /// # Errors
    /// A folder that is no run, a zoo that cannot be read, or the GPU.
    pub async fn conclude<R: Store, S: Store>(
        gpu: &Gpu,
        (table, row): (Table, &Row),
        (run, config): (&R, &TrainConfig),
        zoo: &Zoo<S>,
        finished: Finished,
    ) -> Result<Cell, LabError> {
        let parameters = RunInfo::read(run).await?.network()?.parameters() as u64;
        let learnt = train::learnt_from(zoo, config).await?;
        let internal = match table {
            // Every row leaves out the last view.
            Table::Views => {
                let last = learnt.views.last().copied().unwrap_or(0);
                let seen =
                    |object: i64, view: i64| view == last && learnt.objects.contains(&object);
                train::evaluate_where(gpu, run, zoo, seen, None).await?.score
            }
            _ => None,
        };
        let (row, train) = (row.folder.clone(), learnt.nets);
        Ok(Cell { row, seed: config.seed, finished, parameters, train, internal })
    }

    /// Accuracy on test networks, %; on validation networks if there are none.
    pub fn accuracy(&self) -> f64 {
        let test = self.finished.test.as_ref().map(|s| s.accuracy);
        100.0 * test.or(self.finished.validation_accuracy).unwrap_or(f64::NAN)
    }

    /// A finished cell of a folder, trained as `config` says on `zoo`, tested on `test`.
    ///
    /// # Errors
    /// A cell of other options or data, or a store that cannot be read.
    pub async fn read<R: Store, A: Store, B: Store>(
        run: &R,
        config: &TrainConfig,
        zoo: &Zoo<A>,
        test: Option<&Zoo<B>>,
    ) -> Result<Option<Cell>, LabError> {
        if !run.exists(Cell::FILE).await? {
            return Ok(None);
        }
        train::check_run(run, config, zoo, test).await?;
        // One that cannot be read is done again.
        Ok(serde_json::from_slice(&run.read(Cell::FILE).await?).ok())
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

/// A cell's epochs.
///
/// # Errors
/// A store that cannot be read.
pub async fn epochs<S: Store>(store: &S) -> Result<Vec<Epoch>, LabError> {
    let text = store.read(METRICS_FILE).await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use weightlab_learn::Network;

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
        Cell { row: row.to_owned(), seed, finished, parameters: 0, train: 0, internal: None }
    }

    const EXTENT: Extent = Extent { objects: 100, views: 4 };

    #[test]
    fn the_table_has_mean_deviation_and_what_was_published() {
        let cells = [cell("none", 0, 0.5), cell("none", 1, 0.6), cell("mixup", 0, 0.7)];
        let rows = |scale| Table::Augmentations.rows_of(scale, EXTENT);
        let study = |scale| Study::new(Table::Augmentations, scale);
        let text = markdown(&study(Scale::Small), &rows(Scale::Small), &cells, "a zoo");
        let mut short = study(Scale::Small);
        short.epochs = 7;
        assert!(text.contains("50 epochs"), "{text}");
        assert!(markdown(&short, &[], &cells, "a zoo").contains(" 7 epochs"));
        assert!(text.contains("| No augmentation | 55.00 ± 7.07 | 2 | 68.30 ± 0.62 |"), "{text}");
        assert!(text.contains("| MixUp | 70.00 | 1 | 74.36 ± 1.17 |"), "{text}");
        assert!(text.contains("| Masking | not yet | 0 |"), "{text}");
        let epoch = |epoch, loss| Epoch {
            epoch,
            step: epoch,
            loss,
            accuracy: 0.5,
            validation_loss: Some(2.0 * loss),
            validation_accuracy: None,
            test_accuracy: None,
            best: false,
            samples_per_s: None,
        };
        let histories = [("none".to_owned(), vec![epoch(1, 1.0), epoch(2, 0.25)])];
        let rows = rows(Scale::Tiny);
        let page = html(&study(Scale::Tiny), &rows, &cells, "a zoo", &histories);
        assert!(page.contains("a &lt;b&gt;") && !page.contains("Masking"));
        // Validation loss from the top right to a quarter of it.
        assert!(page.contains(r#"class="line l3" d="M0.0 0.0L1000.0 375.0""#), "{page}");
    }

    #[test]
    fn views_and_sizes_are_counted() {
        let rows = Table::Views.rows_of(Scale::Tiny, EXTENT);
        let limits: Vec<_> = rows.iter().map(|r| (r.views.unwrap(), r.limit.unwrap())).collect();
        assert_eq!(limits, [(1, 100), (2, 200), (3, 300), (2, 100), (3, 99)]);
        let mut seen = cell("views-2", 0, 0.25);
        seen.train = 200;
        seen.internal = Some(Score::of(&[1.0, 0.0], &[0], 2));
        let study = Study::new(Table::Views, Scale::Tiny);
        let text = markdown(&study, &rows, &[seen], "a zoo");
        assert!(text.contains("| 2 x 100 objects | 200 | 25.00 | 100.00 | 1 | - |"), "{text}");
        assert!(text.contains("| 1 x 100 objects | - | not yet | not yet | 0 | 68.30 ± 0.62 |"));

        let rows = Table::Capacity.rows_of(Scale::Tiny, EXTENT);
        let mut small = cell("hidden-8-layers-0", 0, 0.25);
        small.parameters = 1000;
        let study = Study::new(Table::Capacity, Scale::Tiny);
        let page = html(&study, &rows, &[small], "a zoo", &[]);
        assert!(page.contains("<th>hidden 8, layers 0</th><td>1000</td><td>25.00</td>"), "{page}");
    }

    #[test]
    fn every_cell_can_be_trained() {
        for table in [Table::Augmentations, Table::MixupAblation, Table::Views, Table::Capacity] {
            for scale in [Scale::Tiny, Scale::Small, Scale::Paper] {
                let rows = table.rows_of(scale, EXTENT);
                let study = Study::new(table, scale);
                let shorter = Study { epochs: 3, ..study };
                for row in &rows {
                    let config = study.config(row, 2).unwrap();
                    assert_ne!(study.folder(row, 2), shorter.folder(row, 2));
                    assert_eq!(shorter.config(row, 2).unwrap().epochs, 3);
                    config.validate().unwrap();
                    Network::new(&config.model, &[2, 32, 32, 1], 10).unwrap();
                }
                // No two rows share their runs.
                let mut folders: Vec<&str> = rows.iter().map(|r| r.folder.as_str()).collect();
                folders.sort_unstable();
                folders.dedup();
                assert_eq!(folders.len(), rows.len());
            }
        }
    }
}
