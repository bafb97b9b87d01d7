//! A model on networks that it does not learn from.

use super::error::TrainError;
use super::rows::{Rows, Statistics};
use crate::network::Network;
use weightlab_gpu::{Buffer, Gpu};
use weightlab_tensor::{Graph, ParamStore, Pass, Plan, Program, Target, TensorError, Var};

/// Most networks that go through the model at once.
const AT_ONCE: usize = 128;

struct Planned {
    plan: Plan,
    nets: Var,
    logits: Var,
    at_once: usize,
}

/// For as many of `count` networks at once as the device takes.
fn plan(target: &Target, network: &Network, count: usize) -> Result<Planned, TensorError> {
    let mut at_once = count.clamp(1, AT_ONCE);
    let planned = |at_once| -> Result<Planned, TensorError> {
        network.check_size(at_once)?;
        let mut graph = Graph::new(network.set(), target);
        let nets = graph.input("nets", &[at_once, network.net_len()]);
        let out = network.record(&mut graph, target, nets, false);
        let logits = graph.keep(out);
        Ok(Planned { plan: graph.plan()?, nets, logits, at_once })
    };
    loop {
        match planned(at_once) {
            Err(_) if at_once > 1 => at_once /= 2,
            done => return done,
        }
    }
}

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
        let Planned { plan, nets, logits, at_once } = plan(&Target::of(gpu), network, count)?;
        Ok(Evaluator {
            gpu: gpu.clone(),
            program: Program::new(gpu, plan, store)?,
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
        let planned = plan(&Target::of(gpu), network, count)?;
        let table = 4 * (count * network.net_len()) as u64;
        Ok(planned.plan.bytes().total() + table + Rows::bytes(network.net_len()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::ModelConfig;

    /// A matrix of 256 x 256 of 128 networks is 65,536 tiles, one more than a dispatch has in a dimension, and a GPU
    /// that binds gigabytes does not refuse its memory before.
    #[test]
    fn wide_networks_go_through_in_smaller_batches() {
        let network = Network::new(&ModelConfig::default(), &[2, 256, 256, 1], 10).unwrap();
        let mut target = Target {
            software: false,
            twins: false,
            max_binding_bytes: 1 << 40,
            max_workgroups: 65_535,
        };
        assert_eq!(plan(&target, &network, 1000).unwrap().at_once, 64);
        assert_eq!(plan(&target, &network, 127).unwrap().at_once, 127);
        target.max_workgroups = 65_536;
        assert_eq!(plan(&target, &network, 1000).unwrap().at_once, 128);
        target.max_workgroups = 511;
        let refused = plan(&target, &network, 1000).map(|p| p.at_once).unwrap_err().to_string();
        assert!(refused.contains("at most 511"), "{refused}");
    }
}
