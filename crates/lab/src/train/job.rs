//! Training as a stream of messages.

use super::problem::TrainProblem;
use super::run::{self, Epoch};
use super::score::Score;
use super::training::{TrainCheckpoint, Training};
use super::weights::{StateDict, pack_state};
use super::{events, pictures};
use crate::computed_on::other_devices;
use crate::error::LabError;
use crate::job::{Clock, Job};
use crate::message::{Message, Warning};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use weightlab_data::{Store, StoreLock, Zoo};
use weightlab_gpu::Gpu;
use weightlab_learn::train::TrainConfig;

/// What to do.
#[derive(Clone, Debug, Default)]
pub struct TrainOptions {
    /// Everything that decides the run, apart from its data.
    pub config: TrainConfig,
    /// Go on with a run that is there, if one is.
    pub resume: bool,
    /// Parameters to begin with, and the name of their file.
    pub init: Option<(StateDict, String)>,
}

/// What a training is going to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// `dws`, `mlp` or `transformer`.
    pub model: String,
    /// Its trainable numbers.
    pub parameters: u64,
    /// Architecture of the networks it reads.
    pub dims: String,
    /// Number of classes.
    pub classes: u64,
    /// Networks learnt from.
    pub train: u64,
    /// Networks held out, by which the best epoch is chosen.
    pub validation: u64,
    /// Networks to test on.
    pub test: u64,
    /// What happens to a batch.
    pub augment: String,
    /// Networks per update.
    pub batch: u64,
    /// Networks on the GPU's way at once.
    pub micro_batch: u64,
    /// Passes over the networks.
    pub epochs: u32,
    /// Updates per pass.
    pub steps_per_epoch: u32,
    /// Updates of an earlier run that this one goes on from.
    pub steps_before: u32,
    /// Predicted bytes of memory: the GPU's, and that of native twins.
    pub bytes: u64,
    /// Whether native twins do what they can, in place of kernels.
    pub twins: bool,
    /// Name of the adapter.
    pub adapter: String,
}

/// What a training came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Updates in all.
    pub steps: u32,
    /// The epoch with the best accuracy on validation networks, the latest of several; the last one without such networks.
    pub best_epoch: u32,
    /// Its accuracy there.
    pub validation_accuracy: Option<f64>,
    /// Its score on the test networks.
    pub test: Option<Score>,
    /// Seconds of this run.
    pub seconds: f64,
    /// Networks learnt from per second of this run, evaluation included.
    pub samples_per_s: Option<f64>,
    /// Dispatches of a step.
    pub dispatches: u64,
    /// Name of the adapter.
    pub adapter: String,
}

/// Seconds between two checkpoints within an epoch.
const SAVE_EVERY: f64 = 60.0;

/// A training, as a stream of messages, in a folder.
#[derive(Debug)]
pub struct TrainJob<S: Store> {
    gpu: Gpu,
    run: S,
    _lock: StoreLock,
    training: Training,
    queue: VecDeque<Message<Started, Finished>>,
    clock: Clock,
    first_step: u32,
    saved_at: f64,
    over: bool,
}

impl<S: Store> TrainJob<S> {
    /// Checks everything, predicts the memory, and begins the run in `out` or goes on with it. `test` is a zoo to test on.
    ///
    /// # Errors
    /// Networks without labels or of one class, splits that share objects, options that do not fit, a folder that is not
    /// free, or a run of something else.
    pub async fn new<A: Store, B: Store>(
        gpu: &Gpu,
        zoo: &Zoo<A>,
        test: Option<&Zoo<B>>,
        options: TrainOptions,
        out: S,
    ) -> Result<TrainJob<S>, LabError> {
        let TrainOptions { config, resume, init } = options;
        let mut training = Training::new(gpu, zoo, test, config).await?;
        if let Some((dict, file)) = &init {
            let (params, state) = pack_state(training.network(), dict, file)?;
            training.set_params(&params, &state)?;
        }
        let lock = out.lock().await?;
        let mut queue = VecDeque::new();
        if let Some((saved, other_device)) = Self::saved(&out, &training, resume).await? {
            training.restore(&saved).map_err(|e| TrainProblem::Weights {
                file: out.locate(run::CHECKPOINT_FILE),
                what: e.to_string(),
                expected:
                    "what this run wrote there last; put it back, or begin again with another --out"
                        .to_owned(),
            })?;
            queue.extend(other_device.map(Message::Warning));
        }
        let started = training.started();
        if started.micro_batch < started.batch
            && let Some(by) = training.config().model.by_batch()
        {
            queue.push_front(Message::Warning(Warning::remark(format!(
                "{by} sees the {} networks that fit into the memory at once, not the batch of {}: the result is another than with more memory",
                started.micro_batch, started.batch
            ))));
        }
        queue.push_front(Message::Started(started));
        Ok(TrainJob {
            gpu: gpu.clone(),
            run: out,
            _lock: lock,
            queue,
            clock: Clock::default(),
            first_step: training.steps().0,
            training,
            saved_at: 0.0,
            over: false,
        })
    }

