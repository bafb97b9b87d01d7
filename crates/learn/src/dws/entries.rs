//! The equivariant map of inner weight matrices. Kernels: `shaders/learn/entries*.wgsl`.

use super::arena::Stack;
use super::config::Pooling;
use super::layout::Columns;
use super::linear::{TILE_ROWS, pick, tile_quads};
use super::pool::{Matrices, code};
use crate::calls::{Calls, Groups, Kind, Operand, Temp, word};
use bytemuck::{Pod, Zeroable};
use weightlab_kernels as kernels;

/// Columns of a matrix by positions, with its row stride in quads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub temp: Temp,
    pub stride: usize,
    pub columns: Columns,
}

/// `Block` of `shaders/learn/parts/entries.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub nets: u32,
    pub rows: u32,
    pub columns: u32,
    pub inputs: u32,
    pub outputs: u32,
    pub weight: u32,
    pub weight_stride: u32,
    pub bias: u32,
    pub row_stride: u32,
    pub row_at: u32,
    pub column_stride: u32,
    pub column_at: u32,
    pub scale: f32,
    pub factor: f32,
}

/// The affine map of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub stack: Option<Stack>,
    /// Quads of its input and output.
    pub inputs: usize,
    pub outputs: usize,
    pub scale: f32,
    /// ReLU on the input.
    pub relu_in: bool,
}

impl Step {
    fn uniform(&self, shape: &Matrices) -> Uniform {
        let stack = self.stack.unwrap_or(Stack { weight: 0, stride: 0, bias: None });
        Uniform {
            nets: word(shape.nets),
            rows: word(shape.rows),
            columns: word(shape.columns),
            inputs: word(self.inputs),
            outputs: word(self.outputs),
            weight: word(stack.weight),
            weight_stride: word(stack.stride),
            bias: stack.bias.map_or(0, |b| word(b + 1)),
            scale: self.scale,
            factor: 1.0,
            ..Uniform::zeroed()
        }
    }

    fn constants(&self, relu_out: bool, accumulate: bool, terms: bool) -> Vec<(&'static str, u32)> {
        vec![
            ("RELU", self.relu_in.into()),
            ("RELU_OUT", relu_out.into()),
            ("ACCUMULATE", accumulate.into()),
            ("PRODUCT", self.stack.is_some().into()),
            ("TERMS", terms.into()),
        ]
    }

    fn groups(kind: Kind, shape: &Matrices, quads: usize) -> Groups {
        let rows = shape.entries().div_ceil(TILE_ROWS);
        Groups::Space(word(quads.div_ceil(tile_quads(kind))), word(rows), 1)
    }

    /// out = relu?(scale (x W^T + b) + terms of rows and columns + what is there?)
    pub fn forward(
        &self,
        calls: &mut Calls,
        shape: &Matrices,
        x: Temp,
        terms: Option<[At; 2]>,
        to: &Output,
    ) {
        let Output { out, relu, accumulate } = *to;
        let mut uniform = self.uniform(shape);
        let [mut rows, mut columns] = [x; 2];
        if let Some([r, c]) = terms {
            (uniform.row_stride, uniform.row_at) = (word(r.stride), word(r.columns.at));
            (uniform.column_stride, uniform.column_at) = (word(c.stride), word(c.columns.at));
            (rows, columns) = (r.temp, c.temp);
        }
        calls.call(
            pick(calls.kind(), &kernels::LEARN_ENTRIES, &kernels::LEARN_ENTRIES_SOFTWARE),
            &self.constants(relu, accumulate, terms.is_some()),
            &uniform,
            &[x.into(), Operand::Params, rows.into(), columns.into(), out.into()],
            Step::groups(calls.kind(), shape, self.outputs),
        );
    }

    /// Gradient by the input.
    pub fn input_gradient(&self, calls: &mut Calls, shape: &Matrices, back: &Back) {
        // The kernel's inputs are the features of dy.
        let turned = Step { inputs: self.outputs, outputs: self.inputs, ..*self };
        let mut uniform = turned.uniform(shape);
        uniform.factor = back.through_relu.unwrap_or(1.0);
        let mut operands = [back.x; 3];
        if let Some(pools) = &back.pools {
            let [r, c] = pools.gradients;
            (uniform.row_stride, uniform.row_at) = (word(r.stride), word(r.columns.at));
            (uniform.column_stride, uniform.column_at) = (word(c.stride), word(c.columns.at));
            operands = [r.temp, c.temp, pools.best];
        }
        let [rows, columns, best] = operands.map(Operand::from);
        let mut constants =
            self.constants(back.through_relu.is_some(), back.accumulate, back.pools.is_some());
        constants.push(("POOLING", back.pools.as_ref().map_or(0, |p| code(p.pooling))));
        calls.call(
            pick(
                calls.kind(),
                &kernels::LEARN_ENTRIES_INPUT,
                &kernels::LEARN_ENTRIES_INPUT_SOFTWARE,
            ),
            &constants,
            &uniform,
            &[back.dy.into(), Operand::Params, rows, columns, best, back.x.into(), back.dx.into()],
            Step::groups(calls.kind(), shape, self.inputs),
        );
    }
}

/// Where a step's output goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub out: Temp,
    /// ReLU on it.
    pub relu: bool,
    /// Add to what is there, before the ReLU.
    pub accumulate: bool,
}

impl Output {
    /// As it is.
    pub fn plain(out: Temp) -> Output {
        Output { out, relu: false, accumulate: false }
    }
}

/// Buffers of a backward step.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    pub x: Temp,
    pub dy: Temp,
    pub dx: Temp,
    /// The pools that read x as well.
    pub pools: Option<Pools>,
    /// The factor of the gradient through the ReLU that made x.
    pub through_relu: Option<f32>,
    pub accumulate: bool,
}

/// Pools over columns (one vector per row) and over rows.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    pub pooling: Pooling,
    pub gradients: [At; 2],
    pub best: Temp,
}
