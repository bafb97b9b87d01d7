//! The whole story on built-in data: pictures become networks, averaging two of them breaks both and alignment mends it, and a network
//! learns to read networks. What every job of it is given, and the page that tells what they came to.

mod page;

use crate::experiment::midpoints::{self, Kin, MidpointOptions};
use crate::path::{Path, PathOptions};
use crate::report::Report;
use crate::train::{Epoch, Evaluation, Finished};
use crate::{FitOptions, LabError, TrainOptions};
use weightlab_learn::train::TrainConfig;
use weightlab_learn::{DwsConfig, ModelConfig};
use weightlab_nets::FitSettings;
use weightlab_nets::mix::Mix;

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Images to fit.
    pub nets: u64,
    /// Most steps of a fit.
    pub steps: u32,
    /// Passes of each training over its networks.
    pub epochs: u32,
    /// Key of all random numbers.
    pub seed: u64,
}

/// Images that two networks each are fitted to, for alignment to be measured on.
const TWICE: u64 = 16;

/// The trainings, by what happens to a batch: with and without aligned MixUp.
pub const TRAININGS: [&str; 2] = ["none", "mixup-aligned"];

impl Plan {
    /// Of the fit that is shown.
    pub fn fit(&self) -> FitOptions {
        FitOptions {
            settings: FitSettings { max_steps: self.steps, ..FitSettings::default() },
            seed: self.seed,
            limit: Some(self.nets),
            curves: true,
            // All at once, so that the curves are of all.
            nets_per_shard: Some(64),
            ..FitOptions::default()
        }
    }

    /// Of the fit of two networks per image.
    pub fn twice(&self) -> FitOptions {
        let limit = Some(self.nets.min(TWICE));
        FitOptions { views: 2, curves: false, limit, ..self.fit() }
    }

    /// Between two networks, by their positions.
    pub fn path(&self, pair: (u64, u64)) -> PathOptions {
        PathOptions { pair, steps: 13, methods: Mix::ALL.to_vec(), seed: self.seed }
    }

    /// Between both networks of every image that has two.
    pub fn midpoints(&self) -> MidpointOptions {
        let pairs = self.nets.min(TWICE) as usize;
        MidpointOptions { pairs, kin: Kin::Image, seed: self.seed }
    }

    /// One of [`TRAININGS`].
    ///
    /// # Errors
    /// Not an augmentation.
    pub fn training(&self, augment: &str) -> Result<TrainOptions, LabError> {
        let model = DwsConfig { hidden: 32, hidden_layers: 0, ..DwsConfig::default() };
        let config = TrainConfig {
            seed: self.seed,
            epochs: self.epochs,
            batch: 32,
            augment: augment.parse()?,
            model: ModelConfig::Dws(model),
            ..TrainConfig::default()
        };
        Ok(TrainOptions { config, ..TrainOptions::default() })
    }
}

/// A training and what became of it.
#[derive(Clone, Debug)]
pub struct Training {
    /// One of [`TRAININGS`].
    pub augment: String,
    /// What it learnt from.
    pub started: crate::train::Started,
    /// Its epochs.
    pub epochs: Vec<Epoch>,
    /// Its end.
    pub finished: Finished,
    /// What its best model takes the networks of [`Story::fit`] for.
    pub fresh: Evaluation,
}

/// Everything that the demo's page tells.
#[derive(Clone, Debug)]
pub struct Story {
    /// The fit of [`Plan::fit`].
    pub fit: Report,
    /// Between two networks of one image: the pair that [`MidpointJob::mended`](crate::experiment::midpoints::MidpointJob::mended) names.
    pub same: Path,
    /// Between networks of two images.
    pub apart: Path,
    /// Midpoints between both networks of one image, over several images.
    pub midpoints: midpoints::Finished,
    /// In the order of [`TRAININGS`].
    pub trainings: Vec<Training>,
}

impl Story {
    /// The page: one file, without scripts, that needs nothing from anywhere.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn html(&self) -> Result<String, LabError> {
        page::html(self)
    }

    /// The training whose best epoch is better on the networks held out, the first of equals: chosen without a look at what it is
    /// tested on.
    pub fn better(&self) -> &Training {
        let of = |t: &Training| t.finished.validation_accuracy.unwrap_or(0.0);
        let first = &self.trainings[0];
        self.trainings.iter().fold(first, |best, t| if of(t) > of(best) { t } else { best })
    }

    /// What it came to, for a terminal.
    pub fn table(&self) -> String {
        let mut text = self.fit.table();
        text += "\nhalf way between two networks of one image, mean squared error against it\n";
        for row in &self.midpoints.rows {
            text += &format!(
                "{:<10} {:.4} +- {:.4}\n",
                row.method, row.mse_blend.mean, row.mse_blend.margin
            );
        }
        text += "\ntold by their weights alone\n";
        for t in &self.trainings {
            let percent = |score: Option<&crate::train::Score>| {
                score.map_or("-".to_owned(), |s| {
                    format!("{:.1} % of {}", 100.0 * s.accuracy, s.nets)
                })
            };
            text += &format!(
                "augment {:<14} {} test networks, {} fitted just now\n",
                t.augment,
                percent(t.finished.test.as_ref()),
                percent(t.fresh.score.as_ref())
            );
        }
        text
    }
}
