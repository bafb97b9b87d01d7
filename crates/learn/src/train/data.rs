//! What is learnt from, on the GPU, and how a batch is made of it: picked, augmented, aligned, mixed and normalised by kernels.

use super::augment::Augment;
use super::config::TrainConfig;
use super::error::TrainError;
use super::rows::{Rows, Statistics};
use super::session::Examples;
use std::ops::Range;
use weightlab_gpu::{Buffer, Gpu, Recording};
use weightlab_nets::NetBatch;
use weightlab_nets::mix::{Lambda, Mixer, Partners};
use weightlab_nets::symmetry::Chain;

/// Networks with their labels, and what makes a batch of some of them.
#[derive(Debug)]
pub(super) struct Data {
    nets: NetBatch,
    labels: Buffer,
    classes: usize,
    pub(super) train: Vec<u32>,
    pub(super) items: Buffer,
    pool: (Buffer, usize),
    normalise: Rows,
    pick_labels: Rows,
    chain: Chain,
    mixer: Option<(Mixer, NetBatch, Buffer)>,
}

impl Data {
    /// Bytes of the networks with their labels.
    pub(super) fn bytes(examples: &Examples<'_>) -> u64 {
        let Examples { mlp, ids, classes, train, pool, .. } = *examples;
        NetBatch::bytes(mlp, ids.len())
            + 8 * ids.len() as u64
            + 4 * (classes * ids.len() + train.len() + pool.len()) as u64
            + Rows::bytes(mlp.param_count())
            + Rows::bytes(classes)
    }

    /// Bytes of what augments and mixes batches of `nets`.
    pub(super) fn augment_bytes(
        gpu: &Gpu,
        augment: &Augment,
        examples: &Examples<'_>,
        nets: usize,
    ) -> u64 {
        let Examples { mlp, classes, .. } = *examples;
        let mixer = Mixer::bytes(gpu, mlp, nets) + NetBatch::bytes(mlp, nets);
        let labels = 4 * (nets * classes) as u64;
        let mixing = if augment.mix.is_some() { mixer + 8 * nets as u64 + labels } else { 0 };
        Chain::bytes(mlp, nets) + mixing
    }

    /// For batches of `nets`.
    pub(super) fn new(
        gpu: &Gpu,
        config: &TrainConfig,
        statistics: &Statistics,
        examples: &Examples<'_>,
        nets: usize,
    ) -> Result<Data, TrainError> {
        let Examples { mlp, params, ids, labels, classes, train, pool } = *examples;
        let mixer = match config.augment.mix {
            None => None,
            Some(_) => Some((
                Mixer::new(gpu, mlp, nets)?,
                NetBatch::empty(gpu, mlp, nets)?,
                gpu.buffer("labels", 4 * (nets * classes) as u64)?,
            )),
        };
        let labels = probabilities(labels, classes, config.label_smoothing);
        Ok(Data {
            nets: NetBatch::upload(gpu, mlp, params, ids)?,
            labels: gpu.upload("labels", &labels)?,
            classes,
            train: train.to_vec(),
            items: gpu.upload("items", train)?,
            pool: (gpu.upload("pool", pool)?, pool.len()),
            normalise: Rows::new(gpu, statistics)?,
            pick_labels: Rows::new(gpu, &Statistics::none(classes))?,
            chain: Chain::new(gpu, mlp, &config.augment.ops, nets)?,
            mixer,
        })
    }

    /// Records a batch from items to the model's inputs.
    pub(super) fn record(
        &mut self,
        recording: &mut Recording,
        config: &TrainConfig,
        lambda: Lambda,
        range: Range<usize>,
        epoch: u32,
        [nets, targets]: [&Buffer; 2],
    ) -> Result<(), TrainError> {
        let (first, count, seed) = (range.start, range.len(), config.seed);
        let labels = (&self.labels, self.nets.len());
        let items = Some(&self.items);
        let picked = self.chain.record(recording, &self.nets, &self.items, range, seed, epoch)?;
        let Augment { mix, .. } = &config.augment;
        let batch = match (mix, &mut self.mixer) {
            (Some((how, which)), Some((mixer, mixed, own))) => {
                self.pick_labels.record(recording, labels, items, first, (own, count));
                let partners = Partners {
                    items: &self.items,
                    first,
                    count,
                    pool: &self.pool.0,
                    pool_len: self.pool.1,
                    picked: true,
                    seed,
                    epoch,
                };
                mixer.record_pairs(recording, &partners)?;
                mixer.record_lambdas(recording, lambda, seed)?;
                mixer.record_moves(recording, *how, seed, &picked, &self.nets)?;
                mixer.record_nets(recording, &picked, &self.nets, mixed)?;
                let both = [&*own, &self.labels];
                mixer.record_labels(recording, *which, self.classes, both, targets)?;
                mixed.clone()
            }
            _ => {
                self.pick_labels.record(recording, labels, items, first, (targets, count));
                picked
            }
        };
        self.normalise.record(recording, (batch.params(), count), None, 0, (nets, count));
        Ok(())
    }
}

/// One row per label: `1 - smoothing` for its class, and `smoothing` spread over all.
fn probabilities(labels: &[u32], classes: usize, smoothing: f32) -> Vec<f32> {
    let base = smoothing / classes as f32;
    let row = |&label: &u32| {
        (0..classes as u32).map(move |c| if c == label { 1.0 - smoothing + base } else { base })
    };
    labels.iter().flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_probabilities() {
        assert_eq!(probabilities(&[1, 0], 2, 0.0), [0.0, 1.0, 1.0, 0.0]);
        assert_eq!(probabilities(&[2], 4, 0.2), [0.05, 0.05, 0.85, 0.05]);
    }
}
