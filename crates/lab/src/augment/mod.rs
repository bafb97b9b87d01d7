//! The job that makes a zoo of augmented networks, and measures what that did to their functions.
//!
//! Draws depend on the seed, the position of the operation in its chain and the (object, view) of the
//! network alone, so it does not matter how the work is cut.

mod change;
mod trial;

use crate::derive::{Derivation, DerivedZoo, NetReader, ids, lost_labels, nets_at_once};
use crate::error::LabError;
use crate::job::{Clock, Job};
use crate::message::{Message, Warning};
use crate::stats::Distribution;
pub use change::Change;
use change::Meter;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::VecDeque;
pub use trial::{Trial, trial};
use weightlab_data::{Store, Zoo, ZooManifest};
use weightlab_gpu::Gpu;
use weightlab_nets::symmetry::{Augmenter, Draws, Effect, Op};
use weightlab_nets::{Mlp, NetBatch, NetId, evaluate_bytes, image_grid};

/// More than a preserving operation may change outputs, as a share of their range: ten times what is
/// promised, so far beyond rounding.
const SUSPICIOUS: f64 = 1e-4;
/// Points of the grid on which functions are compared, at most.
const MOST_POINTS: usize = 1024;

/// What to do.
#[derive(Clone, Debug)]
pub struct AugmentOptions {
    /// One after the other.
    pub ops: Vec<Op>,
    /// Key of all random numbers.
    pub seed: u64,
}

/// What an augmentation is going to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Networks.
    pub nets: u64,
    /// The architecture: `2-32-32-1`.
    pub dims: String,
    /// The operations with all their parameters, in order.
    pub ops: Vec<Planned>,
    /// Points at which functions are compared.
    pub points: u64,
    /// Most bytes of GPU buffers at any time.
    pub bytes: u64,
    /// Networks on the GPU at once.
    pub nets_per_batch: u64,
    /// Networks per shard.
    pub nets_per_shard: u32,
    /// Name of the adapter.
    pub adapter: String,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// With all its parameters.
    pub op: String,
    /// What it does to the function, in words.
    pub effect: String,
}

/// What an augmentation came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Networks.
    pub nets: u64,
    /// Seconds.
    pub seconds: f64,
    /// Networks per second.
    pub nets_per_s: Option<f64>,
    /// What each operation did, in order.
    pub ops: Vec<Change>,
    /// What all of them together did.
    pub overall: Change,
    /// Least and greatest output of the networks before.
    pub output_range: [Option<f64>; 2],
    /// PSNR as the source zoo has it.
    pub psnr_before: Distribution,
    /// PSNR of the new networks against the images of their objects.
    pub psnr: Distribution,
    /// Median of the latter.
    pub psnr_median: Option<f64>,
    /// Name of the adapter.
    pub adapter: String,
}

/// An augmentation, as a stream of messages.
#[derive(Debug)]
pub struct AugmentJob<'a, A: Store, S: Store> {
    gpu: Gpu,
    reader: NetReader<'a, A>,
    out: DerivedZoo<S>,
    options: AugmentOptions,
    augmenter: Augmenter,
    per_batch: usize,
    meter: Meter,
    psnr_before: Vec<f32>,
    queue: VecDeque<Message<Started, Finished>>,
    clock: Clock,
    over: bool,
}

