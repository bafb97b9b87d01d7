//! The job that trains a model on a zoo, and what a trained model is worth.

mod classifier;
mod config;
mod eval;
mod events;
mod job;
mod material;
mod pictures;
mod placed;
mod problem;
mod run;
mod score;
mod training;
mod weights;

use crate::error::LabError;
use weightlab_data::{Store, Zoo};
use weightlab_learn::train::TrainConfig;

pub use classifier::{Classifier, most_confused};
pub use config::{read_config, write_config};
pub use eval::{Evaluation, evaluate_run, evaluate_where};
pub use job::{Finished, Started, TrainJob, TrainOptions};
pub use material::{Learnt, learnt_from};
pub use problem::TrainProblem;
pub use run::{
    CHECKPOINT_FILE, CONFIG_FILE, CONFUSION_FILE, CURVES_FILE, EVENTS_FILE, Epoch, METRICS_FILE,
    MODEL_FILE, RUN_FILE, RUN_FILES, RunInfo, STATISTICS_FILE,
};
pub use score::{Prediction, Score};
pub use training::{Advance, TrainCheckpoint, Training};
pub use weights::{StateDict, pack_state, read_state, write_state};

/// That `run` is one of `config` on `zoo`, tested on `test`.
///
/// # Errors
/// No run, or one of other options or data.
pub async fn check_run<R: Store, A: Store, B: Store>(
    run: &R,
    config: &TrainConfig,
    zoo: &Zoo<A>,
    test: Option<&Zoo<B>>,
) -> Result<(), LabError> {
    run::same_run(run, config, &material::data_hash(zoo, test)).await.map(drop)
}

/// A confusion matrix as PNG, see [`Score::confusion`].
///
/// # Errors
/// A picture too large for its format.
pub fn draw_confusion(score: &Score, names: &[String], title: &str) -> Result<Vec<u8>, LabError> {
    pictures::confusion(&score.confusion, names, title)
}
