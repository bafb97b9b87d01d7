//! Sums, means and maxima over axes. Kernels: `shaders/tensor/parts/reduce*.wgsl`, `spread_max.wgsl`.

use super::strided::{RANKS, rank_of};
use crate::graph::gradient::FLAG;
use crate::graph::{Emit, Graph};
use crate::shape::{Axis, Var, merge};
use std::mem::offset_of;
use weightlab_kernels::{self as kernels, Shader};

/// `Reduce` of the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    outputs: u32,
    accumulate: u32,
    scale: f32,
    reduced: u32,
    segment: u32,
    segments: u32,
    x_place: u32,
    y_place: u32,
    sizes: [u32; 8],
    x_strides: [u32; 8],
    y_strides: [u32; 8],
    reduced_sizes: [u32; 8],
    reduced_strides: [u32; 8],
}

/// `Spread` of `spread_max.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Spread {
    outputs: u32,
    dy: u32,
    dx: u32,
    pad: u32,
    sizes: [u32; 8],
    dy_strides: [u32; 8],
    dx_strides: [u32; 8],
    reduced_sizes: [u32; 8],
    reduced_strides: [u32; 8],
}

const _: () = assert!(offset_of!(Block, accumulate) == FLAG);

/// Threads that a reduction should have, if there is enough to reduce; a second stage joins their parts.
const THREADS: usize = 4096;
/// A segment is at least this long, so that joining costs little.
const SHORTEST: usize = 64;

/// `x` without the reduced axes, and the reduced axes alone.
fn split(x: Var, axes: &[usize]) -> (Var, Var) {
    let pick = |inside: bool| {
        let chosen: Vec<usize> =
            (0..x.sizes.len()).filter(|a| axes.contains(a) == inside).collect();
        let mut out = x;
        out.sizes = chosen.iter().map(|&a| x.sizes[a]).collect::<Vec<_>>()[..].into();
        out.strides = chosen.iter().map(|&a| x.strides[a]).collect::<Vec<_>>()[..].into();
        out
    };
    (pick(false), pick(true))
}

/// Sizes and strides of merged axes as the shaders want them: innermost first.
fn fill(axes: &[Axis], sizes: &mut [u32; 8], strides: &mut [&mut [u32; 8]]) {
    for (i, axis) in axes.iter().rev().enumerate() {
        sizes[i] = axis.size as u32;
        for (to, &stride) in strides.iter_mut().zip(&axis.strides) {
            to[i] = stride as u32;
        }
    }
}

/// What one call does: merged axes of the outputs (over x and y) and of what is reduced.
struct Reduction {
    outer: Vec<Axis>,
    inner: Vec<Axis>,
    vec4: bool,
    outputs: usize,
    reduced: usize,
}

impl Graph {
    /// `kept` of `x` are the outputs, in the order of `to`'s axes, which are of the same lengths.
    fn reduction(&self, x: Var, axes: &[usize], to: Var) -> Reduction {
        let (kept, gone) = split(x, axes);
        let mut outer = merge(kept.shape(), &[&kept.strides, &to.strides]);
        let mut inner = merge(gone.shape(), &[&gone.strides]);
        let whole = |n: usize| n.is_multiple_of(4);
        let vec4 = whole(self.place(&x))
            && whole(self.place(&to))
            && outer.last().is_some_and(|a| whole(a.size) && a.strides == [1, 1])
            && outer
                .iter()
                .rev()
                .skip(1)
                .chain(&inner)
                .all(|a| a.strides.iter().all(|&s| whole(s)));
        if vec4 {
            let last = outer.len() - 1;
            outer[last].size /= 4;
            for axis in outer[..last].iter_mut().chain(&mut inner) {
                axis.strides.iter_mut().for_each(|s| *s /= 4);
            }
        }
        let outputs = outer.iter().map(|a| a.size).product();
        let reduced = inner.iter().map(|a| a.size).product();
        Reduction { outer, inner, vec4, outputs, reduced }
    }

    fn reduce_block(&self, r: &Reduction, x: Var, to: Var, segments: usize) -> Block {
        let unit = if r.vec4 { 4 } else { 1 };
        let mut block = Block {
            outputs: r.outputs as u32,
            scale: 1.0,
            reduced: r.reduced as u32,
            segment: r.reduced.div_ceil(segments) as u32,
            segments: segments as u32,
            x_place: (self.place(&x) / unit) as u32,
            y_place: (self.place(&to) / unit) as u32,
            sizes: [1; 8],
            reduced_sizes: [1; 8],
            ..Block::default()
        };
        fill(&r.outer, &mut block.sizes, &mut [&mut block.x_strides, &mut block.y_strides]);
        fill(&r.inner, &mut block.reduced_sizes, &mut [&mut block.reduced_strides]);
        block
    }

