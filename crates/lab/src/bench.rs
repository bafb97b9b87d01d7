//! How fast networks are fitted, what is done to them, and how fast linear layers are.

mod align;
mod augment;
mod matmul;
mod train;

pub use align::{AlignBenchOptions, AlignMeasurement, align};
pub use augment::{AugmentBenchOptions, AugmentMeasurement, augment};
pub use matmul::{MatmulBenchOptions, MatmulMeasurement, matmul};
pub use train::{TrainBenchOptions, TrainMeasurement, train};

use crate::error::LabError;
use serde::{Deserialize, Serialize};
use web_time::{Duration, Instant};
use weightlab_gpu::Gpu;
use weightlab_kernels::philox;
use weightlab_nets::fit::flop_per_step;
use weightlab_nets::{FitBatch, FitSettings, Mlp, NetId, Status, peak, plan_fit};

/// What to measure.
#[derive(Clone, Debug)]
pub struct FitBenchOptions {
    /// Networks.
    pub nets: usize,
    /// Points of each network's signal.
    pub points: usize,
    /// The architecture, from 2 coordinates.
    pub mlp: Mlp,
    /// Measured steps of a round.
    pub steps: u32,
    /// Rounds, each of which gives a measurement.
    pub rounds: u32,
    /// Key of the targets and of the initial parameters.
    pub seed: u64,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// `fit`.
    pub bench: String,
    /// Name of the adapter.
    pub adapter: String,
    /// Networks.
    pub n: u64,
    /// Steps of the round.
    pub steps: u32,
    /// Points.
    pub points: u64,
    /// The architecture.
    pub dims: String,
    /// Milliseconds per network and step.
    pub ms_per_net_step: f64,
    /// Steps per second, summed over networks.
    pub net_steps_per_s: f64,
    /// Thousand million multiplications and additions per second, those of sines not counted.
    pub gflops: f64,
    /// What a kernel of nothing but multiply-adds reaches on this adapter, where measured.
    pub peak_gflops: Option<f64>,
    /// The former divided by the latter; none if that exceeds 1, because the machine was busy with other work while
    /// the peak was measured.
    pub peak_share: Option<f64>,
    /// The longest slice of GPU work of the run, waiting for its result included.
    pub longest_slice_ms: f64,
    /// Which kernel, specialised how.
    pub kernel: String,
    /// Bytes of GPU buffers of a batch.
    pub bytes: u64,
    /// Networks on the GPU at once.
    pub nets_per_batch: u64,
}

/// Steps before the measured ones: compile, allocate, let the slices find their length.
const WARM_UP: u32 = 20;

/// What a kernel of nothing but multiply-adds reaches on this adapter.
///
/// Other work on the machine slows that kernel down too, so it is measured before and after what it is compared with,
/// and the better figure counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    gflops: f64,
}

impl Peak {
    /// Measures it.
    ///
    /// # Errors
    /// The GPU.
    pub async fn measure(gpu: &Gpu) -> Result<Peak, LabError> {
        Ok(Peak { gflops: peak::gflops(gpu).await? })
    }

    /// Measures it again; the better of both.
    ///
    /// # Errors
    /// The GPU.
    pub async fn again(self, gpu: &Gpu) -> Result<Peak, LabError> {
        Ok(Peak { gflops: self.gflops.max(Peak::measure(gpu).await?.gflops) })
    }

    /// This rate and its share in a measurement of `gflops`. Nothing is faster than the peak, so that a share above 1
    /// is none.
    fn judge(self, gflops: f64) -> (Option<f64>, Option<f64>) {
        let peak = Some(self.gflops).filter(|p| p.is_finite() && *p > 0.0);
        (peak, peak.map(|p| gflops / p).filter(|&share| share <= 1.0))
    }
}

impl Measurement {
    /// Records the peak beside it.
    pub fn compare(&mut self, peak: Peak) {
        (self.peak_gflops, self.peak_share) = peak.judge(self.gflops);
    }
}

impl MatmulMeasurement {
    /// Records the peak beside it.
    pub fn compare(&mut self, peak: Peak) {
        (self.peak_gflops, self.peak_share) = peak.judge(self.gflops);
    }
}

