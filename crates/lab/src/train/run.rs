//! The folder of a run.

use super::config::{read_config, write_config};
use super::material::Material;
use super::problem::TrainProblem;
use super::training::TrainCheckpoint;
use super::weights::{StateDict, read_safetensors, write_state};
use crate::computed_on;
use crate::derive::SideFile;
use crate::error::LabError;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use weightlab_data::{ComputedOn, Store};
use weightlab_gpu::Gpu;
use weightlab_learn::train::{Snapshot, Statistics, TrainConfig};
use weightlab_learn::{ModelConfig, Network};
use weightlab_nets::Mlp;

/// The resolved configuration.
pub const CONFIG_FILE: &str = "config.toml";
/// What the run is about.
pub const RUN_FILE: &str = "run.json";
/// One line per epoch.
pub const METRICS_FILE: &str = "metrics.jsonl";
/// The parameters of the best epoch, under the names of the published code.
pub const MODEL_FILE: &str = "model.safetensors";
/// What is done to networks before the model reads them: `shift` and `factor`, `[P]`.
pub const STATISTICS_FILE: &str = "statistics.safetensors";
/// Everything to go on from.
pub const CHECKPOINT_FILE: &str = "last.safetensors";
/// Networks by class and by most probable class.
pub const CONFUSION_FILE: &str = "confusion.png";
/// Loss and accuracy over epochs.
pub const CURVES_FILE: &str = "curves.png";
/// The same for TensorBoard.
pub const EVENTS_FILE: &str = "events.out.tfevents.0000000000.weightlab";

/// All files of a run: whoever begins anew in its folder removes them. The first makes it a run.
pub const RUN_FILES: [&str; 9] = [
    RUN_FILE,
    CHECKPOINT_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    MODEL_FILE,
    STATISTICS_FILE,
    CONFUSION_FILE,
    CURVES_FILE,
    EVENTS_FILE,
];

const FORMAT_VERSION: u32 = 1;

/// The contents of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// Version of the format.
    pub format_version: u32,
    /// The program and its version.
    pub created_by: String,
    /// Architecture of the networks that the model reads.
    pub mlp: Mlp,
    /// Number of classes.
    pub classes: usize,
    /// Their names, or nothing.
    pub class_names: Vec<String>,
    /// The model.
    pub model: ModelConfig,
    /// Of all files of the zoos.
    pub data_blake3: String,
    /// On what it was trained, in the order in which it went on. Empty if unknown.
    #[serde(default)]
    pub computed_on: Vec<ComputedOn>,
}

impl RunInfo {
    pub(crate) fn new(gpu: &Gpu, material: &Material, config: &TrainConfig) -> RunInfo {
        let kernel = if gpu.runs_twins() { "native twins where there are some" } else { "WGSL" };
        RunInfo {
            format_version: FORMAT_VERSION,
            created_by: concat!("weightlab ", env!("CARGO_PKG_VERSION")).to_owned(),
            mlp: material.mlp.clone(),
            classes: material.classes,
            class_names: material.class_names.clone(),
            model: config.model.clone(),
            data_blake3: material.hash.clone(),
            computed_on: vec![computed_on::on_gpu(gpu, kernel.to_owned())],
        }
    }

    /// Of an existing run.
    ///
    /// # Errors
    /// No run, or one of another version.
    pub async fn read<S: Store>(run: &S) -> Result<RunInfo, LabError> {
        let wrong = |what: String| TrainProblem::NotARun { store: run.describe(), what };
        if !run.exists(RUN_FILE).await? {
            return Err(wrong(format!("there is no {RUN_FILE}")).into());
        }
        let bytes = run.read(RUN_FILE).await?;
        let info: RunInfo =
            serde_json::from_slice(&bytes).map_err(|e| wrong(format!("{RUN_FILE}: {e}")))?;
        match info.format_version {
            FORMAT_VERSION => Ok(info),
            other => Err(wrong(format!("format version {other}, not {FORMAT_VERSION}")).into()),
        }
    }

