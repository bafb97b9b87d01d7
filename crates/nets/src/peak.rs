//! What the device can do at most. Kernel: `shaders/bench/peak.wgsl`.

use web_time::Instant;
use weightlab_gpu::{Gpu, GpuError};

#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct PeakParams {
    iterations: u32,
    factor: f32,
    pad: [u32; 2],
}

/// Measured f32 multiply-add rate in GFLOP/s (a multiply-add counts two): the best of several runs
/// that each take some tens of milliseconds.
///
/// # Errors
/// The GPU.
pub async fn gflops(gpu: &Gpu) -> Result<f64, GpuError> {
    let pipeline = gpu.pipeline(&weightlab_kernels::BENCH_PEAK, &[])?;
    // Well below the loop budget of software renderers, and enough invocations for any GPU.
    let iterations = 512;
    let mut groups: u32 = 8;
    let out = gpu.buffer("peak", 4 * 64 * 65_535)?;
    let params = PeakParams { iterations, factor: 0.5, pad: [0; 2] };
    let mut best = 0f64;
    let mut counted = 0;
    while counted < 5 {
        let start = Instant::now();
        let mut recording = gpu.record();
        recording.dispatch(&pipeline, &params, &[&out], [groups, 1, 1]);
        recording.submit()?;
        gpu.finish().await?;
        let seconds = start.elapsed().as_secs_f64();
        if seconds < 0.02 && groups < 65_535 / 2 {
            groups *= 2;
            continue;
        }
        counted += 1;
        let flop = f64::from(groups) * 64.0 * f64::from(iterations) * 1024.0;
        best = best.max(flop / seconds / 1e9);
    }
    Ok(best)
}
