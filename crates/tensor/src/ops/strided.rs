//! Calls with one thread per output element: `shaders/tensor/parts/strided.wgsl`.

use crate::graph::gradient::FLAG;
use crate::graph::{Emit, Graph};
use crate::shape::{MAX_RANK, TensorId, Var, merge};
use std::mem::offset_of;
use weightlab_kernels::Shader;

/// Operands of the shaders; the last is the output.
pub(crate) const OPERANDS: usize = 7;

/// `Strided` of the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Block {
    pub count: u32,
    pub accumulate: u32,
    pub scale: f32,
    pub constant: f32,
    pub per: u32,
    pub pad: [u32; 3],
    pub sizes: [u32; 8],
    pub offsets: [u32; 8],
    pub strides: [[u32; 8]; OPERANDS],
    pub coefficients: [f32; 8],
}

const _: () = assert!(offset_of!(Block, accumulate) == FLAG);

/// A kernel for single numbers and its twin for four at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub scalar: &'static Shader,
    pub vec4: &'static Shader,
}

/// Ranks for which there are kernels, to keep their number down: axes are added at length 1.
pub(crate) const RANKS: [u32; 4] = [1, 2, 3, MAX_RANK as u32];

/// The least of [`RANKS`] with room for so many axes.
pub(crate) fn rank_of(axes: usize) -> u32 {
    RANKS.into_iter().find(|&r| r as usize >= axes).expect("no tensor has more axes")
}

/// Axes as a kernel walks them, innermost first, and whether four elements at once.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    pub sizes: Vec<usize>,
    /// `[axis][operand]`
    pub strides: Vec<Vec<usize>>,
    pub offsets: Vec<usize>,
    pub vec4: bool,
}

impl Walk {
    /// Over operands of the same (broadcast) shape, with where each begins.
    pub(crate) fn new(operands: &[Var], offsets: &[usize]) -> Walk {
        let strides: Vec<_> = operands.iter().map(|x| &x.strides).collect();
        let axes = merge(operands[0].shape(), &strides);
        let mut walk = Walk {
            sizes: axes.iter().rev().map(|a| a.size).collect(),
            strides: axes.into_iter().rev().map(|a| a.strides).collect(),
            offsets: offsets.to_vec(),
            vec4: false,
        };
        if walk.sizes.is_empty() {
            walk.sizes.push(1);
            walk.strides.push(vec![0; operands.len()]);
        }
        let whole = |n: &usize| n.is_multiple_of(4);
        walk.vec4 = whole(&walk.sizes[0])
            && walk.strides[0].iter().all(|&s| s == 1)
            && walk.offsets.iter().all(whole)
            && walk.strides[1..].iter().flatten().all(whole);
        if walk.vec4 {
            walk.sizes[0] /= 4;
            walk.offsets.iter_mut().for_each(|o| *o /= 4);
            walk.strides[1..].iter_mut().flatten().for_each(|s| *s /= 4);
        }
        walk
    }

    /// Threads.
    pub(crate) fn count(&self) -> usize {
        self.sizes.iter().product()
    }
}

impl Graph {
    /// Records a kernel over `inputs`, which all have the shape of `to` (broadcast), into `to`. Bindings that are not used get
    /// some tensor that is.
    pub(crate) fn strided(
        &mut self,
        name: &str,
        pair: Pair,
        constants: &[(&'static str, u32)],
        inputs: &[Var],
        to: Var,
        mut block: Block,
    ) {
        let mut operands = inputs.to_vec();
        operands.push(to);
        let offsets: Vec<usize> = operands.iter().map(|x| self.place(x)).collect();
        let walk = Walk::new(&operands, &offsets);
        let count = walk.count();
        block.count = count as u32;
        // As many threads as a renderer on a few cores can use, if there is enough to do.
        let per = if self.target.software { (count / 1024).clamp(1, 16) } else { 1 };
        block.per = per as u32;
        let slots = (0..inputs.len()).chain([OPERANDS - 1]);
        for (operand, slot) in slots.enumerate() {
            block.offsets[slot] = walk.offsets[operand] as u32;
            for (axis, strides) in walk.strides.iter().enumerate() {
                block.strides[slot][axis] = strides[operand] as u32;
            }
        }
        block.sizes = [1; 8];
        for (to, &size) in block.sizes.iter_mut().zip(&walk.sizes) {
            *to = size as u32;
        }
        debug_assert!(walk.sizes.len() <= MAX_RANK);
        let shader = if walk.vec4 { pair.vec4 } else { pair.scalar };
        // Uniform block and output apart, all bindings are inputs.
        let filler = inputs.first().map_or(crate::graph::STEP, |x| x.tensor);
        let mut buffers: Vec<TensorId> = inputs.iter().map(|x| x.tensor).collect();
        buffers.resize(shader.bindings.len() - 2, filler);
        buffers.push(to.tensor);
        let mut all = constants.to_vec();
        all.push(("RANK", rank_of(walk.sizes.len())));
        self.call(&Emit {
            name,
            shader,
            constants: &all,
            uniform: &block,
            buffers: &buffers,
            groups: self.linear_groups(count.div_ceil(64 * per)),
        });
    }
}
