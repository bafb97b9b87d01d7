//! Steps of training. Everything a step needs is on the GPU before the first one.

use super::config::TrainConfig;
use super::data::Data;
use super::error::TrainError;
use super::evaluator::Evaluator;
use super::rows::Statistics;
use crate::network::Network;
use weightlab_gpu::Gpu;
use weightlab_kernels::philox::{self, Purpose};
use weightlab_nets::mix::Lambda;
use weightlab_nets::{Mlp, NetId};
use weightlab_tensor::{Graph, METRIC_ROWS, ParamStore, Pass, Plan, Program, Target, Updater, Var};

/// What is learned from.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// Architecture of the networks.
    pub mlp: &'a Mlp,
    /// `[nets, P]`
    pub params: &'a [f32],
    /// Random draws are made for these, one per network.
    pub ids: &'a [NetId],
    /// One per network, below `classes`.
    pub labels: &'a [u32],
    /// Number of classes.
    pub classes: usize,
    /// Networks that are trained on.
    pub train: &'a [u32],
    /// Networks among which partners of mixtures are drawn.
    pub pool: &'a [u32],
}

/// Memory of a training, the GPU's and that of native twins, predicted before it is taken, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Networks with their labels.
    pub data: u64,
    /// What augmentation and mixing need.
    pub augment: u64,
    /// Parameters, gradients, moments, what the update needs.
    pub parameters: u64,
    /// What the model computes on the way.
    pub activations: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.data + self.augment + self.parameters + self.activations
    }
}

/// Loss and accuracy of one step, on the batch as it was augmented, before the update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepMetrics {
    /// Number of the step, from 0.
    pub step: u32,
    /// Mean cross entropy.
    pub loss: f32,
    /// Share of networks whose most probable class is that of the label; of a mixed label, its larger one.
    pub accuracy: f32,
}

/// Everything that a training goes on from, bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Updates done.
    pub step: u32,
    /// The model's parameters, as it packs them.
    pub params: Vec<f32>,
    /// The optimiser's memory.
    pub moments: Vec<f32>,
    /// Running statistics.
    pub state: Vec<f32>,
}

/// The order of the networks in an epoch: a permutation of `0..n` by Fisher and Yates' method.
pub fn epoch_order(seed: u64, epoch: u32, n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    let key = philox::key(seed);
    let mut words = [0; 4];
    for i in (1..n).rev() {
        let number = n - 1 - i;
        if number.is_multiple_of(4) {
            let counter = [(number / 4) as u32, epoch, 0, Purpose::EpochOrder as u32];
            words = philox::philox4x32(counter, key);
        }
        // The high word of the product is uniform up to n / 2^32.
        let j = (u64::from(words[number % 4]) * (i as u64 + 1)) >> 32;
        order.swap(i, j as usize);
    }
    order
}

/// A training in progress.
#[derive(Debug)]
pub struct Session {
    gpu: Gpu,
    config: TrainConfig,
    network: Network,
    statistics: Statistics,
    lambda: Lambda,
    store: ParamStore,
    program: Program,
    updater: Updater,
    inputs: Inputs,
    data: Data,
    batch: usize,
    micro: usize,
    step: u32,
    /// Steps whose metrics were not read yet.
    pending: u32,
    /// Epoch whose order is on the GPU.
    ordered: Option<u32>,
    memory: Memory,
    dispatches: u64,
}

#[derive(Clone, Copy, Debug)]
struct Inputs {
    nets: Var,
    targets: Var,
}

/// The step of `nets` networks.
fn plan(
    gpu: &Gpu,
    network: &Network,
    nets: usize,
    classes: usize,
) -> Result<(Plan, Inputs), TrainError> {
    network.check_size(nets)?;
    let target = Target::of(gpu);
    let mut graph = Graph::new(network.set(), &target);
    let inputs = Inputs {
        nets: graph.input("nets", &[nets, network.net_len()]),
        targets: graph.input("targets", &[nets, classes]),
    };
    let logits = network.record(&mut graph, &target, inputs.nets, true);
    let loss = graph.cross_entropy(logits, inputs.targets);
    let hits = graph.hits(logits, inputs.targets);
    graph.metric("loss", loss);
    graph.metric("hits", hits);
    graph.backward(loss);
    Ok((graph.plan()?, inputs))
}

