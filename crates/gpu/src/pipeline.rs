//! Compute pipelines from `weightlab_kernels` shaders.

use crate::{GpuError, lavapipe};
use std::borrow::Cow;
use weightlab_kernels::{Binding, Shader};

/// A compiled shader with its overridable constants fixed.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) raw: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
    pub(crate) shader: &'static Shader,
}

/// What of the driver matters to how a pipeline is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driver {
    /// Mesa's software renderer, natively; see [`lavapipe`].
    pub lavapipe: bool,
    pub max_storage_buffers: u32,
}

/// What makes two pipelines the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    shader: &'static str,
    constants: Vec<(&'static str, u32)>,
}

impl Key {
    pub(crate) fn new(shader: &'static Shader, constants: &[(&'static str, u32)]) -> Key {
        let mut constants = constants.to_vec();
        constants.sort_unstable();
        Key { shader: shader.name, constants }
    }
}

impl Pipeline {
    pub(crate) fn new(
        device: &wgpu::Device,
        shader: &'static Shader,
        constants: &[(&'static str, u32)],
        driver: Driver,
    ) -> Result<Pipeline, GpuError> {
        let got: Vec<_> = constants.iter().map(|(name, _)| *name).collect();
        let expected = shader.overrides.to_vec();
        if got.len() != expected.len() || !expected.iter().all(|name| got.contains(name)) {
            return Err(GpuError::Constants { shader: shader.name, got, expected });
        }

        let moved =
            driver.lavapipe && lavapipe::replaces_uniform(shader, driver.max_storage_buffers);
        let entries: Vec<_> = shader
            .bindings
            .iter()
            .enumerate()
            .map(|(i, binding)| wgpu::BindGroupLayoutEntry {
                binding: i as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match binding {
                        Binding::Uniform if !moved => wgpu::BufferBindingType::Uniform,
                        Binding::Uniform | Binding::ReadOnly => {
                            wgpu::BufferBindingType::Storage { read_only: true }
                        }
                        Binding::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
                    },
                    has_dynamic_offset: *binding == Binding::Uniform,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(shader.name),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(shader.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let source = shader.source();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(shader.name),
            source: wgpu::ShaderSource::Wgsl(if moved {
                lavapipe::without_uniform(&source)
            } else {
                Cow::Borrowed(&source)
            }),
        });
        let constants: Vec<_> = constants.iter().map(|(n, v)| (*n, f64::from(*v))).collect();
        let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // No shader relies on it, and it costs a loop and a barrier.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Ok(Pipeline { raw, layout, shader })
    }
}
