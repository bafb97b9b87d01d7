//! A computation as a list of kernel calls, made once from shapes.

mod custom;
pub(crate) mod gradient;

pub use custom::{KernelCall, Operand};

use crate::params::{ParamId, ParamSet, StateId};
use crate::shape::{Dims, TensorId, Var};
use crate::twin::Twin;
use bytemuck::NoUninit;
use gradient::{Node, Slot};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use weightlab_gpu::{AdapterReport, Gpu};
use weightlab_kernels::{Binding, Shader};

/// What the choice of kernels and the plan depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// A software renderer: pays by the load and has no registers to run out of.
    pub software: bool,
    /// Native twins take the place of kernels that have one: see [`Gpu::runs_twins`].
    pub twins: bool,
    /// Largest binding, bytes.
    pub max_binding_bytes: u64,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
}

impl Target {
    /// That of a device.
    pub fn of(gpu: &Gpu) -> Target {
        let report: &AdapterReport = gpu.report();
        Target {
            software: gpu.is_cpu(),
            twins: gpu.runs_twins(),
            max_binding_bytes: report.max_binding_bytes,
            max_workgroups: report.max_workgroups,
        }
    }
}

/// Where a tensor's numbers come from.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Written by a call; its memory serves others before and after.
    Temp,
    /// Written from outside before a run.
    Input,
    /// Uploaded once, as 32-bit words.
    Constant(Vec<u32>),
    /// At this place of the arena of parameters.
    Param(usize),
    /// At this place of the arena of their gradients.
    Gradient(usize),
    /// At this place of the arena of state.
    State(usize),
    /// The block of numbers that change with every run, see [`Pass`](crate::Pass).
    Step,
    /// The rows of metrics.
    Metrics,
}

#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub label: String,
    pub sizes: Dims,
    pub kind: Kind,
    /// Readable after a run.
    pub kept: bool,
    /// Whether a gradient is wanted of it.
    pub needs: bool,
}

impl Tensor {
    /// Elements.
    pub fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// First element in the buffer.
    pub fn place(&self) -> usize {
        match self.kind {
            Kind::Param(place) | Kind::Gradient(place) | Kind::State(place) => place,
            _ => 0,
        }
    }
}

/// One dispatch.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub label: String,
    pub shader: &'static Shader,
    pub constants: Vec<(&'static str, u32)>,
    pub uniform: Vec<u8>,
    /// In the order of the bindings.
    pub buffers: Vec<TensorId>,
    pub groups: [u32; 3],
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "a browser has no twins"))]
    pub twin: Option<Twin>,
    /// A fill that turned out not to be needed is off.
    pub enabled: bool,
}

impl Call {
    /// Bindings with whether they are written.
    pub fn bindings(&self) -> impl Iterator<Item = (TensorId, bool)> + '_ {
        let storage = self.shader.bindings.iter().filter(|b| **b != Binding::Uniform);
        self.buffers.iter().copied().zip(storage.map(|b| *b == Binding::ReadWrite))
    }

    pub fn runs(&self) -> bool {
        self.enabled && !self.groups.contains(&0)
    }
}

/// What a call is made of; see [`Graph::call`].
pub(crate) struct Emit<'a, U> {
    pub name: &'a str,
    pub shader: &'static Shader,
    pub constants: &'a [(&'static str, u32)],
    pub uniform: &'a U,
    pub buffers: &'a [TensorId],
    pub groups: [u32; 3],
}

/// Metrics of one run.
pub const MAX_METRICS: usize = 16;
/// Runs whose metrics are kept.
pub const METRIC_ROWS: usize = 4096;

/// A computation, recorded operation by operation; [`Graph::plan`] makes it ready to run.
///
/// Methods that record an operation panic if shapes do not fit: a mistake in the model's code.
pub struct Graph {
    pub(crate) target: Target,
    pub(crate) params: ParamSet,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) calls: Vec<Call>,
    tape: Vec<Node>,
    slots: BTreeMap<TensorId, Slot>,
    gradients: BTreeMap<TensorId, Var>,
    param_vars: BTreeMap<ParamId, Var>,
    /// Parameters whose gradients kernels of other crates write.
    foreign: BTreeSet<ParamId>,
    scope: String,
    /// Calls before the first of the backward pass.
    pub(crate) forward_calls: Option<usize>,
    pub(crate) metrics: Vec<String>,
    pub(crate) dropouts: u32,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph")
            .field("tensors", &self.tensors.len())
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

