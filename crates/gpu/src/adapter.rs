//! Finding an adapter and opening a device on it.

use crate::error::{ErrorSlot, GpuError};
use crate::{Gpu, Inner};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

/// What a user must know of an adapter, with the limits that matter here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterReport {
    /// Position in [`list_adapters`].
    pub index: usize,
    /// The driver's name of the device.
    pub name: String,
    /// `vulkan`, `metal`, `dx12` or `browser webgpu`.
    pub backend: String,
    /// `discrete gpu`, `integrated gpu`, `virtual gpu`, `cpu` or `other`.
    pub device_type: String,
    /// Driver name and version, where known.
    pub driver: String,
    /// Largest storage buffer that can be bound, bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, bytes.
    pub max_buffer_bytes: u64,
    /// Workgroup memory, bytes.
    pub max_workgroup_bytes: u32,
    /// Invocations in a workgroup.
    pub max_invocations: u32,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Storage buffers of one shader.
    pub max_storage_buffers: u32,
}

/// How to open a device.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// An index of [`list_adapters`] or a part of a name, ignoring case. None: the fastest.
    pub adapter: Option<String>,
    /// Ask for no more than the WebGPU default limits, to test what every device must run.
    pub default_limits: bool,
    /// Fill new buffers with NaN, to test that nothing relies on zeros.
    pub poison: bool,
    /// Let kernels be chosen as for a GPU also on a software renderer, to test what runs there.
    pub as_gpu: bool,
    /// On a software renderer, run the native twins of kernels that have one: see [`Gpu::runs_twins`].
    pub twins: bool,
}

fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // OpenGL would offer the same devices again with fewer abilities.
    descriptor.backends = wgpu::Backends::VULKAN
        | wgpu::Backends::METAL
        | wgpu::Backends::DX12
        | wgpu::Backends::BROWSER_WEBGPU;
    wgpu::Instance::new(descriptor)
}

fn report(index: usize, adapter: &wgpu::Adapter, limits: &wgpu::Limits) -> AdapterReport {
    let info = adapter.get_info();
    AdapterReport {
        index,
        name: if info.name.is_empty() { "unnamed adapter".to_owned() } else { info.name },
        backend: match info.backend {
            wgpu::Backend::BrowserWebGpu => "browser webgpu".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        },
        device_type: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete gpu",
            wgpu::DeviceType::IntegratedGpu => "integrated gpu",
            wgpu::DeviceType::VirtualGpu => "virtual gpu",
            wgpu::DeviceType::Cpu => "cpu",
            wgpu::DeviceType::Other => "other",
        }
        .to_owned(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        max_workgroups: limits.max_compute_workgroups_per_dimension,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
    }
}

async fn adapters() -> Vec<wgpu::Adapter> {
    let instance = instance();
    #[cfg(not(target_arch = "wasm32"))]
    return instance.enumerate_adapters(wgpu::Backends::all()).await;
    #[cfg(target_arch = "wasm32")]
    instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await.into_iter().collect()
}

/// Every adapter there is, with all it could grant.
pub async fn list_adapters() -> Vec<AdapterReport> {
    adapters().await.iter().enumerate().map(|(i, a)| report(i, a, &a.limits())).collect()
}

