//! The job that aligns networks of a zoo to others of it.
//!
//! Every pair is aligned by itself, and random orders are drawn by the pair's position in the job, so it does
//! not matter how the work is cut.

mod record;

use crate::derive::{Derivation, DerivedZoo, NetReader, PairList, in_words, nets_at_once};
use crate::error::LabError;
use crate::job::{Clock, Job};
use crate::message::{Message, Warning};
use crate::stats::Distribution;
use record::Record;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::VecDeque;
use weightlab_data::{Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::align::{
    AlignSettings, LANE_WIDTH, MAX_MATCH_WIDTH, Matcher, Method, Order, align,
};
use weightlab_nets::symmetry::moves;
use weightlab_nets::{Mlp, NetBatch, evaluate_bytes};

/// Name of the file, beside the shards, that says how networks were moved. Its tensors, for n pairs and hidden
/// layers l of width w: `pair` i64 `[n, 2]`, positions in the zoo that was aligned; `source.l` i64 `[n, w]`: position
/// i takes what was neuron `source[i]`; with signs also `row.l`, `shift.l` and `column.l` f32 `[n, w]`: its incoming
/// weights and bias times `row`, its bias plus `shift`, its outgoing weights times `column`; `objective_before`,
/// `objective_after`, `squared_distance_before` and `squared_distance_after` f64 `[n]`; `sweeps` and `converged` i64 `[n]`.
pub const ALIGNMENT_FILE: &str = "alignment.safetensors";

/// What to do.
#[derive(Clone, Debug)]
pub struct AlignOptions {
    /// Which networks, to which.
    pub pairs: PairList,
    /// Which moves.
    pub method: Method,
    /// Whether sweeps visit layers from the input instead of at random.
    pub ascending: bool,
    /// Key of all random numbers.
    pub seed: u64,
}

impl AlignOptions {
    fn settings(&self) -> AlignSettings {
        let order =
            if self.ascending { Order::Ascending } else { Order::Random { seed: self.seed } };
        AlignSettings { method: self.method, order, ..AlignSettings::default() }
    }

    fn order_name(&self) -> &'static str {
        if self.ascending { "ascending" } else { "random" }
    }
}

/// What an alignment is going to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Pairs, and networks of the new zoo.
    pub pairs: u64,
    /// The architecture: `2-32-32-1`.
    pub dims: String,
    /// `weight-matching` or `signed`.
    pub method: String,
    /// `random` or `ascending`.
    pub order: String,
    /// Whether layers are too wide for the GPU's kernel and are matched on the CPU.
    pub on_cpu: bool,
    /// Most bytes of GPU buffers at any time.
    pub bytes: u64,
    /// Pairs on the GPU at once.
    pub pairs_per_batch: u64,
    /// Name of the adapter.
    pub adapter: String,
}

/// What an alignment came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Pairs, and networks of the new zoo.
    pub pairs: u64,
    /// Seconds.
    pub seconds: f64,
    /// Pairs per second.
    pub pairs_per_s: Option<f64>,
    /// Inner product of both networks' parameters, before; alignment makes it larger.
    pub objective_before: Distribution,
    /// And after.
    pub objective_after: Distribution,
    /// Squared distance of both networks' parameters, before. With phase shifts this is what becomes smaller.
    pub squared_distance_before: Distribution,
    /// And after.
    pub squared_distance_after: Distribution,
    /// Sweeps over all layers.
    pub sweeps: Distribution,
    /// Pairs whose last sweep brought nothing more.
    pub converged: u64,
    /// PSNR of the second networks as the source zoo has it.
    pub psnr_before: Distribution,
    /// PSNR of the moved networks, whose functions should be as they were.
    pub psnr: Distribution,
    /// Median of the latter.
    pub psnr_median: Option<f64>,
    /// The file with every pair's moves.
    pub moves_file: String,
    /// Name of the adapter.
    pub adapter: String,
}

/// An alignment, as a stream of messages.
#[derive(Debug)]
pub struct AlignJob<'a, A: Store, S: Store> {
    gpu: Gpu,
    reader: NetReader<'a, A>,
    out: DerivedZoo<S>,
    options: AlignOptions,
    mlp: Mlp,
    per_batch: usize,
    record: Record,
    psnr_before: Vec<f32>,
    queue: VecDeque<Message<Started, Finished>>,
    clock: Clock,
    over: bool,
}

