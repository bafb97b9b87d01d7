//! Batch norm. Kernels: `shaders/tensor/parts/{columns,batch_*}.wgsl`.

use super::strided::Pair;
use crate::graph::gradient::FLAG;
use crate::graph::{Emit, Graph};
use crate::params::StateId;
use crate::shape::{TensorId, Var};
use std::mem::offset_of;
use weightlab_kernels as kernels;

/// Where batch norm gets its statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BatchNorm {
    /// From the batch; the running values are moved towards them.
    Train {
        /// Added to the variance.
        epsilon: f32,
        /// How far the running values move.
        momentum: f32,
    },
    /// The running values.
    Eval {
        /// Added to the variance.
        epsilon: f32,
    },
}

/// `Columns` of the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    columns: u32,
    accumulate: u32,
    rows: u32,
    segment: u32,
    segments: u32,
    x_place: u32,
    y_place: u32,
    to_place: u32,
    gamma_place: u32,
    beta_place: u32,
    mean_place: u32,
    variance_place: u32,
    epsilon: f32,
    momentum: f32,
    fixed_stats: u32,
    pad: u32,
}
const _: () = assert!(offset_of!(Block, accumulate) == FLAG);

macro_rules! pair {
    ($scalar:ident, $vec4:ident) => {
        Pair { scalar: &kernels::$scalar, vec4: &kernels::$vec4 }
    };
}
const STATS: Pair = pair!(TENSOR_BATCH_STATS, TENSOR_BATCH_STATS_VEC4);
const FINISH: Pair = pair!(TENSOR_BATCH_FINISH, TENSOR_BATCH_FINISH_VEC4);
const GIVEN: Pair = pair!(TENSOR_BATCH_GIVEN, TENSOR_BATCH_GIVEN_VEC4);
const APPLY: Pair = pair!(TENSOR_BATCH_APPLY, TENSOR_BATCH_APPLY_VEC4);
const SUMS: Pair = pair!(TENSOR_BATCH_SUMS, TENSOR_BATCH_SUMS_VEC4);
const BACK: Pair = pair!(TENSOR_BATCH_BACK, TENSOR_BATCH_BACK_VEC4);

/// Rows of a segment, at least.
const SHORTEST: usize = 64;
/// Threads that sums over rows should have.
const THREADS: usize = 4096;

impl Graph {
    /// One call; places and columns of `block` count numbers and are turned into quads where everything fits.
    fn columns(
        &mut self,
        name: &str,
        pair: Pair,
        mut block: Block,
        threads: usize,
        buffers: &[TensorId],
    ) {
        let vec4 = [
            &mut block.columns,
            &mut block.x_place,
            &mut block.y_place,
            &mut block.to_place,
            &mut block.gamma_place,
            &mut block.beta_place,
            &mut block.mean_place,
            &mut block.variance_place,
        ];
        let fits = vec4.iter().all(|x| x.is_multiple_of(4));
        if fits {
            vec4.into_iter().for_each(|x| *x /= 4);
        }
        let threads = if fits { threads / 4 } else { threads };
        self.call(&Emit {
            name,
            shader: if fits { pair.vec4 } else { pair.scalar },
            constants: &[],
            uniform: &block,
            buffers,
            groups: self.linear_groups(threads.div_ceil(64)),
        });
    }

