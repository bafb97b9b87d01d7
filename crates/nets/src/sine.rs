//! How exact the kernels' sine is on a device. Kernel: `shaders/shared/sine.wgsl`.

use weightlab_gpu::{Gpu, GpuError};

/// Greatest absolute errors of sin and cos over |x| <= 200, against f64.
///
/// The points are every 1/512 (exact in f32) and their neighbours, 4 * 2^17 in all.
///
/// # Errors
/// The GPU.
pub async fn max_error(gpu: &Gpu) -> Result<(f64, f64), GpuError> {
    let points: Vec<f32> = (0..=1 << 17)
        .map(|i| (i - (1 << 16)) as f32 * (200.0 / 65_536.0))
        .flat_map(|x: f32| [x, x.next_up(), x * 0.999_37, x.next_down()])
        .collect();
    let x = gpu.upload("x", &points)?;
    let sines = gpu.buffer("sines", x.bytes())?;
    let cosines = gpu.buffer("cosines", x.bytes())?;
    let pipeline = gpu.pipeline(&weightlab_kernels::CHECK_SINE, &[])?;
    let mut recording = gpu.record();
    let groups = (points.len() / 4).div_ceil(64) as u32;
    recording.dispatch(&pipeline, &[0u32; 0], &[&x, &sines, &cosines], [groups, 1, 1]);
    recording.submit()?;
    let sines: Vec<f32> = gpu.read(&sines, 0, points.len()).await?;
    let cosines: Vec<f32> = gpu.read(&cosines, 0, points.len()).await?;
    let worst = |got: &[f32], exact: fn(f64) -> f64| {
        got.iter().zip(&points).fold(0f64, |worst, (y, x)| {
            let error = (f64::from(*y) - exact(f64::from(*x))).abs();
            // A NaN must not get lost in a maximum.
            if error.is_nan() { f64::INFINITY } else { worst.max(error) }
        })
    };
    Ok((worst(&sines, f64::sin), worst(&cosines, f64::cos)))
}
