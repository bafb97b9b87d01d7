//! Augmentation in a training loop.

use super::{Augmenter, Draws, Op, SymmetryError};
use crate::Mlp;
use crate::batch::NetBatch;
use std::ops::Range;
use weightlab_gpu::{Buffer, Gpu, Recording};

/// Picks nets by index and applies operations one after the other.
///
/// Everything it needs is made by [`Chain::new`], compiled pipelines included: no [`Chain::record`] allocates,
/// compiles, uploads or reads back anything. What becomes of a net depends on the seed, the epoch and the identity
/// of the net alone, not on the batch it comes in.
#[derive(Debug)]
pub struct Chain {
    ops: Vec<Op>,
    augmenter: Augmenter,
    /// Operations read one and write the other; both share their identities.
    buffers: [NetBatch; 2],
}

impl Chain {
    /// For at most `capacity` nets at a time.
    ///
    /// # Errors
    /// An operation that does not fit the architecture, or the GPU.
    pub fn new(gpu: &Gpu, mlp: &Mlp, ops: &[Op], capacity: usize) -> Result<Chain, SymmetryError> {
        let batch = NetBatch::empty(gpu, mlp, capacity)?;
        let mut chain = Chain {
            ops: ops.to_vec(),
            augmenter: Augmenter::new(gpu, mlp, capacity)?,
            buffers: [batch.twin()?, batch],
        };
        // Compiles; what is recorded is thrown away.
        let indices = gpu.buffer("no indices", 4 * capacity as u64)?;
        let data = chain.buffers[1].clone();
        chain.record(&mut gpu.record(), &data, &indices, 0..capacity, 0, 0)?;
        Ok(chain)
    }

    /// Bytes of GPU buffers for `capacity` nets.
    pub fn bytes(mlp: &Mlp, capacity: usize) -> u64 {
        Augmenter::bytes(mlp, capacity) + 2 * NetBatch::bytes(mlp, capacity) + 8 * capacity as u64
    }

    /// The operations.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Records the augmentation of the nets `items[range]` of `data`; `items` are indices, u32, all below the
    /// number of nets. The result, with the identities of its nets, is valid until the next call.
    ///
    /// Epoch 0 gives what [`super::augment()`] gives.
    ///
    /// # Errors
    /// More nets than there is room for, another architecture, or the GPU.
    ///
    /// # Panics
    /// If `range` exceeds `items`: a mistake in the caller.
    pub fn record(
        &mut self,
        recording: &mut Recording,
        data: &NetBatch,
        items: &Buffer,
        range: Range<usize>,
        seed: u64,
        epoch: u32,
    ) -> Result<NetBatch, SymmetryError> {
        assert!(4 * range.end as u64 <= items.bytes(), "items {range:?} exceed their buffer");
        let [mut now, mut next] =
            [self.buffers[0].prefix(range.len())?, self.buffers[1].prefix(range.len())?];
        data.record_pick_from(recording, items, range.start, &now)?;
        for (i, op) in self.ops.iter().enumerate() {
            // Every operation of every epoch has a position, and so draws, of its own.
            let position = epoch.wrapping_mul(self.ops.len() as u32).wrapping_add(i as u32);
            let draws = Draws::Seeded { seed, position };
            self.augmenter.record(recording, op, draws, &now, &next)?;
            std::mem::swap(&mut now, &mut next);
        }
        Ok(now)
    }
}