    /// The model, without numbers.
    ///
    /// # Errors
    /// Options that do not fit.
    pub fn network(&self) -> Result<Network, LabError> {
        Ok(Network::new(&self.model, &self.mlp.dims, self.classes)?)
    }
}

/// One epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: u32,
    /// Updates so far.
    pub step: u32,
    /// Mean loss over its steps, on batches as they were augmented.
    pub loss: f64,
    /// Share of networks of those batches whose most probable class is that of the label, or the larger one of a mixed label.
    pub accuracy: f64,
    /// On the networks held out.
    pub validation_loss: Option<f64>,
    /// On the networks held out.
    pub validation_accuracy: Option<f64>,
    /// On the test networks; measured where the epoch is the best so far.
    pub test_accuracy: Option<f64>,
    /// Whether it is the best so far; of several as good, the latest.
    pub best: bool,
    /// Networks learnt from, per second.
    pub samples_per_s: Option<f64>,
}

/// What the checkpoint says beside numbers.
#[derive(Serialize, Deserialize)]
struct Standing {
    step: u32,
    history: Vec<Epoch>,
    /// Sums over the steps of the epoch so far, as bits: what is read must be what was written.
    loss: u64,
    accuracy: u64,
    dims: String,
}

pub(crate) fn checkpoint(saved: &TrainCheckpoint, dims: String) -> Result<Vec<u8>, LabError> {
    let TrainCheckpoint { snapshot, history, sums, .. } = saved;
    let standing = Standing {
        step: snapshot.step,
        history: history.clone(),
        loss: sums[0].to_bits(),
        accuracy: sums[1].to_bits(),
        dims,
    };
    let about = serde_json::to_string(&standing).map_err(|e| LabError::Tensors(e.to_string()))?;
    let mut file = SideFile::default();
    for (name, values) in
        [("params", &snapshot.params), ("moments", &snapshot.moments), ("state", &snapshot.state)]
    {
        file.f32(name, vec![values.len()], values);
    }
    file.bytes(&about)
}

pub(crate) async fn read_checkpoint<S: Store>(run: &S) -> Result<TrainCheckpoint, LabError> {
    let bytes = run.read(CHECKPOINT_FILE).await?;
    let wrong = |what: &str| {
        let (file, expected) =
            (run.locate(CHECKPOINT_FILE), "a checkpoint of this program".to_owned());
        LabError::from(TrainProblem::Weights { file, what: what.to_owned(), expected })
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(&e.to_string()))?;
    let about = metadata.metadata().as_ref().and_then(|m| m.get("about"));
    let standing: Standing = about
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| wrong("its metadata cannot be read"))?;
    let mut tensors = read_safetensors(&bytes, &run.locate(CHECKPOINT_FILE))?;
    let mut take = |name: &str| {
        tensors.remove(name).map(|t| t.1).ok_or_else(|| wrong(&format!("tensor {name} is missing")))
    };
    let (params, moments, state) = (take("params")?, take("moments")?, take("state")?);
    let snapshot = Snapshot { step: standing.step, params, moments, state };
    let sums = [standing.loss, standing.accuracy].map(f64::from_bits);
    Ok(TrainCheckpoint::new(snapshot, standing.history, sums))
}

pub(crate) async fn write_statistics<S: Store>(
    run: &S,
    statistics: &Statistics,
) -> Result<(), LabError> {
    let mut file = SideFile::default();
    file.f32("shift", vec![statistics.shift.len()], &statistics.shift);
    file.f32("factor", vec![statistics.factor.len()], &statistics.factor);
    let bytes = file.bytes("networks are read as (parameters - shift) * factor")?;
    Ok(run.write(STATISTICS_FILE, &bytes).await?)
}

