//! Batch normalisation with ReLU of tensors that lie in columns of a matrix. Kernels: `shaders/learn/norm_*.wgsl`.

use super::arena::Arena;
use super::layout::Columns;
use super::params::Param;
use crate::calls::{Calls, Groups, Operand, Temp, threads, word};
use bytemuck::{Pod, Zeroable};
use std::collections::BTreeMap;
use weightlab_kernels as kernels;

const EPSILON: f32 = 1e-5;
const MOMENTUM: f32 = 0.1;

/// One tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub columns: Columns,
    /// gamma and beta in the arena, mean and variance in the state, all in quads.
    pub params: [usize; 2],
    pub running: [usize; 2],
}

impl View {
    /// Places the parameters of the normalisation called `name`, the `index`-th of the model.
    pub fn new(
        arena: &mut Arena,
        named: &BTreeMap<String, Param>,
        name: &str,
        index: usize,
        features: usize,
    ) -> View {
        let params = ["weight", "bias"].map(|part| arena.vector(&format!("{name}.{part}"), named));
        let running = [2 * index, 2 * index + 1].map(|i| i * features);
        View { columns: Columns { at: 0, quads: 0 }, params, running }
    }
}

/// Tensors of one matrix.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub rows: usize,
    /// In quads.
    pub stride: usize,
    pub features: usize,
    pub views: Vec<View>,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Uniform {
    rows: u32,
    stride: u32,
    columns: u32,
    stored: u32,
    epsilon: f32,
    momentum: f32,
    factor: f32,
    pad: u32,
}

/// What backward needs of forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Normed {
    pub x: Temp,
    pub y: Temp,
    pub stats: Temp,
}

impl Norm {
    fn uniform(&self, columns: usize, stored: bool, factor: f32) -> Uniform {
        Uniform {
            rows: word(self.rows),
            stride: word(self.stride),
            columns: word(columns),
            stored: stored.into(),
            epsilon: EPSILON,
            momentum: MOMENTUM,
            factor,
            pad: 0,
        }
    }

    /// Words per workgroup of statistics: the tensor's columns, then two offsets.
    fn groups(&self, offsets: impl Fn(&View) -> [usize; 2]) -> Vec<u32> {
        let h = self.features;
        let mut words = Vec::new();
        for (v, view) in self.views.iter().enumerate() {
            for q in 0..h {
                let c = view.columns;
                words.extend([c.at + q, c.quads / h, h, v * h + q].map(word));
                let [a, b] = offsets(view).map(|at| word(at + q));
                words.extend([a, b, 0, 0]);
            }
        }
        words
    }

    /// Words per column, and how many columns.
    fn columns(&self) -> (Vec<u32>, usize) {
        let h = self.features;
        let (mut words, mut chunks) = (Vec::new(), Vec::new());
        for (v, view) in self.views.iter().enumerate() {
            for k in 0..view.columns.quads {
                let q = k % h;
                let [gamma, beta] = view.params.map(|p| p + q);
                words.extend([view.columns.at + k, v * h + q, gamma, beta].map(word));
                chunks.extend([view.columns.quads / h, 0, 0, 0].map(word));
            }
        }
        let count = words.len() / 4;
        words.extend(chunks);
        (words, count)
    }

    fn stat_groups(&self) -> Groups {
        Groups::Space(word(self.views.len() * self.features), 1, 1)
    }

    /// y = relu(gamma n + beta), with the batch's statistics or the stored ones.
    pub fn forward(&self, calls: &mut Calls, x: Temp, y: Temp, stored: bool) -> Normed {
        let stats = calls.temp("statistics", 8 * self.views.len() * self.features);
        let table = calls.table("norm", self.groups(|v| v.running));
        calls.call(
            &kernels::LEARN_NORM_STATS,
            &[],
            &self.uniform(0, stored, 1.0),
            &[table.into(), x.into(), Operand::State, stats.into()],
            self.stat_groups(),
        );
        let (words, columns) = self.columns();
        let table = calls.table("norm columns", words);
        calls.call(
            &kernels::LEARN_NORM_APPLY,
            &[],
            &self.uniform(columns, stored, 1.0),
            &[table.into(), x.into(), Operand::Params, stats.into(), y.into()],
            threads(self.rows * columns),
        );
        Normed { x, y, stats }
    }

    /// `d` holds dy and gets dx.
    pub fn backward(&self, calls: &mut Calls, of: &Normed, d: Temp, factor: f32) {
        let table = calls.table("norm", self.groups(|v| v.params));
        calls.call(
            &kernels::LEARN_NORM_SUMS,
            &[],
            &self.uniform(0, false, factor),
            &[
                table.into(),
                of.x.into(),
                of.y.into(),
                d.into(),
                of.stats.into(),
                Operand::Gradients,
            ],
            self.stat_groups(),
        );
        let (words, columns) = self.columns();
        let table = calls.table("norm columns", words);
        calls.call(
            &kernels::LEARN_NORM_BACK,
            &[],
            &self.uniform(columns, false, factor),
            &[
                table.into(),
                of.x.into(),
                of.y.into(),
                Operand::Params,
                Operand::Gradients,
                of.stats.into(),
                d.into(),
            ],
            threads(self.rows * columns),
        );
    }
}
