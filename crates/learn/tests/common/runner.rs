//! A model with a loss that is linear in the logits, on the GPU.

use std::collections::BTreeMap;
use weightlab_gpu::Gpu;
use weightlab_learn::calls::Temp;
use weightlab_learn::dws::{Dws, Recorded, Wanted};
use weightlab_tensor::{
    Bytes, Dispatches, Graph, Optimizer, ParamSet, ParamStore, Pass, Program, Target, Var,
};

pub struct Runner {
    pub recorded: Recorded,
    pub store: ParamStore,
    program: Program,
    nets: Var,
    weights: Option<Var>,
    logits: Var,
    kept: BTreeMap<Temp, Var>,
}

impl Runner {
    /// `keep`: buffers to read after a run.
    pub fn new(
        gpu: &Gpu,
        model: &Dws,
        wanted: &Wanted,
        params: &[f32],
        keep: impl Fn(&Recorded) -> Vec<Temp>,
    ) -> Runner {
        let recorded = model.record(wanted);
        let mut set = ParamSet::new();
        let id = set.add("dws", &[model.arena().len()]);
        let state = model.fresh_state();
        set.add_state("statistics", &[state.len()]);
        let optimizer = Optimizer::adam();
        let store = ParamStore::new(gpu, &set, params, &state, &optimizer).unwrap();
        let mut graph = Graph::new(&set, &Target::of(gpu));
        let nets = graph.input("nets", &[wanted.nets, model.net_len()]);
        let keep = keep(&recorded);
        let (out, kept) = recorded.clone().add_to(&mut graph, nets, id, &keep);
        let logits = graph.keep(out);
        let weights = wanted.backward.then(|| {
            let weights = graph.input("weights", logits.shape());
            let product = graph.mul(out, weights);
            let loss = graph.sum(product, &[0, 1], false);
            graph.backward(loss);
            weights
        });
        let plan = graph.plan().unwrap();
        let program = Program::new(gpu, plan, &store).unwrap();
        let kept = kept.lock().unwrap().clone();
        Runner { recorded, store, program, nets, weights, logits, kept }
    }

    /// Runs forward and backward; `weights` are the loss's gradient by the logits.
    pub fn run(&mut self, nets: &[f32], weights: &[f32]) {
        self.program.write(self.nets, nets).unwrap();
        if let Some(var) = self.weights {
            self.program.write(var, weights).unwrap();
        }
        self.program.run(&Pass::default()).unwrap();
    }

    pub fn logits(&self) -> Vec<f32> {
        pollster::block_on(self.program.read(self.logits)).unwrap()
    }

    pub fn gradients(&self) -> Vec<f32> {
        pollster::block_on(self.store.gradients()).unwrap()
    }

    pub fn state(&self) -> Vec<f32> {
        pollster::block_on(self.store.state()).unwrap()
    }

    pub fn contents(&self) -> BTreeMap<Temp, Vec<f32>> {
        let read = |var| pollster::block_on(self.program.read(var)).unwrap();
        self.kept.iter().map(|(&temp, &var)| (temp, read(var))).collect()
    }

    pub fn dispatches(&self) -> Dispatches {
        self.program.plan().dispatches()
    }

    pub fn bytes(&self) -> Bytes {
        self.program.plan().bytes()
    }

    /// Name of the first result that is not finite.
    pub fn first_non_finite(&mut self) -> Option<String> {
        pollster::block_on(self.program.first_non_finite(&Pass::default())).unwrap()
    }
}