    /// Normalises every column of `[.., columns]` over all the rest:
    /// `(x - mean) / sqrt(variance + epsilon) gamma + beta`.
    #[track_caller]
    pub fn batch_norm(
        &mut self,
        x: Var,
        gamma: Var,
        beta: Var,
        running_mean: StateId,
        running_variance: StateId,
        mode: BatchNorm,
    ) -> Var {
        let columns = x.sizes.last().copied().unwrap_or(0);
        let states = [running_mean, running_variance].map(|id| self.state(id));
        assert!(
            [gamma, beta].iter().chain(&states).all(|v| v.shape() == [columns]),
            "batch norm of {:?}: gamma {:?}, beta {:?}, running values {:?} {:?}",
            x.shape(),
            gamma.shape(),
            beta.shape(),
            states[0].shape(),
            states[1].shape()
        );
        let rows = x.len() / columns.max(1);
        let enough = rows > 1 || matches!(mode, BatchNorm::Eval { .. });
        assert!(enough, "batch norm of {:?}: no variance over {rows} rows", x.shape());
        let source = self.in_order(x);
        // Both in one binding: the arena of parameters, or a copy.
        let packed = self.side_by_side(gamma, beta);
        let (epsilon, momentum, fixed) = match mode {
            BatchNorm::Train { epsilon, momentum } => (epsilon, momentum, false),
            BatchNorm::Eval { epsilon } => (epsilon, 0.0, true),
        };
        let wanted = THREADS.div_ceil(columns.max(1)).min(rows / SHORTEST).max(1);
        let segment = rows.div_ceil(wanted).max(1);
        let segments = rows.div_ceil(segment).max(1);
        let stats = self.temp("statistics of batch norm", &[2, columns]);
        let y = self.result("batch norm", x.shape(), &[x, gamma, beta]);
        let block = Block {
            columns: columns as u32,
            rows: rows as u32,
            segment: segment as u32,
            segments: segments as u32,
            x_place: self.place(&source) as u32,
            y_place: self.place(&y) as u32,
            gamma_place: self.place(&packed[0]) as u32,
            beta_place: self.place(&packed[1]) as u32,
            mean_place: self.place(&states[0]) as u32,
            variance_place: self.place(&states[1]) as u32,
            epsilon,
            momentum,
            fixed_stats: fixed.into(),
            ..Block::default()
        };
        let state = states[0].tensor;
        if fixed {
            self.columns("statistics", GIVEN, block, columns, &[state, stats.tensor]);
        } else {
            let parts = self.temp("statistics of segments", &[segments, 2, columns]);
            let threads = columns * segments;
            self.columns("statistics", STATS, block, threads, &[source.tensor, parts.tensor]);
            let buffers = [parts.tensor, stats.tensor, state];
            self.columns("statistics", FINISH, block, columns, &buffers);
        }
        let buffers = [source.tensor, stats.tensor, packed[0].tensor, y.tensor];
        self.columns("batch norm", APPLY, block, x.len(), &buffers);

        self.on_backward(y, move |g, dy| {
            let dy = g.in_order(dy);
            let block = Block { y_place: g.place(&dy) as u32, ..block };
            let parts = g.temp("sums of segments", &[segments, 2, columns]);
            let buffers = [dy.tensor, source.tensor, stats.tensor, parts.tensor];
            g.columns("gradient of batch norm", SUMS, block, columns * segments, &buffers);
            let sums = g.temp("sums of batch norm", &[2, columns]);
            g.sum_into(parts, &[0], 1.0, sums);
            let of = |i: usize| Var { offset: i * columns, ..Var::whole(sums.tensor, &[columns]) };
            g.contribute(gamma, of(0), 1.0);
            g.contribute(beta, of(1), 1.0);
            g.deliver_in_order(x, |g, to| {
                let block = Block { to_place: g.place(&to) as u32, ..block };
                let buffers = [dy, source, stats, sums, packed[0], to].map(|v: Var| v.tensor);
                g.columns("gradient of batch norm", BACK, block, x.len(), &buffers);
            });
        });
        y
    }

    /// Two vectors in one buffer: themselves if they are parameters, else copies.
    fn side_by_side(&mut self, a: Var, b: Var) -> [Var; 2] {
        let n = a.len();
        if self.is_whole_param(a) && self.is_whole_param(b) {
            return [a, b];
        }
        let both = self.temp("gamma and beta", &[2, n]);
        [a, b].into_iter().enumerate().for_each(|(i, v)| {
            let to = Var { offset: i * n, ..Var::whole(both.tensor, &[n]) };
            self.sum_terms_into(&[(v, 1.0)], to);
        });
        [0, 1].map(|i| Var { offset: i * n, ..Var::whole(both.tensor, &[n]) })
    }
}
