//! One step of a fit after the other.

use super::{Batch, FitJob, State};
use crate::error::LabError;
use crate::message::{Checkpoint, Diverged, Finished, Message, Metric, Preview, Progress, Warning};
use crate::meter::{self, Standing};
use crate::picture;
use crate::stats::{Distribution, finite};
use std::ops::Range;
use web_time::Instant;
use weightlab_data::Store;
use weightlab_nets::{FitBatch, NetId, NetOutcome, Status, evaluate};

impl<S: Store> FitJob<S> {
    /// A bounded piece of work, and the messages that it gives rise to.
    pub(super) async fn step(&mut self) -> Result<(), LabError> {
        self.clock.begun.get_or_insert_with(Instant::now);
        if self.batch.is_none() {
            let Some(first) = self.first_net() else {
                self.finish();
                return Ok(());
            };
            if !self.compiled && !self.told {
                // Before the silence.
                self.told = true;
                self.push_progress();
                return Ok(());
            }
            self.batch = Some(self.begin_batch(first).await?);
            return Ok(());
        }
        let Some(batch) = self.batch.as_mut() else { return Ok(()) };
        let finished = batch.fit.advance().await?.finished;
        self.compiled = true;
        self.push_metric(finished).await?;
        if finished {
            self.end_batch().await?;
        }
        self.push_progress();
        Ok(())
    }

    /// As many networks as the device holds, up to the end of the shard.
    pub(super) async fn begin_batch(&self, first: u64) -> Result<Batch, LabError> {
        let in_shard = self.nets_in_shard() - self.partial.len() as u64;
        let count = in_shard.min(self.fit_plan.nets_per_batch as u64);
        let (ids, targets) = self.problem(first..first + count);
        let mut fit = FitBatch::new(
            &self.device,
            &self.mlp,
            &self.coords,
            &targets,
            &ids,
            self.options.seed,
            &self.options.settings,
        )
        .await?;
        fit.limit_steps(self.most_steps);
        Ok(Batch { fit, ids, first, next_metric: 0 })
    }

    /// Position in the zoo of the next network to fit; none if all are there.
    fn first_net(&self) -> Option<u64> {
        let partial = self.partial.len() as u64;
        if let Some(&shard) = self.damaged.front() {
            return Some(shard as u64 * u64::from(self.zoo.manifest().nets_per_shard) + partial);
        }
        Some(self.zoo.nets() + partial).filter(|&done| done < self.plan.nets())
    }

    /// Which networks are at these positions of the zoo, and what they are to become: `[nets, points, d_M]`.
    pub(super) fn problem(&self, positions: Range<u64>) -> (Vec<NetId>, Vec<f32>) {
        let range = self.mlp.target_range;
        let ids: Vec<NetId> = positions.map(|k| self.id(k)).collect();
        let target = |id: &NetId| self.images.target(id.object as usize, range);
        let targets = ids.iter().flat_map(target).collect();
        (ids, targets)
    }

    /// Networks of the shard being filled.
    fn nets_in_shard(&self) -> u64 {
        if let Some(&shard) = self.damaged.front() {
            return u64::from(self.zoo.manifest().shards[shard].nets);
        }
        let full = u64::from(self.zoo.manifest().nets_per_shard);
        full.min(self.plan.nets() - self.zoo.nets())
    }

    /// Moves finished networks into the shard, and the shard to the store if it is full.
    async fn end_batch(&mut self) -> Result<(), LabError> {
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let params = batch.fit.params().await?;
        let before = self.partial.len();
        self.partial.params.extend(params);
        for (id, outcome) in batch.ids.iter().zip(batch.fit.outcomes()) {
            let diverged = outcome.status == Status::Diverged;
            self.partial.labels.push(self.images.label(id.object as usize));
            self.partial.objects.push(i64::from(id.object));
            self.partial.views.push(i64::from(id.view));
            self.partial.steps.push(i64::from(outcome.steps));
            self.partial.psnr.push(if diverged { f32::NAN } else { self.psnr(outcome) as f32 });
            self.totals.finished_steps += u64::from(outcome.steps);
            if diverged {
                self.queue.push_back(Message::Warning(divergence(id, outcome)));
            }
        }
        // Buffers go before the next batch's are made: one batch at a time is what was promised.
        drop(batch.fit);
        let now = self.partial.len();
        self.totals.finished += (now - before) as u64;
        self.totals.take(&self.partial, before..now, &self.options.settings);
        if now as u64 == self.nets_in_shard() {
            let shard = std::mem::take(&mut self.partial);
            let at = match self.damaged.front() {
                Some(&damaged) => {
                    self.zoo.replace(damaged, &shard).await?;
                    self.damaged.pop_front();
                    damaged
                }
                None => {
                    self.zoo.append(&shard).await?;
                    self.zoo.manifest().shards.len() - 1
                }
            };
            self.queue.push_back(Message::Checkpoint(Checkpoint {
                shard: self.zoo.manifest().shards[at].file.clone(),
                nets_done: self.stored(),
                nets: self.plan.nets(),
            }));
        }
        Ok(())
    }

    fn psnr(&self, outcome: &NetOutcome) -> f64 {
        self.mlp.psnr(f64::from(outcome.mse))
    }

