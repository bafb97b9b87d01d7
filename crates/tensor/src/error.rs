//! What can go wrong with data, device or limits. Shapes that do not fit are panics: mistakes in a model's code.

use thiserror::Error;
use weightlab_gpu::GpuError;

/// Anything that went wrong.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The GPU.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// Data of the wrong length.
    #[error("{what}: {got} numbers, {expected} expected")]
    Length {
        /// Which data.
        what: String,
        /// How many there are.
        got: usize,
        /// How many there must be.
        expected: usize,
    },
    /// One tensor is beyond what the device binds.
    #[error(
        "the tensor `{name}` needs {bytes} bytes and this device binds at most {limit}: use smaller (micro-)batches"
    )]
    TooLarge {
        /// Its name.
        name: String,
        /// Its bytes.
        bytes: u64,
        /// The device's limit.
        limit: u64,
    },
    /// One kernel is more workgroups than the device takes in a dimension.
    #[error(
        "`{call}` needs {groups} workgroups in a dimension and this device takes at most {limit}: use smaller (micro-)batches"
    )]
    TooManyGroups {
        /// What is computed.
        call: String,
        /// Its workgroups in that dimension.
        groups: u32,
        /// The device's limit.
        limit: u32,
    },
    /// A tensor whose memory was given to others.
    #[error("the tensor `{name}` is not kept after a run: keep it when the graph is made")]
    NotKept {
        /// Its name.
        name: String,
    },
}
