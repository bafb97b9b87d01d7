//! Shapes, strided views of tensors, and how views are brought into the form kernels walk.

use std::ops::{Deref, DerefMut, Range};

/// Most axes a tensor can have.
pub const MAX_RANK: usize = 6;

/// Up to [`MAX_RANK`] numbers, one per axis.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dims {
    rank: usize,
    at: [usize; MAX_RANK],
}

impl Deref for Dims {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.at[..self.rank]
    }
}

impl DerefMut for Dims {
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.at[..self.rank]
    }
}

impl std::fmt::Debug for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl From<&[usize]> for Dims {
    #[track_caller]
    fn from(dims: &[usize]) -> Dims {
        assert!(dims.len() <= MAX_RANK, "shape {dims:?}: at most {MAX_RANK} axes");
        let mut at = [0; MAX_RANK];
        at[..dims.len()].copy_from_slice(dims);
        Dims { rank: dims.len(), at }
    }
}

/// Row-major strides. Never 0, which would say that an axis repeats, even if there are no elements.
pub(crate) fn contiguous(sizes: &[usize]) -> Dims {
    let mut strides = Dims::from(sizes);
    let mut stride = 1;
    for (s, &n) in strides.iter_mut().zip(sizes).rev() {
        *s = stride;
        stride *= n.max(1);
    }
    strides
}

/// Which elements of its tensor a view covers, as far as it is worth knowing: gradients written through views
/// that together cover a tensor once need neither zeros first nor addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    All,
    /// Elements with `start <= (flat / inner) % axis < end`: a slice along one axis.
    Band {
        inner: usize,
        axis: usize,
        start: usize,
        end: usize,
    },
    Other,
}

/// Index of a tensor in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TensorId(pub u32);

/// A tensor of a [`Graph`](crate::Graph), or a strided view of one. Copies are the same tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var {
    pub(crate) tensor: TensorId,
    pub(crate) offset: usize,
    pub(crate) sizes: Dims,
    pub(crate) strides: Dims,
    pub(crate) region: Region,
}

impl Var {
    pub(crate) fn whole(tensor: TensorId, sizes: &[usize]) -> Var {
        Var {
            tensor,
            offset: 0,
            sizes: sizes.into(),
            strides: contiguous(sizes),
            region: Region::All,
        }
    }

    /// Length of every axis, outermost first; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.sizes
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether elements lie one after another in the order of the axes.
    pub(crate) fn is_contiguous(&self) -> bool {
        let wanted = contiguous(&self.sizes);
        self.sizes
            .iter()
            .zip(self.strides.iter().zip(&*wanted))
            .all(|(&n, (a, b))| n <= 1 || a == b)
    }

    /// Whether an axis repeats the same elements (or leaves them out).
    pub(crate) fn repeats(&self) -> bool {
        (0..self.sizes.len()).any(|axis| self.repeats_along(axis))
    }

    pub(crate) fn repeats_along(&self, axis: usize) -> bool {
        self.sizes[axis] != 1 && self.strides[axis] == 0
    }

    /// Axis `i` of the result is axis `order[i]` of this.
    #[track_caller]
    pub(crate) fn permuted(&self, order: &[usize]) -> Var {
        let mut seen: Vec<usize> = order.to_vec();
        seen.sort_unstable();
        assert!(
            seen.iter().copied().eq(0..self.sizes.len()),
            "permute {:?} by {order:?}: every axis once",
            self.sizes
        );
        let mut out = *self;
        for (i, &axis) in order.iter().enumerate() {
            out.sizes[i] = self.sizes[axis];
            out.strides[i] = self.strides[axis];
        }
        out
    }

    /// Elements `range` of an axis.
    #[track_caller]
    pub(crate) fn sliced(&self, axis: usize, range: Range<usize>) -> Var {
        let n = self.sizes[axis];
        assert!(
            range.start <= range.end && range.end <= n,
            "slice {range:?} of axis {axis} of {:?}",
            self.sizes
        );
        if range.len() == n {
            return *self;
        }
        let mut out = *self;
        out.sizes[axis] = range.len();
        out.offset += range.start * self.strides[axis];
        let (inner, Range { start, end }) = (self.strides[axis], range);
        out.region = match self.region {
            Region::All if inner > 0 => Region::Band { inner, axis: n, start, end },
            Region::Band { inner: before, axis, start: first, .. } if before == inner => {
                Region::Band { inner, axis, start: first + start, end: first + end }
            }
            _ => Region::Other,
        };
        out
    }

    /// As NumPy broadcasts: new axes in front, axes of length 1 repeated.
    #[track_caller]
    pub(crate) fn broadcast(&self, shape: &[usize]) -> Var {
        let lead = shape.len().checked_sub(self.sizes.len());
        let fits = lead.is_some_and(|lead| {
            self.sizes.iter().zip(&shape[lead..]).all(|(&own, &wanted)| own == wanted || own == 1)
        });
        assert!(fits, "a tensor of shape {:?} does not broadcast to {shape:?}", self.sizes);
        let lead = lead.unwrap_or_default();
        let mut out = *self;
        out.sizes = shape.into();
        out.strides = shape.into();
        for (axis, stride) in out.strides.iter_mut().enumerate() {
            *stride = match axis.checked_sub(lead) {
                Some(own) if self.sizes[own] == shape[axis] => self.strides[own],
                _ => 0,
            };
        }
        out
    }

