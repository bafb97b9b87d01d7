//! A training in memory, in bounded pieces of work. Files are the business of whoever drives it: the job of the command
//! line writes some, the page none.

use super::classifier::Classifier;
use super::job::Started;
use super::material::Material;
use super::placed::{Placed, Tested, look};
use super::problem::TrainProblem;
use super::run::{Epoch, RunInfo};
use super::score::{Prediction, Score};
use crate::error::LabError;
use crate::message::Learning;
use web_time::Instant;
use weightlab_data::{Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_learn::train::{Snapshot, Statistics, StepMetrics, TrainConfig, TrainError};
use weightlab_learn::{DwsConfig, ModelConfig, Network};

/// Seconds of work between two looks at the metrics, unless somebody wants to look more often.
const SLICE: f64 = 0.5;

/// A training, standing still between two calls of [`Training::advance`].
#[derive(Debug)]
pub struct Training {
    gpu: Gpu,
    config: TrainConfig,
    material: Material,
    placed: Placed,
    history: Vec<Epoch>,
    /// Sums of loss and accuracy over the steps of this epoch.
    sums: [f64; 2],
    tested: Option<Tested>,
    /// The latest score on the networks held out.
    validated: Option<Score>,
    slice: f64,
    seconds_per_step: Option<f64>,
    /// Seconds of work on this epoch, and the step at which they begin.
    epoch: (f64, u32),
}

/// What a piece of work came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Advance {
    /// How the training goes.
    pub learning: Learning,
    /// Loss and accuracy of each of its steps.
    pub metrics: Vec<StepMetrics>,
    /// The epoch that ended with it, if one did.
    pub epoch: Option<Epoch>,
}

/// What a lost device would take along.
#[derive(Clone, Debug)]
pub struct TrainCheckpoint {
    pub(super) snapshot: Snapshot,
    pub(super) history: Vec<Epoch>,
    pub(super) sums: [f64; 2],
    tested: Option<Tested>,
}

impl TrainCheckpoint {
    pub(super) fn new(snapshot: Snapshot, history: Vec<Epoch>, sums: [f64; 2]) -> TrainCheckpoint {
        TrainCheckpoint { snapshot, history, sums, tested: None }
    }

    /// Updates that had been done.
    pub fn steps(&self) -> u32 {
        self.snapshot.step
    }
}

impl Training {
    /// Reads the zoos, checks everything, and puts it on the GPU. `test` is a zoo to test on.
    ///
    /// # Errors
    /// Networks without labels or of one class, splits that share objects, options that do not fit, or the GPU.
    pub async fn new<A: Store, B: Store>(
        gpu: &Gpu,
        zoo: &Zoo<A>,
        test: Option<&Zoo<B>>,
        mut config: TrainConfig,
    ) -> Result<Training, LabError> {
        config.validate()?;
        let material = Material::load(zoo, test, &config).await?;
        if let ModelConfig::Dws(dws) = &mut config.model {
            if ![material.classes, DwsConfig::default().classes].contains(&dws.classes) {
                return Err(LabError::Learn(TrainError::Setting {
                    name: "model.classes",
                    value: dws.classes.to_string(),
                    expected: format!("what the networks have, {}: leave it out", material.classes),
                }));
            }
            dws.classes = material.classes;
        }
        let placed = Placed::new(gpu, &config, &material)?;
        Ok(Training {
            gpu: gpu.clone(),
            config,
            material,
            placed,
            history: Vec::new(),
            sums: [0.0; 2],
            tested: None,
            validated: None,
            slice: SLICE,
            seconds_per_step: None,
            epoch: (0.0, 0),
        })
    }

    /// Seconds of work per call of [`Training::advance`]; a step is the least.
    pub fn set_slice(&mut self, seconds: f64) {
        self.slice = seconds;
    }