impl Session {
    /// Makes everything ready and says what it takes. `config.batch` is cut to the number of networks; a batch that does not
    /// fit into the memory is done in equal parts, with the same result but for rounding (and for batch normalisation, which
    /// then sees the parts).
    ///
    /// # Errors
    /// Options that do not fit, or the GPU.
    ///
    /// # Panics
    /// If the examples contradict each other: a mistake in the caller.
    pub fn new(
        gpu: &Gpu,
        config: &TrainConfig,
        network: Network,
        statistics: Statistics,
        examples: &Examples<'_>,
    ) -> Result<Session, TrainError> {
        config.validate()?;
        let Examples { mlp, params, ids, labels, classes, train, pool } = *examples;
        config.augment.validate(mlp)?;
        if let Some((how, _)) = config.augment.mix
            && let Some(method) = how.method()
        {
            method.validate(mlp)?;
        }
        assert!(
            ids.len() == labels.len()
                && params.len() == ids.len() * mlp.param_count()
                && network.net_len() == mlp.param_count()
                && !train.is_empty()
                && train.iter().chain(pool).all(|&i| (i as usize) < ids.len()),
            "examples that contradict each other"
        );
        let batch = config.batch.min(train.len());
        let optimizer = config.optimizer.optimizer();
        let memory = |nets: usize, activations: u64| Memory {
            data: Data::bytes(examples),
            augment: Data::augment_bytes(gpu, &config.augment, examples, nets),
            parameters: ParamStore::bytes(network.set(), &optimizer)
                + if nets < batch { 4 * network.set().len() as u64 } else { 0 },
            activations,
        };
        let limit = config.memory_mib.map_or(u64::MAX, |mib| mib << 20);
        // Parts that divide the batch, the largest first.
        let mut found = None;
        for micro in (1..=batch).rev().filter(|m| batch.is_multiple_of(*m)) {
            match plan(gpu, &network, micro, classes) {
                Ok((plan, inputs)) => {
                    let memory = memory(micro, plan.bytes().total());
                    if memory.total() <= limit {
                        found = Some((micro, plan, inputs, memory));
                        break;
                    }
                    if micro == 1 {
                        let (bytes, fixed) = (memory.total(), memory.data + memory.parameters);
                        return Err(TrainError::Memory { bytes, fixed, limit });
                    }
                }
                Err(error) if micro == 1 => return Err(error),
                Err(_) => {}
            }
        }
        let (micro, plan, inputs, memory) = found.expect("one was found or an error returned");

        let state = network.fresh_state();
        let values = network.init(config.seed);
        let store = ParamStore::new(gpu, network.set(), &values, &state, &optimizer)?;
        let program = Program::new(gpu, plan, &store)?;
        let updater = match micro < batch {
            true => Updater::with_micro_batches(gpu, &store)?,
            false => Updater::new(gpu, &store)?,
        };
        let data = Data::new(gpu, config, &statistics, examples, micro)?;
        Ok(Session {
            gpu: gpu.clone(),
            config: config.clone(),
            lambda: config.lambda()?,
            network,
            statistics,
            store,
            program,
            updater,
            inputs,
            data,
            batch,
            micro,
            step: 0,
            pending: 0,
            ordered: None,
            memory,
            dispatches: 0,
        })
    }

    /// The model.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What is done to networks before they are read.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Networks per update.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Networks at once; a divisor of the batch.
    pub fn micro_batch(&self) -> usize {
        self.micro
    }

    /// Updates per epoch. Networks that do not fill a batch are left out; who that is changes from epoch to epoch.
    pub fn steps_per_epoch(&self) -> u32 {
        (self.data.train.len() / self.batch) as u32
    }

    /// Updates done.
    pub fn steps(&self) -> u32 {
        self.step
    }

    /// Predicted memory.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Bytes that native twins have taken of it.
    pub fn native_bytes(&self) -> u64 {
        self.program.native_bytes()
    }

    /// Dispatches of the last step, without what native twins did: preparing the batch, forward, back and update.
    pub fn dispatches(&self) -> u64 {
        self.dispatches
    }

    /// An evaluator of the parameters as they are whenever it is asked.
    ///
    /// # Errors
    /// As [`Evaluator::new`].
    pub fn evaluator(&self, params: &[f32]) -> Result<Evaluator, TrainError> {
        Evaluator::new(&self.gpu, &self.network, &self.store, &self.statistics, params)
    }

    /// One update. Does not wait, reads nothing back and makes no buffer, unless native twins do a part of it. Metrics must be read at the latest after
    /// [`Session::most_pending`] steps.
    ///
    /// # Errors
    /// The GPU.
    pub fn step(&mut self) -> Result<(), TrainError> {
        let before = self.gpu.counts().dispatches;
        let parts = (self.batch / self.micro) as u32;
        for part in 0..parts {
            self.prepare(self.step, part)?;
            let pass = self.pass(self.step, part);
            self.program.run(&pass)?;
            if parts > 1 {
                self.updater.accumulate(1.0 / parts as f32, part == 0)?;
            }
        }
        self.updater.step(&self.config.optimizer.settings(self.step + 1))?;
        self.step += 1;
        self.pending += 1;
        self.dispatches = self.gpu.counts().dispatches - before;
        Ok(())
    }

