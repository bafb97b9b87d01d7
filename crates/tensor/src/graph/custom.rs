//! Operations of kernels that another crate has: planned, counted, run and searched for non-finite numbers with the rest.

use super::{Graph, Kind};
use crate::params::ParamId;
use crate::shape::{TensorId, Var};
use crate::twin::Twin;
use weightlab_kernels::{Binding, Shader};

/// What a kernel is bound to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// A tensor, from its first element on.
    Tensor(Var),
    /// The arena of all parameters, each at its [`place`](crate::Entry::place).
    Params,
    /// That of their gradients, in the same places.
    Gradients,
    /// That of the state.
    State,
    /// The block that changes with every run: seed (2 words), step, row of the metrics; see [`Pass`](crate::Pass).
    Step,
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct KernelCall<'a> {
    /// For messages.
    pub name: &'a str,
    /// The kernel.
    pub shader: &'static Shader,
    /// Its overridable constants.
    pub constants: &'a [(&'static str, u32)],
    /// Its uniform block, if it has one.
    pub uniform: &'a [u8],
    /// Its other bindings, in order.
    pub operands: &'a [Operand],
    /// Workgroups in x, y and z.
    pub groups: [u32; 3],
    /// The same as native code.
    pub twin: Option<Twin>,
}

impl Graph {
    /// `words` numbers whose contents are undefined until a kernel writes them; the plan gives their memory to others before
    /// and after.
    pub fn scratch(&mut self, name: &str, words: usize) -> Var {
        self.temp(name, &[words])
    }

    /// Words that never change.
    pub fn table(&mut self, name: &str, words: Vec<u32>) -> Var {
        self.tensor(name, &[words.len()], Kind::Constant(words), false)
    }

    /// Workgroups in x and y for so many in all; a kernel gets the number of one as `y * num_workgroups.x + x`.
    pub fn workgroups(&self, count: usize) -> [u32; 3] {
        self.linear_groups(count)
    }

    /// Records a dispatch.
    #[track_caller]
    pub fn kernel(&mut self, call: &KernelCall<'_>) {
        let storage = call.shader.bindings.iter().filter(|b| **b != Binding::Uniform).count();
        assert_eq!(call.operands.len(), storage, "bindings of {}", call.shader.name);
        let buffers = call.operands.iter().map(|operand| self.operand(*operand)).collect();
        let label = self.label(call.name);
        self.calls.push(super::Call {
            label,
            shader: call.shader,
            constants: call.constants.to_vec(),
            uniform: call.uniform.to_vec(),
            buffers,
            groups: call.groups,
            twin: call.twin,
            enabled: true,
        });
    }

    #[track_caller]
    fn operand(&mut self, operand: Operand) -> TensorId {
        let (params, state) = (self.params.params.places(), self.params.state.places());
        let (name, kind, len) = match operand {
            Operand::Tensor(x) => {
                assert!(x.offset == 0 && x.is_contiguous(), "a kernel is bound to whole tensors");
                return x.tensor;
            }
            Operand::Step => return super::STEP,
            Operand::Params => ("parameters", Kind::Param(0), params),
            Operand::Gradients => ("gradients of parameters", Kind::Gradient(0), params),
            Operand::State => ("running statistics", Kind::State(0), state),
        };
        // One tensor for all calls, so that an arena is looked at when all have written to it.
        let label = self.label(name);
        let known = self.tensors.iter().position(|t| t.label == label && t.len() == len);
        known
            .map_or_else(|| self.tensor(name, &[len], kind, false).tensor, |at| TensorId(at as u32))
    }

    /// An operation whose kernels the caller records: `forward` those that write the result, of shape `shape`, and
    /// `backward` those that write the gradients of all `params`, completely, given that of the result. Parameters may
    /// be used by one such operation, and by nothing else.
    #[track_caller]
    pub fn custom(
        &mut self,
        name: &str,
        shape: &[usize],
        params: &[ParamId],
        forward: impl FnOnce(&mut Graph, Var),
        backward: impl FnOnce(&mut Graph, Var) + Send + 'static,
    ) -> Var {
        let result = self.tensor(name, shape, Kind::Temp, true);
        forward(self, result);
        for &id in params {
            assert!(self.foreign.insert(id), "{}: used twice", self.params.entry(id).name);
        }
        self.on_backward(result, move |graph, dy| {
            let whole = graph.tensors[dy.tensor.0 as usize].len() == dy.len();
            let dy = if whole && dy.is_contiguous() { dy } else { graph.copy(dy) };
            backward(graph, dy);
        });
        result
    }
}
