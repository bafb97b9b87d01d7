//! The tiled fit.
use super::{FitError, FitPlan, NetOutcome, Problem};
use crate::Mlp;
use weightlab_gpu::Gpu;

pub(super) fn plan(_gpu: &Gpu, _mlp: &Mlp, _points: usize, _nets: usize) -> Result<FitPlan, FitError> {
    todo!()
}

#[derive(Debug)]
pub(super) struct Tiled {}

impl Tiled {
    pub(super) fn new(_gpu: &Gpu, _problem: &Problem<'_>, _params: &[f32]) -> Result<Tiled, FitError> {
        todo!()
    }
    pub(super) async fn advance(&mut self, _outcomes: &mut [NetOutcome]) -> Result<(), FitError> {
        todo!()
    }
    pub(super) async fn params(&self) -> Result<Vec<f32>, FitError> {
        todo!()
    }
}