impl<'a, A: Store, S: Store> AlignJob<'a, A, S> {
    /// Checks everything, states the memory, and begins the zoo in `out`.
    ///
    /// # Errors
    /// A pair beyond the zoo, a method that the architecture does not have, a zoo that is unfinished, or a
    /// folder that is not free.
    pub async fn new(
        gpu: &Gpu,
        zoo: &'a Zoo<A>,
        options: AlignOptions,
        out: S,
    ) -> Result<AlignJob<'a, A, S>, LabError> {
        let mlp = zoo.manifest().mlp.clone();
        options.method.validate(&mlp)?;
        let reader = NetReader::new(zoo)?;
        reader.check(options.pairs.0.iter().flat_map(|p| [p.0, p.1]))?;
        let pairs = options.pairs.0.len() as u64;
        let per_batch = pairs_at_once(gpu, &mlp).min(options.pairs.0.len().max(1));
        let settings = options.settings();
        let derivation = Derivation {
            operation: "align",
            parameters: json!({
                "method": options.method.name(),
                "order": options.order_name(),
                "max_sweeps": settings.max_sweeps,
                "pairs": options.pairs.hash(),
            }),
            seed: options.seed,
            nets: pairs,
            keep_targets: true,
        };
        let out = DerivedZoo::create(gpu, out, &[zoo], derivation).await?;
        let bytes = 2 * NetBatch::bytes(&mlp, per_batch)
            + Matcher::bytes(gpu, &mlp, per_batch)
            + evaluate_bytes(gpu, &mlp, per_batch, out.points());
        let started = Started {
            pairs,
            dims: mlp.dims_text(),
            method: options.method.name().to_owned(),
            order: options.order_name().to_owned(),
            on_cpu: mlp.widest_hidden() > MAX_MATCH_WIDTH,
            bytes,
            pairs_per_batch: per_batch as u64,
            adapter: gpu.report().name.clone(),
        };
        Ok(AlignJob {
            gpu: gpu.clone(),
            record: Record::new(&mlp, options.method),
            reader,
            out,
            options,
            mlp,
            per_batch,
            psnr_before: Vec::new(),
            queue: VecDeque::from([Message::Started(started)]),
            clock: Clock::default(),
            over: false,
        })
    }

    /// The new zoo, as far as it is stored.
    pub fn zoo(&self) -> &Zoo<S> {
        self.out.zoo()
    }

    /// One batch of pairs.
    async fn step(&mut self) -> Result<(), LabError> {
        self.clock.start();
        let (first, all) = (self.out.nets() as usize, self.options.pairs.0.len());
        if first == all {
            self.finish();
            return Ok(());
        }
        let (a, b, pairs) = self.options.pairs.chunk(first, self.per_batch);
        let reference = self.reader.read(&a).await?;
        let mut shard = self.reader.read(&b).await?;
        let [stays, moves] =
            [self.reader.upload(&self.gpu, &reference)?, self.reader.upload(&self.gpu, &shard)?];
        let aligned = align(&stays, &moves, &pairs, &self.options.settings()).await;
        let aligned = aligned.map_err(|e| in_words(e, &a, &b))?;
        for (net, found) in shard.params.chunks_exact_mut(self.mlp.param_count()).zip(&aligned) {
            let before: Vec<f64> = net.iter().map(|&x| f64::from(x)).collect();
            let after = moves::apply(&self.mlp, &before, &found.moves);
            net.iter_mut().zip(after).for_each(|(to, x)| *to = x as f32);
        }
        self.record.extend(&a, &b, &aligned);
        self.psnr_before.extend(&shard.psnr);
        if first + pairs.len() == all {
            let bytes = self.record.bytes(&self.mlp)?;
            self.out.write_beside(ALIGNMENT_FILE, &bytes).await?;
        }
        let written = self.out.push(shard).await?;
        self.queue.extend(written.checkpoints.into_iter().map(Message::Checkpoint));
        let progress = self.clock.progress(self.out.nets(), all as u64, written.psnr.median);
        self.queue.push_back(Message::Progress(progress));
        Ok(())
    }

    fn finish(&mut self) {
        let (seconds, pairs) = (self.clock.seconds(), self.options.pairs.0.len() as u64);
        let record = &self.record;
        let converged = record.converged.iter().filter(|&&c| c != 0).count() as u64;
        if converged < pairs {
            let what = format!(
                "{} of {pairs} pairs still changed in their last sweep, number {}",
                pairs - converged,
                self.options.settings().max_sweeps
            );
            self.queue.push_back(Message::Warning(Warning { what, diverged: None }));
        }
        let of = |values: &[f64]| Distribution::of(values.iter().copied());
        let psnr = self.out.psnr();
        self.queue.push_back(Message::Finished(Finished {
            pairs,
            seconds,
            pairs_per_s: (pairs > 0 && seconds > 0.0).then(|| pairs as f64 / seconds),
            objective_before: of(&record.objective[0]),
            objective_after: of(&record.objective[1]),
            squared_distance_before: of(&record.distance[0]),
            squared_distance_after: of(&record.distance[1]),
            sweeps: Distribution::of(record.sweeps.iter().map(|&s| s as f64)),
            converged,
            psnr_before: Distribution::of(self.psnr_before.iter().map(|&x| f64::from(x))),
            psnr_median: psnr.median,
            psnr,
            moves_file: ALIGNMENT_FILE.to_owned(),
            adapter: self.gpu.report().name.clone(),
        }));
        self.over = true;
    }
}

impl<A: Store, S: Store> Job for AlignJob<'_, A, S> {
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

/// Pairs of one slice of work: tens of milliseconds.
pub(crate) fn pairs_at_once(gpu: &Gpu, mlp: &Mlp) -> usize {
    /// Pairs that a software renderer aligns in that time: narrow ones side by side, wide ones one by one.
    const CPU: [usize; 2] = [128, 16];
    let most = nets_at_once(gpu, mlp, 3, Matcher::bytes(gpu, mlp, 1));
    if mlp.widest_hidden() > MAX_MATCH_WIDTH {
        1
    } else if gpu.is_cpu() {
        most.min(CPU[usize::from(mlp.widest_hidden() > LANE_WIDTH)])
    } else {
        most
    }
}
