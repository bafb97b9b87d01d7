//! Taking a fit off its device and putting it back, on the same device or another.

use super::{FitBatch, FitError, FitSettings, NetOutcome, Path, Status};
use crate::{Device, Mlp};

/// All that a batch needs to go on as if nothing had happened.
#[derive(Clone, Debug, PartialEq)]
pub struct FitSnapshot {
    /// Parameters, `[nets, P]`.
    pub params: Vec<f32>,
    /// Adam's first and second moments, `[nets, P]` each.
    pub moments: [Vec<f32>; 2],
    /// State of every network.
    pub outcomes: Vec<NetOutcome>,
}

impl FitBatch {
    /// Whether every running network has had the same number of updates; between two calls of
    /// [`FitBatch::advance`] some may be a round ahead of others.
    pub fn is_even(&self) -> bool {
        match &self.path {
            Path::Fused(fused) => fused.is_even(),
            Path::Tiled(tiled) => tiled.is_even(),
            Path::Host(host) => host.is_even(),
        }
    }

    /// At most this many updates of each network per [`FitBatch::advance`], and at least one: to go step
    /// by step. Takes effect when the networks are even.
    pub fn limit_steps(&mut self, most: Option<u32>) {
        match &mut self.path {
            Path::Fused(fused) => fused.limit_steps(most),
            // Never does more than one.
            Path::Tiled(_) => {}
            Path::Host(host) => host.limit_steps(most),
        }
    }

    /// Everything there is to know of the batch, or `None` where networks are not even.
    ///
    /// # Errors
    /// The GPU.
    pub async fn snapshot(&self) -> Result<Option<FitSnapshot>, FitError> {
        if !self.is_even() {
            return Ok(None);
        }
        let (moments, params) = (self.moments().await?, self.params().await?);
        Ok(Some(FitSnapshot { params, moments, outcomes: self.outcomes.clone() }))
    }

    /// Adam's first and second moments, `[nets, P]` each.
    pub(super) async fn moments(&self) -> Result<[Vec<f32>; 2], FitError> {
        match &self.path {
            Path::Fused(fused) => fused.moments().await,
            Path::Tiled(tiled) => tiled.moments().await,
            Path::Host(host) => Ok(host.moments()),
        }
    }

    /// A batch that goes on where `snapshot` was taken: on the same kind of device with the same bits as
    /// if it had never stopped. The other arguments are those of the first batch.
    ///
    /// # Errors
    /// As [`FitBatch::from_params`].
    pub fn restore(
        device: impl Into<Device>,
        mlp: &Mlp,
        coords: &[f32],
        targets: &[f32],
        settings: &FitSettings,
        snapshot: &FitSnapshot,
    ) -> Result<FitBatch, FitError> {
        let expected = snapshot.params.len();
        for (what, moments) in ["first moments", "second moments"].iter().zip(&snapshot.moments) {
            if moments.len() != expected {
                return Err(FitError::Length { what, got: moments.len(), expected });
            }
        }
        let mut batch =
            FitBatch::from_params(device, mlp, coords, targets, &snapshot.params, settings)?;
        let (got, expected) = (snapshot.outcomes.len(), batch.outcomes.len());
        if got != expected {
            return Err(FitError::Length { what: "outcomes", got, expected });
        }
        batch.outcomes.clone_from(&snapshot.outcomes);
        match &mut batch.path {
            Path::Fused(fused) => fused.restore(snapshot),
            Path::Tiled(tiled) => tiled.restore(snapshot),
            Path::Host(host) => host.restore(snapshot),
        }
        Ok(batch)
    }
}

impl FitSnapshot {
    /// Networks still running, in order.
    pub(super) fn running(&self) -> Vec<u32> {
        let running =
            |(i, o): (usize, &NetOutcome)| (o.status == Status::Running).then_some(i as u32);
        self.outcomes.iter().enumerate().filter_map(running).collect()
    }

    /// Updates that every running network has had.
    pub(super) fn steps_done(&self) -> u32 {
        self.outcomes.iter().map(|o| o.steps).max().unwrap_or(0)
    }
}
