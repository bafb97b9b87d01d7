//! Fresh parameters. Kernel: `shaders/siren/init.wgsl`.

use crate::{Device, FitError, Mlp, NetId};
use weightlab_gpu::{Buffer, Gpu};
use weightlab_kernels::philox::{self, Purpose};

#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct InitParams {
    nets: u32,
    param_count: u32,
    layers: u32,
    pad: u32,
    seed: [u32; 2],
    pad2: [u32; 2],
    ends: [[u32; 4]; 8],
    bounds: [[f32; 4]; 8],
}

/// Fresh parameters `[nets, P]` for `ids`, under the initialisation of `mlp`.
///
/// # Errors
/// The architecture or the GPU.
pub async fn init(
    device: impl Into<Device>,
    mlp: &Mlp,
    ids: &[NetId],
    seed: u64,
) -> Result<Vec<f32>, FitError> {
    let Device::Gpu(gpu) = device.into() else {
        mlp.validate()?;
        return Ok(ids.iter().flat_map(|&id| init_reference(mlp, id, seed)).collect());
    };
    let count = mlp.param_count();
    // The buffer may exceed what one binding holds; networks are independent, so cut it.
    let per_pass = (gpu.report().max_binding_bytes / (count as u64 * 4)).max(1) as usize;
    let mut params = Vec::with_capacity(ids.len() * count);
    for part in ids.chunks(per_pass.min(65_535)) {
        let buffer = init_buffer(&gpu, mlp, part, seed)?;
        params.extend(gpu.read::<f32>(&buffer, 0, part.len() * count).await?);
    }
    Ok(params)
}

/// As [`init`], left on the GPU; for as many networks as one binding holds.
///
/// # Errors
/// As [`init`].
pub fn init_buffer(gpu: &Gpu, mlp: &Mlp, ids: &[NetId], seed: u64) -> Result<Buffer, FitError> {
    mlp.validate()?;
    let count = mlp.param_count();
    let params = gpu.buffer("initial parameters", (ids.len() * count * 4) as u64)?;
    let words: Vec<[u32; 2]> = ids.iter().map(|id| [id.object, id.view]).collect();
    let ids_buffer = gpu.upload("net ids", &words)?;
    let mut block = InitParams {
        nets: ids.len() as u32,
        param_count: count as u32,
        layers: mlp.depth() as u32,
        pad: 0,
        seed: philox::key(seed),
        pad2: [0; 2],
        ends: [[0; 4]; 8],
        bounds: [[0.0; 4]; 8],
    };
    for (l, layer) in mlp.layers().iter().enumerate() {
        let (weight, bias) = mlp.init_bounds(l);
        let end = layer.bias + layer.outputs;
        block.ends[l] = [layer.bias as u32, end as u32, 0, 0];
        block.bounds[l] = [weight, bias, 0.0, 0.0];
    }
    let pipeline = gpu.pipeline(&weightlab_kernels::SIREN_INIT, &[])?;
    let mut recording = gpu.record();
    let blocks = count.div_ceil(4).div_ceil(64) as u32;
    recording.dispatch(&pipeline, &block, &[&ids_buffer, &params], [blocks, ids.len() as u32, 1]);
    recording.submit()?;
    Ok(params)
}

/// The plain-Rust twin of the kernel, for one network.
pub fn init_reference(mlp: &Mlp, id: NetId, seed: u64) -> Vec<f32> {
    let key = philox::key(seed);
    let mut params = Vec::with_capacity(mlp.param_count());
    for (l, layer) in mlp.layers().iter().enumerate() {
        let (weight, bias) = mlp.init_bounds(l);
        for p in layer.weight..layer.bias + layer.outputs {
            let counter = [p as u32 / 4, id.object, id.view, Purpose::Init as u32];
            let u = philox::symmetric(philox::philox4x32(counter, key)[p % 4]);
            params.push(if p < layer.bias { weight * u } else { bias * u });
        }
    }
    params
}
