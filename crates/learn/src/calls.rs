//! Lists of kernel calls on buffers that are planned but not yet allocated.

use bytemuck::NoUninit;
use std::collections::BTreeMap;
use weightlab_kernels::Shader;
use weightlab_tensor::{Graph, KernelCall, Twin, Var};

/// A buffer of 32-bit words that the calls of a model use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Temp(usize);

impl Temp {
    /// Its place in [`Calls::temps`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// What a kernel is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A buffer of the model.
    Temp(Temp),
    /// The arena of the parameters.
    Params,
    /// Their gradients, in the same layout.
    Gradients,
    /// Running statistics.
    State,
    /// What changes with every run: seed, step.
    Step,
}

impl From<Temp> for Operand {
    fn from(temp: Temp) -> Operand {
        Operand::Temp(temp)
    }
}

/// A buffer before it exists.
#[derive(Clone, Debug)]
pub struct TempSpec {
    /// For messages.
    pub name: String,
    /// 32-bit words.
    pub words: usize,
    /// Contents that never change.
    pub table: Option<Vec<u32>>,
}

/// A kernel with everything it is called with.
#[derive(Clone, Debug)]
pub struct Call {
    /// The kernel.
    pub shader: &'static Shader,
    /// Its overridable constants.
    pub constants: Vec<(&'static str, u32)>,
    /// Its uniform block.
    pub uniform: Vec<u8>,
    /// Bindings 1, 2, ..
    pub operands: Vec<Operand>,
    /// Workgroups.
    pub groups: Groups,
}

/// How many workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// In x, y and z.
    Space(u32, u32, u32),
    /// One after the other, as many as the device takes in x; the kernel computes the index from y and x.
    Linear(u32),
}

/// Which kernels suit the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Many threads, caches that are shared, registers that are few.
    Gpu,
    /// A software renderer: a load costs as much as fifty multiply-adds, and there are no registers to run out of.
    Software,
}

/// Buffers, and calls in order.
#[derive(Clone, Debug)]
pub struct Calls {
    kind: Kind,
    scope: String,
    temps: Vec<TempSpec>,
    list: Vec<Call>,
}

impl Calls {
    /// Nothing yet, for a device of this kind.
    pub fn new(kind: Kind) -> Calls {
        Calls { kind, scope: String::new(), temps: Vec::new(), list: Vec::new() }
    }

    /// The kind of device.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the names of buffers made from now on begin with.
    pub fn set_scope(&mut self, scope: String) {
        self.scope = scope;
    }

    /// All buffers.
    pub fn temps(&self) -> &[TempSpec] {
        &self.temps
    }

    /// The calls recorded since the last time.
    pub fn take(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.list)
    }

    /// A buffer of `words` numbers.
    pub fn temp(&mut self, name: impl Into<String>, words: usize) -> Temp {
        let name = format!("{}{}", self.scope, name.into());
        self.temps.push(TempSpec { name, words: words.max(4), table: None });
        Temp(self.temps.len() - 1)
    }

    /// A constant buffer.
    pub fn table(&mut self, name: impl Into<String>, mut words: Vec<u32>) -> Temp {
        words.resize(words.len().max(4), 0);
        let spec = TempSpec { name: name.into(), words: words.len(), table: Some(words) };
        self.temps.push(spec);
        Temp(self.temps.len() - 1)
    }

    /// Something to bind where a kernel has a buffer that it will not touch.
    pub fn unused(&mut self) -> Temp {
        self.table("unused", Vec::new())
    }

    /// Records a call.
    pub fn call<U: NoUninit>(
        &mut self,
        shader: &'static Shader,
        constants: &[(&'static str, u32)],
        uniform: &U,
        operands: &[Operand],
        groups: Groups,
    ) {
        self.list.push(Call {
            shader,
            constants: constants.to_vec(),
            uniform: bytemuck::bytes_of(uniform).to_vec(),
            operands: operands.to_vec(),
            groups,
        });
    }
}

/// The tensors of a graph that stand for buffers.
pub(crate) type Bound = BTreeMap<Temp, Var>;

/// Adds calls to a graph. Buffers that have no tensor yet get one.
pub(crate) fn add_to(graph: &mut Graph, temps: &[TempSpec], list: &[Call], bound: &mut Bound) {
    for call in list {
        let operands: Vec<weightlab_tensor::Operand> = call
            .operands
            .iter()
            .map(|operand| match *operand {
                Operand::Temp(temp) => {
                    let spec = &temps[temp.0];
                    let var = *bound.entry(temp).or_insert_with(|| match &spec.table {
                        Some(words) => graph.table(&spec.name, words.clone()),
                        None => graph.scratch(&spec.name, spec.words),
                    });
                    weightlab_tensor::Operand::Tensor(var)
                }
                Operand::Params => weightlab_tensor::Operand::Params,
                Operand::Gradients => weightlab_tensor::Operand::Gradients,
                Operand::State => weightlab_tensor::Operand::State,
                Operand::Step => weightlab_tensor::Operand::Step,
            })
            .collect();
        let groups = match call.groups {
            Groups::Space(x, y, z) => [x, y, z],
            Groups::Linear(n) => graph.workgroups(n as usize),
        };
        graph.kernel(&KernelCall {
            name: call.shader.name,
            shader: call.shader,
            constants: &call.constants,
            uniform: &call.uniform,
            operands: &operands,
            groups,
            twin: twin(call.shader),
        });
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn twin(shader: &'static Shader) -> Option<Twin> {
    crate::twins::of(shader)
}

#[cfg(target_arch = "wasm32")]
fn twin(_: &'static Shader) -> Option<Twin> {
    None
}

/// Workgroups of 64 for `count` threads.
pub(crate) fn threads(count: usize) -> Groups {
    Groups::Linear(word(count.div_ceil(64)))
}

/// A size as the shaders have it.
///
/// # Panics
/// Beyond 2^32: sizes are checked against the device's limits before.
pub(crate) fn word(n: usize) -> u32 {
    u32::try_from(n).expect("sizes fit 32 bits")
}