    /// Everything that decides the run, apart from its data.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    pub(super) fn info(&self) -> RunInfo {
        RunInfo::new(&self.gpu, &self.material, &self.config)
    }

    pub(super) fn material(&self) -> &Material {
        &self.material
    }

    /// The model, without numbers.
    pub fn network(&self) -> &Network {
        self.placed.session.network()
    }

    /// What is done to networks before they are read.
    pub fn statistics(&self) -> &Statistics {
        self.placed.session.statistics()
    }

    /// What it is going to do.
    pub fn started(&self) -> Started {
        let (session, material) = (&self.placed.session, &self.material);
        Started {
            model: self.config.model.name().to_owned(),
            parameters: session.network().parameters() as u64,
            dims: material.mlp.dims_text(),
            classes: material.classes as u64,
            train: material.train.len() as u64,
            validation: material.validation.len() as u64,
            test: material.test.len() as u64,
            augment: self.config.augment.text().to_owned(),
            batch: session.batch() as u64,
            micro_batch: session.micro_batch() as u64,
            epochs: self.config.epochs,
            steps_per_epoch: session.steps_per_epoch(),
            steps_before: session.steps(),
            bytes: self.placed.bytes,
            twins: self.gpu.runs_twins(),
            adapter: self.gpu.report().name.clone(),
        }
    }

    /// Updates done, and wanted.
    pub fn steps(&self) -> (u32, u32) {
        let session = &self.placed.session;
        (session.steps(), self.config.epochs * session.steps_per_epoch())
    }

    /// Networks per update.
    pub fn batch(&self) -> u64 {
        self.placed.session.batch() as u64
    }

    /// Dispatches of a step.
    pub fn dispatches(&self) -> u64 {
        self.placed.session.dispatches()
    }

    /// Whether all epochs are done.
    pub fn is_over(&self) -> bool {
        let (done, all) = self.steps();
        done >= all
    }

    /// The epochs so far.
    pub fn history(&self) -> &[Epoch] {
        &self.history
    }

    /// The latest score on the test networks: that of the best epoch, which is the last one where no networks were held
    /// out to choose by.
    pub fn tested(&self) -> Option<&Score> {
        self.tested.as_ref().map(|tested| &tested.score)
    }

    /// The score that says most: on the test networks, else on those held out, and which these are.
    pub fn score(&self) -> Option<(&Score, &'static str)> {
        let held_out = self.validated.as_ref().map(|score| (score, "validation"));
        self.tested().map(|score| (score, "test")).or(held_out)
    }

    /// What every test network was taken for at that time.
    pub fn test_predictions(&self) -> Vec<Prediction> {
        let logits = self.tested.iter().flat_map(|t| t.logits.chunks_exact(self.material.classes));
        let set = &self.material.test;
        let each = logits.zip(set.origins.iter().zip(&set.labels));
        each.map(|(row, (&(net, object, view), &label))| {
            Prediction::of(row, net, [object, view, label.into()])
        })
        .collect()
    }

    /// Other parameters to go on from, such as those of a file.
    ///
    /// # Errors
    /// Those of another model.
    pub fn set_params(&mut self, params: &[f32], state: &[f32]) -> Result<(), LabError> {
        Ok(self.placed.session.set_params(params, state)?)
    }

    /// One piece of work, which ends at the latest where an epoch does; `None` if there is nothing left to do.
    ///
    /// # Errors
    /// A loss or gradient that is not finite, or the GPU.
    pub async fn advance(&mut self) -> Result<Option<Advance>, LabError> {
        if self.is_over() {
            return Ok(None);
        }
        let began = Instant::now();
        let session = &mut self.placed.session;
        let (done, per_epoch) = (session.steps(), session.steps_per_epoch());
        let left = per_epoch - done % per_epoch;
        let fit = self.seconds_per_step.map_or(1.0, |s| self.slice / s.max(1e-6));
        let count = (fit as u32).clamp(1, left.min(session.most_pending().max(1)));
        for _ in 0..count {
            session.step()?;
        }
        let metrics = session.metrics().await?;
        self.check(&metrics).await?;
        for m in &metrics {
            self.sums[0] += f64::from(m.loss);
            self.sums[1] += f64::from(m.accuracy);
        }
        let seconds = began.elapsed().as_secs_f64();
        self.seconds_per_step = Some(seconds / f64::from(count));
        self.epoch.0 += seconds;
        let learning = self.learning(&metrics);
        let epoch = match self.placed.session.steps().is_multiple_of(per_epoch) {
            true => Some(self.end_epoch().await?),
            false => None,
        };
        Ok(Some(Advance { learning, metrics, epoch }))
    }

    fn learning(&self, metrics: &[StepMetrics]) -> Learning {
        let n = metrics.len().max(1) as f64;
        let mean = |of: fn(&StepMetrics) -> f32| {
            crate::stats::finite(metrics.iter().map(|m| f64::from(of(m))).sum::<f64>() / n)
        };
        let step = self.placed.session.steps();
        Learning {
            epoch: (step - 1) / self.placed.session.steps_per_epoch() + 1,
            epochs: self.config.epochs,
            step,
            loss: mean(|m| m.loss),
            accuracy: mean(|m| m.accuracy),
            validation_accuracy: self.history.last().and_then(|e| e.validation_accuracy),
        }
    }

    /// Ends the training if something is not finite.
    async fn check(&mut self, metrics: &[StepMetrics]) -> Result<(), LabError> {
        let session = &mut self.placed.session;
        let bad = metrics.iter().find(|m| !m.loss.is_finite());
        let (step, what) = match (bad, metrics.last()) {
            (Some(m), _) => (m.step, "the loss"),
            (None, Some(last)) if !session.updated().await? => (last.step, "the gradient"),
            _ => return Ok(()),
        };
        let tensor = session.first_non_finite(step).await?;
        Err(TrainProblem::NotFinite {
            step: step + 1,
            epoch: step / session.steps_per_epoch() + 1,
            what,
            // The gradient is judged by the sum of its squares.
            tensor: tensor.unwrap_or_else(|| {
                "none when the step was repeated: each number is finite, but the sum of the squares of the gradient is not"
                    .to_owned()
            }),
            kept: "No checkpoint had been written yet".to_owned(),
        }
        .into())
    }

    async fn end_epoch(&mut self) -> Result<Epoch, LabError> {
        let Placed { session, validation, .. } = &mut self.placed;
        let (step, per_epoch) = (session.steps(), session.steps_per_epoch());
        let (seconds, from) = self.epoch;
        let samples = f64::from(step - from) * session.batch() as f64;
        let held_out = look(validation, &self.material.validation, self.material.classes).await?;
        let accuracy = held_out.as_ref().map(|t| t.score.accuracy);
        let mut earlier = self.history.iter().filter(|e| e.best);
        let best = earlier.all(|e| e.validation_accuracy.unwrap_or(0.0) <= accuracy.unwrap_or(0.0));
        if best {
            self.test().await?;
        }
        let epoch = Epoch {
            epoch: step / per_epoch,
            step,
            loss: self.sums[0] / f64::from(per_epoch),
            accuracy: self.sums[1] / f64::from(per_epoch),
            validation_loss: held_out.as_ref().map(|t| t.score.loss),
            validation_accuracy: accuracy,
            test_accuracy: self.tested().filter(|_| best).map(|s| s.accuracy),
            best,
            samples_per_s: (seconds > 0.0).then(|| samples / seconds),
        };
        self.validated = held_out.map(|t| t.score);
        self.history.push(epoch.clone());
        (self.sums, self.epoch) = ([0.0; 2], (0.0, step));
        Ok(epoch)
    }

    /// Scores the test networks with the parameters as they are.
    ///
    /// # Errors
    /// The GPU.
    pub async fn test(&mut self) -> Result<(), LabError> {
        let classes = self.material.classes;
        self.tested = look(&mut self.placed.test, &self.material.test, classes).await?;
        Ok(())
    }

    /// A copy of the model as it is.
    ///
    /// # Errors
    /// The GPU.
    pub async fn classifier(&self) -> Result<Classifier, LabError> {
        let Snapshot { params, state, .. } = self.placed.session.snapshot().await?;
        Classifier::new(self.info(), params, state, self.statistics().clone())
    }

    /// Everything to go on from.
    ///
    /// # Errors
    /// The GPU.
    pub async fn checkpoint(&self) -> Result<TrainCheckpoint, LabError> {
        let snapshot = self.placed.session.snapshot().await?;
        let (history, sums, tested) = (self.history.clone(), self.sums, self.tested.clone());
        Ok(TrainCheckpoint { snapshot, history, sums, tested })
    }

    /// Goes on from a checkpoint of a training with the same options and data.
    ///
    /// # Errors
    /// One of another model.
    pub fn restore(&mut self, saved: &TrainCheckpoint) -> Result<(), LabError> {
        self.placed.session.restore(&saved.snapshot)?;
        let TrainCheckpoint { snapshot, history, sums, tested } = saved.clone();
        (self.history, self.sums, self.tested) = (history, sums, tested);
        self.epoch = (0.0, snapshot.step);
        Ok(())
    }

    /// Goes on with another device, after the one before was lost: from `saved`, or from the beginning.
    ///
    /// # Errors
    /// The GPU.
    pub fn resume_on(
        &mut self,
        gpu: &Gpu,
        saved: Option<&TrainCheckpoint>,
    ) -> Result<(), LabError> {
        self.placed = Placed::new(gpu, &self.config, &self.material)?;
        self.gpu = gpu.clone();
        (self.history, self.sums, self.tested) = (Vec::new(), [0.0; 2], None);
        (self.seconds_per_step, self.epoch) = (None, (0.0, 0));
        saved.map_or(Ok(()), |saved| self.restore(saved))
    }
}
