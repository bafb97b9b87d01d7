//! What is recorded of a DWS model: its calls, the buffers of its states, and what the backward pass needs of them.

use super::layout::Layout;
use super::norm::{Norm, Normed};
use super::pool::{Matrices, Positions};
use crate::calls::{self, Bound, Call, Calls, Kind, Temp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use weightlab_tensor::{Graph, ParamId, Var};

/// What to record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// Nets in the batch.
    pub nets: usize,
    /// As in training: normalisation with the batch's statistics.
    pub train: bool,
    /// Gradients of the parameters.
    pub backward: bool,
    /// Gradients of the nets as well.
    pub input_gradient: bool,
    /// The device.
    pub kind: Kind,
}

/// A model's calls on buffers that do not exist yet.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// All buffers.
    pub calls: Calls,
    /// In order.
    pub forward: Vec<Call>,
    /// After the forward pass, with the logits' gradient in place.
    pub backward: Vec<Call>,
    /// The input, `[nets, P]` in the layout of files.
    pub nets: Temp,
    /// `[nets, stride]`
    pub logits: Temp,
    /// Their gradient, zeros in the padding.
    pub d_logits: Temp,
    /// Numbers from one row of logits to the next: the classes, padded to quads.
    pub logits_stride: usize,
    /// Columns of logits that count.
    pub classes: usize,
    pub(super) trace: Trace,
}

impl Recorded {
    /// The model as an operation of a graph: `nets` `[nets, P]` to logits `[nets, classes]`. `params` is a parameter of the arena's
    /// length. Buffers that are to be read after a run are given by `keep`, and come back as tensors after
    /// [`Graph::backward`] if they belong to it.
    pub fn add_to(
        self,
        graph: &mut Graph,
        nets: Var,
        params: ParamId,
        keep: &[Temp],
    ) -> (Var, Kept) {
        let kept: Kept = Arc::default();
        let bound = Arc::new(Mutex::new(Bound::new()));
        let (bound_back, kept_back) = (bound.clone(), kept.clone());
        let hold = |graph: &mut Graph, bound: &Bound, kept: &Kept, keep: &[Temp]| {
            let mut kept = kept.lock().expect("not poisoned");
            for temp in keep {
                if let (Some(&var), false) = (bound.get(temp), kept.contains_key(temp)) {
                    kept.insert(*temp, graph.keep(var));
                }
            }
        };
        let keep_back = keep.to_vec();
        let rows = self.calls.temps()[self.logits.index()].words / self.logits_stride;
        let temps = self.calls.temps().to_vec();
        let temps_back = temps.clone();
        let (backward, d_logits) = (self.backward, self.d_logits);
        let out = graph.custom(
            "dws",
            &[rows, self.logits_stride],
            &[params],
            |graph, logits| {
                let mut bound = bound.lock().expect("not poisoned");
                bound.insert(self.nets, nets);
                bound.insert(self.logits, logits);
                calls::add_to(graph, &temps, &self.forward, &mut bound);
                hold(graph, &bound, &kept, keep);
            },
            move |graph, dy| {
                let mut bound = bound_back.lock().expect("not poisoned");
                bound.insert(d_logits, dy);
                calls::add_to(graph, &temps_back, &backward, &mut bound);
                hold(graph, &bound, &kept_back, &keep_back);
            },
        );
        (graph.slice(out, 1, 0..self.classes), kept)
    }
}

/// Tensors that are readable after a run, by buffer.
pub type Kept = Arc<Mutex<BTreeMap<Temp, Var>>>;

/// Buffers of a state.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub groups: Vec<Temp>,
    pub descriptors: Temp,
    /// W_1 .. W_{L-1}
    pub inner: Vec<Temp>,
    /// Places of the maxima: of positions, by group; by inner matrix, the best column of each row, then the best row of
    /// each column.
    pub best: Vec<Temp>,
    pub inner_best: Vec<Temp>,
}

/// What a layer's backward pass needs.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub first: Vec<Temp>,
    pub attended: Vec<Option<Temp>>,
    pub mixed: Vec<Option<Temp>>,
    /// Outputs of later steps of direct maps, by group.
    pub direct: Vec<Vec<Temp>>,
    pub pooled: Temp,
    /// Outputs of all but the last step of chains of descriptors.
    pub pooled_chain: Vec<Temp>,
    pub extra: Vec<Temp>,
    /// Outputs of all but the last step, by inner matrix.
    pub inner_steps: Vec<Vec<Temp>>,
    /// The last step without the terms of rows and columns, of an unmerged model.
    pub inner_alone: Vec<Temp>,
    pub norms: Option<Norms>,
}

/// Normalisations after a layer: by group, of the descriptors (b_L), of the inner matrices.
#[derive(Clone, Debug)]
pub(super) struct Norms {
    /// What was normalised.
    pub raw: State,
    pub groups: Vec<(Norm, Normed)>,
    pub last_bias: (Norm, Normed),
    pub inner: Vec<(Norm, Normed)>,
}

/// Everything the forward pass left.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub states: Vec<State>,
    pub saved: Vec<Saved>,
    pub head: Vec<Temp>,
    /// Gradients of the first state, if wanted.
    pub d_input: Option<State>,
}

impl State {
    pub fn new(calls: &mut Calls, layout: &Layout, n: usize, name: &str) -> State {
        let last = layout.last();
        let mut temp = |what: &str, quads: usize| calls.temp(format!("{name} {what}"), 4 * quads);
        State {
            groups: layout
                .groups
                .iter()
                .map(|g| temp("positions", n * g.positions * g.quads))
                .collect(),
            descriptors: temp("descriptors", n * layout.descriptors),
            inner: (1..last)
                .map(|i| {
                    let shape = matrices(layout, n, i);
                    temp("matrices", shape.entries() * shape.quads)
                })
                .collect(),
            best: layout.groups.iter().map(|g| temp("maxima", n * g.quads)).collect(),
            inner_best: (1..last)
                .map(|i| {
                    let lines = layout.dims[i] + layout.dims[i + 1];
                    temp("maxima of rows", n * lines * layout.features)
                })
                .collect(),
        }
    }
}

/// Shape of W_i.
pub(super) fn matrices(layout: &Layout, n: usize, i: usize) -> Matrices {
    let (rows, columns) = (layout.dims[i], layout.dims[i + 1]);
    Matrices { nets: n, rows, columns, quads: layout.features }
}

/// How a group is pooled.
pub(super) fn positions(layout: &Layout, n: usize, g: usize) -> Positions {
    let group = &layout.groups[g];
    Positions {
        nets: n,
        positions: group.positions,
        quads: group.quads,
        stride: layout.descriptors,
        at: group.pooled,
    }
}
