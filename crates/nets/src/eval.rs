//! Outputs of networks on a grid of points.

use crate::{Mlp, MlpError};
use thiserror::Error;
use weightlab_gpu::{Gpu, GpuError};

/// Why networks cannot be evaluated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The GPU.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The architecture.
    #[error(transparent)]
    Mlp(#[from] MlpError),
    /// Data of the wrong length.
    #[error("{what}: {got} numbers, {expected} expected")]
    Length {
        /// Which argument.
        what: &'static str,
        /// Its length.
        got: usize,
        /// What it must be.
        expected: usize,
    },
}

/// Outputs `[nets, points, d_M]`, in output units, of `nets` networks with parameters `[nets, P]` at
/// `coords` `[points, d_0]`.
///
/// # Errors
/// Lengths that do not fit, the architecture, or the GPU.
pub async fn evaluate(
    _gpu: &Gpu,
    _mlp: &Mlp,
    _params: &[f32],
    _nets: usize,
    _coords: &[f32],
) -> Result<Vec<f32>, EvalError> {
    todo!()
}