impl<'a, A: Store, S: Store> AugmentJob<'a, A, S> {
    /// Checks everything, states the memory, and begins the zoo in `out`.
    ///
    /// # Errors
    /// No operation, one that does not fit the architecture, a zoo that is unfinished, or a folder that
    /// is not free.
    pub async fn new(
        gpu: &Gpu,
        zoo: &'a Zoo<A>,
        options: AugmentOptions,
        out: S,
    ) -> Result<AugmentJob<'a, A, S>, LabError> {
        let manifest = zoo.manifest();
        let mlp = manifest.mlp.clone();
        if options.ops.is_empty() {
            return Err(LabError::NoOperation);
        }
        for op in &options.ops {
            op.validate(&mlp)?;
        }
        let reader = NetReader::new(zoo)?;
        let grid = grid(manifest);
        let points = grid.len() / mlp.inputs();
        let per_batch = per_batch(gpu, &mlp, points, options.ops.len(), zoo.nets());
        let augmenter = Augmenter::new(gpu, &mlp, per_batch)?;
        let texts: Vec<String> = options.ops.iter().map(ToString::to_string).collect();
        let derivation = Derivation {
            operation: "augment",
            parameters: json!({ "ops": texts }),
            seed: options.seed,
            nets: zoo.nets(),
            keep_targets: true,
        };
        let out = DerivedZoo::create(gpu, out, &[zoo], derivation).await?;
        let bytes = 2 * NetBatch::bytes(&mlp, per_batch)
            + Augmenter::bytes(&mlp, per_batch)
            + evaluate_bytes(gpu, &mlp, per_batch, points.max(out.points()));
        let started = Started {
            nets: zoo.nets(),
            dims: mlp.dims_text(),
            ops: planned(&options.ops),
            points: points as u64,
            bytes,
            nets_per_batch: per_batch as u64,
            nets_per_shard: manifest.nets_per_shard,
            adapter: gpu.report().name.clone(),
        };
        Ok(AugmentJob {
            gpu: gpu.clone(),
            meter: Meter::new(&mlp, grid, &options),
            reader,
            out,
            options,
            augmenter,
            per_batch,
            psnr_before: Vec::new(),
            queue: [Message::Started(started)]
                .into_iter()
                .chain(lost_labels(zoo).map(Message::Warning))
                .collect(),
            clock: Clock::default(),
            over: false,
        })
    }

    /// The new zoo, as far as it is stored.
    pub fn zoo(&self) -> &Zoo<S> {
        self.out.zoo()
    }

    /// One batch of networks, from the one zoo to the other.
    async fn step(&mut self) -> Result<(), LabError> {
        self.clock.start();
        let (first, nets) = (self.out.nets(), self.reader.nets());
        if first == nets {
            self.finish();
            return Ok(());
        }
        let positions: Vec<u64> = (first..nets.min(first + self.per_batch as u64)).collect();
        let mut shard = self.reader.read(&positions).await?;
        self.psnr_before.extend(&shard.psnr);
        let (options, ids) = (&self.options, ids(&shard));
        let (augmenter, meter) = (&mut self.augmenter, &mut self.meter);
        shard.params =
            run(&self.gpu, augmenter, meter, options, &shard.params, &ids, first).await?;
        let written = self.out.push(shard).await?;
        self.queue.extend(written.checkpoints.into_iter().map(Message::Checkpoint));
        let progress = self.clock.progress(self.out.nets(), nets, written.psnr.median);
        self.queue.push_back(Message::Progress(progress));
        Ok(())
    }

    fn finish(&mut self) {
        let seconds = self.clock.seconds();
        let nets = self.out.nets();
        let (ops, overall) = self.meter.changes(&self.options.ops);
        for (change, op) in ops.iter().zip(&self.options.ops) {
            let what = match change.of_range {
                None if nets > 0 && change.max.is_none() => {
                    format!(
                        "{}: outputs of some networks are NaN or infinite afterwards",
                        change.op
                    )
                }
                Some(x) if x > SUSPICIOUS && op.effect() == Effect::PreservesFunction => format!(
                    "{} should preserve the function, but changed outputs by {x:.1e} of their range: \
                     rounding does less. `weightlab check` tests this GPU",
                    change.op
                ),
                _ => continue,
            };
            self.queue.push_back(Message::Warning(Warning { what, diverged: None }));
        }
        let psnr = self.out.psnr();
        self.queue.push_back(Message::Finished(Finished {
            nets,
            seconds,
            nets_per_s: (nets > 0 && seconds > 0.0).then(|| nets as f64 / seconds),
            ops,
            overall,
            output_range: self.meter.output_range(),
            psnr_before: Distribution::of(self.psnr_before.iter().map(|&x| f64::from(x))),
            psnr_median: psnr.median,
            psnr,
            adapter: self.gpu.report().name.clone(),
        }));
        self.over = true;
    }
}