    /// The same elements in the same order under another shape, if strides can say it.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Option<Var> {
        let sizes = Dims::from(shape);
        if sizes.iter().product::<usize>() != self.len() {
            return None;
        }
        let mut out = Var { sizes, strides: contiguous(shape), ..*self };
        if self.is_empty() {
            return Some(out);
        }
        // Groups of old axes that are contiguous among themselves; each new axis must lie within one.
        let merged = merge(&self.sizes, &[&self.strides]);
        let mut groups = merged.iter().rev();
        let mut group = groups.next();
        let mut taken = 1;
        for axis in (0..shape.len()).rev() {
            if shape[axis] == 1 {
                out.strides[axis] = 0;
                continue;
            }
            while group.is_some_and(|g| g.size == taken) {
                group = groups.next();
                taken = 1;
            }
            let g = group?;
            out.strides[axis] = g.strides[0] * taken;
            taken *= shape[axis];
            if g.size % taken != 0 {
                return None;
            }
        }
        Some(out)
    }
}

/// Shape of the result of an elementwise operation on these.
#[track_caller]
pub(crate) fn broadcast_shape<'a>(shapes: impl Iterator<Item = &'a [usize]> + Clone) -> Dims {
    let rank = shapes.clone().map(<[usize]>::len).max().unwrap_or(0);
    let mut out = Dims::from(&[1; MAX_RANK][..rank]);
    for shape in shapes {
        let lead = rank - shape.len();
        for (axis, &n) in shape.iter().enumerate() {
            let o = &mut out[lead + axis];
            assert!(
                n == 1 || *o == 1 || *o == n,
                "shape {shape:?} does not broadcast with the others: axis {axis} meets length {o}"
            );
            if n != 1 {
                *o = n;
            }
        }
    }
    out
}

/// One axis, or several that all operands walk alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub size: usize,
    /// Of every operand.
    pub strides: Vec<usize>,
}

/// Merges neighbouring axes that every operand walks as one, and drops those of length 1; outermost first.
pub(crate) fn merge(sizes: &[usize], operands: &[&Dims]) -> Vec<Axis> {
    let mut out: Vec<Axis> = Vec::new();
    for (axis, &size) in sizes.iter().enumerate() {
        if size == 1 {
            continue;
        }
        let strides: Vec<usize> = operands.iter().map(|s| s[axis]).collect();
        match out.last_mut() {
            Some(last) if last.strides.iter().zip(&strides).all(|(o, i)| *o == i * size) => {
                *last = Axis { size: last.size * size, strides };
            }
            _ => out.push(Axis { size, strides }),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn var(shape: &[usize]) -> Var {
        Var::whole(TensorId(0), shape)
    }

    #[test]
    fn contiguous_axes_merge_and_others_do_not() {
        let x = var(&[2, 3, 4]);
        let one = merge(&x.sizes, &[&x.strides]);
        assert_eq!(one, [Axis { size: 24, strides: vec![1] }]);
        let t = x.permuted(&[0, 2, 1]);
        assert_eq!(merge(&t.sizes, &[&t.strides]).len(), 3);
        let b = var(&[3, 1]).broadcast(&[2, 3, 4]);
        assert_eq!(merge(&x.sizes, &[&x.strides, &b.strides]).len(), 3);
    }

    #[test]
    fn reshape_is_a_view_where_strides_allow() {
        let x = var(&[2, 3, 4]);
        assert_eq!(&*x.reshaped(&[6, 4]).unwrap().strides, [4, 1]);
        let t = x.permuted(&[1, 0, 2]);
        assert!(t.reshaped(&[6, 4]).is_none());
        assert_eq!(&*t.reshaped(&[3, 2, 2, 2]).unwrap().strides, [4, 12, 2, 1]);
        let s = x.sliced(2, 1..3);
        assert_eq!(&*s.reshaped(&[6, 2]).unwrap().strides, [4, 1]);
        assert!(s.reshaped(&[12]).is_none());
        assert!(x.reshaped(&[5]).is_none());
        assert!(var(&[0, 3]).reshaped(&[3, 0]).is_some());
        assert!(x.sliced(1, 0..1).reshaped(&[2, 4]).is_some());
    }

    #[test]
    fn slices_of_one_axis_are_bands() {
        let x = var(&[2, 6, 4]);
        let s = x.sliced(1, 2..5).sliced(1, 1..2);
        assert_eq!(s.offset, 12);
        assert_eq!(s.region, Region::Band { inner: 4, axis: 6, start: 3, end: 4 });
        assert_eq!(x.permuted(&[1, 0, 2]).sliced(0, 0..1).region, x.sliced(1, 0..1).region);
        assert_eq!(x.sliced(1, 0..2).sliced(2, 0..1).region, Region::Other);
    }

    #[test]
    #[should_panic(expected = "does not broadcast")]
    fn a_wrong_broadcast_is_named() {
        let _shape = broadcast_shape([&[2, 3][..], &[4][..]].into_iter());
    }
}
