//! How fast networks are augmented, against how fast the adapter copies.

use super::random;
use crate::error::LabError;
use crate::stats::Distribution;
use serde::{Deserialize, Serialize};
use web_time::Instant;
use weightlab_gpu::Gpu;
use weightlab_nets::symmetry::{Augmenter, Draws, Op};
use weightlab_nets::{Activation, Mlp, NetBatch, NetId};

/// What to measure.
#[derive(Clone, Debug)]
pub struct AugmentBenchOptions {
    /// Networks of the batch.
    pub nets: usize,
    /// The architecture; operations on ReLU neurons are measured on the same widths.
    pub mlp: Mlp,
    /// Rounds; in each one everything is measured once.
    pub rounds: u32,
    /// Key of parameters and draws.
    pub seed: u64,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AugmentMeasurement {
    /// `augment`.
    pub bench: String,
    /// Name of the adapter.
    pub adapter: String,
    /// Networks of the batch.
    pub n: u64,
    /// The architecture.
    pub dims: String,
    /// The operation with its parameters, or `pick`.
    pub op: String,
    /// Milliseconds for the whole batch, draws included: median over rounds.
    pub ms: f64,
    /// Bytes of the parameters, read once and written once, by that time; 10^9 per second.
    pub gbytes_per_s: f64,
    /// What a kernel that only copies reaches.
    pub copy_gbytes_per_s: f64,
    /// What the driver's own copy reaches.
    pub driver_gbytes_per_s: f64,
    /// The operation's rate divided by the copying kernel's, round by round: median.
    pub share: f64,
    /// Least and greatest of them.
    pub share_range: [f64; 2],
}

/// Copies between two measurements are repeated until they take this long, seconds.
const AT_LEAST: f64 = 0.05;

/// Measures every operation that the architecture has, and picking by index.
///
/// # Errors
/// Options that make no sense, or the GPU.
pub async fn augment(
    gpu: &Gpu,
    options: &AugmentBenchOptions,
) -> Result<Vec<AugmentMeasurement>, LabError> {
    let AugmentBenchOptions { nets, ref mlp, rounds, seed } = *options;
    for (option, value) in [("--nets", nets as u64), ("--rounds", rounds.into())] {
        if value == 0 {
            return Err(LabError::Zero { option });
        }
    }
    mlp.validate()?;
    let mut bench = Bench::new(gpu, mlp, nets, seed)?;
    let mut relu = mlp.clone();
    relu.activation = Activation::Relu;
    let mut subjects: Vec<(Subject, Mlp)> = vec![(Subject::Pick, mlp.clone())];
    let known = Op::known().iter().filter(|k| k.name != "combine");
    for op in known.flat_map(|k| Op::parse(k.name).unwrap_or_default()) {
        let fits = [mlp, &relu].into_iter().find(|m| op.validate(m).is_ok());
        subjects.extend(fits.map(|m| (Subject::Op(op), m.clone())));
    }
    let mut copies = Vec::new();
    let mut times = vec![Vec::new(); subjects.len()];
    // The first round compiles and is thrown away.
    for round in 0..=rounds {
        let copy = bench.time(&Subject::Copy, mlp).await?;
        let driver = bench.time(&Subject::DriverCopy, mlp).await?;
        if round > 0 {
            copies.push([copy, driver]);
        }
        for ((subject, mlp), times) in subjects.iter().zip(&mut times) {
            let seconds = bench.time(subject, mlp).await?;
            if round > 0 {
                times.push(seconds);
            }
        }
    }
    let bytes = 2.0 * NetBatch::bytes(mlp, nets) as f64;
    let median =
        |values: &mut dyn Iterator<Item = f64>| Distribution::of(values).median.unwrap_or(f64::NAN);
    let rate = |seconds: f64| bytes / seconds / 1e9;
    let [copy, driver] = [0, 1].map(|i| rate(median(&mut copies.iter().map(|c| c[i]))));
    Ok(subjects
        .iter()
        .zip(&times)
        .map(|((subject, mlp), times)| {
            let shares = Distribution::of(times.iter().zip(&copies).map(|(t, c)| c[0] / t));
            let seconds = median(&mut times.iter().copied());
            AugmentMeasurement {
                bench: "augment".to_owned(),
                adapter: gpu.report().name.clone(),
                n: nets as u64,
                dims: mlp.dims_text(),
                op: subject.name(),
                ms: seconds * 1e3,
                gbytes_per_s: rate(seconds),
                copy_gbytes_per_s: copy,
                driver_gbytes_per_s: driver,
                share: shares.median.unwrap_or(f64::NAN),
                share_range: [shares.min, shares.max].map(|s| s.unwrap_or(f64::NAN)),
            }
        })
        .collect())
}

/// What is timed.
enum Subject {
    Copy,
    DriverCopy,
    Pick,
    Op(Op),
}

impl Subject {
    fn name(&self) -> String {
        match self {
            Subject::Copy => "copy by a kernel".to_owned(),
            Subject::DriverCopy => "copy by the driver".to_owned(),
            Subject::Pick => "pick".to_owned(),
            Subject::Op(op) => op.to_string(),
        }
    }
}

struct Bench {
    gpu: Gpu,
    seed: u64,
    ids: Vec<NetId>,
    items: weightlab_gpu::Buffer,
    /// Sine and ReLU: batches, their targets, and augmenters.
    kinds: Vec<(NetBatch, NetBatch, Augmenter)>,
}

impl Bench {
    fn new(gpu: &Gpu, mlp: &Mlp, nets: usize, seed: u64) -> Result<Bench, LabError> {
        let ids: Vec<NetId> = (0..nets).map(|n| NetId { object: n as u32, view: 0 }).collect();
        // Backwards, so that picking is no plain copy.
        let items: Vec<u32> = (0..nets as u32).rev().collect();
        Ok(Bench {
            gpu: gpu.clone(),
            seed,
            items: gpu.upload("items", &items)?,
            kinds: vec![Bench::kind(gpu, mlp, &ids, seed)?],
            ids,
        })
    }

