//! One training: what it learns from, and whether it runs.

use super::tell;
use crate::engine::desk::Trouble;
use crate::engine::port::Port;
use crate::engine::shelf::OpenZoo;
use crate::protocol::classify::{Reply, Standing};
use crate::state::ClassifySpec;
use web_time::{Duration, Instant};
use weightlab_gpu::Gpu;
use weightlab_lab::LabError;
use weightlab_lab::message::Failed;
use weightlab_lab::meter::{self, Meter};
use weightlab_lab::train::{Classifier, TrainCheckpoint, TrainProblem, Training};

/// Seconds of work between two looks at the page's wishes; a step is the least.
const SLICE: f64 = 0.04;
/// Time between two checkpoints: what a lost device costs.
const CHECKPOINT: Duration = Duration::from_secs(2);
/// Time between two messages to the page.
const MESSAGE: Duration = Duration::from_millis(80);

/// One training.
pub(super) struct Session {
    run: u32,
    spec: ClassifySpec,
    training: Option<Training>,
    /// Whether the training lies on the GPU there is.
    placed: bool,
    saved: Option<TrainCheckpoint>,
    saved_at: Option<Instant>,
    running: bool,
    /// Whether the page must be told how things are.
    stale: bool,
    told_at: Option<Instant>,
    classifier: Option<Classifier>,
    /// Seconds of work: pauses do not count.
    seconds: f64,
    meter: Meter,
    /// Steps and their losses since the page was told, summed.
    since: (u32, f64),
}

/// Why a training cannot go on, for people who do not know the names of its tensors.
fn in_plain_words(error: LabError) -> Trouble {
    if let LabError::Train(problem) = &error
        && let TrainProblem::NotFinite { step, .. } = **problem
    {
        let what = format!(
            "in step {step} its numbers grew beyond all bounds; a smaller learning rate keeps them calm"
        );
        return Trouble(Failed { what, hint: String::new() });
    }
    error.into()
}

impl Session {
    /// The GPU comes later.
    pub(super) fn new(run: u32, spec: ClassifySpec) -> Session {
        Session {
            run,
            spec,
            training: None,
            placed: false,
            saved: None,
            saved_at: None,
            running: true,
            stale: false,
            told_at: None,
            classifier: None,
            seconds: 0.0,
            meter: Meter::default(),
            since: (0, 0.0),
        }
    }

    /// The number the page knows it by.
    pub(super) fn run(&self) -> u32 {
        self.run
    }

    /// Name of the zoo that it learns from.
    pub(super) fn zoo(&self) -> &str {
        &self.spec.zoo
    }

    pub(super) fn is_placed(&self) -> bool {
        self.placed
    }

    /// The model after an epoch that ended since this was asked.
    pub(super) fn take_classifier(&mut self) -> Option<Classifier> {
        self.classifier.take()
    }

    /// Begins on this GPU, or goes on there if another was lost.
    pub(super) async fn take_gpu(
        &mut self,
        gpu: &Gpu,
        train: &OpenZoo,
        test: &OpenZoo,
        port: &Port,
    ) -> Result<(), Trouble> {
        match &mut self.training {
            Some(training) => training.resume_on(gpu, self.saved.as_ref())?,
            None => {
                let config = self.spec.config().map_err(LabError::from)?;
                let mut training = Training::new(gpu, &train.zoo, Some(&test.zoo), config).await?;
                training.set_slice(SLICE);
                self.training = Some(training);
            }
        }
        if let Some(training) = &self.training {
            tell(port, Reply::Started { run: self.run, started: training.started() });
        }
        (self.placed, self.meter, self.seconds) = (true, Meter::default(), 0.0);
        Ok(())
    }

    /// The step from which the training could go on if the GPU went away now.
    pub(super) fn resumes_at(&self) -> Option<u32> {
        let training = self.training.as_ref()?;
        (!training.is_over()).then(|| self.saved.as_ref().map_or(0, TrainCheckpoint::steps))
    }

    /// The GPU is gone.
    pub(super) fn lose_gpu(&mut self) {
        // One that is over has nothing left to do on another.
        self.placed = self.training.as_ref().is_some_and(Training::is_over);
        (self.running, self.stale, self.since) = (false, false, (0, 0.0));
    }

    /// Goes on by itself.
    pub(super) fn go(&mut self) {
        self.running = true;
    }

    /// Stops where it is.
    pub(super) fn pause(&mut self) {
        (self.running, self.stale) = (false, true);
    }

    /// One piece of the training, or a message; false if there is nothing to do.
    pub(super) async fn work(&mut self, port: &Port) -> Result<bool, Trouble> {
        let Some(training) = &mut self.training else { return Ok(false) };
        if !self.running {
            if std::mem::take(&mut self.stale) {
                self.save().await?;
                self.tell(port);
            }
            return Ok(false);
        }
        let begun = Instant::now();
        let Some(advance) = training.advance().await.map_err(in_plain_words)? else {
            self.running = false;
            return Ok(false);
        };
        self.seconds += begun.elapsed().as_secs_f64();
        self.since.0 += advance.metrics.len() as u32;
        self.since.1 += advance.metrics.iter().map(|m| f64::from(m.loss)).sum::<f64>();
        let nets = u64::from(training.steps().0) * training.batch();
        self.meter.observe(self.seconds, nets as f64);
        let over = training.is_over();
        let ended = advance.epoch.is_some();
        if let (Some(epoch), Some(test)) = (advance.epoch, training.tested().cloned()) {
            self.classifier = Some(training.classifier().await?);
            let predictions = training.test_predictions();
            tell(port, Reply::Epoch { run: self.run, epoch, test, predictions });
        }
        if ended || self.saved_at.is_none_or(|at| at.elapsed() > CHECKPOINT) {
            self.save().await?;
        }
        self.running = !over;
        if ended || over || self.told_at.is_none_or(|at| at.elapsed() > MESSAGE) {
            self.tell(port);
        }
        if over {
            tell(port, Reply::Finished { run: self.run });
        }
        Ok(!over)
    }

    /// Keeps a copy of what a lost device would take along.
    async fn save(&mut self) -> Result<(), Trouble> {
        if let Some(training) = &self.training {
            self.saved = Some(training.checkpoint().await?);
            self.saved_at = Some(Instant::now());
        }
        Ok(())
    }

    fn tell(&mut self, port: &Port) {
        let Some(training) = &self.training else { return };
        let (step, all) = training.steps();
        let (count, sum) = std::mem::take(&mut self.since);
        let rate = self.meter.rate();
        let left = f64::from(all - step) * training.batch() as f64;
        let standing = Standing {
            run: self.run,
            step,
            running: self.running,
            points: (count > 0)
                .then(|| (step, (sum / f64::from(count)) as f32))
                .into_iter()
                .collect(),
            rate,
            eta_s: meter::eta(left, rate),
        };
        self.told_at = Some(Instant::now());
        tell(port, Reply::Standing(standing));
    }
}
