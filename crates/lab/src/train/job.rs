//! Training as a stream of messages.

use super::config::read_config;
use super::material::{Material, Set};
use super::problem::TrainProblem;
use super::run::{self, Epoch, RunInfo, Standing};
use super::score::Score;
use super::weights::{StateDict, pack_state};
use super::{events, pictures};
use crate::error::LabError;
use crate::job::{Clock, Job};
use crate::message::{Learning, Message};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use weightlab_data::{Store, StoreLock, Zoo};
use weightlab_gpu::Gpu;
use weightlab_learn::Network;
use weightlab_learn::train::{
    Evaluator, Examples, Normalise, Session, Statistics, StepMetrics, TrainConfig,
};

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
    /// Predicted bytes of GPU memory.
    pub bytes: u64,
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

/// Seconds of work between two looks at the metrics.
const SLICE: f64 = 0.5;
/// Seconds between two checkpoints within an epoch.
const SAVE_EVERY: f64 = 60.0;

/// A training, as a stream of messages.
#[derive(Debug)]
pub struct TrainJob<S: Store> {
    gpu: Gpu,
    run: S,
    _lock: StoreLock,
    config: TrainConfig,
    material: Material,
    session: Session,
    validation: Option<Evaluator>,
    test: Option<Evaluator>,
    history: Vec<Epoch>,
    /// Sums of loss and accuracy over the steps of this epoch.
    sums: [f64; 2],
    tested: Option<Score>,
    queue: VecDeque<Message<Started, Finished>>,
    clock: Clock,
    first_step: u32,
    seconds_per_step: Option<f64>,
    saved_at: f64,
    epoch_began: (f64, u32),
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
        config.validate()?;
        let material = Material::load(zoo, test, &config).await?;
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
        let start = match &init {
            Some((dict, file)) => Some(pack_state(&network, dict, file)?),
            None => None,
        };
        let bytes_of = |set: &Set| match set.len() {
            0 => Ok(0),
            n => Evaluator::bytes(gpu, &network, n),
        };
        let evaluation = bytes_of(&material.validation)? + bytes_of(&material.test)?;
        let mut session = Session::new(gpu, &config, network, statistics, &examples)?;
        if let Some((params, state)) = start {
            session.set_params(&params, &state)?;
        }
        let lock = out.lock().await?;
        let standing = Self::standing(&out, &config, &material, &mut session, resume).await?;
        let evaluator = |set: &Set| match set.len() {
            0 => Ok(None),
            _ => session.evaluator(&set.params).map(Some),
        };
        let (validation, test) = (evaluator(&material.validation)?, evaluator(&material.test)?);
        let started = Started {
            model: config.model.name().to_owned(),
            parameters: session.network().parameters() as u64,
            dims: material.mlp.dims_text(),
            classes: material.classes as u64,
            train: material.train.len() as u64,
            validation: material.validation.len() as u64,
            test: material.test.len() as u64,
            augment: config.augment.text().to_owned(),
            batch: session.batch() as u64,
            micro_batch: session.micro_batch() as u64,
            epochs: config.epochs,
            steps_per_epoch: session.steps_per_epoch(),
            steps_before: session.steps(),
            bytes: session.memory().total() + evaluation,
            adapter: gpu.report().name.clone(),
        };
        let first_step = session.steps();
        Ok(TrainJob {
            gpu: gpu.clone(),
            run: out,
            _lock: lock,
            config,
            material,
            session,
            validation,
            test,
            sums: [standing.loss, standing.accuracy].map(f64::from_bits),
            history: standing.history,
            tested: None,
            queue: VecDeque::from([Message::Started(started)]),
            clock: Clock::default(),
            first_step,
            seconds_per_step: None,
            saved_at: 0.0,
            epoch_began: (0.0, first_step),
            over: false,
        })
    }

    /// Begins the folder, or restores what it holds.
    async fn standing(
        out: &S,
        config: &TrainConfig,
        material: &Material,
        session: &mut Session,
        resume: bool,
    ) -> Result<Standing, LabError> {
        let store = out.describe();
        let info = RunInfo::new(material, config);
        if !out.exists(run::RUN_FILE).await? {
            run::begin(out, config, &info).await?;
            run::write_statistics(out, session.statistics()).await?;
            return Ok(Standing::default());
        }
        if !resume {
            return Err(TrainProblem::Exists { store }.into());
        }
        let known = RunInfo::read(out).await?;
        let text = String::from_utf8_lossy(&out.read(run::CONFIG_FILE).await?).into_owned();
        let before = read_config(&text, &out.locate(run::CONFIG_FILE))?;
        if let Some([option, before, now]) = run::difference(&before, config) {
            return Err(TrainProblem::Changed { store, option, before, now }.into());
        }
        if known.data_blake3 != info.data_blake3 || known.mlp != info.mlp {
            return Err(TrainProblem::OtherData { store }.into());
        }
        run::begin(out, config, &info).await?;
        if !out.exists(run::CHECKPOINT_FILE).await? {
            return Ok(Standing::default());
        }
        let (snapshot, standing) = run::read_checkpoint(out).await?;
        session.restore(&snapshot)?;
        Ok(standing)
    }

    /// The folder.
    pub fn run(&self) -> &S {
        &self.run
    }

    /// Updates done, and wanted.
    pub fn steps(&self) -> (u32, u32) {
        (self.session.steps(), self.config.epochs * self.session.steps_per_epoch())
    }

    /// One slice of work.
    async fn step(&mut self) -> Result<(), LabError> {
        self.clock.start();
        let per_epoch = self.session.steps_per_epoch();
        let (done, all) = self.steps();
        if done >= all {
            return self.finish().await;
        }
        let began = self.clock.seconds();
        let left = per_epoch - done % per_epoch;
        let fit = self.seconds_per_step.map_or(1.0, |s| SLICE / s.max(1e-6));
        let count = (fit as u32).clamp(1, left.min(self.session.most_pending().max(1)));
        for _ in 0..count {
            self.session.step()?;
        }
        let metrics = self.session.metrics().await?;
        self.check(&metrics).await?;
        for m in &metrics {
            self.sums[0] += f64::from(m.loss);
            self.sums[1] += f64::from(m.accuracy);
        }
        let taken = (self.clock.seconds() - began) / f64::from(count);
        self.seconds_per_step = Some(taken);
        self.progress(&metrics);
        if self.session.steps().is_multiple_of(per_epoch) {
            self.end_epoch().await?;
        } else if self.clock.seconds() - self.saved_at > SAVE_EVERY {
            self.save().await?;
        }
        Ok(())
    }

    fn progress(&mut self, metrics: &[StepMetrics]) {
        let (done, all) = self.steps();
        let batch = self.session.batch() as u64;
        let mut progress = self.clock.progress(
            u64::from(done - self.first_step) * batch,
            u64::from(all - self.first_step) * batch,
            None,
        );
        let n = metrics.len().max(1) as f64;
        let mean = |of: fn(&StepMetrics) -> f32| {
            crate::stats::finite(metrics.iter().map(|m| f64::from(of(m))).sum::<f64>() / n)
        };
        progress.learning = Some(Learning {
            epoch: (done - 1) / self.session.steps_per_epoch() + 1,
            epochs: self.config.epochs,
            step: done,
            loss: mean(|m| m.loss),
            accuracy: mean(|m| m.accuracy),
            validation_accuracy: self.history.last().and_then(|e| e.validation_accuracy),
        });
        self.queue.push_back(Message::Progress(progress));
    }

    /// Ends the run if something is not finite.
    async fn check(&mut self, metrics: &[StepMetrics]) -> Result<(), LabError> {
        let bad = metrics.iter().find(|m| !m.loss.is_finite());
        let (step, what) = match (bad, metrics.last()) {
            (Some(m), _) => (m.step, "the loss"),
            (None, Some(last)) if !self.session.updated().await? => (last.step, "the gradient"),
            _ => return Ok(()),
        };
        let tensor = self.session.first_non_finite(step).await?;
        let kept = match self.run.exists(run::CHECKPOINT_FILE).await? {
            true => {
                format!("The checkpoint {} is of before", self.run.locate(run::CHECKPOINT_FILE))
            }
            false => "No checkpoint had been written yet".to_owned(),
        };
        Err(TrainProblem::NotFinite {
            step: step + 1,
            epoch: step / self.session.steps_per_epoch() + 1,
            what,
            tensor: tensor.unwrap_or_else(|| "not found when the step was repeated".to_owned()),
            kept,
        }
        .into())
    }

    async fn score(
        evaluator: &mut Option<Evaluator>,
        set: &Set,
        classes: usize,
    ) -> Result<Option<Score>, LabError> {
        let Some(evaluator) = evaluator else { return Ok(None) };
        Ok(Some(Score::of(&evaluator.logits().await?, &set.labels, classes)))
    }

    async fn end_epoch(&mut self) -> Result<(), LabError> {
        let (step, per_epoch) = (self.session.steps(), self.session.steps_per_epoch());
        let epoch = step / per_epoch;
        let classes = self.material.classes;
        let (began, from) = self.epoch_began;
        let seconds = self.clock.seconds() - began;
        let samples = f64::from(step - from) * self.session.batch() as f64;
        let validation =
            Self::score(&mut self.validation, &self.material.validation, classes).await?;
        let accuracy = validation.as_ref().map(|s| s.accuracy);
        let best = self
            .history
            .iter()
            .filter(|e| e.best)
            .all(|e| e.validation_accuracy.unwrap_or(0.0) <= accuracy.unwrap_or(0.0));
        if best {
            self.tested = Self::score(&mut self.test, &self.material.test, classes).await?;
        }
        self.history.push(Epoch {
            epoch,
            step,
            loss: self.sums[0] / f64::from(per_epoch),
            accuracy: self.sums[1] / f64::from(per_epoch),
            validation_loss: validation.as_ref().map(|s| s.loss),
            validation_accuracy: accuracy,
            test_accuracy: self.tested.as_ref().filter(|_| best).map(|s| s.accuracy),
            best,
            samples_per_s: (seconds > 0.0).then(|| samples / seconds),
        });
        self.sums = [0.0; 2];
        if best {
            let snapshot = self.session.snapshot().await?;
            run::write_model(&self.run, self.session.network(), &snapshot, epoch).await?;
            if let Some(score) = self.tested.as_ref().or(validation.as_ref()) {
                let on = if self.tested.is_some() { "test" } else { "validation" };
                let title = format!(
                    "{} {on} networks, epoch {epoch}: {:.1} %",
                    score.nets,
                    100.0 * score.accuracy
                );
                let names = &self.material.class_names;
                let png = pictures::confusion(&score.confusion, names, &title)?;
                self.run.write(run::CONFUSION_FILE, &png).await?;
            }
        }
        self.save().await?;
        let last = self.history[self.history.len() - 1].clone();
        self.queue.push_back(Message::Epoch(last));
        self.epoch_began = (self.clock.seconds(), step);
        Ok(())
    }

    /// Writes what was measured, then the checkpoint: whoever goes on from an older one writes the former again.
    async fn save(&mut self) -> Result<(), LabError> {
        let mut lines = Vec::new();
        for epoch in &self.history {
            let line = serde_json::to_vec(epoch).map_err(|e| LabError::Tensors(e.to_string()))?;
            lines.extend(line);
            lines.push(b'\n');
        }
        self.run.write(run::METRICS_FILE, &lines).await?;
        self.run.write(run::EVENTS_FILE, &events::events(&self.history)).await?;
        let title = format!("{}, augment {}", self.config.model.name(), self.config.augment.text());
        self.run.write(run::CURVES_FILE, &pictures::curves(&self.history, &title)?).await?;
        let snapshot = self.session.snapshot().await?;
        let standing = Standing {
            step: snapshot.step,
            history: self.history.clone(),
            loss: self.sums[0].to_bits(),
            accuracy: self.sums[1].to_bits(),
            dims: self.material.mlp.dims_text(),
        };
        self.run.write(run::CHECKPOINT_FILE, &run::checkpoint(&snapshot, &standing)?).await?;
        self.saved_at = self.clock.seconds();
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), LabError> {
        let best = self.history.iter().rev().find(|e| e.best);
        let (best_epoch, validation_accuracy) =
            best.map_or((0, None), |e| (e.epoch, e.validation_accuracy));
        if self.tested.is_none() && self.test.is_some() {
            // The best epoch was in an earlier run.
            let dict = run::read_model(&self.run).await?;
            let file = self.run.locate(run::MODEL_FILE);
            let (params, state) = pack_state(self.session.network(), &dict, &file)?;
            self.session.set_params(&params, &state)?;
            let classes = self.material.classes;
            self.tested = Self::score(&mut self.test, &self.material.test, classes).await?;
        }
        let seconds = self.clock.seconds();
        let samples =
            f64::from(self.session.steps() - self.first_step) * self.session.batch() as f64;
        self.queue.push_back(Message::Finished(Finished {
            steps: self.session.steps(),
            best_epoch,
            validation_accuracy,
            test: self.tested.clone(),
            seconds,
            samples_per_s: (samples > 0.0 && seconds > 0.0).then(|| samples / seconds),
            dispatches: self.session.dispatches(),
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
