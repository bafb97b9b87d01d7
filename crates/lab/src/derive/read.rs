//! Networks of a zoo by position, a shard at a time.

use crate::error::LabError;
use std::collections::VecDeque;
use weightlab_data::{Shard, Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::{Mlp, NetBatch, NetId};

/// Bytes of shards kept in memory, so that random access reads few of them twice.
const CACHE_BYTES: usize = 1 << 28;

/// Reads networks of a zoo by position, checking what it reads.
#[derive(Debug)]
pub struct NetReader<'a, S: Store> {
    zoo: &'a Zoo<S>,
    /// Shards by number, least recently used first.
    cache: VecDeque<(usize, Shard)>,
}

impl<'a, S: Store> NetReader<'a, S> {
    /// For a zoo that is whole, or still growing by a fit.
    ///
    /// # Errors
    /// A zoo that a killed job left unfinished.
    pub fn new(zoo: &'a Zoo<S>) -> Result<NetReader<'a, S>, LabError> {
        zoo.refuse_remains()?;
        Ok(NetReader { zoo, cache: VecDeque::new() })
    }

    /// The zoo.
    pub fn zoo(&self) -> &'a Zoo<S> {
        self.zoo
    }

    /// Number of networks.
    pub fn nets(&self) -> u64 {
        self.zoo.nets()
    }

    /// Checks that there are networks at `positions`.
    ///
    /// # Errors
    /// A position beyond the zoo.
    pub fn check(&self, mut positions: impl Iterator<Item = u64>) -> Result<(), LabError> {
        let nets = self.nets();
        match positions.find(|&p| p >= nets) {
            None => Ok(()),
            Some(index) => {
                Err(LabError::NoSuchNet { store: self.zoo.store().describe(), index, nets })
            }
        }
    }

    /// The networks at `positions`, in that order; repetitions are allowed. Reads every shard that holds
    /// one of them at most once.
    ///
    /// # Errors
    /// A position beyond the zoo, a damaged shard, or a parameter that is NaN or infinite, named by
    /// position, layer and entry.
    pub async fn read(&mut self, positions: &[u64]) -> Result<Shard, LabError> {
        self.check(positions.iter().copied())?;
        let per_shard = u64::from(self.zoo.manifest().nets_per_shard);
        // Shard by shard; the places in the result are as asked for.
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_by_key(|&i| positions[i]);
        let mlp = &self.zoo.manifest().mlp;
        let count = mlp.param_count();
        let mut out = Shard {
            params: vec![0.0; positions.len() * count],
            labels: vec![-1; positions.len()],
            objects: vec![0; positions.len()],
            views: vec![0; positions.len()],
            psnr: vec![f32::NAN; positions.len()],
            steps: vec![0; positions.len()],
        };
        for i in order {
            let position = positions[i];
            let (s, at) = ((position / per_shard) as usize, (position % per_shard) as usize);
            let shard = self.shard(s).await?;
            let net = shard.net(at);
            if let Some(entry) = net.iter().position(|p| !p.is_finite()) {
                return Err(not_finite(mlp, &self.zoo.store().describe(), position, entry));
            }
            out.params[i * count..(i + 1) * count].copy_from_slice(net);
            out.labels[i] = shard.labels[at];
            out.objects[i] = shard.objects[at];
            out.views[i] = shard.views[at];
            out.psnr[i] = shard.psnr[at];
            out.steps[i] = shard.steps[at];
        }
        Ok(out)
    }

    /// Networks of a shard, for all that follows, as the identities of random draws.
    ///
    /// # Errors
    /// As [`NetBatch::upload`].
    pub fn upload(&self, gpu: &Gpu, nets: &Shard) -> Result<NetBatch, LabError> {
        Ok(NetBatch::upload(gpu, &self.zoo.manifest().mlp, &nets.params, &ids(nets))?)
    }

    async fn shard(&mut self, index: usize) -> Result<&Shard, LabError> {
        match self.cache.iter().position(|(i, _)| *i == index) {
            // Consecutive networks mostly: nothing moves.
            Some(at) if at + 1 == self.cache.len() => {}
            Some(at) => {
                let found = self.cache.remove(at);
                self.cache.extend(found);
            }
            None => {
                let shard = self.zoo.read_shard(index).await?;
                let bytes = |s: &Shard| s.params.len() * 4 + s.len() * 40;
                let mut held: usize = self.cache.iter().map(|(_, s)| bytes(s)).sum();
                while held + bytes(&shard) > CACHE_BYTES {
                    let Some((_, oldest)) = self.cache.pop_front() else { break };
                    held -= bytes(&oldest);
                }
                self.cache.push_back((index, shard));
            }
        }
        Ok(&self.cache[self.cache.len() - 1].1)
    }
}

/// Identities for the random draws of a shard's networks. Draws need different numbers for different
/// networks, so of numbers beyond 32 bits the low ones will do.
pub fn ids(nets: &Shard) -> Vec<NetId> {
    let low = |x: i64| (x as u64 & u64::from(u32::MAX)) as u32;
    nets.objects
        .iter()
        .zip(&nets.views)
        .map(|(&object, &view)| NetId { object: low(object), view: low(view) })
        .collect()
}

/// How many networks a job should have on the device at once, if it needs `copies` of each and
/// `bytes` beside: few enough that a slice of work stays short and every binding fits.
pub fn nets_at_once(gpu: &Gpu, mlp: &Mlp, copies: usize, bytes: u64) -> usize {
    /// A software renderer does some 100 networks of the usual size in 50 ms.
    const CPU: u64 = 128;
    const GPU: u64 = 4096;
    let each = NetBatch::bytes(mlp, 1) * copies.max(1) as u64 + bytes;
    let memory = (1u64 << 30) / each;
    let most = NetBatch::most_nets(gpu, mlp) as u64;
    let pace = if gpu.is_cpu() { CPU } else { GPU };
    memory.min(most).min(pace).max(1) as usize
}

fn not_finite(mlp: &Mlp, store: &str, position: u64, entry: usize) -> LabError {
    let (layer, tensor, entry) = mlp.locate(entry);
    LabError::NotFinite { store: store.to_owned(), net: position, layer, tensor, entry }
}