    /// Begins the folder, or reads what it holds, and what is to be said if that was computed on another device.
    async fn saved(
        out: &S,
        training: &Training,
        resume: bool,
    ) -> Result<Option<(TrainCheckpoint, Option<Warning>)>, LabError> {
        let (store, config) = (out.describe(), training.config());
        let mut info = training.info();
        if !out.exists(run::RUN_FILE).await? {
            run::begin(out, config, &info).await?;
            run::write_statistics(out, training.statistics()).await?;
            return Ok(None);
        }
        if !resume {
            return Err(TrainProblem::Exists { store }.into());
        }
        let known = run::same_run(out, config, &info.data_blake3).await?;
        if !out.exists(run::CHECKPOINT_FILE).await? {
            if out.exists(run::METRICS_FILE).await? {
                let what = format!(
                    "{} is missing, without which it cannot go on, and it has results that would be overwritten",
                    run::CHECKPOINT_FILE
                );
                return Err(TrainProblem::NotARun { store, what }.into());
            }
            run::begin(out, config, &info).await?;
            return Ok(None);
        }
        let saved = run::read_checkpoint(out).await?;
        let here = info.computed_on.remove(0);
        let meaning = "it will not end, bit for bit, as one made in one go";
        let other_device = other_devices(("run", meaning), &known.computed_on, &here);
        info.computed_on = known.computed_on;
        if info.computed_on.last() != Some(&here) {
            info.computed_on.push(here);
        }
        run::begin(out, config, &info).await?;
        Ok(Some((saved, other_device)))
    }

    /// The folder.
    pub fn run(&self) -> &S {
        &self.run
    }

    /// Updates done, and wanted.
    pub fn steps(&self) -> (u32, u32) {
        self.training.steps()
    }

    /// One slice of work.
    async fn step(&mut self) -> Result<(), LabError> {
        self.clock.start();
        let advance = match self.training.advance().await {
            Ok(Some(advance)) => advance,
            Ok(None) => return self.finish().await,
            Err(error) => return Err(self.with_kept(error).await?),
        };
        let (done, all) = self.steps();
        let nets = |steps: u32| u64::from(steps - self.first_step) * self.training.batch();
        let mut progress = self.clock.progress(nets(done), nets(all), None);
        progress.learning = Some(advance.learning);
        self.queue.push_back(Message::Progress(progress));
        if let Some(epoch) = advance.epoch {
            self.end_epoch(epoch).await?;
        } else if self.clock.seconds() - self.saved_at > SAVE_EVERY {
            self.save().await?;
        }
        Ok(())
    }

    /// The error of a training that went astray says what is left of it.
    async fn with_kept(&self, error: LabError) -> Result<LabError, LabError> {
        if let LabError::Train(mut problem) = error {
            if let TrainProblem::NotFinite { kept, .. } = &mut *problem
                && self.run.exists(run::CHECKPOINT_FILE).await?
            {
                let file = self.run.locate(run::CHECKPOINT_FILE);
                *kept = format!("The checkpoint {file} is of before");
            }
            return Ok(LabError::Train(problem));
        }
        Ok(error)
    }

    async fn end_epoch(&mut self, epoch: Epoch) -> Result<(), LabError> {
        if epoch.best {
            let saved = self.training.checkpoint().await?;
            let network = self.training.network();
            run::write_model(&self.run, network, &saved.snapshot, epoch.epoch).await?;
            if let Some((score, on)) = self.training.score() {
                let title = format!(
                    "{} {on} networks, epoch {}: {:.1} %",
                    score.nets,
                    epoch.epoch,
                    100.0 * score.accuracy
                );
                let names = &self.training.material().class_names;
                let png = pictures::confusion(&score.confusion, names, &title)?;
                self.run.write(run::CONFUSION_FILE, &png).await?;
            }
        }
        self.save().await?;
        self.queue.push_back(Message::Epoch(epoch));
        Ok(())
    }

    /// Writes what was measured, then the checkpoint: whoever goes on from an older one writes the former again.
    async fn save(&mut self) -> Result<(), LabError> {
        let saved = self.training.checkpoint().await?;
        let mut lines = Vec::new();
        for epoch in &saved.history {
            let line = serde_json::to_vec(epoch).map_err(|e| LabError::Tensors(e.to_string()))?;
            lines.extend(line);
            lines.push(b'\n');
        }
        self.run.write(run::METRICS_FILE, &lines).await?;
        self.run.write(run::EVENTS_FILE, &events::events(&saved.history)).await?;
        let config = self.training.config();
        let title = format!("{}, augment {}", config.model.name(), config.augment.text());
        self.run.write(run::CURVES_FILE, &pictures::curves(&saved.history, &title)?).await?;
        let dims = self.training.material().mlp.dims_text();
        self.run.write(run::CHECKPOINT_FILE, &run::checkpoint(&saved, dims)?).await?;
        self.saved_at = self.clock.seconds();
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), LabError> {
        let best = self.training.history().iter().rev().find(|e| e.best);
        let (best_epoch, validation_accuracy) =
            best.map_or((0, None), |e| (e.epoch, e.validation_accuracy));
        if self.training.tested().is_none() && !self.training.material().test.is_empty() {
            // The best epoch was in an earlier run.
            let dict = run::read_model(&self.run).await?;
            let file = self.run.locate(run::MODEL_FILE);
            let (params, state) = pack_state(self.training.network(), &dict, &file)?;
            self.training.set_params(&params, &state)?;
            self.training.test().await?;
        }
        let seconds = self.clock.seconds();
        let steps = self.training.steps().0;
        let samples = f64::from(steps - self.first_step) * self.training.batch() as f64;
        self.queue.push_back(Message::Finished(Finished {
            steps,
            best_epoch,
            validation_accuracy,
            test: self.training.tested().cloned(),
            seconds,
            samples_per_s: (samples > 0.0 && seconds > 0.0).then(|| samples / seconds),
            dispatches: self.training.dispatches(),
            adapter: self.gpu.report().name.clone(),
        }));
        self.over = true;
        Ok(())
    }
}

impl<S: Store> Job for TrainJob<S> {
    type Started = Started;
    type Finished = Finished;

    async fn next(&mut self) -> Option<Message<Started, Finished>> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Some(message);
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.step().await {
                self.over = true;
                return Some(Message::Failed(error.failed()));
            }
        }
    }
}