/// The tensor every graph begins with.
pub(crate) const STEP: TensorId = TensorId(0);
const METRICS: TensorId = TensorId(1);

impl Graph {
    /// An empty graph over these parameters.
    pub fn new(params: &ParamSet, target: &Target) -> Graph {
        let mut graph = Graph {
            target: *target,
            params: params.clone(),
            tensors: Vec::new(),
            calls: Vec::new(),
            tape: Vec::new(),
            slots: BTreeMap::new(),
            gradients: BTreeMap::new(),
            param_vars: BTreeMap::new(),
            foreign: BTreeSet::new(),
            scope: String::new(),
            forward_calls: None,
            metrics: Vec::new(),
            dropouts: 0,
        };
        let step = graph.tensor("step", &[crate::program::STEP_WORDS], Kind::Step, false);
        let metrics = graph.tensor("metrics", &[METRIC_ROWS, MAX_METRICS], Kind::Metrics, false);
        debug_assert_eq!((step.tensor, metrics.tensor), (STEP, METRICS));
        graph
    }

    /// Names what is recorded from here on, for messages: `dws.1.weight_to_weight`.
    pub fn set_scope(&mut self, scope: impl Into<String>) {
        self.scope = scope.into();
    }

    pub(crate) fn label(&self, name: &str) -> String {
        if self.scope.is_empty() { name.to_owned() } else { format!("{}: {name}", self.scope) }
    }

