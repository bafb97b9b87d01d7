//! Which tensors share memory: decided from the list of calls, before anything is allocated.

use crate::error::TensorError;
use crate::graph::{Call, Graph, Kind, Target, Tensor};
use crate::shape::TensorId;
use crate::twin::{self, Part};
use std::collections::BTreeMap;
use weightlab_gpu::Recording;

/// Bytes of a program, on the GPU but for `native`; its parameters are those of their store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Buffers that tensors share one after another.
    pub shared: u64,
    /// Inputs and tensors that are kept.
    pub kept: u64,
    /// Constants, metrics, and what changes with every run.
    pub fixed: u64,
    /// Uniform blocks of all dispatches.
    pub uniforms: u64,
    /// Memory of native twins, parameters and gradients included.
    pub native: u64,
}

impl Bytes {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.shared + self.kept + self.fixed + self.uniforms + self.native
    }
}

/// How many dispatches a run has, if no native twin takes the place of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dispatches {
    /// Of the forward pass.
    pub forward: usize,
    /// Of the gradients.
    pub backward: usize,
}

/// A buffer of the program, or an arena of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Own(usize),
    Params,
    Gradients,
    State,
}

/// A graph with its memory assigned.
#[derive(Debug)]
pub struct Plan {
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) calls: Vec<Call>,
    pub(crate) places: BTreeMap<TensorId, Place>,
    /// Sizes of the program's own buffers, bytes.
    pub(crate) buffers: Vec<u64>,
    /// What is done on the GPU and what natively.
    pub(crate) parts: Vec<Part>,
    /// Whether a buffer is needed on the GPU.
    pub(crate) on_gpu: Vec<bool>,
    pub(crate) metrics: Vec<String>,
    /// Numbers in the arenas of parameters and state.
    pub(crate) arenas: [usize; 2],
    bytes: Bytes,
    dispatches: Dispatches,
    largest: (String, u64),
}

/// What a buffer of so many 32-bit numbers takes.
pub(crate) fn bytes_of(len: usize) -> u64 {
    (4 * len as u64).max(16).next_multiple_of(16)
}

/// First and last call that uses a tensor.
type Span = (usize, usize);

/// Gives every tensor `(bytes, span)` a buffer such that no two that live at the same time share one. Largest first,
/// each into the first buffer that is free for its time: buffers are then exactly as large as their first tenant.
fn share(tensors: &[(u64, Span)]) -> (Vec<usize>, Vec<u64>) {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(tensors[i].0), tensors[i].1));
    let mut buffers: Vec<(u64, Vec<Span>)> = Vec::new();
    let mut of = vec![0; tensors.len()];
    for i in order {
        let (bytes, (first, last)) = tensors[i];
        let free = |(_, spans): &(u64, Vec<Span>)| {
            spans.iter().all(|&(from, to)| last < from || to < first)
        };
        let buffer = buffers.iter().position(free).unwrap_or_else(|| {
            buffers.push((bytes, Vec::new()));
            buffers.len() - 1
        });
        buffers[buffer].1.push((first, last));
        of[i] = buffer;
    }
    (of, buffers.into_iter().map(|(bytes, _)| bytes).collect())
}

