//! The only Weightlab crate that names wgpu: device, buffers, pipelines, recording, read-back, errors.
//!
//! Everything is `async` where a browser must wait, and nothing blocks there. A failure on the GPU's
//! own timeline (out of memory, validation, a lost device) is kept by the [`Gpu`] and returned by the
//! next call that can fail, once.

#![cfg_attr(
    target_arch = "wasm32",
    expect(
        clippy::arc_with_non_send_sync,
        reason = "natively these are shared between threads; a browser's device never leaves its worker"
    )
)]

mod adapter;
mod counts;
mod error;
mod lavapipe;
mod pipeline;
mod recording;

pub use adapter::{AdapterReport, OpenOptions, list_adapters};
pub use counts::Counts;
pub use error::GpuError;
pub use pipeline::Pipeline;
pub use recording::{Prepared, Recording, grid};

use bytemuck::Pod;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use weightlab_kernels::Shader;

/// A buffer on the GPU. Cloning shares it; the last clone to go frees it.
#[derive(Clone, Debug)]
pub struct Buffer {
    raw: wgpu::Buffer,
    /// Held for its `Drop`.
    _counted: Arc<Counted>,
}

/// Bytes counted as live as long as this exists.
#[derive(Debug)]
struct Counted {
    bytes: u64,
    live: Arc<AtomicU64>,
    /// A browser frees a dropped buffer when it collects garbage, which may be minutes later.
    #[cfg(target_arch = "wasm32")]
    raw: wgpu::Buffer,
}

impl Counted {
    fn new(gpu: &Gpu, raw: &wgpu::Buffer) -> Counted {
        let bytes = raw.size();
        let live = gpu.inner.live_bytes.clone();
        live.fetch_add(bytes, Ordering::Relaxed);
        gpu.inner.counters.buffers.add(1);
        Counted {
            bytes,
            live,
            #[cfg(target_arch = "wasm32")]
            raw: raw.clone(),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.fetch_sub(self.bytes, Ordering::Relaxed);
        // Work that was submitted still finds it.
        #[cfg(target_arch = "wasm32")]
        self.raw.destroy();
    }
}

impl Buffer {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.raw.size()
    }
}

/// A device with its queue, compiled pipelines and pending error. Cloning shares it.
#[derive(Clone)]
pub struct Gpu {
    inner: Arc<Inner>,
}

struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    report: AdapterReport,
    poison: bool,
    as_gpu: bool,
    twins: bool,
    errors: error::ErrorSlot,
    pipelines: Mutex<HashMap<pipeline::Key, Arc<Pipeline>>>,
    uniforms: Mutex<wgpu::Buffer>,
    live_bytes: Arc<AtomicU64>,
    counters: counts::Counters,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("adapter", &self.inner.report.name).finish_non_exhaustive()
    }
}

impl Gpu {
    /// The adapter this device was made from, with the limits the device was granted.
    pub fn report(&self) -> &AdapterReport {
        &self.inner.report
    }

    /// Whether the adapter is a software renderer on the CPU, so that kernels are chosen for one.
    pub fn is_cpu(&self) -> bool {
        self.inner.report.device_type == "cpu" && !self.inner.as_gpu
    }

    /// Whether kernels that have a native twin are better done by it: the device is this processor, in a driver that takes some
    /// hundred cycles to load eight numbers.
    pub fn runs_twins(&self) -> bool {
        cfg!(not(target_arch = "wasm32")) && self.inner.twins && self.is_cpu()
    }