impl<A: Store, S: Store> Job for AugmentJob<'_, A, S> {
    type Started = Started;
    type Finished = Finished;

    async fn next(&mut self) -> Option<Message<Started, Finished>> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Some(message);
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.step().await {
                self.over = true;
                return Some(Message::Failed(error.failed()));
            }
        }
    }
}

/// New parameters, `[nets, P]`, of networks from position `first` on; every operation is measured on the way.
async fn run(
    gpu: &Gpu,
    augmenter: &mut Augmenter,
    meter: &mut Meter,
    options: &AugmentOptions,
    params: &[f32],
    ids: &[NetId],
    first: u64,
) -> Result<Vec<f32>, LabError> {
    let mlp = meter.mlp().clone();
    let mut now = NetBatch::upload(gpu, &mlp, params, ids)?;
    let mut next = NetBatch::upload(gpu, &mlp, params, ids)?;
    let mut params = params.to_vec();
    meter.begin(gpu, &params, ids).await?;
    for (position, op) in options.ops.iter().enumerate() {
        let mut recording = gpu.record();
        let draws = Draws::Seeded { seed: options.seed, position: position as u32 };
        augmenter.record(&mut recording, op, draws, &now, &next)?;
        recording.submit()?;
        let after = next.read().await?;
        if let Some(at) = after.iter().position(|x| !x.is_finite()) {
            let (net, at) = (at / mlp.param_count(), at % mlp.param_count());
            return Err(LabError::BecameNotFinite {
                operation: op.to_string(),
                net: first + net as u64,
                layer: mlp.locate(at).0,
            });
        }
        meter.see(gpu, position, op, &params, &after).await?;
        params = after;
        std::mem::swap(&mut now, &mut next);
    }
    meter.end();
    Ok(params)
}

fn planned(ops: &[Op]) -> Vec<Planned> {
    ops.iter()
        .map(|op| Planned { op: op.to_string(), effect: op.effect().name().to_owned() })
        .collect()
}

/// Networks of one step: so many that evaluating them takes tens of milliseconds.
fn per_batch(gpu: &Gpu, mlp: &Mlp, points: usize, ops: usize, nets: u64) -> usize {
    let products: usize = mlp.dims.windows(2).map(|d| d[0] * d[1]).sum();
    // Before, after every operation, and for the PSNR.
    let each = products * points * (ops + 2);
    let budget: u64 = if gpu.is_cpu() { 100_000_000 } else { 25_000_000_000 };
    let most = usize::try_from(nets).unwrap_or(usize::MAX).max(1);
    let pace = (budget / each as u64).max(1) as usize;
    pace.min(nets_at_once(gpu, mlp, 2, 0)).min(most)
}

/// Where functions are compared, `[points, d_0]`: the pixels of the images or, if those are too many or
/// there are none, a grid over \[-1, 1\]^d_0.
fn grid(manifest: &ZooManifest) -> Vec<f32> {
    let inputs = manifest.mlp.inputs();
    match manifest.image_shape {
        Some([h, w, _]) if inputs == 2 && h * w <= MOST_POINTS => image_grid(h, w),
        _ => {
            let side = (1..=MOST_POINTS)
                .rev()
                .find(|s| s.checked_pow(inputs as u32).is_some_and(|n| n <= MOST_POINTS))
                .unwrap_or(1);
            let line = |i: usize| 2.0 * i as f32 / (side.max(2) - 1) as f32 - 1.0;
            (0..side.pow(inputs as u32))
                .flat_map(|p| (0..inputs as u32).map(move |k| line(p / side.pow(k) % side)))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weightlab_nets::Convention;

    #[test]
    fn grids_fill_the_cube() {
        for (inputs, points) in [(1, 1024), (2, 1024), (3, 1000), (5, 1024)] {
            let mlp = Mlp::new(&[inputs, 4, 1], Convention::Dwsnets).unwrap();
            let grid = grid(&ZooManifest::new(mlp, 0));
            assert_eq!(grid.len(), points * inputs);
            for k in 0..inputs {
                let along = || grid.iter().skip(k).step_by(inputs);
                assert!(along().any(|&x| x == -1.0) && along().any(|&x| x == 1.0));
                assert!(along().all(|x| (-1.0..=1.0).contains(x)));
            }
        }
    }
}
