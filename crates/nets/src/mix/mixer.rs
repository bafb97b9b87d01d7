//! Mixing in a training loop.

use super::{Lambda, Mix};
use crate::Mlp;
use crate::align::{AlignSettings, MAX_MATCH_WIDTH, Matcher, Order, Pair, PairOutcome};
use crate::batch::NetBatch;
use crate::symmetry::{Block, Move, SymmetryError};
use weightlab_gpu::{Buffer, Gpu, GpuError, Recording};
use weightlab_kernels as kernels;
use weightlab_kernels::philox::{self, Purpose};

/// Which partners a batch gets, drawn on the GPU.
///
/// The pool is a switch. In the reference code the partner of a net is drawn among *all* nets of the data set,
/// also among views that the run leaves out otherwise: with a pool of all nets that is reproduced. A run
/// that means to see some views only gives those as the pool.
#[derive(Clone, Copy, Debug)]
pub struct Partners<'a> {
    /// Indices of nets, u32, in the order of the epoch.
    pub items: &'a Buffer,
    /// First item of the batch.
    pub first: usize,
    /// Nets of the batch.
    pub count: usize,
    /// Indices of the nets among which partners are drawn, u32.
    pub pool: &'a Buffer,
    /// How many there are.
    pub pool_len: usize,
    /// Whether the batch's own nets were picked into a batch of their own, to be augmented for instance: then the first
    /// nets of the pairs are positions in that batch, otherwise they are the items.
    pub picked: bool,
    /// The user's seed.
    pub seed: u64,
    /// Which time this is that the net is drawn: another epoch, another partner.
    pub epoch: u32,
}

/// What becomes of the labels of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// They are mixed as the nets are.
    Mixed,
    /// That of the larger weight, a's at one half: only the inputs are mixed.
    Larger,
}

/// Mixes pairs of nets of one architecture. After [`Mixer::new`] and a first round nothing is allocated,
/// compiled, uploaded or read back by any `record_*`.
#[derive(Debug)]
pub struct Mixer {
    gpu: Gpu,
    mlp: Mlp,
    matcher: Matcher,
    lambdas: Buffer,
}

impl Mixer {
    /// For at most `capacity` pairs at a time.
    ///
    /// # Errors
    /// The architecture, or the GPU.
    pub fn new(gpu: &Gpu, mlp: &Mlp, capacity: usize) -> Result<Mixer, SymmetryError> {
        mlp.validate()?;
        let matcher = if mlp.widest_hidden() > MAX_MATCH_WIDTH {
            Matcher::for_moves(gpu, mlp, capacity)?
        } else {
            Matcher::new(gpu, mlp, capacity)?
        };
        let lambdas = gpu.buffer("lambdas", 4 * capacity as u64)?;
        Ok(Mixer { gpu: gpu.clone(), mlp: mlp.clone(), matcher, lambdas })
    }

    /// Bytes of GPU buffers for `capacity` pairs.
    pub fn bytes(gpu: &Gpu, mlp: &Mlp, capacity: usize) -> u64 {
        Matcher::bytes(gpu, mlp, capacity) + 4 * capacity as u64
    }

    /// The pairs of the next round.
    ///
    /// # Errors
    /// More than there is room for.
    pub fn set_pairs(&mut self, pairs: &[Pair]) -> Result<(), SymmetryError> {
        self.matcher.set_pairs(pairs)
    }

    /// Records the drawing of the pairs of the next round.
    ///
    /// # Errors
    /// More than there is room for, an empty pool, or the GPU.
    ///
    /// # Panics
    /// If items or pool are shorter than said: a mistake in the caller.
    pub fn record_pairs(
        &mut self,
        recording: &mut Recording,
        partners: &Partners<'_>,
    ) -> Result<(), SymmetryError> {
        let Partners { items, first, count, pool, pool_len, picked, seed, epoch } = *partners;
        assert!(
            4 * (first + count) as u64 <= items.bytes() && 4 * pool_len as u64 <= pool.bytes(),
            "items {first} .. {} and a pool of {pool_len} exceed their buffers",
            first + count
        );
        if pool_len == 0 {
            return Err(SymmetryError::Length { what: "pool of partners", got: 0, expected: 1 });
        }
        self.matcher.set_count(count)?;
        let pipeline = self.gpu.pipeline(&kernels::ALIGN_DRAW_PAIRS, &[])?;
        let block = Block {
            seed: philox::key(seed),
            stream: Purpose::Partner as u32,
            count: pool_len as u32,
            extra: [first as u32, u32::from(picked), epoch, 0],
            ..Block::new(&self.mlp, count)
        };
        let buffers = [items, pool, self.matcher.pairs_buffer()];
        recording.dispatch_linear(&pipeline, &block, &buffers, block.nets.div_ceil(64));
        Ok(())
    }

    /// Records the drawing of a weight per pair.
    ///
    /// # Errors
    /// A weight out of range, or the GPU.
    pub fn record_lambdas(
        &mut self,
        recording: &mut Recording,
        lambda: Lambda,
        seed: u64,
    ) -> Result<(), SymmetryError> {
        lambda.validate()?;
        let (kind, number) = match lambda {
            Lambda::Constant(lambda) => (0, lambda),
            Lambda::Uniform => (1, 0.0),
            Lambda::Beta(a) => (2, a),
        };
        let pipeline = self.gpu.pipeline(&kernels::ALIGN_DRAW_LAMBDAS, &[("KIND", kind)])?;
        let block = Block {
            seed: philox::key(seed),
            stream: Purpose::Lambda as u32,
            numbers: [number, 0.0, 0.0, 0.0],
            ..Block::new(&self.mlp, self.matcher.len())
        };
        let buffers = [self.matcher.pairs_buffer(), &self.lambdas];
        recording.dispatch_linear(&pipeline, &block, &buffers, block.nets.div_ceil(64));
        Ok(())
    }