    /// A zeroed storage buffer of `bytes` (rounded up to 16; at least 16).
    ///
    /// # Errors
    /// The size exceeds what the device can bind, or an earlier error is pending.
    pub fn buffer(&self, label: &str, bytes: u64) -> Result<Buffer, GpuError> {
        self.check()?;
        let bytes = bytes.max(16).next_multiple_of(16);
        let limit = self.inner.report.max_binding_bytes;
        if bytes > limit {
            return Err(GpuError::BufferTooLarge { label: label.to_owned(), bytes, limit });
        }
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let raw = self.inner.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage,
            mapped_at_creation: false,
        });
        self.check()?;
        if self.inner.poison {
            // A pattern that is a NaN as f32 and a huge index as u32.
            let pattern = vec![0xffu8; 1 << 16];
            let mut at = 0;
            while at < bytes {
                let n = (bytes - at).min(pattern.len() as u64);
                self.inner.queue.write_buffer(&raw, at, &pattern[..n as usize]);
                at += n;
            }
        }
        let counted = Arc::new(Counted::new(self, &raw));
        Ok(Buffer { raw, _counted: counted })
    }

    /// Bytes of all buffers that exist now, not counting what a read-back takes while it runs.
    pub fn live_bytes(&self) -> u64 {
        self.inner.live_bytes.load(Ordering::Relaxed)
    }

    /// What was asked of the device since it was opened, for tests of what a step takes.
    pub fn counts(&self) -> Counts {
        self.inner.counters.read()
    }

    /// A storage buffer holding `data`.
    ///
    /// # Errors
    /// As [`Gpu::buffer`].
    pub fn upload<T: Pod>(&self, label: &str, data: &[T]) -> Result<Buffer, GpuError> {
        let buffer = self.buffer(label, size_of_val(data) as u64)?;
        self.write(&buffer, 0, data);
        Ok(buffer)
    }

    /// Overwrites part of a buffer, before the next submission.
    ///
    /// # Panics
    /// If the range leaves the buffer or is not a multiple of 4 bytes: a mistake in the caller.
    pub fn write<T: Pod>(&self, buffer: &Buffer, offset: u64, data: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        assert!(
            offset + bytes.len() as u64 <= buffer.bytes() && bytes.len().is_multiple_of(4),
            "write of {} bytes at {offset} into a buffer of {}",
            bytes.len(),
            buffer.bytes()
        );
        if !bytes.is_empty() {
            self.inner.counters.written.add(bytes.len() as u64);
            self.inner.queue.write_buffer(&buffer.raw, offset, bytes);
        }
    }

    /// Has the driver copy one buffer into another, as far as both reach. Does not wait.
    pub fn copy(&self, source: &Buffer, target: &Buffer) {
        let mut encoder = self.inner.device.create_command_encoder(&Default::default());
        let bytes = source.bytes().min(target.bytes());
        encoder.copy_buffer_to_buffer(&source.raw, 0, &target.raw, 0, bytes);
        self.inner.queue.submit([encoder.finish()]);
        self.inner.counters.submissions.add(1);
    }

    /// The pipeline of a shader with the given overridable constants; compiled once.
    ///
    /// # Errors
    /// A constant missing or unknown, or the device refuses (too much workgroup memory, ...).
    pub fn pipeline(
        &self,
        shader: &'static Shader,
        constants: &[(&'static str, u32)],
    ) -> Result<Arc<Pipeline>, GpuError> {
        let key = pipeline::Key::new(shader, constants);
        if let Some(found) = self.inner.pipelines.lock().expect("not poisoned").get(&key) {
            return Ok(found.clone());
        }
        let made = Arc::new(Pipeline::new(&self.inner.device, shader, constants, self.driver())?);
        self.check()?;
        self.inner.counters.pipelines.add(1);
        self.inner.pipelines.lock().expect("not poisoned").insert(key, made.clone());
        Ok(made)
    }

    fn driver(&self) -> pipeline::Driver {
        let report = self.report();
        pipeline::Driver {
            lavapipe: report.device_type == "cpu" && report.backend == "vulkan",
            max_storage_buffers: report.max_storage_buffers,
        }
    }

    /// An empty list of commands.
    pub fn record(&self) -> Recording {
        Recording::new(self.clone())
    }

    /// Copies `count` elements starting at element `first` back from the GPU, after all submitted work.
    ///
    /// # Errors
    /// Anything that went wrong on the GPU so far.
    ///
    /// # Panics
    /// If the range leaves the buffer or is not a multiple of 4 bytes.
    pub async fn read<T: Pod>(
        &self,
        buffer: &Buffer,
        first: usize,
        count: usize,
    ) -> Result<Vec<T>, GpuError> {
        self.check()?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let offset = (first * size_of::<T>()) as u64;
        let bytes = (count * size_of::<T>()) as u64;
        assert!(offset + bytes <= buffer.bytes(), "read beyond the end of a buffer");
        self.inner.counters.read.add(bytes);
        let staging = self.inner.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read-back"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.inner.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&buffer.raw, offset, &staging, 0, bytes);
        self.inner.queue.submit([encoder.finish()]);
        let (sender, receiver) = futures_channel::oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only if this future was dropped: nobody waits.
            drop(sender.send(result));
        });
        self.wait()?;
        let mapped = receiver.await;
        self.check()?;
        match mapped {
            Ok(Ok(())) => {}
            _ => return Err(GpuError::ReadBack),
        }
        let mut out = vec![T::zeroed(); count];
        let view = staging.get_mapped_range(..).map_err(|_| GpuError::ReadBack)?;
        bytemuck::cast_slice_mut(&mut out).copy_from_slice(&view);
        drop(view);
        staging.destroy();
        Ok(out)
    }

    /// Waits until everything submitted is done.
    ///
    /// # Errors
    /// Anything that went wrong on the GPU so far.
    pub async fn finish(&self) -> Result<(), GpuError> {
        let (sender, receiver) = futures_channel::oneshot::channel();
        self.inner.queue.on_submitted_work_done(move || {
            // Nobody waits if this future was dropped.
            let _unheard = sender.send(());
        });
        self.wait()?;
        // An error means that the callback was dropped with the device, which `check` reports.
        let _done = receiver.await;
        self.check()
    }

    /// Returns a pending error, once.
    ///
    /// # Errors
    /// The first thing that went wrong on the GPU's timeline since the last call.
    pub fn check(&self) -> Result<(), GpuError> {
        self.inner.errors.take().map_or(Ok(()), Err)
    }

    /// Why the device is gone, if it is: nothing made from this `Gpu` works any more. Open another.
    pub fn lost(&self) -> Option<String> {
        self.inner.errors.lost()
    }

    /// Gives the device up; from then on it is lost, as it would be after a crash of the driver.
    pub fn destroy(&self) {
        self.inner.device.destroy();
    }

    /// Lets native callbacks run; a browser runs them by itself.
    #[cfg(not(target_arch = "wasm32"))]
    fn wait(&self) -> Result<(), GpuError> {
        match self.inner.device.poll(wgpu::PollType::wait_indefinitely()) {
            Ok(_) => Ok(()),
            Err(_) => self.check().and(Err(GpuError::ReadBack)),
        }
    }

    #[cfg(target_arch = "wasm32")]
    #[expect(clippy::unnecessary_wraps, reason = "same signature as the native twin")]
    fn wait(&self) -> Result<(), GpuError> {
        Ok(())
    }
}
