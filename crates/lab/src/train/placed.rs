//! What of a training lies on a GPU.

use super::material::{Material, Set};
use super::score::Score;
use crate::error::LabError;
use weightlab_gpu::Gpu;
use weightlab_learn::Network;
use weightlab_learn::train::{Evaluator, Examples, Normalise, Session, Statistics, TrainConfig};

/// What lies on a GPU.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) session: Session,
    pub(super) validation: Option<Evaluator>,
    pub(super) test: Option<Evaluator>,
    /// Predicted bytes.
    pub(super) bytes: u64,
}

/// The latest look at the test networks.
#[derive(Clone, Debug)]
pub(super) struct Tested {
    pub(super) score: Score,
    pub(super) logits: Vec<f32>,
}

impl Placed {
    pub(super) fn new(
        gpu: &Gpu,
        config: &TrainConfig,
        material: &Material,
    ) -> Result<Placed, LabError> {
        let network = Network::new(&config.model, &material.mlp.dims, material.classes)?;
        let entries = material.mlp.param_count();
        let statistics = match config.normalise {
            Normalise::None => Statistics::none(entries),
            Normalise::PerEntry => {
                Statistics::per_entry(&material.nets.params, entries, &material.train)
            }
        };
        let examples = Examples {
            mlp: &material.mlp,
            params: &material.nets.params,
            ids: &material.ids,
            labels: &material.nets.labels,
            classes: material.classes,
            train: &material.train,
            pool: &material.pool,
        };
        let bytes_of = |set: &Set| match set.len() {
            0 => Ok(0),
            n => Evaluator::bytes(gpu, &network, n),
        };
        let evaluation = bytes_of(&material.validation)? + bytes_of(&material.test)?;
        let session = Session::new(gpu, config, network, statistics, &examples)?;
        let evaluator = |set: &Set| match set.len() {
            0 => Ok(None),
            _ => session.evaluator(&set.params).map(Some),
        };
        let (validation, test) = (evaluator(&material.validation)?, evaluator(&material.test)?);
        let bytes = session.memory().total() + evaluation;
        Ok(Placed { session, validation, test, bytes })
    }
}

/// Logits of a set and what they are worth.
pub(super) async fn look(
    evaluator: &mut Option<Evaluator>,
    set: &Set,
    classes: usize,
) -> Result<Option<Tested>, LabError> {
    let Some(evaluator) = evaluator else { return Ok(None) };
    let logits = evaluator.logits().await?;
    Ok(Some(Tested { score: Score::of(&logits, &set.labels, classes), logits }))
}
