//! What can go wrong, in words for the user.

use std::sync::{Arc, Mutex};
use thiserror::Error;

/// Anything that went wrong with the GPU.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum GpuError {
    /// There is no adapter at all.
    #[error(
        "no GPU adapter found ({backends}). On Debian or Ubuntu `apt-get install mesa-vulkan-drivers \
         libvulkan1` gives a software one; otherwise install the driver of your graphics card"
    )]
    NoAdapter {
        /// The backends that were asked.
        backends: String,
    },
    /// `--device` matches none, or several.
    #[error("{matches} adapters match `{wanted}`; `weightlab devices` lists them: {available}")]
    NoSuchAdapter {
        /// What was asked for.
        wanted: String,
        /// How many match.
        matches: usize,
        /// The names there are.
        available: String,
    },
    /// The adapter gave no device.
    #[error("the adapter {adapter} refused to give a device: {reason}")]
    DeviceRefused {
        /// Name of the adapter.
        adapter: String,
        /// Its words.
        reason: String,
    },
    /// A limit is below what every WebGPU device promises.
    #[error(
        "the adapter {adapter} is too small: {limit} is {got}, and Weightlab needs {needed} (the \
         WebGPU minimum). Choose another with --device"
    )]
    DeviceTooSmall {
        /// Name of the adapter.
        adapter: String,
        /// Which limit.
        limit: &'static str,
        /// What it grants.
        got: u64,
        /// What is needed.
        needed: u64,
    },
    /// One buffer exceeds the device's binding size.
    #[error("buffer `{label}` needs {bytes} bytes; this device binds at most {limit}")]
    BufferTooLarge {
        /// Which buffer.
        label: String,
        /// Its size.
        bytes: u64,
        /// The device's limit.
        limit: u64,
    },
    /// The device ran out of memory.
    #[error(
        "the GPU is out of memory. Use fewer networks at a time, or close other programs on it"
    )]
    OutOfMemory,
    /// A shader or a call was refused: a defect of this program or of the driver.
    #[error("the GPU driver refused a command: {0}")]
    Refused(String),
    /// The device is gone.
    #[error(
        "the GPU device was lost ({0}). What was stored is intact: run the command again (a fit \
         continues with --resume)"
    )]
    Lost(String),
    /// Results could not be copied back.
    #[error("results could not be read back from the GPU")]
    ReadBack,
    /// A pipeline was asked for with the wrong constants.
    #[error("shader {shader}: constants {got:?} given, {expected:?} expected")]
    Constants {
        /// Which shader.
        shader: &'static str,
        /// Names given.
        got: Vec<&'static str>,
        /// Names wanted.
        expected: Vec<&'static str>,
    },
}

/// The first error of the GPU's own timeline, until somebody takes it.
#[derive(Clone, Default)]
pub(crate) struct ErrorSlot(Arc<Mutex<Option<GpuError>>>);

impl ErrorSlot {
    pub(crate) fn put(&self, error: GpuError) {
        let mut slot = self.0.lock().expect("not poisoned");
        // Later errors are mostly consequences of the first; only a lost device outranks it.
        if slot.is_none() || matches!(error, GpuError::Lost(_)) {
            *slot = Some(error);
        }
    }

    pub(crate) fn take(&self) -> Option<GpuError> {
        let mut slot = self.0.lock().expect("not poisoned");
        // A lost device stays lost.
        match &*slot {
            Some(GpuError::Lost(reason)) => Some(GpuError::Lost(reason.clone())),
            _ => slot.take(),
        }
    }

    /// Why the device was lost, if it was.
    pub(crate) fn lost(&self) -> Option<String> {
        match &*self.0.lock().expect("not poisoned") {
            Some(GpuError::Lost(reason)) => Some(reason.clone()),
            _ => None,
        }
    }
}
