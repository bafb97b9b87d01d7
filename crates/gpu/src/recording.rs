//! A list of dispatches, submitted at once.

use crate::{Buffer, Counted, Gpu, GpuError, Pipeline};
use bytemuck::NoUninit;
use std::ops::Range;
use std::sync::Arc;
use weightlab_kernels::Binding;

/// WebGPU's guaranteed alignment of dynamic offsets.
const ALIGN: usize = 256;

/// Dispatches in order. Each sees what those before it wrote.
#[derive(Debug)]
pub struct Recording {
    gpu: Gpu,
    /// Uniform blocks of all dispatches, each at a multiple of [`ALIGN`].
    uniforms: Vec<u8>,
    dispatches: Vec<Dispatch>,
}

#[derive(Debug)]
struct Dispatch {
    pipeline: Arc<Pipeline>,
    buffers: Vec<Buffer>,
    uniform: (usize, usize),
    groups: [u32; 3],
}

pub(crate) fn uniform_buffer(device: &wgpu::Device, bytes: u64) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("uniforms"),
        size: bytes,
        // Storage: see `lavapipe`.
        usage: wgpu::BufferUsages::UNIFORM
            | wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

/// Workgroups for `count` units of work in one or two dimensions, at most `limit` in each.
///
/// A shader recovers the index as `workgroup_id.y * num_workgroups.x + workgroup_id.x` and must
/// ignore indices from `count` on.
pub fn grid(count: u32, limit: u32) -> [u32; 2] {
    if count <= limit { [count, 1] } else { [limit, count.div_ceil(limit)] }
}

impl Recording {
    pub(crate) fn new(gpu: Gpu) -> Recording {
        Recording { gpu, uniforms: Vec::new(), dispatches: Vec::new() }
    }

    /// Number of dispatches so far.
    pub fn len(&self) -> usize {
        self.dispatches.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.dispatches.is_empty()
    }

    /// Adds a dispatch of `groups` workgroups. `uniform` is the block of binding 0 and `buffers` are
    /// bindings 1, 2, ..; in shaders without a uniform they start at 0 and `uniform` is `&()`.
    ///
    /// # Panics
    /// If the number of buffers is not the shader's: a mistake in the caller.
    pub fn dispatch<U: NoUninit>(
        &mut self,
        pipeline: &Arc<Pipeline>,
        uniform: &U,
        buffers: &[&Buffer],
        groups: [u32; 3],
    ) {
        self.dispatch_bytes(pipeline, bytemuck::bytes_of(uniform), buffers, groups);
    }

    /// As [`Recording::dispatch`] with a uniform block of any type, in its memory layout.
    ///
    /// # Panics
    /// As [`Recording::dispatch`].
    pub fn dispatch_bytes(
        &mut self,
        pipeline: &Arc<Pipeline>,
        bytes: &[u8],
        buffers: &[&Buffer],
        groups: [u32; 3],
    ) {
        let bindings = pipeline.shader.bindings;
        let uniforms = usize::from(bindings.first() == Some(&Binding::Uniform));
        assert_eq!(
            buffers.len() + uniforms,
            bindings.len(),
            "bindings of shader {}",
            pipeline.shader.name
        );
        if groups.contains(&0) {
            return;
        }
        let at = self.uniforms.len();
        self.uniforms.extend_from_slice(bytes);
        self.uniforms.resize(self.uniforms.len().next_multiple_of(ALIGN), 0);
        self.dispatches.push(Dispatch {
            pipeline: pipeline.clone(),
            buffers: buffers.iter().map(|&b| b.clone()).collect(),
            uniform: (at, bytes.len()),
            groups,
        });
    }

    /// As [`Recording::dispatch`] with one workgroup per unit of work, in as many dimensions as needed.
    pub fn dispatch_linear<U: NoUninit>(
        &mut self,
        pipeline: &Arc<Pipeline>,
        uniform: &U,
        buffers: &[&Buffer],
        count: u32,
    ) {
        let [x, y] = grid(count, self.gpu.report().max_workgroups);
        self.dispatch(pipeline, uniform, buffers, [x, y, 1]);
    }

    /// Sends everything to the GPU. Does not wait.
    ///
    /// # Errors
    /// A pending error, or a refused command where the driver says so at once.
    pub fn submit(self) -> Result<(), GpuError> {
        if self.dispatches.is_empty() {
            return self.gpu.check();
        }
        let inner = &self.gpu.inner;
        let mut slot = inner.uniforms.lock().expect("not poisoned");
        if slot.size() < self.uniforms.len() as u64 {
            *slot = uniform_buffer(&inner.device, (self.uniforms.len() as u64).next_power_of_two());
            inner.counters.buffers.add(1);
        }
        // Writes and submissions are ordered on the queue, so the buffer can be used again at once.
        inner.queue.write_buffer(&slot, 0, &self.uniforms);
        let bound: Vec<_> = self.dispatches.iter().map(|d| d.bind(&inner.device, &slot)).collect();
        encode(&self.gpu, &bound);
        drop(slot);
        self.gpu.check()
    }