impl Graph {
    /// Decides which tensors share memory.
    ///
    /// # Errors
    /// A tensor beyond what the target binds, or a call of more workgroups than it takes.
    pub fn plan(self) -> Result<Plan, TensorError> {
        let forward = self.forward_calls.unwrap_or(self.calls.len());
        let runs = |calls: &[Call]| calls.iter().filter(|c| c.runs()).count();
        let dispatches = Dispatches {
            forward: runs(&self.calls[..forward]),
            backward: runs(&self.calls[forward..]),
        };
        let Graph { tensors, mut calls, target, metrics, params, .. } = self;
        calls.retain(Call::runs);

        let mut spans: BTreeMap<TensorId, Span> = BTreeMap::new();
        for (i, call) in calls.iter().enumerate() {
            for (tensor, written) in call.bindings() {
                let temp = matches!(tensors[tensor.0 as usize].kind, Kind::Temp);
                let known = spans.contains_key(&tensor);
                debug_assert!(
                    known || written || !temp,
                    "{} reads {} before it is written",
                    call.label,
                    tensors[tensor.0 as usize].label
                );
                spans.entry(tensor).or_insert((i, i)).1 = i;
            }
        }

        let mut places = BTreeMap::new();
        let mut shared = Vec::new();
        let mut own = Vec::new();
        let mut fixed = Vec::new();
        let mut bytes = Bytes::default();
        let mut largest = (String::new(), 0);
        for (i, tensor) in tensors.iter().enumerate() {
            let id = TensorId(i as u32);
            let size = bytes_of(tensor.len());
            let span = spans.get(&id).copied();
            let place = match tensor.kind {
                Kind::Param(_) => Place::Params,
                Kind::Gradient(_) => Place::Gradients,
                Kind::State(_) => Place::State,
                Kind::Temp if !tensor.kept => {
                    let Some(span) = span else { continue };
                    check(tensor, size, &target, &mut largest)?;
                    shared.push((id, (size, span)));
                    continue;
                }
                Kind::Constant(_) if span.is_none() => continue,
                Kind::Temp | Kind::Input => {
                    check(tensor, size, &target, &mut largest)?;
                    bytes.kept += size;
                    own.push(size);
                    Place::Own(own.len() - 1)
                }
                Kind::Constant(_) | Kind::Step | Kind::Metrics => {
                    fixed.push(own.len());
                    own.push(size);
                    Place::Own(own.len() - 1)
                }
            };
            places.insert(id, place);
        }
        let wanted: Vec<_> = shared.iter().map(|(_, wanted)| *wanted).collect();
        let (of, sizes) = share(&wanted);
        for ((id, _), buffer) in shared.iter().zip(of) {
            places.insert(*id, Place::Own(own.len() + buffer));
        }
        let shared = own.len()..own.len() + sizes.len();
        own.extend(sizes);
        let mut plan = Plan {
            tensors,
            calls,
            places,
            // A browser has no twins.
            on_gpu: vec![cfg!(target_arch = "wasm32"); own.len()],
            buffers: own,
            parts: Vec::new(),
            metrics,
            arenas: [params.params.places(), params.state.places()],
            bytes,
            dispatches,
            largest,
        };
        plan.parts = twin::parts(&plan, target.twins);
        #[cfg(not(target_arch = "wasm32"))]
        for place in twin::places_on_gpu(&plan) {
            if let Place::Own(buffer) = place {
                plan.on_gpu[buffer] = true;
            }
        }
        let sum = |buffers: &mut dyn Iterator<Item = usize>| {
            buffers.filter(|&i| plan.on_gpu[i]).map(|i| plan.buffers[i]).sum()
        };
        plan.bytes.shared = sum(&mut shared.into_iter());
        plan.bytes.fixed = sum(&mut fixed.into_iter());
        plan.bytes.uniforms =
            Recording::uniform_bytes(plan.calls_on_gpu().map(|c| c.uniform.len()));
        check_groups(&plan, &target)?;
        #[cfg(not(target_arch = "wasm32"))]
        {
            plan.bytes.native =
                twin::places(&plan).keys().map(|&place| 4 * plan.words(place) as u64).sum();
        }
        Ok(plan)
    }
}

fn check(
    tensor: &Tensor,
    bytes: u64,
    target: &Target,
    largest: &mut (String, u64),
) -> Result<(), TensorError> {
    if bytes > target.max_binding_bytes {
        let limit = target.max_binding_bytes;
        return Err(TensorError::TooLarge { name: tensor.label.clone(), bytes, limit });
    }
    if bytes > largest.1 {
        *largest = (tensor.label.clone(), bytes);
    }
    Ok(())
}

/// Twins have no workgroups.
fn check_groups(plan: &Plan, target: &Target) -> Result<(), TensorError> {
    let limit = target.max_workgroups;
    for call in plan.calls_on_gpu() {
        if let Some(&groups) = call.groups.iter().find(|&&groups| groups > limit) {
            return Err(TensorError::TooManyGroups { call: call.label.clone(), groups, limit });
        }
    }
    Ok(())
}

impl Plan {
    /// 32-bit words of a buffer.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn words(&self, place: Place) -> usize {
        match place {
            Place::Own(i) => self.buffers[i] as usize / 4,
            Place::Params | Place::Gradients => self.arenas[0],
            Place::State => self.arenas[1],
        }
    }

    /// The calls that are left to kernels.
    pub(crate) fn calls_on_gpu(&self) -> impl Iterator<Item = &Call> {
        let calls = self.parts.iter().filter_map(|part| match part {
            Part::Gpu(calls) => Some(calls.clone()),
            Part::Twins { .. } => None,
        });
        calls.flatten().map(|i| &self.calls[i])
    }

    /// Bytes that the program will take, exactly.
    pub fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// Dispatches of a run.
    pub fn dispatches(&self) -> Dispatches {
        self.dispatches
    }

    /// Name and bytes of the largest tensor that is not a parameter.
    pub fn largest_tensor(&self) -> (&str, u64) {
        (&self.largest.0, self.largest.1)
    }

    /// Name of every dispatch, in order.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.calls.iter().map(|c| c.label.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_together_never_shares() {
        let tensors = [(64, (0, 2)), (32, (1, 3)), (48, (3, 4)), (16, (5, 6)), (64, (2, 5))];
        let (of, sizes) = share(&tensors);
        for (i, a) in tensors.iter().enumerate() {
            assert!(sizes[of[i]] >= a.0);
            for (j, b) in tensors.iter().enumerate().skip(i + 1) {
                let together = a.1.0 <= b.1.1 && b.1.0 <= a.1.1;
                assert!(!together || of[i] != of[j], "{i} {j}");
            }
        }
        // Three live at call 2, so three buffers are the least.
        assert_eq!(sizes.iter().sum::<u64>(), 64 + 64 + 32);
    }
}