/// Position of the wanted adapter in `reports`.
fn choose(reports: &[AdapterReport], wanted: Option<&str>) -> Result<usize, GpuError> {
    let Some(wanted) = wanted else {
        let rank = |r: &AdapterReport| match r.device_type.as_str() {
            "discrete gpu" => 0,
            "integrated gpu" => 1,
            "virtual gpu" => 2,
            "other" => 3,
            _ => 4,
        };
        return reports
            .iter()
            .min_by_key(|r| (rank(r), r.index))
            .map(|r| r.index)
            .ok_or_else(no_adapter);
    };
    if reports.is_empty() {
        return Err(no_adapter());
    }
    let matches: Vec<usize> = match wanted.parse::<usize>() {
        Ok(index) => reports.iter().filter(|r| r.index == index).map(|r| r.index).collect(),
        Err(_) => reports
            .iter()
            .filter(|r| r.name.to_lowercase().contains(&wanted.to_lowercase()))
            .map(|r| r.index)
            .collect(),
    };
    match matches.as_slice() {
        [only] => Ok(*only),
        _ => Err(GpuError::NoSuchAdapter {
            wanted: wanted.to_owned(),
            matches: matches.len(),
            available: reports
                .iter()
                .map(|r| format!("{}: {}", r.index, r.name))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

fn no_adapter() -> GpuError {
    let backends = wgpu::Instance::enabled_backend_features();
    GpuError::NoAdapter { backends: format!("asked: {backends:?}").to_lowercase() }
}

/// The default limits, raised to what `granted` allows where Weightlab has a use for more.
fn wanted_limits(granted: &wgpu::Limits) -> wgpu::Limits {
    let base = wgpu::Limits::default();
    wgpu::Limits {
        max_storage_buffer_binding_size: granted.max_storage_buffer_binding_size,
        max_buffer_size: granted.max_buffer_size,
        max_compute_workgroup_storage_size: granted.max_compute_workgroup_storage_size,
        ..base
    }
}

impl Gpu {
    /// Opens a device.
    ///
    /// # Errors
    /// No adapter, no such adapter, or one that refuses or is below the WebGPU minimum.
    pub async fn open(options: &OpenOptions) -> Result<Gpu, GpuError> {
        let adapters = adapters().await;
        let reports: Vec<AdapterReport> =
            adapters.iter().enumerate().map(|(i, a)| report(i, a, &a.limits())).collect();
        let index = choose(&reports, options.adapter.as_deref())?;
        let adapter = &adapters[index];
        let granted = adapter.limits();
        require_minimum(&reports[index])?;
        let limits =
            if options.default_limits { wgpu::Limits::default() } else { wanted_limits(&granted) };

        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("weightlab"),
                required_features: wgpu::Features::empty(),
                required_limits: limits,
                ..Default::default()
            })
            .await
            .map_err(|e| GpuError::DeviceRefused {
                adapter: reports[index].name.clone(),
                reason: e.to_string(),
            })?;

        let errors = ErrorSlot::default();
        let slot = errors.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            slot.put(match error {
                wgpu::Error::OutOfMemory { .. } => GpuError::OutOfMemory,
                other => GpuError::Refused(other.to_string()),
            });
        }));
        let slot = errors.clone();
        device.set_device_lost_callback(move |reason, message| {
            slot.put(GpuError::Lost(format!("{reason:?}: {message}").to_lowercase()));
        });

        let uniforms = crate::recording::uniform_buffer(&device, 1 << 16);
        let report = report(index, adapter, &device.limits());
        Ok(Gpu {
            inner: Arc::new(Inner {
                device,
                queue,
                report,
                poison: options.poison,
                as_gpu: options.as_gpu,
                twins: options.twins,
                errors,
                pipelines: Mutex::default(),
                uniforms: Mutex::new(uniforms),
                live_bytes: Arc::default(),
                counters: Default::default(),
            }),
        })
    }
}

fn require_minimum(report: &AdapterReport) -> Result<(), GpuError> {
    let base = wgpu::Limits::default();
    let needs = [
        (
            "workgroup memory",
            u64::from(report.max_workgroup_bytes),
            u64::from(base.max_compute_workgroup_storage_size),
        ),
        (
            "invocations per workgroup",
            u64::from(report.max_invocations),
            u64::from(base.max_compute_invocations_per_workgroup),
        ),
        (
            "storage buffers per shader",
            u64::from(report.max_storage_buffers),
            u64::from(base.max_storage_buffers_per_shader_stage),
        ),
        (
            "storage buffer binding size",
            report.max_binding_bytes,
            base.max_storage_buffer_binding_size,
        ),
    ];
    for (limit, got, needed) in needs {
        if got < needed {
            return Err(GpuError::DeviceTooSmall {
                adapter: report.name.clone(),
                limit,
                got,
                needed,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(index: usize, name: &str, device_type: &str) -> AdapterReport {
        AdapterReport {
            index,
            name: name.to_owned(),
            backend: "vulkan".to_owned(),
            device_type: device_type.to_owned(),
            driver: String::new(),
            max_binding_bytes: 1 << 27,
            max_buffer_bytes: 1 << 28,
            max_workgroup_bytes: 16_384,
            max_invocations: 256,
            max_workgroups: 65_535,
            max_storage_buffers: 8,
        }
    }

    #[test]
    fn a_gpu_is_preferred_to_a_cpu() {
        let reports = [named(0, "llvmpipe", "cpu"), named(1, "Big GPU", "discrete gpu")];
        assert_eq!(choose(&reports, None).unwrap(), 1);
        assert_eq!(choose(&reports, Some("LLVM")).unwrap(), 0);
        assert_eq!(choose(&reports, Some("1")).unwrap(), 1);
    }

    #[test]
    fn no_adapter_and_no_match_say_what_to_do() {
        let none = choose(&[], None).unwrap_err().to_string();
        assert!(none.contains("mesa-vulkan-drivers"), "{none}");
        let reports = [named(0, "llvmpipe", "cpu")];
        let wrong = choose(&reports, Some("geforce")).unwrap_err().to_string();
        assert!(wrong.contains("geforce") && wrong.contains("0: llvmpipe"), "{wrong}");
        assert!(choose(&reports, Some("7")).is_err());
    }

    #[test]
    fn a_device_below_the_minimum_is_named() {
        let mut small = named(0, "tiny", "cpu");
        small.max_workgroup_bytes = 8_192;
        let text = require_minimum(&small).unwrap_err().to_string();
        assert!(text.contains("workgroup memory is 8192") && text.contains("16384"), "{text}");
        assert!(require_minimum(&named(0, "enough", "cpu")).is_ok());
    }
}
