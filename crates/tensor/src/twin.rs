//! Native twins of kernels. A software renderer executes every load number by number; where the device is this processor anyway,
//! the same calls on the same tensors are many times faster as native code (`bench/RESULTS.md`).
//!
//! A program then consists of parts, in turn on the GPU and native, and tensors are copied where one part reads what the other wrote. What has
//! no twin, and everything in a browser, is done by the kernels.

#[cfg(not(target_arch = "wasm32"))]
use crate::graph::Kind;
use crate::plan::{Place, Plan};
#[cfg(not(target_arch = "wasm32"))]
use crate::shape::TensorId;
use std::cell::{Ref, RefCell, RefMut};
#[cfg(not(target_arch = "wasm32"))]
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What a kernel does to its buffers, as native code.
pub type Twin = fn(&TwinCall<'_>);

/// What a twin is called with.
#[derive(Debug)]
pub struct TwinCall<'a> {
    /// The kernel's overridable constants.
    pub constants: &'a [(&'static str, u32)],
    /// Its uniform block.
    pub uniform: &'a [u8],
    /// Its other bindings, in order; 32-bit words of any type.
    pub buffers: &'a [&'a RefCell<Vec<f32>>],
    /// Workgroups that the kernel would have.
    pub groups: [u32; 3],
}

impl TwinCall<'_> {
    /// The uniform block.
    ///
    /// # Panics
    /// If it has another size: a mistake in the twin.
    pub fn block<T: bytemuck::AnyBitPattern>(&self) -> T {
        bytemuck::pod_read_unaligned(self.uniform)
    }

    /// An overridable constant.
    ///
    /// # Panics
    /// If there is none of this name: a mistake in the twin.
    pub fn constant(&self, name: &str) -> u32 {
        let found = self.constants.iter().find(|(n, _)| *n == name);
        found.unwrap_or_else(|| panic!("no constant {name}")).1
    }

    /// A buffer to read.
    pub fn read(&self, i: usize) -> Ref<'_, [f32]> {
        Ref::map(self.buffers[i].borrow(), Vec::as_slice)
    }

    /// A buffer of whole numbers to read.
    pub fn read_words(&self, i: usize) -> Ref<'_, [u32]> {
        Ref::map(self.buffers[i].borrow(), |v| bytemuck::cast_slice(v))
    }

    /// A buffer to write.
    pub fn write(&self, i: usize) -> RefMut<'_, [f32]> {
        RefMut::map(self.buffers[i].borrow_mut(), Vec::as_mut_slice)
    }

    /// A buffer of whole numbers to write.
    pub fn write_words(&self, i: usize) -> RefMut<'_, [u32]> {
        RefMut::map(self.buffers[i].borrow_mut(), |v| bytemuck::cast_slice_mut(v))
    }
}

/// A buffer and its 32-bit words.
type Piece = (Place, usize);

/// Calls that follow each other on one side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    /// In a program, of what was prepared.
    Gpu(Range<usize>),
    /// Done natively: `fetch` is copied from the GPU before, `send` to it afterwards.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "a browser has no twins"))]
    Twins { calls: Range<usize>, fetch: Vec<Piece>, send: Vec<Piece> },
}

/// On which sides the newest contents of a tensor are.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy, Default)]
struct Sides {
    gpu: bool,
    native: bool,
}

/// Cuts a plan into parts: in a browser one, on the GPU.
#[cfg(target_arch = "wasm32")]
pub(crate) fn parts(plan: &Plan, _twins: bool) -> Vec<Part> {
    vec![Part::Gpu(0..plan.calls.len())]
}