    /// Given weights, one per pair, instead of drawn ones.
    ///
    /// # Errors
    /// Not one per pair, or one out of range.
    pub fn set_lambdas(&mut self, lambdas: &[f32]) -> Result<(), SymmetryError> {
        let (got, expected) = (lambdas.len(), self.matcher.len());
        if got != expected {
            return Err(SymmetryError::Length { what: "lambdas", got, expected });
        }
        lambdas.iter().try_for_each(|&l| Lambda::Constant(l).validate())?;
        self.gpu.write(&self.lambdas, 0, lambdas);
        Ok(())
    }

    /// Records the moves of every b.
    ///
    /// # Errors
    /// An alignment that the architecture does not have or that is too wide for the GPU (see [`super::mix()`]),
    /// batches that do not fit, an index out of range, or the GPU.
    pub fn record_moves(
        &mut self,
        recording: &mut Recording,
        how: Mix,
        seed: u64,
        reference: &NetBatch,
        moving: &NetBatch,
    ) -> Result<(), SymmetryError> {
        let order = Order::Random { seed };
        let Some(method) = how.method() else {
            self.matcher.check(reference, moving, &AlignSettings::default())?;
            match how {
                Mix::Random => self.matcher.record_permutations(recording, seed)?,
                _ => self.matcher.record_reset(recording)?,
            }
            return Ok(());
        };
        if self.mlp.widest_hidden() > MAX_MATCH_WIDTH {
            return Err(Matcher::too_wide(&self.mlp));
        }
        let settings = AlignSettings { method, order, ..AlignSettings::default() };
        self.matcher.record(recording, reference, moving, &settings)
    }

    /// Given moves, `[pairs, hidden neurons]`, instead of found ones.
    ///
    /// # Errors
    /// Not one per pair and hidden neuron.
    pub fn set_moves(&mut self, moves: &[Move]) -> Result<(), SymmetryError> {
        self.matcher.set_moves(moves)
    }

    /// Records the mixtures: `out[p] = lambda a + (1 - lambda) b`, b moved.
    ///
    /// # Errors
    /// Batches that do not fit together, an index out of range, or the GPU.
    pub fn record_nets(
        &self,
        recording: &mut Recording,
        reference: &NetBatch,
        moving: &NetBatch,
        out: &NetBatch,
    ) -> Result<(), SymmetryError> {
        self.matcher.check(reference, moving, &AlignSettings::default())?;
        reference.same_architecture(out)?;
        let (got, expected) = (out.len(), self.matcher.len());
        if got != expected {
            return Err(SymmetryError::Length { what: "nets of the target batch", got, expected });
        }
        let pipeline = self.gpu.pipeline(&kernels::ALIGN_MIX, &[])?;
        let block = Block::new(&self.mlp, out.len());
        let buffers = [
            self.matcher.pairs_buffer(),
            self.matcher.moves_buffer(),
            &self.lambdas,
            reference.params(),
            moving.params(),
            out.params(),
        ];
        let groups = block.grid(&self.gpu, self.mlp.param_count());
        recording.dispatch(&pipeline, &block, &buffers, groups);
        Ok(())
    }

    /// Records the labels of the mixtures: rows of `classes` probabilities, from those of both batches'
    /// nets, into `out` `[pairs, classes]`.
    ///
    /// # Errors
    /// The GPU.
    ///
    /// # Panics
    /// If `out` is too short: a mistake in the caller.
    pub fn record_labels(
        &self,
        recording: &mut Recording,
        labels: Labels,
        classes: usize,
        [reference, moving]: [&Buffer; 2],
        out: &Buffer,
    ) -> Result<(), GpuError> {
        let entries = self.matcher.len() * classes;
        assert!(4 * entries as u64 <= out.bytes(), "{entries} labels exceed their buffer");
        let larger = u32::from(labels == Labels::Larger);
        let pipeline = self.gpu.pipeline(&kernels::ALIGN_MIX_LABELS, &[("LARGER", larger)])?;
        let block = Block { count: classes as u32, ..Block::new(&self.mlp, self.matcher.len()) };
        let buffers = [self.matcher.pairs_buffer(), &self.lambdas, reference, moving, out];
        recording.dispatch_linear(&pipeline, &block, &buffers, (entries as u32).div_ceil(64));
        Ok(())
    }

    /// Copies the weights back, `[pairs]`.
    ///
    /// # Errors
    /// The GPU.
    pub async fn lambdas(&self) -> Result<Vec<f32>, GpuError> {
        self.gpu.read(&self.lambdas, 0, self.matcher.len()).await
    }

    /// Copies the moves back, `[pairs, hidden neurons]`.
    ///
    /// # Errors
    /// The GPU.
    pub async fn moves(&self) -> Result<Vec<Move>, SymmetryError> {
        self.matcher.moves().await
    }

    /// Copies the pairs back.
    ///
    /// # Errors
    /// The GPU.
    pub async fn pairs(&self) -> Result<Vec<Pair>, GpuError> {
        self.gpu.read(self.matcher.pairs_buffer(), 0, self.matcher.len()).await
    }

    /// What became of the last alignment: to be asked now and then, since it reads back.
    ///
    /// # Errors
    /// As [`Matcher::outcomes`].
    pub async fn outcomes(&self) -> Result<Vec<PairOutcome>, SymmetryError> {
        self.matcher.outcomes().await
    }
}
