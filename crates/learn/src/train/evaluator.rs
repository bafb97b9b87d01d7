//! A model on networks that it does not learn from.

use super::error::TrainError;
use super::rows::{Rows, Statistics};
use crate::network::Network;
use weightlab_gpu::{Buffer, Gpu};
use weightlab_tensor::{Graph, ParamStore, Pass, Program, Target, Var};

/// Networks that go through the model at once.
const AT_ONCE: usize = 128;

/// Computes logits of networks, in evaluation mode.
#[derive(Debug)]
pub struct Evaluator {
    gpu: Gpu,
    program: Program,
    nets: Var,
    logits: Var,
    table: Buffer,
    rows: Rows,
    count: usize,
    at_once: usize,
}

impl Evaluator {
    /// For the networks `params` `[nets, P]`, with the parameters and running statistics that `store` has at the time.
    ///
    /// # Errors
    /// The GPU, or a model that does not fit.
    pub fn new(
        gpu: &Gpu,
        network: &Network,
        store: &ParamStore,
        statistics: &Statistics,
        params: &[f32],
    ) -> Result<Evaluator, TrainError> {
        let count = params.len() / network.net_len().max(1);
        let at_once = count.clamp(1, AT_ONCE);
        let target = Target::of(gpu);
        let mut graph = Graph::new(network.set(), &target);
        let nets = graph.input("nets", &[at_once, network.net_len()]);
        let out = network.record(&mut graph, &target, nets, false);
        let logits = graph.keep(out);
        Ok(Evaluator {
            gpu: gpu.clone(),
            program: Program::new(gpu, graph.plan()?, store)?,
            nets,
            logits,
            table: gpu.upload("networks", params)?,
            rows: Rows::new(gpu, statistics)?,
            count,
            at_once,
        })
    }

    /// Bytes that [`Evaluator::new`] takes for `count` networks, the store apart.
    ///
    /// # Errors
    /// A model that does not fit.
    pub fn bytes(gpu: &Gpu, network: &Network, count: usize) -> Result<u64, TrainError> {
        let target = Target::of(gpu);
        let mut graph = Graph::new(network.set(), &target);
        let nets = graph.input("nets", &[count.clamp(1, AT_ONCE), network.net_len()]);
        let out = network.record(&mut graph, &target, nets, false);
        graph.keep(out);
        let table = 4 * (count * network.net_len()) as u64;
        Ok(graph.plan()?.bytes().total() + table + Rows::bytes(network.net_len()))
    }

    /// Number of networks.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Logits of all networks, `[nets, classes]`, of the parameters that the store has now.
    ///
    /// # Errors
    /// The GPU.
    pub async fn logits(&mut self) -> Result<Vec<f32>, TrainError> {
        let classes = self.logits.shape()[1];
        let mut all = Vec::with_capacity(self.count * classes);
        for first in (0..self.count).step_by(self.at_once) {
            let mut recording = self.gpu.record();
            let out = (self.program.buffer(self.nets), self.at_once);
            self.rows.record(&mut recording, (&self.table, self.count), None, first, out);
            recording.submit()?;
            self.program.run(&Pass::default())?;
            let these = self.program.read(self.logits).await?;
            let count = self.at_once.min(self.count - first);
            all.extend_from_slice(&these[..count * classes]);
        }
        Ok(all)
    }
}