    /// Makes everything ready, to be submitted many times without allocating anything.
    ///
    /// # Errors
    /// As [`Gpu::buffer`].
    pub fn prepare(self) -> Result<Prepared, GpuError> {
        self.gpu.check()?;
        let device = &self.gpu.inner.device;
        let bytes = self.uniforms.len().max(ALIGN) as u64;
        let uniforms = uniform_buffer(device, bytes);
        self.gpu.inner.queue.write_buffer(&uniforms, 0, &self.uniforms);
        let bound = self.dispatches.iter().map(|d| d.bind(device, &uniforms)).collect();
        self.gpu.check()?;
        let counted = Counted::new(&self.gpu, &uniforms);
        let buffers = self.dispatches.into_iter().flat_map(|d| d.buffers).collect();
        Ok(Prepared { gpu: self.gpu, bound, counted, _buffers: buffers })
    }

    /// Bytes of the uniform buffer that [`Recording::prepare`] would make of dispatches with uniform blocks of
    /// these sizes.
    pub fn uniform_bytes(blocks: impl IntoIterator<Item = usize>) -> u64 {
        let bytes: usize = blocks.into_iter().map(|b| b.next_multiple_of(ALIGN)).sum();
        bytes.max(ALIGN) as u64
    }
}

/// Dispatches with their bindings and uniform blocks on the GPU: a recording that can be replayed.
#[derive(Debug)]
pub struct Prepared {
    gpu: Gpu,
    bound: Vec<Bound>,
    counted: Counted,
    /// Bind groups keep them from being freed; so must their count.
    _buffers: Vec<Buffer>,
}

impl Prepared {
    /// Number of dispatches.
    pub fn len(&self) -> usize {
        self.bound.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.bound.is_empty()
    }

    /// Bytes of the uniform buffer.
    pub fn bytes(&self) -> u64 {
        self.counted.bytes
    }

    /// Sends all dispatches to the GPU. Does not wait.
    ///
    /// # Errors
    /// As [`Recording::submit`].
    pub fn submit(&self) -> Result<(), GpuError> {
        self.submit_range(0..self.bound.len())
    }

    /// Sends some of the dispatches, for work that has to be cut or looked at in between.
    ///
    /// # Errors
    /// As [`Recording::submit`].
    pub fn submit_range(&self, range: Range<usize>) -> Result<(), GpuError> {
        if !range.is_empty() {
            encode(&self.gpu, &self.bound[range]);
        }
        self.gpu.check()
    }
}

/// A dispatch with its bind group.
#[derive(Debug)]
struct Bound {
    pipeline: Arc<Pipeline>,
    group: wgpu::BindGroup,
    /// Offset of the uniform block, where the shader has one.
    offset: Option<u32>,
    groups: [u32; 3],
}

impl Dispatch {
    fn bind(&self, device: &wgpu::Device, uniforms: &wgpu::Buffer) -> Bound {
        let has_uniform = self.pipeline.shader.bindings.first() == Some(&Binding::Uniform);
        let block = has_uniform.then(|| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: uniforms,
                offset: 0,
                size: wgpu::BufferSize::new(self.uniform.1 as u64),
            })
        });
        let buffers = self.buffers.iter().map(|b| b.raw.as_entire_binding());
        let entries: Vec<_> = block
            .into_iter()
            .chain(buffers)
            .enumerate()
            .map(|(i, resource)| wgpu::BindGroupEntry { binding: i as u32, resource })
            .collect();
        Bound {
            pipeline: self.pipeline.clone(),
            group: device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(self.pipeline.shader.name),
                layout: &self.pipeline.layout,
                entries: &entries,
            }),
            offset: has_uniform.then_some(self.uniform.0 as u32),
            groups: self.groups,
        }
    }
}

fn encode(gpu: &Gpu, dispatches: &[Bound]) {
    let mut encoder = gpu.inner.device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for dispatch in dispatches {
            pass.set_pipeline(&dispatch.pipeline.raw);
            pass.set_bind_group(0, &dispatch.group, dispatch.offset.as_slice());
            let [x, y, z] = dispatch.groups;
            pass.dispatch_workgroups(x, y, z);
        }
    }
    gpu.inner.queue.submit([encoder.finish()]);
    gpu.inner.counters.submissions.add(1);
    gpu.inner.counters.dispatches.add(dispatches.len() as u64);
}

#[cfg(test)]
mod tests {
    use super::grid;

    #[test]
    fn grids_cover_all_work_within_the_limit() {
        for count in [1, 7, 65_535, 65_536, 1_000_000] {
            let [x, y] = grid(count, 65_535);
            assert!(x <= 65_535 && y <= 65_535);
            assert!(u64::from(x) * u64::from(y) >= u64::from(count));
        }
    }
}
