//! How fast a model learns.

use crate::error::LabError;
use serde::{Deserialize, Serialize};
use web_time::Instant;
use weightlab_gpu::Gpu;
use weightlab_learn::Network;
use weightlab_learn::train::{Examples, Session, Statistics, TrainConfig};
use weightlab_nets::{Mlp, NetId};

/// What to measure.
#[derive(Clone, Debug)]
pub struct TrainBenchOptions {
    /// Model, batch, augmentation.
    pub config: TrainConfig,
    /// Architecture of the networks that are read.
    pub mlp: Mlp,
    /// Number of classes.
    pub classes: usize,
    /// Rounds, of which the fastest counts.
    pub rounds: u32,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainMeasurement {
    /// `train`.
    pub bench: String,
    /// Name of the adapter.
    pub adapter: String,
    /// The model.
    pub model: String,
    /// Its trainable numbers.
    pub parameters: u64,
    /// The architecture.
    pub dims: String,
    /// What happens to a batch.
    pub augment: String,
    /// Networks per step.
    pub batch: u64,
    /// Networks at once.
    pub micro_batch: u64,
    /// Milliseconds of a step of the fastest round: preparing, forward, back, update.
    pub ms: f64,
    /// Networks per second.
    pub samples_per_s: f64,
    /// Whether native twins did what they can, in place of kernels.
    pub twins: bool,
    /// Dispatches of a step; what twins do is none.
    pub dispatches: u64,
    /// Predicted bytes of memory: the GPU's, and that of the twins.
    pub bytes: u64,
    /// Bytes that were taken.
    pub bytes_taken: u64,
    /// Seconds until the first step was done, compiling included.
    pub first_step_s: f64,
}

/// A round takes at least this long.
const ROUND_SECONDS: f64 = 1.0;

/// Measures steps on random networks.
///
/// # Errors
/// Options that do not fit, or the GPU.
pub async fn train(gpu: &Gpu, options: &TrainBenchOptions) -> Result<TrainMeasurement, LabError> {
    let TrainBenchOptions { config, mlp, classes, rounds } = options;
    let nets = 2 * config.batch;
    let params = super::random(nets * mlp.param_count(), 3, 1, [-1.0, 1.0]);
    let ids: Vec<NetId> = (0..nets as u32).map(|object| NetId { object, view: 0 }).collect();
    let labels: Vec<u32> = (0..nets).map(|i| (i % classes) as u32).collect();
    let all: Vec<u32> = (0..nets as u32).collect();
    let network = Network::new(&config.model, &mlp.dims, *classes)?;
    let parameters = network.parameters() as u64;
    let statistics = Statistics::per_entry(&params, mlp.param_count(), &all);
    let examples = Examples {
        mlp,
        params: &params,
        ids: &ids,
        labels: &labels,
        classes: *classes,
        train: &all,
        pool: &all,
    };
    let (live, start) = (gpu.live_bytes(), Instant::now());
    let mut session = Session::new(gpu, config, network, statistics, &examples)?;
    let seconds = async |session: &mut Session, steps: u32| -> Result<f64, LabError> {
        let start = Instant::now();
        for _ in 0..steps {
            session.step()?;
        }
        session.metrics().await?;
        Ok(start.elapsed().as_secs_f64() / f64::from(steps))
    };
    seconds(&mut session, 1).await?;
    let first_step_s = start.elapsed().as_secs_f64();
    let bytes_taken = gpu.live_bytes() - live + session.native_bytes();
    let warm = seconds(&mut session, 1).await?;
    let steps = (ROUND_SECONDS / warm).ceil().clamp(1.0, 200.0) as u32;
    let mut best = f64::INFINITY;
    for _ in 0..*rounds {
        best = best.min(seconds(&mut session, steps).await?);
    }
    Ok(TrainMeasurement {
        bench: "train".to_owned(),
        adapter: gpu.report().name.clone(),
        model: config.model.name().to_owned(),
        parameters,
        dims: mlp.dims_text(),
        augment: config.augment.text().to_owned(),
        batch: session.batch() as u64,
        micro_batch: session.micro_batch() as u64,
        ms: best * 1e3,
        samples_per_s: session.batch() as f64 / best,
        twins: gpu.runs_twins(),
        dispatches: session.dispatches(),
        bytes: session.memory().total(),
        bytes_taken,
        first_step_s,
    })
}
