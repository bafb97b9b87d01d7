//! The job that mixes pairs of networks of a zoo.
//!
//! Every pair is mixed by itself, and what is drawn for it is drawn by its position in the job, so it does not
//! matter how the work is cut.

use crate::align::pairs_at_once;
use crate::derive::{Derivation, DerivedZoo, NetReader, PairList, SideFile, in_words, lost_labels};
use crate::error::LabError;
use crate::job::{Clock, Job};
use crate::message::{Message, Warning};
use crate::stats::Distribution;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::VecDeque;
use weightlab_data::{Shard, Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::NetBatch;
use weightlab_nets::mix::{Lambda, Mix, Mixer, mix};

/// Name of the file, beside the shards, that says what was mixed. Its tensors, for n pairs and k classes: `pair` i64
/// `[n, 2]`, positions in the zoo that was mixed; `lambda` f32 `[n]`, the first network's share; `labels` i64 `[n, 2]`,
/// -1 if unknown; `probabilities` f32 `[n, k]`, the mixed labels, NaN where one is unknown. The k classes are those of the
/// whole zoo, whatever pairs were mixed.
pub const MIXTURES_FILE: &str = "mixtures.safetensors";

/// Most classes of a zoo: every mixture gets a probability of each. Larger labels are numbers of something else.
pub const MOST_CLASSES: usize = 1 << 16;

/// What to do.
#[derive(Clone, Debug)]
pub struct MixOptions {
    /// Which networks.
    pub pairs: PairList,
    /// What happens to the second of each pair first.
    pub method: Mix,
    /// The share of the first.
    pub lambda: Lambda,
    /// Key of all random numbers.
    pub seed: u64,
}

/// What a mixing is going to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Pairs, and networks of the new zoo.
    pub pairs: u64,
    /// The architecture: `2-32-32-1`.
    pub dims: String,
    /// `direct`, `random`, `aligned` or `signed`.
    pub method: String,
    /// A number, `uniform` or `beta:a`.
    pub lambda: String,
    /// Most bytes of GPU buffers at any time.
    pub bytes: u64,
    /// Pairs on the GPU at once.
    pub pairs_per_batch: u64,
    /// Name of the adapter.
    pub adapter: String,
}

/// What a mixing came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Pairs, and networks of the new zoo.
    pub pairs: u64,
    /// Seconds.
    pub seconds: f64,
    /// Pairs per second.
    pub pairs_per_s: Option<f64>,
    /// Shares of the first networks.
    pub lambda: Distribution,
    /// Classes of the mixed labels.
    pub classes: u64,
    /// The file with pairs, shares and mixed labels.
    pub mixtures_file: String,
    /// Name of the adapter.
    pub adapter: String,
}

/// A mixing, as a stream of messages.
#[derive(Debug)]
pub struct MixJob<'a, A: Store, S: Store> {
    gpu: Gpu,
    reader: NetReader<'a, A>,
    out: DerivedZoo<S>,
    options: MixOptions,
    per_batch: usize,
    lambdas: Vec<f32>,
    labels: Vec<i64>,
    classes: usize,
    queue: VecDeque<Message<Started, Finished>>,
    clock: Clock,
    over: bool,
}

