//! Reverse mode: where gradients are collected and in which order operations are gone back through.
//!
//! Contributions to the gradient of a tensor come as kernel calls that write into it through a view, or as terms:
//! tensors that are simply added. A single term costs nothing: it *is* the gradient. Of the calls, the first
//! to reach an element writes and later ones add, which is settled when all are known; so no gradient is
//! ever set to zero by a dispatch unless views leave gaps.

use super::{Graph, Kind};
use crate::params::ParamId;
use crate::shape::{Region, TensorId, Var};

/// Byte of the uniform block of a kernel that says whether to add to the output: its second word.
pub(crate) const FLAG: usize = 4;

/// An operation that can be gone back through.
pub(crate) struct Node {
    output: TensorId,
    scope: String,
    #[expect(clippy::type_complexity, reason = "a closure over the operation's tensors")]
    backward: Box<dyn FnOnce(&mut Graph, Var) + Send>,
}

/// A write of a call into a gradient.
#[derive(Clone, Copy, Debug)]
struct Write {
    call: usize,
    /// Byte of the uniform block that says whether to add.
    flag: usize,
    region: Region,
}

/// The gradient of one tensor while it is collected.
#[derive(Default)]
pub(crate) struct Slot {
    /// The tensor that holds it, once a call writes to it.
    grad: Option<Var>,
    /// The call that would fill it with zeros.
    fill: usize,
    writes: Vec<Write>,
    /// (through which view, what, times what)
    terms: Vec<(Var, Var, f32)>,
    /// Calls that add at few places, to be recorded last.
    scatters: Vec<Scatter>,
}

type Scatter = Box<dyn FnOnce(&mut Graph, Var) + Send>;

impl Graph {
    /// Says how to go back through the operation that made `output`, given its gradient.
    pub(crate) fn on_backward(
        &mut self,
        output: Var,
        backward: impl FnOnce(&mut Graph, Var) + Send + 'static,
    ) {
        if self.needs(output) {
            self.tape.push(Node {
                output: output.tensor,
                scope: self.scope.clone(),
                backward: Box::new(backward),
            });
        }
    }

    /// Records the gradients of a single number with respect to everything it depends on.
    #[track_caller]
    pub fn backward(&mut self, loss: Var) {
        assert_eq!(loss.len(), 1, "the loss is one number, not of shape {:?}", loss.shape());
        assert!(self.forward_calls.is_none(), "backward is called once");
        self.forward_calls = Some(self.calls.len());
        let scope = self.scope.clone();
        let one = self.constant("one", &[], &[1.0]);
        let one = one.broadcast(loss.shape());
        self.contribute(loss, one, 1.0);
        for node in std::mem::take(&mut self.tape).into_iter().rev() {
            self.scope = node.scope;
            if let Some(dy) = self.settle(node.output) {
                (node.backward)(self, dy);
            }
        }
        self.scope = scope;
        // Parameters that nothing depends on get a gradient of zeros, for the optimiser.
        for id in (0..self.params.entries().len()).map(ParamId) {
            if !self.foreign.contains(&id) {
                self.param(id);
            }
        }
        // What is left are leaves. Their gradients are read from outside, so each has a place of its own.
        for id in (0..self.tensors.len() as u32).map(TensorId) {
            let tensor = &self.tensors[id.0 as usize];
            if !tensor.needs || !matches!(tensor.kind, Kind::Param(_) | Kind::Input) {
                continue;
            }
            let leaf = Var::whole(id, &tensor.sizes.clone());
            self.open(leaf);
            let grad = self.settle(id).expect("opened above");
            self.gradients.insert(id, grad);
        }
    }

    /// The gradient of an [`input_with_gradient`](Graph::input_with_gradient), readable after a run.
    pub fn gradient(&self, x: Var) -> Option<Var> {
        self.gradients.get(&x.tensor).copied()
    }