/// Fits networks to random targets and measures each of some rounds, without early stops.
///
/// # Errors
/// Options that make no sense, or the GPU.
pub async fn fit(gpu: &Gpu, options: &FitBenchOptions) -> Result<Vec<Measurement>, LabError> {
    let FitBenchOptions { nets, points, ref mlp, steps, rounds, seed } = *options;
    for (option, value) in [
        ("--nets", nets as u64),
        ("--points", points as u64),
        ("--steps", steps.into()),
        ("--rounds", rounds.into()),
    ] {
        if value == 0 {
            return Err(LabError::Zero { option });
        }
    }
    let plan = plan_fit(gpu, mlp, points, nets)?;
    let settings = FitSettings {
        // Never reached: the last slice of a round may run over its end.
        max_steps: u32::MAX / 2,
        until_psnr: None,
        ..FitSettings::default()
    };
    let coords = random(points * mlp.inputs(), seed, 1, [-1.0, 1.0]);
    let mut seconds = vec![0.0; rounds as usize];
    let mut done = vec![0u64; rounds as usize];
    let mut longest = Duration::ZERO;
    let batch_size = plan.nets_per_batch.min(nets);
    for first in (0..nets).step_by(batch_size) {
        let count = batch_size.min(nets - first);
        let each = points * mlp.outputs();
        let targets: Vec<f32> = (first..first + count)
            .flat_map(|net| random(each, seed, 2 + net as u32, mlp.target_range))
            .collect();
        let ids: Vec<NetId> =
            (first..first + count).map(|net| NetId { object: net as u32, view: 0 }).collect();
        let mut batch = FitBatch::new(gpu, mlp, &coords, &targets, &ids, seed, &settings).await?;
        drop(targets);
        let spans = measure(&mut batch, steps, rounds).await?;
        longest = longest.max(batch.longest_slice());
        for (round, (time, work)) in spans.into_iter().enumerate() {
            seconds[round] += time;
            done[round] += work;
        }
    }
    let flops = flop_per_step(mlp, points);
    Ok(seconds
        .iter()
        .zip(&done)
        .map(|(&seconds, &done)| {
            let rate = done as f64 / seconds;
            let gflops = flops * rate / 1e9;
            Measurement {
                bench: "fit".to_owned(),
                adapter: gpu.report().name.clone(),
                n: nets as u64,
                steps,
                points: points as u64,
                dims: mlp.dims_text(),
                ms_per_net_step: 1e3 / rate,
                net_steps_per_s: rate,
                gflops,
                peak_gflops: None,
                peak_share: None,
                longest_slice_ms: longest.as_secs_f64() * 1e3,
                kernel: plan.kernel.clone(),
                bytes: plan.bytes,
                nets_per_batch: batch_size as u64,
            }
        })
        .collect())
}

/// `(seconds, network steps)` of each round. Outcomes change when all networks of a batch have been
/// advanced equally, so a round begins and ends at such a moment, and does at least `steps` steps.
async fn measure(
    batch: &mut FitBatch,
    steps: u32,
    rounds: u32,
) -> Result<Vec<(f64, u64)>, LabError> {
    let mut spans = Vec::new();
    let mut due = WARM_UP;
    let mut begun: Option<(Instant, u64)> = None;
    while spans.len() < rounds as usize {
        let progress = batch.advance().await?;
        let outcomes = batch.outcomes();
        if let Some(net) = outcomes.iter().position(|o| o.status != Status::Running) {
            return Err(LabError::BenchDiverged { net });
        }
        let least = outcomes.iter().map(|o| o.steps).min().unwrap_or(0);
        if least >= due {
            if let Some((at, before)) = begun {
                spans.push((at.elapsed().as_secs_f64(), progress.steps - before));
            }
            due = least.saturating_add(steps);
            begun = Some((Instant::now(), progress.steps));
        }
    }
    Ok(spans)
}

/// `count` numbers uniform on `range`, the same for the same `seed` and `stream`.
pub(crate) fn random(count: usize, seed: u64, stream: u32, range: [f32; 2]) -> Vec<f32> {
    let key = philox::key(seed);
    let [lo, hi] = range;
    (0..count.div_ceil(4) as u32)
        .flat_map(|i| philox::philox4x32([i, stream, 0, u32::MAX], key))
        .take(count)
        .map(|word| lo + (hi - lo) * (0.5 + 0.5 * philox::symmetric(word)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weightlab_nets::Convention;

    #[test]
    fn operations_of_the_usual_network() {
        let mlp = Mlp::new(&[2, 32, 32, 1], Convention::Dwsnets).unwrap();
        // 2*32 + 32*32 + 32*1 = 1120 weights.
        assert_eq!(flop_per_step(&mlp, 784), 6.0 * 784.0 * 1120.0);
    }

    #[test]
    fn nothing_is_faster_than_the_peak() {
        let peak = Peak { gflops: 80.0 };
        assert_eq!(peak.judge(40.0), (Some(80.0), Some(0.5)));
        assert_eq!(peak.judge(100.0), (Some(80.0), None));
        assert_eq!(Peak { gflops: f64::INFINITY }.judge(40.0), (None, None));
    }

    #[test]
    fn random_numbers_fill_their_range() {
        let numbers = random(1001, 7, 3, [-1.0, 1.0]);
        assert_eq!(numbers.len(), 1001);
        assert!(numbers.iter().all(|x| (-1.0..1.0).contains(x)));
        let mean = numbers.iter().sum::<f32>() / 1001.0;
        // The standard error of the mean is 0.018.
        assert!(mean.abs() < 0.1, "{mean}");
        assert_eq!(numbers, random(1001, 7, 3, [-1.0, 1.0]));
        assert_ne!(numbers[..8], random(8, 7, 4, [-1.0, 1.0])[..]);
    }
}