    #[track_caller]
    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize], kind: Kind, needs: bool) -> Var {
        let len: usize = shape.iter().product();
        assert!(len < 1 << 31, "{}: a tensor of shape {shape:?} is too large", self.label(name));
        let id = TensorId(self.tensors.len() as u32);
        let label = self.label(name);
        self.tensors.push(Tensor { label, sizes: shape.into(), kind, kept: false, needs });
        Var::whole(id, shape)
    }

    /// A tensor for the result of an operation on `from`.
    #[track_caller]
    pub(crate) fn result(&mut self, name: &str, shape: &[usize], from: &[Var]) -> Var {
        let needs = from.iter().any(|x| self.needs(*x));
        self.tensor(name, shape, Kind::Temp, needs)
    }

    /// A tensor without a gradient, as what a backward pass saves.
    pub(crate) fn temp(&mut self, name: &str, shape: &[usize]) -> Var {
        self.tensor(name, shape, Kind::Temp, false)
    }

    pub(crate) fn needs(&self, x: Var) -> bool {
        self.tensors[x.tensor.0 as usize].needs
    }

    /// Whether a view is one run of the arena of parameters.
    pub(crate) fn is_whole_param(&self, x: Var) -> bool {
        let kind = &self.tensors[x.tensor.0 as usize].kind;
        matches!(kind, Kind::Param(_)) && x.is_contiguous() && !x.repeats()
    }

    /// First element of a view in its buffer.
    pub(crate) fn place(&self, x: &Var) -> usize {
        x.offset + self.tensors[x.tensor.0 as usize].place()
    }

    pub(crate) fn call<U: NoUninit>(&mut self, emit: &Emit<'_, U>) {
        let storage = emit.shader.bindings.iter().filter(|b| **b != Binding::Uniform).count();
        assert_eq!(emit.buffers.len(), storage, "bindings of {}", emit.shader.name);
        self.calls.push(Call {
            label: self.label(emit.name),
            shader: emit.shader,
            constants: emit.constants.to_vec(),
            uniform: bytemuck::bytes_of(emit.uniform).to_vec(),
            buffers: emit.buffers.to_vec(),
            groups: emit.groups,
            twin: None,
            enabled: true,
        });
    }

    /// Workgroups for so many units of work.
    pub(crate) fn linear_groups(&self, units: usize) -> [u32; 3] {
        let [x, y] = weightlab_gpu::grid(units as u32, self.target.max_workgroups);
        [x, y, 1]
    }

    /// A tensor that is written from outside before every run.
    pub fn input(&mut self, name: &str, shape: &[usize]) -> Var {
        self.tensor(name, shape, Kind::Input, false)
    }

    /// An input whose gradient [`Graph::gradient`] gives.
    pub fn input_with_gradient(&mut self, name: &str, shape: &[usize]) -> Var {
        self.tensor(name, shape, Kind::Input, true)
    }

    /// An input of `u32` row numbers: which rows of a table to take.
    pub fn indices(&mut self, name: &str, shape: &[usize]) -> Var {
        self.tensor(name, shape, Kind::Input, false)
    }

    /// A tensor that never changes.
    #[track_caller]
    pub fn constant(&mut self, name: &str, shape: &[usize], data: &[f32]) -> Var {
        assert_eq!(data.len(), shape.iter().product::<usize>(), "constant {name}: shape {shape:?}");
        let words = data.iter().map(|x| x.to_bits()).collect();
        self.tensor(name, shape, Kind::Constant(words), false)
    }

    /// A trainable parameter.
    pub fn param(&mut self, id: ParamId) -> Var {
        if let Some(&var) = self.param_vars.get(&id) {
            return var;
        }
        let entry = self.params.entry(id).clone();
        let var = self.tensor("", &entry.shape, Kind::Param(entry.place), true);
        self.tensors[var.tensor.0 as usize].label = entry.name;
        self.param_vars.insert(id, var);
        var
    }

    /// A tensor of the state, to be read.
    pub fn state(&mut self, id: StateId) -> Var {
        let entry = self.params.state_entry(id).clone();
        let var = self.tensor("", &entry.shape, Kind::State(entry.place), false);
        self.tensors[var.tensor.0 as usize].label = entry.name;
        var
    }

    /// The same elements in the same order under another shape: a view if strides can say it, else a copy.
    #[track_caller]
    pub fn reshape(&mut self, x: Var, shape: &[usize]) -> Var {
        assert_eq!(
            x.len(),
            shape.iter().product::<usize>(),
            "reshape {:?} to {shape:?}: another number of elements",
            x.shape()
        );
        match x.reshaped(shape) {
            Some(view) => view,
            None => {
                let copy = self.contiguous(x);
                copy.reshaped(shape).expect("a contiguous tensor takes any shape")
            }
        }
    }

    /// A view whose axis `i` is axis `order[i]` of `x`.
    #[track_caller]
    pub fn permute(&mut self, x: Var, order: &[usize]) -> Var {
        x.permuted(order)
    }

    /// A view of elements `range` of an axis.
    #[track_caller]
    pub fn slice(&mut self, x: Var, axis: usize, range: Range<usize>) -> Var {
        x.sliced(axis, range)
    }

    /// A view that repeats `x` as NumPy broadcasts.
    #[track_caller]
    pub fn broadcast_to(&mut self, x: Var, shape: &[usize]) -> Var {
        x.broadcast(shape)
    }

    /// Keeps a tensor readable after a run; returns it. A view of a part, or in another order, is copied.
    pub fn keep(&mut self, x: Var) -> Var {
        let all = self.tensors[x.tensor.0 as usize].len();
        let whole = x.is_contiguous() && x.offset == 0 && x.len() == all;
        let kept = if whole { x } else { self.copy(x) };
        self.tensors[kept.tensor.0 as usize].kept = true;
        kept
    }

    /// Writes a single number into column `name` of the metrics of a run.
    #[track_caller]
    pub fn metric(&mut self, name: &str, x: Var) {
        assert_eq!(x.len(), 1, "metric {name}: one number, not shape {:?}", x.shape());
        assert!(self.metrics.len() < MAX_METRICS, "at most {MAX_METRICS} metrics");
        let column = self.metrics.len() as u32;
        self.metrics.push(name.to_owned());
        let place = self.place(&x) as u32;
        self.call(&Emit {
            name: &format!("metric {name}"),
            shader: &weightlab_kernels::TENSOR_METRIC,
            constants: &[],
            uniform: &[place, column, MAX_METRICS as u32, METRIC_ROWS as u32],
            buffers: &[STEP, x.tensor, METRICS],
            groups: [1, 1, 1],
        });
    }
}