/// Cuts a plan into parts.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn parts(plan: &Plan, twins: bool) -> Vec<Part> {
    // Gradients are copied as one arena, so one tensor must be all of it.
    let gradients = plan.places.values().filter(|place| **place == Place::Gradients).count();
    let native = |call: usize| twins && gradients < 2 && plan.calls[call].twin.is_some();
    let mut newest: BTreeMap<TensorId, Sides> = BTreeMap::new();
    for &id in plan.places.keys() {
        let sides = match plan.tensors[id.0 as usize].kind {
            Kind::Temp | Kind::Gradient(_) => Sides::default(),
            Kind::Constant(_) => Sides { gpu: true, native: true },
            _ => Sides { gpu: true, native: false },
        };
        newest.insert(id, sides);
    }
    let piece = |id: TensorId| {
        let place = plan.places[&id];
        let words = match place {
            Place::Own(_) => plan.tensors[id.0 as usize].len(),
            arena => plan.words(arena),
        };
        (place, words)
    };
    let mut parts: Vec<Part> = Vec::new();
    let last_send = |parts: &mut Vec<Part>, piece: Piece| {
        let found = parts.iter_mut().rev().find_map(|part| match part {
            Part::Twins { send, .. } => Some(send),
            Part::Gpu(_) => None,
        });
        found.expect("what is newest here was made here").push(piece);
    };
    let mut at = 0;
    while at < plan.calls.len() {
        let here = native(at);
        let end = (at..plan.calls.len()).find(|&i| native(i) != here).unwrap_or(plan.calls.len());
        let mut fetch = Vec::new();
        for call in &plan.calls[at..end] {
            for (id, written) in call.bindings() {
                let sides = newest.get_mut(&id).expect("it has a place");
                if here && sides.gpu && !sides.native {
                    fetch.push(piece(id));
                    sides.native = true;
                } else if !here && sides.native && !sides.gpu {
                    last_send(&mut parts, piece(id));
                    sides.gpu = true;
                }
                if written {
                    *sides = Sides { gpu: !here, native: here };
                }
            }
        }
        parts.push(match here {
            true => Part::Twins { calls: at..end, fetch, send: Vec::new() },
            false => Part::Gpu(at..end),
        });
        at = end;
    }
    for (&id, sides) in &newest {
        let tensor = &plan.tensors[id.0 as usize];
        let lasts = tensor.kept || !matches!(tensor.kind, Kind::Temp);
        if lasts && sides.native && !sides.gpu {
            last_send(&mut parts, piece(id));
        }
    }
    parts
}

/// The buffers that calls on the GPU, copying or others need there.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn places_on_gpu(plan: &Plan) -> BTreeSet<Place> {
    let calls = plan.calls_on_gpu().flat_map(super::graph::Call::bindings);
    let copies = plan.parts.iter().flat_map(|part| match part {
        Part::Twins { fetch, send, .. } => [fetch.as_slice(), send.as_slice()].concat(),
        Part::Gpu(_) => Vec::new(),
    });
    // Whoever holds the program writes inputs and reads what is kept, and runs may be of nothing.
    let lasting = plan.places.iter().filter(|(id, _)| {
        let tensor = &plan.tensors[id.0 as usize];
        tensor.kept || matches!(tensor.kind, Kind::Input | Kind::Step | Kind::Metrics)
    });
    let places = calls.map(|(id, _)| plan.places[&id]).chain(copies.map(|(place, _)| place));
    places.chain(lasting.map(|(_, &place)| place)).collect()
}

/// The buffers that native parts use, each with a tensor that lies there.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn places(plan: &Plan) -> BTreeMap<Place, TensorId> {
    let native = plan.parts.iter().filter_map(|part| match part {
        Part::Twins { calls, .. } => Some(calls.clone()),
        Part::Gpu(_) => None,
    });
    let calls = native.flatten().map(|i| &plan.calls[i]);
    calls.flat_map(super::graph::Call::bindings).map(|(id, _)| (plan.places[&id], id)).collect()
}

/// The memory of native parts, a vector for every buffer that they use.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug)]
pub(crate) struct Memory {
    buffers: BTreeMap<Place, RefCell<Vec<f32>>>,
}

#[cfg(not(target_arch = "wasm32"))]
impl Memory {
    pub fn new(plan: &Plan) -> Memory {
        let filled = |(place, id): (Place, TensorId)| {
            let values = match &plan.tensors[id.0 as usize].kind {
                Kind::Constant(words) => bytemuck::cast_slice(words).to_vec(),
                // Whoever reads what nobody wrote shall see it.
                _ => vec![f32::NAN; plan.words(place)],
            };
            (place, RefCell::new(values))
        };
        Memory { buffers: places(plan).into_iter().map(filled).collect() }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        self.buffers.values().map(|buffer| 4 * buffer.borrow().len() as u64).sum()
    }

    /// Replaces the beginning of a buffer.
    pub fn put(&self, place: Place, values: Vec<f32>) {
        self.buffers[&place].borrow_mut()[..values.len()].copy_from_slice(&values);
    }

    pub fn get(&self, place: Place) -> Ref<'_, Vec<f32>> {
        self.buffers[&place].borrow()
    }

    /// Does calls that have twins.
    pub fn run(&self, plan: &Plan, calls: Range<usize>) {
        for call in &plan.calls[calls] {
            let buffers: Vec<_> =
                call.buffers.iter().map(|id| &self.buffers[&plan.places[id]]).collect();
            let twin = call.twin.expect("calls of this part have twins");
            twin(&TwinCall {
                constants: &call.constants,
                uniform: &call.uniform,
                buffers: &buffers,
                groups: call.groups,
            });
        }
    }
}