    /// A point of the learning curves, when one is due.
    async fn push_metric(&mut self, finished: bool) -> Result<(), LabError> {
        let every = self.options.metric_every.unwrap_or(1);
        let Some(batch) = self.batch.as_ref() else { return Ok(()) };
        let outcomes = batch.fit.outcomes();
        let step = outcomes.iter().map(|o| o.steps).max().unwrap_or(0);
        // Before the first evaluation there is nothing to show.
        if (step < batch.next_metric && !finished) || outcomes.iter().all(|o| o.mse.is_nan()) {
            return Ok(());
        }
        let value = |o: &NetOutcome| {
            if o.status == Status::Diverged { f64::NAN } else { self.psnr(o) }
        };
        let metric = Metric {
            first_net: batch.first,
            step,
            running: outcomes.iter().filter(|o| o.status == Status::Running).count() as u64,
            psnr: Distribution::of(outcomes.iter().map(value)),
            nets: self
                .options
                .curves
                .then(|| outcomes.iter().map(|o| finite(value(o)).map(|x| x as f32)).collect()),
        };
        let preview = self.preview(batch, step).await?;
        self.queue.push_back(Message::Metric(metric));
        self.queue.extend(preview.map(Message::Preview));
        if let Some(batch) = self.batch.as_mut() {
            batch.next_metric = (step / every + 1) * every;
        }
        Ok(())
    }

    async fn preview(&self, batch: &Batch, step: u32) -> Result<Option<Preview>, LabError> {
        let nets = (self.options.previews as usize).min(batch.ids.len());
        if nets == 0 {
            return Ok(None);
        }
        let params = batch.fit.params().await?;
        let params = &params[..nets * self.mlp.param_count()];
        let outputs = evaluate(&self.device, &self.mlp, params, nets, &self.coords).await?;
        Ok(Some(Preview {
            step,
            nets: batch.ids[..nets].iter().map(|id| (id.object, id.view)).collect(),
            height: self.images.height,
            width: self.images.width,
            channels: self.images.channels,
            pixels: picture::to_pixels(&outputs, self.mlp.target_range),
        }))
    }

    fn push_progress(&mut self) {
        let (mut running, mut running_steps, mut done_in_batch, mut done_steps) = (0, 0, 0, 0);
        let mut psnr = Distribution::default();
        if let Some(batch) = &self.batch {
            for outcome in batch.fit.outcomes() {
                let steps = u64::from(outcome.steps);
                if outcome.status == Status::Running {
                    running += 1;
                    running_steps += steps;
                } else {
                    done_in_batch += 1;
                    done_steps += steps;
                }
            }
            psnr = Distribution::of(batch.fit.outcomes().iter().map(|o| self.psnr(o)));
        } else if let Some(recent) = self.totals.psnr.len().checked_sub(self.last_batch_len()) {
            psnr = Distribution::of(self.totals.psnr[recent..].iter().map(|&x| f64::from(x)));
        }
        let finished = self.totals.finished + done_in_batch;
        let standing = Standing {
            max_steps: self.options.settings.max_steps,
            finished,
            finished_steps: self.totals.finished_steps + done_steps,
            running,
            running_steps,
            waiting: self.plan.nets() - self.totals.before - finished - running,
        };
        let seconds = self.seconds();
        let steps = standing.finished_steps + standing.running_steps;
        self.clock.meter.observe(seconds, steps as f64);
        let rate = self.clock.meter.rate();
        self.queue.push_back(Message::Progress(Progress {
            nets_done: self.totals.before + finished,
            nets: self.plan.nets(),
            steps,
            fraction: standing.fraction(),
            steps_per_s: rate,
            nets_per_s: per_second(finished, seconds),
            db: psnr.median,
            db_mean: psnr.mean,
            seconds,
            eta_s: meter::eta(standing.remaining_steps(), rate),
            learning: None,
            compiling: !self.compiled,
        }));
    }

    /// Networks whose PSNR stands for "now" between two batches.
    fn last_batch_len(&self) -> usize {
        self.fit_plan.nets_per_batch.min(self.totals.psnr.len())
    }

    fn seconds(&self) -> f64 {
        self.clock.begun.map_or(0.0, |at| at.elapsed().as_secs_f64())
    }

    fn finish(&mut self) {
        let seconds = self.seconds();
        let psnr = Distribution::of(self.totals.psnr.iter().map(|&x| f64::from(x)));
        self.queue.push_back(Message::Finished(Finished {
            nets: self.zoo.nets(),
            nets_fitted: self.totals.finished,
            seconds,
            nets_per_s: per_second(self.totals.finished, seconds),
            steps: self.totals.finished_steps,
            psnr_median: psnr.median,
            psnr,
            reached_target: self.totals.reached_target,
            diverged: self.totals.diverged.clone(),
            bytes: self.fit_plan.bytes,
            adapter: self.device.name().to_owned(),
        }));
        self.state = State::Over;
    }
}

fn per_second(count: u64, seconds: f64) -> Option<f64> {
    (count > 0 && seconds > 0.0).then(|| count as f64 / seconds)
}

fn divergence(id: &NetId, outcome: &NetOutcome) -> Warning {
    Warning {
        what: format!(
            "object {}, view {}: diverged after {} steps (its loss became NaN or infinite); it is \
             stored with PSNR NaN. A smaller --lr avoids this",
            id.object, id.view, outcome.steps
        ),
        diverged: Some(Diverged {
            object: i64::from(id.object),
            view: i64::from(id.view),
            step: i64::from(outcome.steps),
        }),
    }
}
