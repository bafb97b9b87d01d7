//! Why training cannot start or go on.

use crate::network::NetworkError;
use thiserror::Error;
use weightlab_gpu::GpuError;
use weightlab_nets::symmetry::SymmetryError;
use weightlab_tensor::TensorError;

/// A training that cannot start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The model.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Augmentation, alignment or mixing.
    #[error(transparent)]
    Symmetry(#[from] SymmetryError),
    /// The tensor engine.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The GPU.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// An option outside its range.
    #[error("`{name}` is {value}; it must be {expected}")]
    Setting {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        expected: String,
    },
    /// An augmentation that is not known.
    #[error(
        "augment `{text}`: {what}; give `none`, an operation as `weightlab augment --op` takes it, `mixup`, `mixup-random`, \
         `mixup-aligned`, `mixup-signed`, `input-mixup`, `combine` or `combine-signed`, or several with `+` between"
    )]
    Augment {
        /// As given.
        text: String,
        /// What is wrong.
        what: String,
    },
    /// A batch that no micro-batch makes fit.
    #[error(
        "a single network takes {bytes} bytes of GPU memory in training, of which {fixed} for data and parameters, but {limit} may \
         be used; use a smaller model, or allow more with `memory_mib`"
    )]
    Memory {
        /// With a micro-batch of one.
        bytes: u64,
        /// What does not depend on the batch.
        fixed: u64,
        /// What may be used.
        limit: u64,
    },
}