    /// Most steps between two readings of the metrics.
    pub fn most_pending(&self) -> u32 {
        (METRIC_ROWS * self.micro / self.batch) as u32
    }

    fn pass(&self, step: u32, part: u32) -> Pass {
        let parts = (self.batch / self.micro) as u32;
        let count = step.wrapping_mul(parts).wrapping_add(part);
        Pass { seed: self.config.seed, step: count, row: count % METRIC_ROWS as u32 }
    }

    /// Fills the inputs of the program with a part of a step's batch.
    fn prepare(&mut self, step: u32, part: u32) -> Result<(), TrainError> {
        let (epoch, within) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        let Session { gpu, config, program, data, micro, inputs, .. } = self;
        if self.ordered != Some(epoch) {
            let order = epoch_order(config.seed, epoch, data.train.len());
            let items: Vec<u32> = order.iter().map(|&i| data.train[i as usize]).collect();
            gpu.write(&data.items, 0, &items);
            self.ordered = Some(epoch);
        }
        let first = within as usize * self.batch + part as usize * *micro;
        let range = first..first + *micro;
        let mut recording = gpu.record();
        let to = [program.buffer(inputs.nets), program.buffer(inputs.targets)];
        data.record(&mut recording, config, self.lambda, range, epoch, to)?;
        Ok(recording.submit()?)
    }

    /// Loss and accuracy of the steps since the last time.
    ///
    /// # Errors
    /// The GPU.
    pub async fn metrics(&mut self) -> Result<Vec<StepMetrics>, TrainError> {
        let parts = self.batch / self.micro;
        let from = self.step - self.pending;
        let rows = self.program.metrics(0..METRIC_ROWS.min(self.step as usize * parts)).await?;
        let mut all = Vec::new();
        for step in from..self.step {
            let of = |part: u32| {
                let row = rows.get(self.pass(step, part).row as usize);
                row.map_or([f32::NAN; 2], |r| [r[0], r[1]])
            };
            let sums = (0..parts as u32).map(of).fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
            let accuracy = sums[1] / self.batch as f32;
            all.push(StepMetrics { step, loss: sums[0] / parts as f32, accuracy });
        }
        self.pending = 0;
        Ok(all)
    }

    /// Whether the last update was made; not if a gradient was not finite.
    ///
    /// # Errors
    /// The GPU.
    pub async fn updated(&self) -> Result<bool, TrainError> {
        Ok(self.step == 0 || self.updater.verdict().await?.finite)
    }

    /// Repeats a step without its update, looking at every tensor: the name of the first that is not finite. Updates that
    /// would have made parameters non-finite were not made, so mostly the step comes out as it did.
    ///
    /// # Errors
    /// The GPU.
    pub async fn first_non_finite(&mut self, step: u32) -> Result<Option<String>, TrainError> {
        for part in 0..(self.batch / self.micro) as u32 {
            self.prepare(step, part)?;
            let pass = self.pass(step, part);
            if let Some(name) = self.program.first_non_finite(&pass).await? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Everything to go on from.
    ///
    /// # Errors
    /// The GPU.
    pub async fn snapshot(&self) -> Result<Snapshot, TrainError> {
        Ok(Snapshot {
            step: self.step,
            params: self.store.params().await?,
            moments: self.store.moments().await?,
            state: self.store.state().await?,
        })
    }

    /// Goes on from a snapshot of a training with the same options and data.
    ///
    /// # Errors
    /// One of another model.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), TrainError> {
        self.store.write_params(&snapshot.params)?;
        self.store.write_moments(&snapshot.moments)?;
        self.store.write_state(&snapshot.state)?;
        (self.step, self.pending, self.ordered) = (snapshot.step, 0, None);
        Ok(())
    }

    /// Other parameters to begin with, such as those of a file.
    ///
    /// # Errors
    /// Those of another model.
    pub fn set_params(&mut self, params: &[f32], state: &[f32]) -> Result<(), TrainError> {
        self.store.write_params(params)?;
        Ok(self.store.write_state(state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sees_every_network_once() {
        for n in [1, 2, 7, 500] {
            let mut order = epoch_order(3, 1, n);
            assert!(n < 3 || order != epoch_order(3, 2, n), "{n}");
            assert_eq!(order, epoch_order(3, 1, n));
            order.sort_unstable();
            assert!(order.iter().copied().eq(0..n as u32));
        }
        // Every place is as likely: mean position of the first network over many epochs.
        let mean = (0..2000)
            .map(|e| epoch_order(0, e, 21).iter().position(|&i| i == 0).unwrap() as f64)
            .sum::<f64>()
            / 2000.0;
        // Deviation of the mean: sqrt(21^2 / 12 / 2000) = 0.14.
        assert!((mean - 10.0).abs() < 0.6, "{mean}");
    }
}