pub(crate) async fn read_statistics<S: Store>(run: &S) -> Result<Statistics, LabError> {
    let file = run.locate(STATISTICS_FILE);
    let mut tensors = read_safetensors(&run.read(STATISTICS_FILE).await?, &file)?;
    let mut take = |name: &str| {
        tensors.remove(name).map(|t| t.1).ok_or_else(|| TrainProblem::Weights {
            file: file.clone(),
            what: format!("tensor {name} is missing"),
            expected: "`shift` and `factor`".to_owned(),
        })
    };
    Ok(Statistics { shift: take("shift")?, factor: take("factor")? })
}

/// The parameters of the best epoch so far.
pub(crate) async fn read_model<S: Store>(run: &S) -> Result<StateDict, LabError> {
    if !run.exists(MODEL_FILE).await? {
        let what = format!("there is no {MODEL_FILE} yet: no epoch has ended");
        return Err(TrainProblem::NotARun { store: run.describe(), what }.into());
    }
    read_safetensors(&run.read(MODEL_FILE).await?, &run.locate(MODEL_FILE))
}

pub(crate) async fn write_model<S: Store>(
    run: &S,
    network: &Network,
    snapshot: &Snapshot,
    epoch: u32,
) -> Result<(), LabError> {
    let mut tensors = network.unpack(&snapshot.params);
    tensors.extend(network.unpack_state(&snapshot.state));
    let about = format!("{} after epoch {epoch}", network.config().name());
    Ok(run.write(MODEL_FILE, &write_state(&tensors, &about)?).await?)
}

/// Writes what a run begins with.
pub(crate) async fn begin<S: Store>(
    run: &S,
    config: &TrainConfig,
    info: &RunInfo,
) -> Result<(), LabError> {
    run.write(CONFIG_FILE, write_config(config).as_bytes()).await?;
    let mut text = serde_json::to_vec_pretty(info).map_err(|e| LabError::Tensors(e.to_string()))?;
    text.push(b'\n');
    Ok(run.write(RUN_FILE, &text).await?)
}

/// What a run is about that must be one of `config` on the zoos of [`data_hash`](super::material::data_hash) `hash`.
///
/// # Errors
/// No run, or one of other options or data.
pub(crate) async fn same_run<S: Store>(
    run: &S,
    config: &TrainConfig,
    hash: &str,
) -> Result<RunInfo, LabError> {
    let store = run.describe();
    let known = RunInfo::read(run).await?;
    let text = String::from_utf8_lossy(&run.read(CONFIG_FILE).await?).into_owned();
    let mut before = read_config(&text, &run.locate(CONFIG_FILE))?;
    let mut now = config.clone();
    // The zoo decides it, so it is a matter of the data.
    for config in [&mut before, &mut now] {
        if let ModelConfig::Dws(dws) = &mut config.model {
            dws.classes = known.classes;
        }
    }
    if let Some([option, before, now]) = difference(&before, &now) {
        return Err(TrainProblem::Changed { store, option, before, now }.into());
    }
    if known.data_blake3 != hash {
        return Err(TrainProblem::OtherData { store }.into());
    }
    Ok(known)
}

/// The first option that differs, but for the number of epochs.
pub(crate) fn difference(before: &TrainConfig, now: &TrainConfig) -> Option<[String; 3]> {
    let before = TrainConfig { epochs: now.epochs, ..before.clone() };
    let (a, b) = (write_config(&before), write_config(now));
    let different = a.lines().zip(b.lines()).find(|(x, y)| x != y);
    let (x, y) = match different {
        Some(pair) => pair,
        None if a.len() == b.len() => return None,
        // One of both says more.
        None => (
            a.lines().nth(b.lines().count()).unwrap_or("-"),
            b.lines().nth(a.lines().count()).unwrap_or("-"),
        ),
    };
    let split = |line: &str| {
        let (key, value) = line.split_once(" = ").unwrap_or((line, "nothing"));
        (key.to_owned(), value.to_owned())
    };
    let ((key, old), (other, new)) = (split(x), split(y));
    Some([if key == "-" { other } else { key }, old, new])
}
