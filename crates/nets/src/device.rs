//! What networks are fitted and evaluated on.

use weightlab_gpu::Gpu;

/// A GPU, or the processor for where there is none.
#[derive(Clone, Debug)]
pub enum Device {
    /// This GPU.
    Gpu(Gpu),
    /// The processor, in plain f32 on one core.
    Host,
}

impl Device {
    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Device::Gpu(gpu) => &gpu.report().name,
            Device::Host => "the processor",
        }
    }

    /// Bytes of GPU buffers.
    pub fn live_bytes(&self) -> u64 {
        match self {
            Device::Gpu(gpu) => gpu.live_bytes(),
            Device::Host => 0,
        }
    }

    /// Whether the processor does the work, be it as a software renderer.
    pub fn is_cpu(&self) -> bool {
        match self {
            Device::Gpu(gpu) => gpu.is_cpu(),
            Device::Host => true,
        }
    }
}

impl From<&Gpu> for Device {
    fn from(gpu: &Gpu) -> Device {
        Device::Gpu(gpu.clone())
    }
}

impl From<&Device> for Device {
    fn from(device: &Device) -> Device {
        device.clone()
    }
}
