//! Looking into a fit while it runs, going step by step, and going on after the device was lost.

use super::{Batch, FitJob, State, computed_on, plan_on};
use crate::error::LabError;
use std::ops::Range;
use weightlab_data::{ImageSet, Store};
use weightlab_nets::init::init;
use weightlab_nets::{Device, FitBatch, FitSnapshot, Mlp, NetId};

/// The networks on the device, kept in memory: what a lost device would take along.
#[derive(Clone, Debug)]
pub struct FitCheckpoint {
    /// Position of the batch's first network in the zoo.
    first: u64,
    snapshot: FitSnapshot,
}

impl FitCheckpoint {
    /// Updates that the running networks had had.
    pub fn steps(&self) -> u32 {
        self.snapshot.outcomes.iter().map(|o| o.steps).max().unwrap_or(0)
    }
}

impl<S: Store> FitJob<S> {
    /// The architecture.
    pub fn mlp(&self) -> &Mlp {
        &self.mlp
    }

    /// The images.
    pub fn images(&self) -> &ImageSet {
        &self.images
    }

    /// Networks of the whole job.
    pub fn nets(&self) -> u64 {
        self.plan.nets()
    }

    /// Which network is at `position` in the zoo.
    pub fn id(&self, position: u64) -> NetId {
        let (object, view) = self.plan.net(position);
        NetId { object, view }
    }

    /// At most this many updates of each network per pull; `None` for as many as fill a slice.
    pub fn limit_steps(&mut self, most: Option<u32>) {
        self.most_steps = most;
        if let Some(batch) = self.batch.as_mut() {
            batch.fit.limit_steps(most);
        }
    }

    /// Updates of the networks on the device: the most that one has had. None between two batches.
    pub fn steps_now(&self) -> Option<u32> {
        let batch = self.batch.as_ref()?;
        batch.fit.outcomes().iter().map(|o| o.steps).max()
    }

    /// Whether every running network has had the same number of updates.
    pub fn is_even(&self) -> bool {
        self.batch.as_ref().is_none_or(|b| b.fit.is_even())
    }

    /// Puts the next networks on the device and waits until all they need is compiled, so that the first pull
    /// takes no longer than others. A browser's software renderer compiles for seconds.
    ///
    /// # Errors
    /// The GPU.
    pub async fn prepare(&mut self) -> Result<(), LabError> {
        let done = self.zoo.nets() + self.partial.len() as u64;
        if self.batch.is_none() && done < self.plan.nets() {
            self.batch = Some(self.begin_batch(done).await?);
        }
        match &self.device {
            Device::Gpu(gpu) => Ok(gpu.finish().await?),
            Device::Host => Ok(()),
        }
    }

    /// Parameters `[positions, P]` of networks as they are by now: stored, waiting to be stored, on the device,
    /// or as they will begin.
    ///
    /// # Errors
    /// A damaged store, or the GPU.
    pub async fn params(&self, positions: Range<u64>) -> Result<Vec<f32>, LabError> {
        let count = self.mlp.param_count();
        let mut out = Vec::new();
        // Takes what `of`, which begins at position `first`, has of the range.
        let mut take = |first: u64, of: &[f32]| {
            let end = first + (of.len() / count) as u64;
            let (from, to) = (positions.start.max(first), positions.end.min(end));
            if from < to {
                let index = |at: u64| (at - first) as usize * count;
                out.extend_from_slice(&of[index(from)..index(to)]);
            }
        };
        let mut first = 0;
        for (i, shard) in self.zoo.manifest().shards.iter().enumerate() {
            let end = first + u64::from(shard.nets);
            if positions.start < end && first < positions.end {
                take(first, &self.zoo.read_shard(i).await?.params);
            }
            first = end;
        }
        take(first, &self.partial.params);
        first += self.partial.len() as u64;
        if let Some(batch) = &self.batch
            && positions.end > batch.first
        {
            take(batch.first, &batch.fit.params().await?);
            first = batch.first + batch.ids.len() as u64;
        }
        let rest = positions.start.max(first)..positions.end.min(self.plan.nets());
        if !rest.is_empty() {
            let ids: Vec<NetId> = rest.map(|position| self.id(position)).collect();
            out.extend(init(&self.device, &self.mlp, &ids, self.options.seed).await?);
        }
        Ok(out)
    }

    /// What would be lost with the device, or `None` where nothing is on it or its networks are not even
    /// just now.
    ///
    /// # Errors
    /// The GPU.
    pub async fn checkpoint(&self) -> Result<Option<FitCheckpoint>, LabError> {
        let Some(batch) = &self.batch else { return Ok(None) };
        let snapshot = batch.fit.snapshot().await?;
        Ok(snapshot.map(|snapshot| FitCheckpoint { first: batch.first, snapshot }))
    }

    /// Goes on with another device, after the one before was lost: from `saved` if that is of the batch
    /// that was lost, else from that batch's beginning.
    ///
    /// # Errors
    /// The GPU.
    pub fn resume_on(
        &mut self,
        device: impl Into<Device>,
        saved: Option<&FitCheckpoint>,
    ) -> Result<(), LabError> {
        self.device = device.into();
        self.batch = None;
        let nets_per_shard = self.zoo.manifest().nets_per_shard;
        self.fit_plan = plan_on(&self.device, &self.mlp, &self.images, &self.plan, nets_per_shard)?;
        self.zoo.set_computing_on(computed_on(&self.device, &self.fit_plan));
        let first = self.zoo.nets() + self.partial.len() as u64;
        if let Some(saved) = saved.filter(|saved| saved.first == first) {
            let count = saved.snapshot.outcomes.len() as u64;
            let (ids, targets) = self.problem(first..first + count);
            let (mlp, settings) = (&self.mlp, &self.options.settings);
            let mut fit = FitBatch::restore(
                &self.device,
                mlp,
                &self.coords,
                &targets,
                settings,
                &saved.snapshot,
            )?;
            fit.limit_steps(self.most_steps);
            let next_metric = saved.steps();
            self.batch = Some(Batch { fit, ids, first, next_metric });
        }
        if first < self.plan.nets() {
            self.state = State::Running;
        }
        Ok(())
    }
}