    /// Makes sure that calls can write into the gradient of the tensor of `x`.
    fn open(&mut self, x: Var) -> Var {
        if let Some(grad) = self.slots.get(&x.tensor).and_then(|s| s.grad) {
            return grad;
        }
        let tensor = self.tensors[x.tensor.0 as usize].clone();
        let kind = match tensor.kind {
            Kind::Param(place) => Kind::Gradient(place),
            _ => Kind::Temp,
        };
        let grad = self.tensor("", &tensor.sizes, kind, false);
        let of = &mut self.tensors[grad.tensor.0 as usize];
        of.label = format!("gradient of {}", tensor.label);
        of.kept = matches!(tensor.kind, Kind::Input);
        let fill = self.calls.len();
        self.fill(grad, 0.0);
        self.calls[fill].enabled = false;
        let slot = self.slots.entry(x.tensor).or_default();
        slot.grad = Some(grad);
        slot.fill = fill;
        grad
    }

    /// Adds what one call writes to the gradient of `x`: `record` is given where to write and records that call
    /// as its last, with the adding flag of its uniform block at byte [`FLAG`].
    pub(crate) fn deliver(&mut self, x: Var, record: impl FnOnce(&mut Graph, Var)) {
        self.deliver_all([x], [FLAG], |graph, [to]| record(graph, to));
    }

    /// As [`Graph::deliver`] for a call that writes several gradients at once, whose flags are at bytes `flags`.
    pub(crate) fn deliver_all<const N: usize>(
        &mut self,
        xs: [Var; N],
        flags: [usize; N],
        record: impl FnOnce(&mut Graph, [Var; N]),
    ) {
        if !xs.iter().any(|x| self.needs(*x)) {
            return;
        }
        let to = xs.map(|x| {
            if self.needs(x) && !x.repeats() {
                Var { tensor: self.open(x).tensor, ..x }
            } else {
                self.temp("share of a gradient", x.shape())
            }
        });
        record(self, to);
        let call = self.calls.len() - 1;
        for ((x, flag), to) in xs.into_iter().zip(flags).zip(to) {
            debug_assert!(self.writes(call, to), "{} writes elsewhere", self.calls[call].label);
            if !self.needs(x) {
                continue;
            }
            if x.repeats() {
                self.contribute(x, to, 1.0);
            } else {
                let write = Write { call, flag, region: x.region };
                self.slots.get_mut(&x.tensor).expect("opened above").writes.push(write);
            }
        }
    }

    /// Whether a call has a binding through which it writes to the tensor of `to`.
    fn writes(&self, call: usize, to: Var) -> bool {
        let in_arena = |id: TensorId| matches!(self.tensors[id.0 as usize].kind, Kind::Gradient(_));
        let same = |t: TensorId| t == to.tensor || (in_arena(t) && in_arena(to.tensor));
        self.calls[call].bindings().any(|(t, written)| written && same(t))
    }

    /// Adds `factor * value` to the gradient of `x`, of the same shape. Where `x` repeats elements, the value
    /// is summed over the repeats.
    pub(crate) fn contribute(&mut self, x: Var, value: Var, factor: f32) {
        if !self.needs(x) {
            return;
        }
        debug_assert_eq!(x.shape(), value.shape());
        if x.repeats() {
            let axes: Vec<usize> =
                (0..x.sizes.len()).filter(|&axis| x.repeats_along(axis)).collect();
            let mut once = x;
            for &axis in &axes {
                once.sizes[axis] = 1;
            }
            self.deliver(once, |g, to| {
                g.sum_into(value, &axes, factor, to);
            });
        } else {
            self.slots.entry(x.tensor).or_default().terms.push((x, value, factor));
        }
    }

    /// Adds a call that itself adds to few elements of the gradient of `x`'s tensor, whose others it needs to be there.
    pub(crate) fn scatter(
        &mut self,
        x: Var,
        record: impl FnOnce(&mut Graph, Var) + Send + 'static,
    ) {
        if self.needs(x) {
            self.slots.entry(x.tensor).or_default().scatters.push(Box::new(record));
        }
    }

