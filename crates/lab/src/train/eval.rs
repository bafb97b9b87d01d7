//! A trained model on a zoo.

use super::problem::TrainProblem;
use super::run::{RunInfo, read_model, read_statistics};
use super::score::{Score, argmax, softmax};
use super::weights::{StateDict, pack_state};
use crate::derive::NetReader;
use crate::error::LabError;
use serde::{Deserialize, Serialize};
use weightlab_data::{Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_learn::train::Evaluator;
use weightlab_tensor::{Optimizer, ParamStore};

/// What a model takes a network for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Position in the zoo.
    pub net: u64,
    /// Index of the image in its source.
    pub object: i64,
    /// Which of the image's networks.
    pub view: i64,
    /// The network's class; -1 if unknown.
    pub label: i64,
    /// The most probable class.
    pub predicted: u64,
    /// Of every class.
    pub probabilities: Vec<f64>,
}

/// What a model is worth on a zoo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Over the networks that have a label; `None` if none has.
    pub score: Option<Score>,
    /// Names of the classes, or nothing.
    pub class_names: Vec<String>,
    /// Of every network.
    pub predictions: Vec<Prediction>,
    /// Name of the adapter.
    pub adapter: String,
}

/// Evaluates the best model of a run, or one with the parameters `given` (with the name of their file), on the networks of a zoo;
/// of one split alone if that is named.
///
/// # Errors
/// A folder that is no run, networks that the model cannot read, parameters of another model, or the GPU.
pub async fn evaluate_run<R: Store, S: Store>(
    gpu: &Gpu,
    run: &R,
    zoo: &Zoo<S>,
    split: Option<&str>,
    given: Option<(&StateDict, &str)>,
) -> Result<Evaluation, LabError> {
    let manifest = zoo.manifest();
    let wanted = |object: i64, _| split.is_none() || manifest.split_of(object) == split;
    let evaluation = evaluate_where(gpu, run, zoo, wanted, given).await;
    match (evaluation, split) {
        (Err(LabError::Train(problem)), Some(split))
            if matches!(*problem, TrainProblem::Empty { .. }) =>
        {
            let store = zoo.store().describe();
            Err(TrainProblem::NoSplit { store, split: split.to_owned() }.into())
        }
        (evaluation, _) => evaluation,
    }
}

/// As [`evaluate_run`], on the networks whose object and view are `wanted`.
///
/// # Errors
/// Those of [`evaluate_run`].
pub async fn evaluate_where<R: Store, S: Store>(
    gpu: &Gpu,
    run: &R,
    zoo: &Zoo<S>,
    wanted: impl Fn(i64, i64) -> bool,
    given: Option<(&StateDict, &str)>,
) -> Result<Evaluation, LabError> {
    let info = RunInfo::read(run).await?;
    let (manifest, store) = (zoo.manifest(), zoo.store().describe());
    if manifest.mlp != info.mlp {
        let (found, wanted) = (manifest.mlp.dims_text(), info.mlp.dims_text());
        let convention = found == wanted;
        let more = if convention { " of another convention" } else { "" };
        return Err(TrainProblem::Architecture { store, found: found + more, wanted }.into());
    }
    let network = info.network()?;
    let (params, state) = match given {
        Some((dict, file)) => pack_state(&network, dict, file)?,
        None => pack_state(&network, &read_model(run).await?, &run.locate(super::MODEL_FILE))?,
    };
    let statistics = read_statistics(run).await?;
    let mut reader = NetReader::new(zoo)?;
    let all = reader.read(&(0..reader.nets()).collect::<Vec<_>>()).await?;
    let wanted: Vec<usize> =
        (0..all.len()).filter(|&i| wanted(all.objects[i], all.views[i])).collect();
    if wanted.is_empty() {
        return Err(TrainProblem::Empty { store, split: "evaluation" }.into());
    }
    if let Some(&i) = wanted.iter().find(|&&i| all.labels[i] >= info.classes as i64) {
        let (class, last) = (all.labels[i], info.classes - 1);
        return Err(TrainProblem::Class { store, class, last }.into());
    }
    let nets: Vec<f32> = wanted.iter().flat_map(|&i| all.net(i)).copied().collect();
    let optimizer = Optimizer::Sgd { momentum: 0.0 };
    let values = ParamStore::new(gpu, network.set(), &params, &state, &optimizer)?;
    let mut evaluator = Evaluator::new(gpu, &network, &values, &statistics, &nets)?;
    let logits = evaluator.logits().await?;
    let rows = || logits.chunks_exact(info.classes).zip(&wanted);
    let predictions = rows()
        .map(|(row, &i)| Prediction {
            net: i as u64,
            object: all.objects[i],
            view: all.views[i],
            label: all.labels[i],
            predicted: argmax(row) as u64,
            probabilities: softmax(row),
        })
        .collect();
    let (mut known, mut labels) = (Vec::new(), Vec::new());
    for (row, &i) in rows() {
        if let Ok(label) = u32::try_from(all.labels[i]) {
            known.extend_from_slice(row);
            labels.push(label);
        }
    }
    let score = (!labels.is_empty()).then(|| Score::of(&known, &labels, info.classes));
    let adapter = gpu.report().name.clone();
    Ok(Evaluation { score, class_names: info.class_names, predictions, adapter })
}
