//! Pools, and the layout that a model reads. Kernels: `shaders/learn/pool_*.wgsl`, `shaders/learn/embed.wgsl`.

use super::config::Pooling;
use super::layout::Columns;
use crate::calls::{Calls, Temp, threads, word};
use bytemuck::{Pod, Zeroable};
use weightlab_kernels as kernels;

/// The shaders' number of a way to pool.
pub(crate) fn code(pooling: Pooling) -> u32 {
    match pooling {
        Pooling::Max => 0,
        Pooling::Mean => 1,
        Pooling::Sum => 2,
    }
}

/// A tensor `[nets, rows, columns, features]`, features in quads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matrices {
    pub nets: usize,
    pub rows: usize,
    pub columns: usize,
    pub quads: usize,
}

impl Matrices {
    /// Entries of all nets.
    pub fn entries(&self) -> usize {
        self.nets * self.rows * self.columns
    }
}

/// What is pooled away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Rows,
    Columns,
}

/// Pools `x` into columns of `out` (row stride in quads). `best` gets the places of maxima, from a quad on.
pub(crate) fn entries(
    calls: &mut Calls,
    pooling: Pooling,
    shape: &Matrices,
    axis: Axis,
    x: Temp,
    out: (Temp, usize, Columns),
    (best, best_at): (Temp, usize),
) {
    #[repr(C)]
    #[derive(Clone, Copy, Pod, Zeroable)]
    struct Uniform {
        nets: u32,
        rows: u32,
        columns: u32,
        quads: u32,
        axis: u32,
        stride: u32,
        at: u32,
        best_at: u32,
    }
    let (out, stride, columns) = out;
    assert_eq!(columns.quads, shape.quads);
    let kept = if axis == Axis::Rows { shape.columns } else { shape.rows };
    let uniform = Uniform {
        nets: word(shape.nets),
        rows: word(shape.rows),
        columns: word(shape.columns),
        quads: word(shape.quads),
        axis: u32::from(axis == Axis::Columns),
        stride: word(stride),
        at: word(columns.at),
        best_at: word(best_at),
    };
    calls.call(
        &kernels::LEARN_POOL_ENTRIES,
        &[("POOLING", code(pooling))],
        &uniform,
        &[x.into(), out.into(), best.into()],
        threads(shape.nets * kept * shape.quads),
    );
}

/// All columns of a matrix by positions, and where their pooled values are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    pub nets: usize,
    pub positions: usize,
    pub quads: usize,
    /// Row stride of the pooled matrix, and the first column in it.
    pub stride: usize,
    pub at: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PositionsUniform {
    nets: u32,
    positions: u32,
    quads: u32,
    stride: u32,
    at: u32,
    accumulate: u32,
}

impl Positions {
    fn uniform(&self, accumulate: bool) -> PositionsUniform {
        PositionsUniform {
            nets: word(self.nets),
            positions: word(self.positions),
            quads: word(self.quads),
            stride: word(self.stride),
            at: word(self.at),
            accumulate: accumulate.into(),
        }
    }

    pub fn forward(&self, calls: &mut Calls, pooling: Pooling, x: Temp, out: Temp, best: Temp) {
        calls.call(
            &kernels::LEARN_POOL_POSITIONS,
            &[("POOLING", code(pooling))],
            &self.uniform(false),
            &[x.into(), out.into(), best.into()],
            threads(self.nets * self.quads),
        );
    }

    /// dx = .., or dx += ..
    pub fn backward(
        &self,
        calls: &mut Calls,
        pooling: Pooling,
        d_out: Temp,
        best: Temp,
        dx: Temp,
        accumulate: bool,
    ) {
        calls.call(
            &kernels::LEARN_POOL_POSITIONS_BACK,
            &[("POOLING", code(pooling))],
            &self.uniform(accumulate),
            &[d_out.into(), best.into(), dx.into()],
            threads(self.nets * self.positions * self.quads),
        );
    }
}

/// Where a column comes from: first number in the net and step from position to position; `None` is padding.
pub(crate) type Origin = Option<(usize, usize)>;

/// Copies nets `[nets, param_count]` to `out` `[nets, positions, columns]`.
pub(crate) fn embed(
    calls: &mut Calls,
    shape: (usize, usize, usize),
    origins: &[Origin],
    source: Temp,
    out: Temp,
) {
    #[repr(C)]
    #[derive(Clone, Copy, Pod, Zeroable)]
    struct Uniform {
        nets: u32,
        positions: u32,
        columns: u32,
        param_count: u32,
    }
    let (nets, positions, param_count) = shape;
    let words = origins
        .iter()
        .flat_map(|origin| origin.map_or([u32::MAX, 0], |(at, step)| [word(at), word(step)]))
        .collect();
    let table = calls.table("origins", words);
    let uniform = Uniform {
        nets: word(nets),
        positions: word(positions),
        columns: word(origins.len()),
        param_count: word(param_count),
    };
    calls.call(
        &kernels::LEARN_EMBED,
        &[],
        &uniform,
        &[table.into(), source.into(), out.into()],
        threads(nets * positions * origins.len()),
    );
}