    /// The complete gradient of a tensor, in its shape; `None` if nothing depends on it.
    fn settle(&mut self, id: TensorId) -> Option<Var> {
        let natural = self.tensors[id.0 as usize].sizes;
        let slot = self.slots.get_mut(&id)?;
        let terms = std::mem::take(&mut slot.terms);
        let mut whole = Vec::new();
        let mut parts = Vec::new();
        for (through, value, factor) in terms {
            match straighten(through, value, &natural) {
                Some(value) => whole.push((value, factor)),
                None => parts.push((through, value, factor)),
            }
        }
        if slot.grad.is_none()
            && slot.scatters.is_empty()
            && parts.is_empty()
            && let [(only, 1.0)] = whole[..]
        {
            return Some(only);
        }
        let x = Var::whole(id, &natural);
        let scatters = std::mem::take(&mut slot.scatters);
        for chunk in whole.chunks(crate::ops::elementwise::MAX_TERMS) {
            self.deliver(x, |g, to| g.sum_terms_into(chunk, to));
        }
        for (through, value, factor) in parts {
            self.deliver(through, |g, to| {
                g.sum_terms_into(&[(value, factor)], to);
            });
        }
        let grad = self.open(x);
        for scatter in scatters {
            scatter(self, grad);
        }
        let slot = self.slots.remove(&id).expect("opened above");
        let adds = adds(&slot.writes);
        self.calls[slot.fill].enabled = adds.is_none();
        for (i, write) in slot.writes.iter().enumerate() {
            let add = adds.as_ref().is_none_or(|adds| adds[i]);
            let flag = &mut self.calls[write.call].uniform[write.flag..write.flag + 4];
            flag.copy_from_slice(&u32::from(add).to_le_bytes());
        }
        Some(grad)
    }
}

/// `value`, which is to be added through the view `through` of a tensor, in the shape of that tensor; `None` if the view
/// is not the whole tensor, or no view of the value says it.
fn straighten(through: Var, value: Var, natural: &[usize]) -> Option<Var> {
    if through.region != Region::All || through.repeats() {
        return None;
    }
    let mut order: Vec<usize> = (0..through.sizes.len()).collect();
    order.sort_by_key(|&axis| std::cmp::Reverse(through.strides[axis]));
    if !through.permuted(&order).is_contiguous() {
        return None;
    }
    value.permuted(&order).reshaped(natural)
}

/// Which of the writes must add to what is there, if each element is first simply written and all are; `None` if they
/// have to start from zeros.
fn adds(writes: &[Write]) -> Option<Vec<bool>> {
    let mut all = false;
    let mut bands: Vec<(usize, usize)> = Vec::new();
    let mut key = None;
    let mut out = Vec::new();
    for write in writes {
        let add = match write.region {
            _ if all => true,
            Region::All if bands.is_empty() => {
                all = true;
                false
            }
            Region::Band { inner, axis, start, end }
                if *key.get_or_insert((inner, axis)) == (inner, axis) =>
            {
                if bands.iter().any(|&(s, e)| s <= start && end <= e) {
                    true
                } else if bands.iter().all(|&(s, e)| end <= s || e <= start) {
                    bands.push((start, end));
                    all = bands.iter().map(|(s, e)| e - s).sum::<usize>() == axis;
                    false
                } else {
                    return None;
                }
            }
            _ => return None,
        };
        out.push(add);
    }
    all.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(region: Region) -> Write {
        Write { call: 0, flag: 0, region }
    }

    fn band(start: usize, end: usize) -> Write {
        write(Region::Band { inner: 4, axis: 6, start, end })
    }

    #[test]
    fn the_first_to_reach_an_element_writes() {
        let all = write(Region::All);
        assert_eq!(adds(&[all, all, band(0, 2)]), Some(vec![false, true, true]));
        assert_eq!(adds(&[band(0, 2), band(2, 6), band(1, 2)]), Some(vec![false, false, true]));
        assert_eq!(adds(&[band(0, 2), band(0, 2), band(2, 6)]), Some(vec![false, true, false]));
    }

    #[test]
    fn gaps_and_overlaps_start_from_zeros() {
        assert_eq!(adds(&[band(0, 2), band(3, 6)]), None);
        assert_eq!(adds(&[band(0, 3), band(2, 6)]), None);
        assert_eq!(adds(&[band(0, 2), write(Region::All)]), None);
        assert_eq!(adds(&[write(Region::Other)]), None);
        assert_eq!(adds(&[]), None);
        let other = write(Region::Band { inner: 1, axis: 4, start: 0, end: 2 });
        assert_eq!(adds(&[band(0, 2), other]), None);
    }
}
