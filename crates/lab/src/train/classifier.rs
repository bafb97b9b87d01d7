//! A trained model that says what networks show.

use super::problem::TrainProblem;
use super::run::{MODEL_FILE, RunInfo, read_model, read_statistics};
use super::score::{Prediction, softmax};
use super::weights::{StateDict, pack_state};
use crate::error::LabError;
use weightlab_data::Store;
use weightlab_gpu::Gpu;
use weightlab_learn::Network;
use weightlab_learn::train::{Evaluator, Statistics};
use weightlab_nets::Mlp;
use weightlab_tensor::{Optimizer, ParamStore};

/// A trained model: everything needed to read networks, on no GPU yet.
#[derive(Debug)]
pub struct Classifier {
    info: RunInfo,
    network: Network,
    params: Vec<f32>,
    state: Vec<f32>,
    statistics: Statistics,
}

impl Classifier {
    pub(super) fn new(
        info: RunInfo,
        params: Vec<f32>,
        state: Vec<f32>,
        statistics: Statistics,
    ) -> Result<Classifier, LabError> {
        let network = info.network()?;
        Ok(Classifier { info, network, params, state, statistics })
    }

    /// The best model of a run, or one with the parameters `given` (with the name of their file).
    ///
    /// # Errors
    /// A folder that is no run, one whose files contradict each other, or parameters of another model.
    pub async fn read<R: Store>(
        run: &R,
        given: Option<(&StateDict, &str)>,
    ) -> Result<Classifier, LabError> {
        let info = RunInfo::read(run).await?;
        let network = info.network()?;
        let (params, state) = match given {
            Some((dict, file)) => pack_state(&network, dict, file)?,
            None => pack_state(&network, &read_model(run).await?, &run.locate(MODEL_FILE))?,
        };
        let statistics = read_statistics(run).await?;
        let entries = info.mlp.param_count();
        if [&statistics.shift, &statistics.factor].iter().any(|values| values.len() != entries) {
            let what = format!("its statistics are not of {entries} parameters");
            return Err(TrainProblem::NotARun { store: run.describe(), what }.into());
        }
        Ok(Classifier { info, network, params, state, statistics })
    }

    /// What the run was about.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Its trainable numbers.
    pub fn parameters(&self) -> usize {
        self.network.parameters()
    }

    /// Whether it can read networks of `mlp`; `store` is what the message calls them.
    ///
    /// # Errors
    /// Networks of another architecture or convention.
    pub fn check(&self, mlp: &Mlp, store: String) -> Result<(), TrainProblem> {
        if *mlp == self.info.mlp {
            return Ok(());
        }
        let (found, wanted) = (mlp.dims_text(), self.info.mlp.dims_text());
        let more = if found == wanted { " of another convention" } else { "" };
        Err(TrainProblem::Architecture { store, found: found + more, wanted })
    }

    /// Logits `[nets, classes]` of networks `[nets, P]`.
    ///
    /// # Errors
    /// The GPU.
    pub async fn logits(&self, gpu: &Gpu, nets: &[f32]) -> Result<Vec<f32>, LabError> {
        let optimizer = Optimizer::Sgd { momentum: 0.0 };
        let set = self.network.set();
        let values = ParamStore::new(gpu, set, &self.params, &self.state, &optimizer)?;
        let mut evaluator = Evaluator::new(gpu, &self.network, &values, &self.statistics, nets)?;
        Ok(evaluator.logits().await?)
    }

    /// Of every class, for each of the networks `[nets, P]`.
    ///
    /// # Errors
    /// The GPU.
    pub async fn probabilities(&self, gpu: &Gpu, nets: &[f32]) -> Result<Vec<Vec<f64>>, LabError> {
        let logits = self.logits(gpu, nets).await?;
        Ok(logits.chunks_exact(self.info.classes).map(softmax).collect())
    }
}

/// The networks whose wrong class got the greatest probability, the worst first, at most `count`.
pub fn most_confused(predictions: &[Prediction], count: usize) -> Vec<&Prediction> {
    let mut worst: Vec<&Prediction> = Vec::new();
    for prediction in predictions.iter().filter(|p| p.is_wrong()) {
        let at = worst.partition_point(|other| {
            let worse = other.confidence().total_cmp(&prediction.confidence());
            worse.then(prediction.net.cmp(&other.net)).is_gt()
        });
        if at < count {
            worst.truncate(count - 1);
            worst.insert(at, prediction);
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_mistakes_come_first() {
        let of = |net, label, logits: [f32; 3]| Prediction::of(&logits, net, [0, 0, label]);
        let all = [
            of(0, 0, [9.0, 0.0, 0.0]),
            of(1, 1, [1.0, 0.0, 0.0]),
            of(2, 2, [5.0, 0.0, 0.0]),
            of(3, -1, [7.0, 0.0, 0.0]),
            of(4, 0, [0.0, 1.0, 0.0]),
        ];
        let found: Vec<u64> = most_confused(&all, 9).iter().map(|p| p.net).collect();
        assert_eq!(found, [2, 1, 4], "those that are right or have no class are not among them");
        let worst = most_confused(&all, 2);
        assert_eq!(worst.iter().map(|p| p.net).collect::<Vec<_>>(), [2, 1]);
        assert!(most_confused(&all, 0).is_empty());
    }
}
