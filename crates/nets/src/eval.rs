//! Outputs of networks on a grid of points.

use crate::layers::{Layers, TILE, Work, planar, points_at_once};
use crate::{Device, Mlp, MlpError, host};
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

/// How an evaluation is cut: padded points of the signal, points at a time, networks at a time.
fn cut(gpu: &Gpu, mlp: &Mlp, nets: usize, points: usize) -> [usize; 3] {
    let padded = points.next_multiple_of(TILE);
    let at_once = points_at_once(gpu, mlp, 1);
    let chunk = padded.min(at_once);
    [padded, chunk, (at_once / chunk).clamp(1, nets)]
}

/// Bytes of GPU buffers that [`evaluate`] takes while it runs.
pub fn evaluate_bytes(gpu: &Gpu, mlp: &Mlp, nets: usize, points: usize) -> u64 {
    if nets == 0 || points == 0 {
        return 0;
    }
    let [padded, chunk, group] = cut(gpu, mlp, nets, points);
    let widest = mlp.dims[1..].iter().max().copied().unwrap_or(1);
    let coords = mlp.inputs() * padded.next_multiple_of(chunk);
    (4 * (coords + 2 * group * widest * chunk + group * (mlp.param_count() + 1))) as u64
}

/// Outputs `[nets, points, d_M]`, in output units, of `nets` networks with parameters `[nets, P]` at
/// `coords` `[points, d_0]`.
///
/// # Errors
/// Lengths that do not fit, the architecture, or the GPU.
pub async fn evaluate(
    device: impl Into<Device>,
    mlp: &Mlp,
    params: &[f32],
    nets: usize,
    coords: &[f32],
) -> Result<Vec<f32>, EvalError> {
    mlp.validate()?;
    let points = coords.len() / mlp.inputs();
    for (what, got, expected) in [
        ("parameters", params.len(), nets * mlp.param_count()),
        ("coordinates", coords.len(), points * mlp.inputs()),
    ] {
        if got != expected {
            return Err(EvalError::Length { what, got, expected });
        }
    }
    if nets == 0 || points == 0 {
        return Ok(Vec::new());
    }
    match device.into() {
        Device::Gpu(gpu) => evaluate_on(&gpu, mlp, params, nets, coords).await,
        Device::Host => Ok(host::evaluate(mlp, params, coords)),
    }
}

async fn evaluate_on(
    gpu: &Gpu,
    mlp: &Mlp,
    params: &[f32],
    nets: usize,
    coords: &[f32],
) -> Result<Vec<f32>, EvalError> {
    let points = coords.len() / mlp.inputs();
    let layers = Layers::new(gpu, mlp, false)?;
    let [padded, chunk, group] = cut(gpu, mlp, nets, points);
    let stride = padded.next_multiple_of(chunk);
    let coords = gpu.upload("coordinates", &planar(coords, mlp.inputs(), stride))?;
    let active = gpu.upload("active nets", &(0..group as u32).collect::<Vec<_>>())?;
    let widest = mlp.dims[1..].iter().max().copied().unwrap_or(1);
    let bytes = (group * widest * chunk * 4) as u64;
    let buffers = [gpu.buffer("activations", bytes)?, gpu.buffer("activations", bytes)?];
    let unused = gpu.buffer("no slopes", 16)?;
    let params_buffer = gpu.buffer("parameters", (group * mlp.param_count() * 4) as u64)?;

    let mut out = vec![0f32; nets * points * mlp.outputs()];
    for first in (0..nets).step_by(group) {
        let slots = group.min(nets - first);
        let count = mlp.param_count();
        gpu.write(&params_buffer, 0, &params[first * count..(first + slots) * count]);
        for start in (0..padded).step_by(chunk) {
            let work = Work {
                first: 0,
                slots: slots as u32,
                chunk: chunk as u32,
                start: start as u32,
                stride: stride as u32,
            };
            let mut recording = gpu.record();
            for l in 0..mlp.depth() {
                let x = if l == 0 { &coords } else { &buffers[(l + 1) % 2] };
                let buffers = [&active, &params_buffer, x, &buffers[l % 2], &unused];
                layers.forward(&mut recording, l, &work, buffers);
            }
            recording.submit()?;
            let y: Vec<f32> =
                gpu.read(&buffers[(mlp.depth() - 1) % 2], 0, slots * mlp.outputs() * chunk).await?;
            for slot in 0..slots {
                for p in start..points.min(start + chunk) {
                    for o in 0..mlp.outputs() {
                        out[((first + slot) * points + p) * mlp.outputs() + o] =
                            y[(slot * mlp.outputs() + o) * chunk + p - start];
                    }
                }
            }
        }
    }
    Ok(out)
}