    fn kind(
        gpu: &Gpu,
        mlp: &Mlp,
        ids: &[NetId],
        seed: u64,
    ) -> Result<(NetBatch, NetBatch, Augmenter), LabError> {
        let params = random(ids.len() * mlp.param_count(), seed, 0, [-1.0, 1.0]);
        let batch = NetBatch::upload(gpu, mlp, &params, ids)?;
        // With identities of its own, since picking writes them.
        let target = NetBatch::empty(gpu, mlp, ids.len())?;
        // Memory that was never written is not there yet, and whoever writes first waits for it.
        let mut recording = gpu.record();
        batch.record_copy(&mut recording, &target)?;
        recording.submit()?;
        Ok((batch, target, Augmenter::new(gpu, mlp, ids.len())?))
    }

    /// Seconds of one run.
    async fn time(&mut self, subject: &Subject, mlp: &Mlp) -> Result<f64, LabError> {
        // One kind at a time is on the GPU.
        if self.kinds[0].0.mlp() != mlp {
            self.kinds.clear();
            self.kinds.push(Bench::kind(&self.gpu, mlp, &self.ids, self.seed)?);
        }
        let (batch, target, augmenter) = &mut self.kinds[0];
        let gpu = &self.gpu;
        gpu.finish().await?;
        let begun = Instant::now();
        let mut runs = 0;
        while runs == 0 || begun.elapsed().as_secs_f64() < AT_LEAST {
            runs += 1;
            match subject {
                Subject::Copy => {
                    let mut recording = gpu.record();
                    batch.record_copy(&mut recording, target)?;
                    recording.submit()?;
                }
                Subject::DriverCopy => gpu.copy(batch.params(), target.params()),
                Subject::Pick => {
                    let mut recording = gpu.record();
                    batch.record_pick(&mut recording, &self.items, target)?;
                    recording.submit()?;
                }
                Subject::Op(op) => {
                    let mut recording = gpu.record();
                    let draws = Draws::Seeded { seed: self.seed, position: 0 };
                    augmenter.record(&mut recording, op, draws, batch, target)?;
                    recording.submit()?;
                }
            }
            gpu.finish().await?;
        }
        Ok(begun.elapsed().as_secs_f64() / f64::from(runs))
    }
}
