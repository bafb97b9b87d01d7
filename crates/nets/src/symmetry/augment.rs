//! Recording augmentations of a batch.

use super::block::{Block, flat_step, hidden_count, run_length};
use super::{Chain, Depth, Move, Op, Per, SymmetryError};
use crate::batch::NetBatch;
use crate::{Activation, Mlp};
use std::f32::consts::PI;
use weightlab_gpu::{Buffer, Gpu, GpuError, Recording};
use weightlab_kernels as kernels;
use weightlab_kernels::philox::{self, Purpose};

/// Where the numbers of an operation come from.
#[derive(Clone, Copy, Debug)]
pub enum Draws<'a> {
    /// From the seed, the identity of each net and the position of the operation in its chain.
    Seeded {
        /// The user's seed.
        seed: u64,
        /// 0 for the first operation of a chain, and so on.
        position: u32,
    },
    /// Offsets `[nets, d_0]` and depths `[nets]`, from 1, of a translation.
    Translation {
        /// Input units.
        offsets: &'a [f32],
        /// Bias that receives the translation, counted from 1.
        depths: &'a [f32],
    },
    /// One number per net: angle in degrees, factor, or quantile level. Three for a random rotation.
    Numbers(&'a [f32]),
    /// Moves `[nets, hidden neurons]` of a negation, bias, scaling or permutation.
    Moves(&'a [Move]),
    /// `[nets, P]`: 0 for a masked entry and 1 for a kept one, or standard normal numbers.
    Elements(&'a [f32]),
}

/// Augments batches of one architecture without allocating per call.
#[derive(Debug)]
pub struct Augmenter {
    gpu: Gpu,
    mlp: Mlp,
    capacity: usize,
    numbers: Buffer,
    depths: Buffer,
    moves: Buffer,
    spreads: Buffer,
    /// A bit per hidden neuron.
    neuron_bits: Buffer,
    /// A bit per parameter.
    bits: Buffer,
    /// Given normal numbers; a stub until some are given.
    elements: Buffer,
}

impl Augmenter {
    /// For batches of at most `capacity` nets.
    ///
    /// # Errors
    /// The architecture, or the GPU.
    pub fn new(gpu: &Gpu, mlp: &Mlp, capacity: usize) -> Result<Augmenter, SymmetryError> {
        mlp.validate()?;
        let buffer = |label, each: usize| gpu.buffer(label, (capacity * each) as u64);
        Ok(Augmenter {
            gpu: gpu.clone(),
            mlp: mlp.clone(),
            capacity,
            numbers: buffer("draws", 4 * mlp.inputs().max(3))?,
            depths: buffer("depths", 4)?,
            moves: buffer("moves", 16 * hidden_count(mlp))?,
            spreads: buffer("spreads", 8 * mlp.depth())?,
            neuron_bits: buffer("bits of neurons", bit_bytes(hidden_count(mlp)))?,
            bits: buffer("bits of parameters", bit_bytes(mlp.param_count()))?,
            elements: gpu.buffer("elements", 16)?,
        })
    }

    /// Bytes of GPU buffers for `capacity` nets.
    pub fn bytes(mlp: &Mlp, capacity: usize) -> u64 {
        let bits = bit_bytes(hidden_count(mlp)) + bit_bytes(mlp.param_count());
        let each = 4 * mlp.inputs().max(3) + 4 + 16 * hidden_count(mlp) + 8 * mlp.depth() + bits;
        (capacity * each) as u64
    }

    /// Records `to = op(from)`; the two must be different batches of the same length.
    ///
    /// # Errors
    /// An operation or draws that do not fit, or the GPU.
    pub fn record(
        &mut self,
        recording: &mut Recording,
        op: &Op,
        draws: Draws<'_>,
        from: &NetBatch,
        to: &NetBatch,
    ) -> Result<(), SymmetryError> {
        op.validate(&self.mlp)?;
        from.same_architecture(to)?;
        if from.mlp() != &self.mlp {
            return Err(SymmetryError::Architectures {
                first: self.mlp.dims_text(),
                second: from.mlp().dims_text(),
            });
        }
        for (what, got, expected) in [
            ("nets of the target batch", to.len(), from.len()),
            ("nets beyond the augmenter's capacity", from.len().saturating_sub(self.capacity), 0),
        ] {
            if got != expected {
                return Err(SymmetryError::Length { what, got, expected });
            }
        }
        let block = Block::new(&self.mlp, from.len());
        match draws {
            Draws::Seeded { seed, position } => {
                self.record_draws(recording, op, block, seed, position, from.ids())?;
            }
            given => self.give(op, given, from.len())?,
        }
        self.record_op(recording, op, block, draws, from, to)
    }

    /// Records the drawing of everything that is not drawn where it is used.
    fn record_draws(
        &self,
        recording: &mut Recording,
        op: &Op,
        block: Block,
        seed: u64,
        position: u32,
        ids: &Buffer,
    ) -> Result<(), GpuError> {
        let uniform = |recording: &mut Recording, purpose, count, low, high, out: &Buffer| {
            let pipeline = self.gpu.pipeline(&kernels::SYMMETRY_DRAW_UNIFORM, &[])?;
            let block = Block {
                seed: philox::key(seed),
                stream: philox::stream(purpose, position),
                count: count as u32,
                numbers: [low, high, 0.0, 0.0],
                ..block
            };
            let groups = (block.nets * block.count).div_ceil(64);
            recording.dispatch_linear(&pipeline, &block, &[ids, out], groups);
            Ok::<(), GpuError>(())
        };
        let element = |purpose, number, count: usize| Block {
            seed: philox::key(seed),
            stream: philox::stream(purpose, position),
            count: count as u32,
            numbers: [number, 0.0, 0.0, 0.0],
            ..block
        };
        let bits = |recording: &mut Recording, kind, block: &Block, out: &Buffer| {
            let pipeline = self.gpu.pipeline(&kernels::SYMMETRY_DRAW_BITS, &[("KIND", kind)])?;
            let groups = (block.nets * block.count.div_ceil(32)).div_ceil(64);
            recording.dispatch_linear(&pipeline, block, &[ids, out], groups);
            Ok(())
        };
        let moves = |recording: &mut Recording, purpose, kind, number| {
            let pipeline = self.gpu.pipeline(&kernels::SYMMETRY_DRAW_MOVES, &[("KIND", kind)])?;
            let block = element(purpose, number, 0);
            let groups = (block.nets * block.hidden.div_ceil(4)).div_ceil(64);
            recording.dispatch_linear(&pipeline, &block, &[ids, &self.moves], groups);
            Ok(())
        };
        let numbers = &self.numbers;
        match *op {
            Op::Translate { range, depth } => {
                let count = self.mlp.inputs();
                uniform(recording, Purpose::TranslateOffset, count, -range, range, numbers)?;
                let deepest = match depth {
                    Depth::Random => self.mlp.depth() as f32,
                    Depth::First => 2.0,
                };
                uniform(recording, Purpose::TranslateDepth, 1, 1.0, deepest, &self.depths)
            }
            Op::Rotate { degrees } | Op::RotateAxis { degrees, .. } => {
                uniform(recording, Purpose::Rotation, 1, -degrees, degrees, numbers)
            }
            Op::RotateRandom => uniform(recording, Purpose::Rotation, 3, 0.0, 1.0, numbers),
            Op::Scale { low, high } => uniform(recording, Purpose::Scale, 1, low, high, numbers),
            Op::QuantileMasking { level } => {
                uniform(recording, Purpose::QuantileLevel, 1, 0.0, level, numbers)
            }
            Op::SirenNegation { probability, per } => {
                let count = match per {
                    Per::Neuron => hidden_count(&self.mlp),
                    Per::Layer => self.mlp.depth() - 1,
                };
                let block = element(Purpose::Negation, probability, count);
                bits(recording, 0, &block, &self.neuron_bits)?;
                self.record_sign_bits(recording, &block, 1, u32::from(per == Per::Layer))
            }
            Op::SirenBias { k_max } => {
                let block = element(Purpose::PhaseShift, 0.0, hidden_count(&self.mlp));
                let block = Block { extra: [k_max, 0, 0, 0], ..block };
                bits(recording, 1, &block, &self.neuron_bits)?;
                self.record_sign_bits(recording, &block, 0, 0)
            }
            Op::ReluScaling { range } => moves(recording, Purpose::ReluScaling, 0, range),
            Op::Permutation => moves(recording, Purpose::Permutation, 1, 0.0),
            Op::Masking { probability, .. } => {
                let block = element(Purpose::Mask, probability, self.mlp.param_count());
                bits(recording, 0, &block, &self.bits)
            }
            Op::GaussianNoise { .. } => Ok(()),
        }
    }

    /// Records which parameters change their signs with the neurons that do.
    fn record_sign_bits(
        &self,
        recording: &mut Recording,
        block: &Block,
        rows: u32,
        per_layer: u32,
    ) -> Result<(), GpuError> {
        let constants = [("ROWS", rows), ("PER_LAYER", per_layer)];
        let pipeline = self.gpu.pipeline(&kernels::SYMMETRY_SIGN_BITS, &constants)?;
        let groups = (block.nets * block.param_count.div_ceil(32)).div_ceil(64);
        recording.dispatch_linear(&pipeline, block, &[&self.neuron_bits, &self.bits], groups);
        Ok(())
    }

    /// Uploads given draws.
    fn give(&mut self, op: &Op, draws: Draws<'_>, nets: usize) -> Result<(), SymmetryError> {
        let length = |got, each: usize| {
            let expected = nets * each;
            let error = SymmetryError::Length { what: "given draws", got, expected };
            if got == expected { Ok(()) } else { Err(error) }
        };
        match (op, draws) {
            (Op::Translate { .. }, Draws::Translation { offsets, depths }) => {
                length(offsets.len(), self.mlp.inputs())?;
                length(depths.len(), 1)?;
                self.gpu.write(&self.numbers, 0, offsets);
                self.gpu.write(&self.depths, 0, depths);
            }
            (
                Op::Rotate { .. }
                | Op::RotateAxis { .. }
                | Op::RotateRandom
                | Op::Scale { .. }
                | Op::QuantileMasking { .. },
                Draws::Numbers(numbers),
            ) => {
                length(numbers.len(), if matches!(op, Op::RotateRandom) { 3 } else { 1 })?;
                self.gpu.write(&self.numbers, 0, numbers);
            }
            (
                Op::SirenNegation { .. }
                | Op::SirenBias { .. }
                | Op::ReluScaling { .. }
                | Op::Permutation,
                Draws::Moves(moves),
            ) => {
                length(moves.len(), hidden_count(&self.mlp))?;
                self.gpu.write(&self.moves, 0, moves);
            }
            (Op::Masking { .. }, Draws::Elements(kept)) => {
                length(kept.len(), self.mlp.param_count())?;
                let word = |x: &[f32]| x.iter().rev().fold(0, |w, &k| w << 1 | u32::from(k == 0.0));
                let nets = kept.chunks_exact(self.mlp.param_count());
                let bits: Vec<u32> = nets.flat_map(|net| net.chunks(32).map(word)).collect();
                self.gpu.write(&self.bits, 0, &bits);
            }
            (Op::GaussianNoise { .. }, Draws::Elements(elements)) => {
                length(elements.len(), self.mlp.param_count())?;
                self.elements = self.gpu.upload("elements", elements)?;
            }
            _ => return Err(SymmetryError::Draws { operation: op.name() }),
        }
        Ok(())
    }

    fn record_op(
        &self,
        recording: &mut Recording,
        op: &Op,
        block: Block,
        draws: Draws<'_>,
        from: &NetBatch,
        to: &NetBatch,
    ) -> Result<(), SymmetryError> {
        let gpu = &self.gpu;
        let (source, out) = (from.params(), to.params());
        let step = ("STEP", flat_step(gpu));
        let (given, seed, position) = match draws {
            Draws::Seeded { seed, position } => (0, seed, position),
            _ => (1, 0, 0),
        };
        let element = |purpose, numbers| Block {
            seed: philox::key(seed),
            stream: philox::stream(purpose, position),
            numbers,
            ..block
        };
        let run = run_length(gpu);
        let by_bits = |recording: &mut Recording, kind, block: &Block| {
            let pipeline = gpu.pipeline(&kernels::SYMMETRY_BITS, &[("KIND", kind), step])?;
            let buffers = [&self.bits, source, out];
            recording.dispatch_linear(&pipeline, block, &buffers, block.flat_groups());
            Ok::<(), GpuError>(())
        };
        match *op {
            Op::Translate { .. } => {
                from.record_copy(recording, to)?;
                let (shader, groups) = if gpu.is_cpu() {
                    (&kernels::SYMMETRY_TRANSLATE_LANES, block.nets.div_ceil(8))
                } else {
                    (&kernels::SYMMETRY_TRANSLATE, block.nets)
                };
                let pipeline = gpu.pipeline(shader, &[])?;
                let buffers = [&self.numbers, &self.depths, source, out];
                recording.dispatch_linear(&pipeline, &block, &buffers, groups);
            }
            Op::Rotate { .. } | Op::RotateAxis { .. } | Op::RotateRandom | Op::Scale { .. } => {
                from.record_copy(recording, to)?;
                let (kind, axis) = match *op {
                    Op::Scale { .. } => (0, [0.0; 3]),
                    Op::Rotate { .. } => (1, [0.0; 3]),
                    Op::RotateAxis { axis, .. } => (2, axis),
                    _ => (3, [0.0; 3]),
                };
                let length = axis.iter().map(|a| a * a).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
                let [x, y, z] = axis.map(|a| a / length);
                let block = Block { numbers: [x, y, z, 0.0], ..block };
                let pipeline = gpu.pipeline(&kernels::SYMMETRY_INPUT_MAP, &[("KIND", kind)])?;
                let rows = block.nets as usize * self.mlp.dims[1];
                let groups = rows.div_ceil(64) as u32;
                let buffers = [&self.numbers, source, out];
                recording.dispatch_linear(&pipeline, &block, &buffers, groups);
            }
            Op::SirenNegation { .. } if given == 0 => by_bits(recording, 1, &block)?,
            Op::SirenBias { k_max } if given == 0 => {
                by_bits(recording, 1, &block)?;
                let block = Block {
                    extra: [k_max, 0, 0, 0],
                    ..element(Purpose::PhaseShift, [half_period(&self.mlp), 0.0, 0.0, 0.0])
                };
                let pipeline = gpu.pipeline(&kernels::SYMMETRY_SHIFT, &[("RUN", run)])?;
                let groups = (block.nets * block.hidden.div_ceil(run)).div_ceil(64);
                recording.dispatch_linear(&pipeline, &block, &[from.ids(), source, out], groups);
            }
            Op::SirenNegation { .. }
            | Op::SirenBias { .. }
            | Op::ReluScaling { .. }
            | Op::Permutation => {
                // Given moves may be anything; drawn ones are either permutations or factors.
                let permutes = u32::from(matches!(op, Op::Permutation));
                let [sources, factors] = [permutes | given, (1 - permutes) | given];
                let [sources, factors] = [("SOURCES", sources), ("FACTORS", factors)];
                if gpu.is_cpu() {
                    let constants = [sources, factors];
                    let pipeline = gpu.pipeline(&kernels::SYMMETRY_MOVE_LANES, &constants)?;
                    let groups = block.nets.div_ceil(8) * block.layers;
                    recording.dispatch_linear(
                        &pipeline,
                        &block,
                        &[&self.moves, source, out],
                        groups,
                    );
                } else {
                    let constants = [sources, factors, step];
                    let pipeline = gpu.pipeline(&kernels::SYMMETRY_MOVE, &constants)?;
                    let buffers = [&self.moves, source, source, out];
                    recording.dispatch_linear(&pipeline, &block, &buffers, block.flat_groups());
                }
            }
            Op::Masking { probability, rescale } => {
                let factor = if rescale { 1.0 / (1.0 - probability) } else { 1.0 };
                let block = Block { numbers: [0.0, factor, 0.0, 0.0], ..block };
                by_bits(recording, 0, &block)?;
            }
            Op::QuantileMasking { .. } => {
                let pipeline = gpu.pipeline(&kernels::SYMMETRY_QUANTILE, &[])?;
                let buffers = [&self.numbers, source, out];
                recording.dispatch_linear(&pipeline, &block, &buffers, block.nets);
            }
            Op::GaussianNoise { level } => {
                let lanes = if gpu.is_cpu() { 8 } else { 64 };
                let spread = gpu.pipeline(&kernels::SYMMETRY_SPREAD, &[("LANES", lanes)])?;
                let [_, y, z] = block.grid(gpu, 1);
                let groups = [2 * block.layers, y, z];
                recording.dispatch(&spread, &block, &[source, &self.spreads], groups);
                let block = element(Purpose::Noise, [level, 0.0, 0.0, 0.0]);
                let constants = [("GIVEN", given), ("RUN", run)];
                let pipeline = gpu.pipeline(&kernels::SYMMETRY_NOISE, &constants)?;
                let buffers = [from.ids(), &self.elements, &self.spreads, source, out];
                recording.dispatch_linear(&pipeline, &block, &buffers, block.run_groups(run));
            }
        }
        Ok(())
    }
}

/// Bytes of `count` bits in words of 32.
fn bit_bytes(count: usize) -> usize {
    4 * count.div_ceil(32)
}

/// pi / omega_0: the least shift of a bias that maps a sine neuron to plus or minus itself.
pub(crate) fn half_period(mlp: &Mlp) -> f32 {
    match mlp.activation {
        Activation::Sine { omega_0 } => PI / omega_0,
        Activation::Relu => 1.0,
    }
}

/// A batch after a chain of operations, each seeded by its position in the chain. The result has the
/// identities of `batch`. A loop uses [`super::Chain`].
///
/// # Errors
/// As [`Augmenter::record`].
pub fn augment(batch: &NetBatch, ops: &[Op], seed: u64) -> Result<NetBatch, SymmetryError> {
    let gpu = batch.gpu();
    let indices: Vec<u32> = (0..batch.len() as u32).collect();
    let items = gpu.upload("indices", &indices)?;
    let mut chain = Chain::new(gpu, batch.mlp(), ops, batch.len())?;
    let mut recording = gpu.record();
    let out = chain.record(&mut recording, batch, &items, 0..batch.len(), seed, 0)?;
    recording.submit()?;
    Ok(out)
}
