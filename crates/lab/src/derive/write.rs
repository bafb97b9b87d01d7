//! Writing the zoo that an operation made from others.

use crate::error::LabError;
use crate::message::Checkpoint;
use crate::stats::Distribution;
use serde_json::Value;
use weightlab_data::{Derived, Shard, Store, Targets, Zoo, ZooManifest, ZooRef};
use weightlab_gpu::Gpu;
use weightlab_nets::{evaluate, image_grid};

/// What makes the networks of a new zoo, and how many there will be.
#[derive(Clone, Debug)]
pub struct Derivation {
    /// Name of the operation: "augment", "align", "mix", ...
    pub operation: &'static str,
    /// All its parameters, resolved.
    pub parameters: Value,
    /// Key of its random numbers.
    pub seed: u64,
    /// Networks of the finished zoo.
    pub nets: u64,
    /// Whether a network's object is still what the network should draw: then the images of the first
    /// zoo are carried over and PSNR is measured anew. Otherwise PSNR becomes unknown, and objects belong to
    /// no split.
    pub keep_targets: bool,
}

/// A zoo being written, network by network.
#[derive(Debug)]
pub struct DerivedZoo<S: Store> {
    gpu: Gpu,
    zoo: Zoo<S>,
    targets: Option<Targets>,
    grid: Vec<f32>,
    planned: u64,
    pending: Shard,
    psnr: Vec<f32>,
}

/// What a call of [`DerivedZoo::push`] did.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// PSNR of the networks given, where it could be measured.
    pub psnr: Distribution,
    /// Shards that are safely stored now.
    pub checkpoints: Vec<Checkpoint>,
}

impl<S: Store> DerivedZoo<S> {
    /// Begins the zoo in `out`. Architecture, labels' names, splits, shard size, seed and fit settings are
    /// those of the first of `from`, as far as all agree.
    ///
    /// # Errors
    /// `out` holds a zoo or anything else, is one of `from`, or cannot be written.
    pub async fn create<A: Store>(
        gpu: &Gpu,
        out: S,
        from: &[&Zoo<A>],
        derivation: Derivation,
    ) -> Result<DerivedZoo<S>, LabError> {
        let first = from.first().ok_or(LabError::Zero { option: "number of zoos" })?;
        let like = first.manifest();
        let agree = |same: fn(&ZooManifest, &ZooManifest) -> bool| {
            from.iter().all(|z| same(z.manifest(), like))
        };
        let targets = if derivation.keep_targets { first.read_targets().await? } else { None };
        let refs = from.iter().map(|z| ZooRef::new(z.manifest(), &z.store().describe()));
        let manifest = ZooManifest {
            source: like.source.clone().filter(|_| agree(|a, b| a.source == b.source)),
            image_shape: like.image_shape,
            fit: like.fit.filter(|_| agree(|a, b| a.fit == b.fit)),
            nets_per_shard: like.nets_per_shard,
            class_names: like.class_names.clone(),
            splits: like
                .splits
                .clone()
                .filter(|_| derivation.keep_targets && agree(|a, b| a.splits == b.splits)),
            writing: Some(derivation.operation.to_owned()),
            derived: Some(Box::new(Derived {
                operation: derivation.operation.to_owned(),
                parameters: derivation.parameters,
                seed: derivation.seed,
                nets: derivation.nets,
                from: refs.collect(),
            })),
            ..ZooManifest::new(like.mlp.clone(), like.seed)
        };
        let mut zoo = Zoo::create(out, manifest).await?;
        if let Some(targets) = &targets {
            zoo.write_targets(targets).await?;
        }
        let grid = targets.as_ref().map(|t| image_grid(t.height, t.width)).unwrap_or_default();
        Ok(DerivedZoo {
            gpu: gpu.clone(),
            zoo,
            targets,
            grid,
            planned: derivation.nets,
            pending: Shard::default(),
            psnr: Vec::new(),
        })
    }

    /// Networks given so far.
    pub fn nets(&self) -> u64 {
        self.zoo.nets() + self.pending.len() as u64
    }

    /// Takes the next networks; their PSNR is replaced. Full shards are stored.
    ///
    /// # Errors
    /// The GPU, or a store that cannot be written.
    pub async fn push(&mut self, mut nets: Shard) -> Result<Written, LabError> {
        nets.psnr = self.measure(&nets).await?;
        let psnr = Distribution::of(nets.psnr.iter().map(|&x| f64::from(x)));
        self.psnr.extend(&nets.psnr);
        self.pending.extend(&nets);
        let per_shard = self.zoo.manifest().nets_per_shard as usize;
        let mut checkpoints = Vec::new();
        while self.pending.len() >= per_shard
            || (!self.pending.is_empty() && self.nets() == self.planned)
        {
            let rest = split_off(&mut self.pending, per_shard);
            self.zoo.append(&self.pending).await?;
            self.pending = rest;
            let file = self.zoo.manifest().shards.last().map(|s| s.file.clone());
            checkpoints.push(Checkpoint {
                shard: file.unwrap_or_default(),
                nets_done: self.zoo.nets(),
                nets: self.planned,
            });
        }
        Ok(Written { psnr, checkpoints })
    }

    /// Keeps a file about the networks beside their shards. To be called before the last of them is given: then
    /// a zoo that is whole has it.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub async fn write_beside(&mut self, name: &str, bytes: &[u8]) -> Result<(), LabError> {
        Ok(self.zoo.write_beside(name, bytes).await?)
    }

    /// Points at which PSNR is measured; 0 if it is not.
    pub fn points(&self) -> usize {
        self.grid.len() / 2
    }

    /// PSNR of all networks given so far.
    pub fn psnr(&self) -> Distribution {
        Distribution::of(self.psnr.iter().map(|&x| f64::from(x)))
    }

    /// The zoo, as far as it is stored.
    pub fn zoo(&self) -> &Zoo<S> {
        &self.zoo
    }

    /// PSNR of networks against the images of their objects; NaN where there is none.
    async fn measure(&self, nets: &Shard) -> Result<Vec<f32>, LabError> {
        let mlp = &self.zoo.manifest().mlp;
        let Some(targets) = &self.targets else { return Ok(vec![f32::NAN; nets.len()]) };
        let fits = [2, targets.channels] == [mlp.inputs(), mlp.outputs()];
        if !fits || nets.is_empty() {
            return Ok(vec![f32::NAN; nets.len()]);
        }
        let outputs = evaluate(&self.gpu, mlp, &nets.params, nets.len(), &self.grid).await?;
        let [lo, hi] = mlp.target_range.map(f64::from);
        let each = outputs.len() / nets.len();
        Ok(outputs
            .chunks_exact(each)
            .zip(&nets.objects)
            .map(|(output, &object)| {
                let Some(pixels) = targets.find(object) else { return f32::NAN };
                let sum: f64 = output
                    .iter()
                    .zip(pixels)
                    .map(|(&y, &p)| {
                        (f64::from(y) - (lo + (hi - lo) * f64::from(p) / 255.0)).powi(2)
                    })
                    .sum();
                mlp.psnr(sum / each as f64) as f32
            })
            .collect())
    }
}

/// Leaves the first `count` networks and returns the others.
fn split_off(nets: &mut Shard, count: usize) -> Shard {
    if nets.len() <= count {
        return Shard::default();
    }
    let stride = nets.params.len() / nets.len();
    Shard {
        params: nets.params.split_off(count * stride),
        labels: nets.labels.split_off(count),
        objects: nets.objects.split_off(count),
        views: nets.views.split_off(count),
        psnr: nets.psnr.split_off(count),
        steps: nets.steps.split_off(count),
    }
}