    /// Segments of a reduction, none of them empty.
    fn segments(r: &Reduction) -> usize {
        let wanted = THREADS.div_ceil(r.outputs.max(1)).min(r.reduced / SHORTEST).max(1);
        r.reduced.div_ceil(r.reduced.div_ceil(wanted).max(1)).max(1)
    }

    fn reduce_constants(r: &Reduction) -> [(&'static str, u32); 2] {
        [("RANK", rank_of(r.outer.len())), ("REDUCED", rank_of(r.inner.len()))]
    }

    /// `to (+)= factor * sum of x over axes`; the axes of `to` may still be there with length 1.
    pub(crate) fn sum_into(&mut self, x: Var, axes: &[usize], factor: f32, to: Var) {
        let mut squeezed = to;
        if to.sizes.len() == x.sizes.len() {
            squeezed = split(to, axes).0;
        }
        let r = self.reduction(x, axes, squeezed);
        let segments = Self::segments(&r);
        let (target, scale) = if segments == 1 {
            (squeezed, factor)
        } else {
            let shape: Vec<usize> = squeezed.shape().to_vec();
            let all: Vec<usize> = [segments].into_iter().chain(shape).collect();
            (self.temp("parts of a sum", &all), 1.0)
        };
        let part = if segments == 1 { target } else { split(target, &[0]).0 };
        let r = if segments == 1 { r } else { self.reduction(x, axes, part) };
        let block = Block { scale, ..self.reduce_block(&r, x, part, segments) };
        self.call(&Emit {
            name: "sum over axes",
            shader: if r.vec4 {
                &kernels::TENSOR_REDUCE_SUM_VEC4
            } else {
                &kernels::TENSOR_REDUCE_SUM
            },
            constants: &Self::reduce_constants(&r),
            uniform: &block,
            buffers: &[x.tensor, part.tensor],
            groups: self.linear_groups((r.outputs * segments).div_ceil(64)),
        });
        if segments > 1 {
            self.sum_into(target, &[0], factor, squeezed);
        }
    }

    /// `(max, places)` of `x` over axes, without these axes.
    fn max_call(&mut self, x: Var, axes: &[usize], found: Option<Var>, y: Var) -> Var {
        let r = self.reduction(x, axes, y);
        let segments = Self::segments(&r);
        let shape: Vec<usize> = [segments].into_iter().chain(y.shape().iter().copied()).collect();
        let parts = if segments == 1 { y } else { self.temp("parts of a maximum", &shape) };
        let places = self.temp("places of a maximum", &shape);
        let to = if segments == 1 { y } else { split(parts, &[0]).0 };
        let r = if segments == 1 { r } else { self.reduction(x, axes, to) };
        let [rank, reduced] = Self::reduce_constants(&r);
        self.call(&Emit {
            name: "max over axes",
            shader: if r.vec4 {
                &kernels::TENSOR_REDUCE_MAX_VEC4
            } else {
                &kernels::TENSOR_REDUCE_MAX
            },
            constants: &[rank, reduced, ("FOUND", found.is_some().into())],
            uniform: &self.reduce_block(&r, x, to, segments),
            buffers: &[x.tensor, found.unwrap_or(x).tensor, to.tensor, places.tensor],
            groups: self.linear_groups((r.outputs * segments).div_ceil(64)),
        });
        if segments == 1 {
            return places;
        }
        self.max_call(parts, &[0], Some(places), y)
    }

    /// Shape after a reduction, with the reduced axes at length 1 and without them.
    #[track_caller]
    fn reduced_shape(x: Var, axes: &[usize]) -> (Vec<usize>, Vec<usize>) {
        for (i, axis) in axes.iter().enumerate() {
            assert!(
                *axis < x.sizes.len() && !axes[..i].contains(axis),
                "axes {axes:?} of a tensor of shape {:?}",
                x.shape()
            );
        }
        let ones: Vec<usize> =
            (0..x.sizes.len()).map(|a| if axes.contains(&a) { 1 } else { x.sizes[a] }).collect();
        (ones, split(x, axes).0.shape().to_vec())
    }

    #[track_caller]
    fn sum_scaled(&mut self, name: &str, x: Var, axes: &[usize], keep: bool, factor: f32) -> Var {
        let (ones, without) = Self::reduced_shape(x, axes);
        let y = self.result(name, &without, &[x]);
        self.sum_into(x, axes, factor, y);
        let back = ones.clone();
        self.on_backward(y, move |g, dy| {
            let dy = dy.reshaped(&back).expect("axes of length 1 fit anywhere");
            g.contribute(x, dy.broadcast(x.shape()), factor);
        });
        if keep { y.reshaped(&ones).expect("axes of length 1 fit anywhere") } else { y }
    }

    /// Sum over axes; `keep` keeps them with length 1.
    #[track_caller]
    pub fn sum(&mut self, x: Var, axes: &[usize], keep: bool) -> Var {
        self.sum_scaled("sum over axes", x, axes, keep, 1.0)
    }

    /// Mean over axes; of no elements it is a NaN.
    #[track_caller]
    pub fn mean(&mut self, x: Var, axes: &[usize], keep: bool) -> Var {
        let count: usize = axes.iter().map(|&a| x.sizes[a]).product();
        self.sum_scaled("mean over axes", x, axes, keep, 1.0 / count as f32)
    }

    /// Maximum over axes; its gradient goes to the first maximum.
    #[track_caller]
    pub fn max(&mut self, x: Var, axes: &[usize], keep: bool) -> Var {
        let (ones, without) = Self::reduced_shape(x, axes);
        // The gradient goes to one element, so each must be there once.
        let x = if x.repeats() { self.contiguous(x) } else { x };
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        let empty = axes.iter().any(|&a| x.sizes[a] == 0) && !without.contains(&0);
        assert!(!empty, "a maximum of no elements: axes {axes:?} of shape {:?}", x.shape());
        let y = self.result("max over axes", &without, &[x]);
        let places = self.max_call(x, &axes, None, y);
        self.on_backward(y, move |g, dy| {
            g.scatter(x, move |g, whole| {
                let dx = Var { tensor: whole.tensor, ..x };
                let (kept, gone) = split(dx, &axes);
                let outer = merge(kept.shape(), &[&dy.strides, &kept.strides]);
                let inner = merge(gone.shape(), &[&gone.strides]);
                let mut block = Spread {
                    outputs: dy.len() as u32,
                    dy: g.place(&dy) as u32,
                    dx: g.place(&dx) as u32,
                    sizes: [1; 8],
                    reduced_sizes: [1; 8],
                    ..Spread::default()
                };
                let strides = &mut [&mut block.dy_strides, &mut block.dx_strides];
                fill(&outer, &mut block.sizes, strides);
                fill(&inner, &mut block.reduced_sizes, &mut [&mut block.reduced_strides]);
                g.call(&Emit {
                    name: "gradient of a maximum",
                    shader: &kernels::TENSOR_SPREAD_MAX,
                    constants: &[("RANK", rank_of(outer.len()))],
                    uniform: &block,
                    buffers: &[dy.tensor, places.tensor, dx.tensor],
                    groups: g.linear_groups(dy.len().div_ceil(64)),
                });
            });
        });
        if keep { y.reshaped(&ones).expect("axes of length 1 fit anywhere") } else { y }
    }
}

/// Specialisations of the kernels.
pub(crate) fn variants(add: &mut impl FnMut(&'static Shader, &[(&'static str, u32)])) {
    for rank in RANKS {
        add(&kernels::TENSOR_SPREAD_MAX, &[("RANK", rank)]);
        for reduced in RANKS {
            for shader in [&kernels::TENSOR_REDUCE_SUM, &kernels::TENSOR_REDUCE_SUM_VEC4] {
                add(shader, &[("RANK", rank), ("REDUCED", reduced)]);
            }
            for shader in [&kernels::TENSOR_REDUCE_MAX, &kernels::TENSOR_REDUCE_MAX_VEC4] {
                for found in 0..2 {
                    add(shader, &[("RANK", rank), ("REDUCED", reduced), ("FOUND", found)]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::TensorId;

    #[test]
    fn segments_cover_everything_and_none_is_empty() {
        for outputs in [1, 3, 100, 5000] {
            for reduced in [0, 1, 63, 64, 129, 5000, 70_000, 1_000_003] {
                let r = Reduction { outer: vec![], inner: vec![], vec4: false, outputs, reduced };
                let segments = Graph::segments(&r);
                let each = reduced.div_ceil(segments);
                assert!(segments >= 1 && each * segments >= reduced);
                assert!(segments == 1 || each * (segments - 1) < reduced);
            }
        }
    }

    #[test]
    fn the_rest_of_the_axes_stays_in_order() {
        let x = Var::whole(TensorId(0), &[2, 3, 4, 5]);
        let (kept, gone) = split(x, &[1, 3]);
        assert_eq!((kept.shape(), gone.shape()), (&[2, 4][..], &[3, 5][..]));
        assert_eq!((&*kept.strides, &*gone.strides), (&[60, 5][..], &[20, 1][..]));
    }
}