impl<'a, A: Store, S: Store> MixJob<'a, A, S> {
    /// Checks everything, states the memory, and begins the zoo in `out`.
    ///
    /// # Errors
    /// A pair beyond the zoo, a share out of range, a method that the architecture does not have, a label that can be no
    /// class, a zoo that is unfinished or damaged, or a folder that is not free.
    pub async fn new(
        gpu: &Gpu,
        zoo: &'a Zoo<A>,
        options: MixOptions,
        out: S,
    ) -> Result<MixJob<'a, A, S>, LabError> {
        let mlp = &zoo.manifest().mlp;
        options.lambda.validate()?;
        if let Some(method) = options.method.method() {
            method.validate(mlp)?;
        }
        let reader = NetReader::new(zoo)?;
        reader.check(options.pairs.0.iter().flat_map(|p| [p.0, p.1]))?;
        let (classes, unlabelled) = classes(zoo, &options.pairs).await?;
        let pairs = options.pairs.0.len() as u64;
        let per_batch = pairs_at_once(gpu, mlp).min(options.pairs.0.len().max(1));
        let lambda = match options.lambda {
            Lambda::Constant(lambda) => lambda.to_string(),
            Lambda::Uniform => "uniform".to_owned(),
            Lambda::Beta(a) => format!("beta:{a}"),
        };
        let method = options.method.name();
        let derivation = Derivation {
            operation: "mix",
            parameters: json!({
                "method": method,
                "lambda": lambda,
                "pairs": options.pairs.hash(),
            }),
            seed: options.seed,
            nets: pairs,
            keep_targets: false,
        };
        let out = DerivedZoo::create(gpu, out, &[zoo], derivation).await?;
        let started = Started {
            pairs,
            dims: mlp.dims_text(),
            method: method.to_owned(),
            lambda,
            bytes: 3 * NetBatch::bytes(mlp, per_batch) + Mixer::bytes(gpu, mlp, per_batch),
            pairs_per_batch: per_batch as u64,
            adapter: gpu.report().name.clone(),
        };
        let mut queue = VecDeque::from([Message::Started(started)]);
        queue.extend(lost_labels(zoo).map(Message::Warning));
        if unlabelled > 0 {
            let what = format!(
                "{unlabelled} of {pairs} pairs have a network without a label: their probabilities are NaN"
            );
            queue.push_back(Message::Warning(Warning { what, diverged: None }));
        }
        Ok(MixJob {
            gpu: gpu.clone(),
            reader,
            out,
            options,
            per_batch,
            lambdas: Vec::new(),
            labels: Vec::new(),
            classes,
            queue,
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
        let [ones, others] = [self.reader.read(&a).await?, self.reader.read(&b).await?];
        let [stays, moves] =
            [self.reader.upload(&self.gpu, &ones)?, self.reader.upload(&self.gpu, &others)?];
        let MixOptions { method, lambda, seed, .. } = self.options;
        let mixed = mix(&stays, &moves, &pairs, method, lambda, seed).await;
        let (mixtures, lambdas) = mixed.map_err(|e| in_words(e, &a, &b))?;
        let count = pairs.len();
        let labels = ones.labels.iter().zip(&others.labels);
        let larger =
            labels.clone().zip(&lambdas).map(|((&a, &b), &l)| if l >= 0.5 { a } else { b });
        // A mixture is an object of its own.
        let shard = Shard {
            params: mixtures.read().await?,
            labels: larger.collect(),
            objects: (first..first + count).map(|i| i as i64).collect(),
            views: vec![0; count],
            psnr: vec![f32::NAN; count],
            steps: vec![0; count],
        };
        self.labels.extend(labels.flat_map(|(&a, &b)| [a, b]));
        self.lambdas.extend(lambdas);
        if first + count == all {
            let bytes = self.mixtures()?;
            self.out.write_beside(MIXTURES_FILE, &bytes).await?;
        }
        let written = self.out.push(shard).await?;
        self.queue.extend(written.checkpoints.into_iter().map(Message::Checkpoint));
        let progress = self.clock.progress(self.out.nets(), all as u64, None);
        self.queue.push_back(Message::Progress(progress));
        Ok(())
    }

    /// The file [`MIXTURES_FILE`].
    fn mixtures(&self) -> Result<Vec<u8>, LabError> {
        let (pairs, classes) = (self.lambdas.len(), self.classes);
        let mut probabilities = vec![0f32; pairs * classes];
        if classes > 0 {
            let each = self.labels.chunks_exact(2).zip(&self.lambdas);
            for (row, (labels, &lambda)) in probabilities.chunks_exact_mut(classes).zip(each) {
                for (&label, share) in labels.iter().zip([lambda, 1.0 - lambda]) {
                    match usize::try_from(label) {
                        Ok(label) => row[label] += share,
                        Err(_) => row.fill(f32::NAN),
                    }
                }
            }
        }
        let positions = self.options.pairs.0.iter().flat_map(|&(a, b)| [a as i64, b as i64]);
        let positions: Vec<i64> = positions.collect();
        let mut file = SideFile::default();
        file.i64("pair", vec![pairs, 2], &positions);
        file.f32("lambda", vec![pairs], &self.lambdas);
        file.i64("labels", vec![pairs, 2], &self.labels);
        file.f32("probabilities", vec![pairs, classes], &probabilities);
        file.bytes("pairs of networks, the first one's share, and their mixed labels")
    }

    fn finish(&mut self) {
        let (seconds, pairs) = (self.clock.seconds(), self.lambdas.len() as u64);
        self.queue.push_back(Message::Finished(Finished {
            pairs,
            seconds,
            pairs_per_s: (pairs > 0 && seconds > 0.0).then(|| pairs as f64 / seconds),
            lambda: Distribution::of(self.lambdas.iter().map(|&l| f64::from(l))),
            classes: self.classes as u64,
            mixtures_file: MIXTURES_FILE.to_owned(),
            adapter: self.gpu.report().name.clone(),
        }));
        self.over = true;
    }
}

/// Classes of a zoo, those that have names and all that occur, and how many of the pairs have a network without a label.
async fn classes<A: Store>(zoo: &Zoo<A>, pairs: &PairList) -> Result<(usize, usize), LabError> {
    let mut labels = Vec::new();
    for shard in 0..zoo.manifest().shards.len() {
        labels.extend(zoo.read_shard(shard).await?.labels);
    }
    let most = |label: &i64| usize::try_from(*label).is_ok_and(|label| label >= MOST_CLASSES);
    if let Some(index) = labels.iter().position(most) {
        let store = zoo.store().describe();
        return Err(LabError::LabelTooLarge { store, index: index as u64, label: labels[index] });
    }
    let occur = labels.iter().copied().max().map_or(0, |most| (most + 1).max(0) as usize);
    let unknown = |&position: &u64| labels.get(position as usize).is_none_or(|label| *label < 0);
    let unlabelled = pairs.0.iter().filter(|(a, b)| unknown(a) || unknown(b)).count();
    Ok((occur.max(zoo.manifest().class_names.len()), unlabelled))
}

impl<A: Store, S: Store> Job for MixJob<'_, A, S> {
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
