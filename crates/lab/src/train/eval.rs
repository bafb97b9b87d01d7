//! A trained model on a zoo.

use super::classifier::Classifier;
use super::problem::TrainProblem;
use super::score::{Prediction, Score};
use super::weights::StateDict;
use crate::derive::NetReader;
use crate::error::LabError;
use serde::{Deserialize, Serialize};
use weightlab_data::{Store, Zoo};
use weightlab_gpu::Gpu;

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
    let classifier = Classifier::read(run, given).await?;
    let (info, store) = (classifier.info(), zoo.store().describe());
    classifier.check(&zoo.manifest().mlp, store.clone())?;
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
    let logits = classifier.logits(gpu, &nets).await?;
    let rows = || logits.chunks_exact(info.classes).zip(&wanted);
    let predictions = rows()
        .map(|(row, &i)| {
            Prediction::of(row, i as u64, [all.objects[i], all.views[i], all.labels[i]])
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
    Ok(Evaluation { score, class_names: info.class_names.clone(), predictions, adapter })
}
