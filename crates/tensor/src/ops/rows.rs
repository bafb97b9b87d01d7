//! Operations over the last axis, and the losses. Kernels: `shaders/tensor/parts/rows.wgsl` and what includes it.

use crate::graph::gradient::FLAG;
use crate::graph::{Emit, Graph};
use crate::shape::Var;
use std::mem::offset_of;
use weightlab_kernels::{self as kernels, Shader};

/// `Rows` of the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    rows: u32,
    accumulate: u32,
    width: u32,
    half: u32,
    places: [u32; 4],
    y_place: u32,
    scale: f32,
    epsilon: f32,
    pad: u32,
}
const _: () = assert!(offset_of!(Block, accumulate) == FLAG);

/// Threads that walk a row together.
const LANES: [u32; 3] = [1, 8, 64];

/// A call over rows: `places` of the block are those of the inputs.
struct RowCall<'a> {
    name: &'a str,
    shader: &'static Shader,
    log: Option<bool>,
    /// The tensor whose rows are walked.
    over: Var,
    inputs: &'a [Var],
    /// The first is what a flag may add to.
    outputs: &'a [Var],
    block: Block,
}

impl Graph {
    fn rows(&mut self, call: RowCall<'_>) {
        let width = call.over.sizes.last().copied().unwrap_or(1);
        let rows = call.over.len() / width.max(1);
        let lanes = match width {
            _ if self.target.software || std::ptr::eq(call.shader, &kernels::TENSOR_HITS) => 1,
            0..16 => 1,
            16..128 => 8,
            _ => 64,
        };
        let mut block = call.block;
        block.rows = rows as u32;
        block.width = width as u32;
        block.y_place = self.place(&call.outputs[0]) as u32;
        for (to, x) in block.places.iter_mut().zip(call.inputs) {
            *to = self.place(x) as u32;
        }
        let mut constants = vec![("LANES", lanes)];
        constants.extend(call.log.map(|log| ("LOG", u32::from(log))));
        let buffers: Vec<_> = call.inputs.iter().chain(call.outputs).map(|x| x.tensor).collect();
        self.call(&Emit {
            name: call.name,
            shader: call.shader,
            constants: &constants,
            uniform: &block,
            buffers: &buffers,
            groups: self.linear_groups((rows * lanes as usize).div_ceil(64)),
        });
    }

    /// As [`Graph::deliver`], to a contiguous place.
    pub(crate) fn deliver_in_order(&mut self, x: Var, record: impl FnOnce(&mut Graph, Var)) {
        if !self.needs(x) {
            return;
        }
        if x.is_contiguous() && !x.repeats() {
            self.deliver(x, record);
        } else {
            let dx = self.temp("gradient", x.shape());
            record(self, dx);
            self.contribute(x, dx, 1.0);
        }
    }

    #[track_caller]
    fn softmax_of(&mut self, x: Var, log: bool) -> Var {
        assert!(!x.shape().is_empty(), "softmax of a single number");
        let name = if log { "log softmax" } else { "softmax" };
        let source = self.in_order(x);
        let y = self.result(name, x.shape(), &[x]);
        self.rows(RowCall {
            name,
            shader: &kernels::TENSOR_SOFTMAX,
            log: Some(log),
            over: x,
            inputs: &[source],
            outputs: &[y],
            block: Block::default(),
        });
        self.on_backward(y, move |g, dy| {
            let dy = g.in_order(dy);
            g.deliver_in_order(x, |g, to| {
                g.rows(RowCall {
                    name: "gradient of softmax",
                    shader: &kernels::TENSOR_SOFTMAX_BACK,
                    log: Some(log),
                    over: x,
                    inputs: &[dy, y],
                    outputs: &[to],
                    block: Block::default(),
                });
            });
        });
        y
    }

    /// Softmax over the last axis.
    #[track_caller]
    pub fn softmax(&mut self, x: Var) -> Var {
        self.softmax_of(x, false)
    }

    /// Its logarithm.
    #[track_caller]
    pub fn log_softmax(&mut self, x: Var) -> Var {
        self.softmax_of(x, true)
    }

    /// `(x - mean) / sqrt(variance + epsilon) gamma + beta` over the last axis.
    #[track_caller]
    pub fn layer_norm(&mut self, x: Var, gamma: Var, beta: Var, epsilon: f32) -> Var {
        let width = x.sizes.last().copied();
        assert!(
            width.is_some_and(|w| gamma.shape() == [w] && beta.shape() == [w]),
            "layer norm of {:?}: gamma {:?}, beta {:?}",
            x.shape(),
            gamma.shape(),
            beta.shape()
        );
        let rows = x.len() / width.unwrap_or(1).max(1);
        let source = self.in_order(x);
        let (scale, shift) = (self.in_order(gamma), self.in_order(beta));
        let y = self.result("layer norm", x.shape(), &[x, gamma, beta]);
        let stats = self.temp("statistics of layer norm", &[rows, 2]);
        self.rows(RowCall {
            name: "layer norm",
            shader: &kernels::TENSOR_LAYER_NORM,
            log: None,
            over: x,
            inputs: &[source, scale, shift],
            outputs: &[y, stats],
            block: Block { epsilon, ..Block::default() },
        });
        self.on_backward(y, move |g, dy| {
            let dy = g.in_order(dy);
            let products = g.temp("gradient of gamma by rows", x.shape());
            let record = |g: &mut Graph, to: Var| {
                g.rows(RowCall {
                    name: "gradient of layer norm",
                    shader: &kernels::TENSOR_LAYER_NORM_BACK,
                    log: None,
                    over: x,
                    inputs: &[dy, source, scale, stats],
                    outputs: &[to, products],
                    block: Block::default(),
                });
            };
            if g.needs(x) {
                g.deliver_in_order(x, record);
            } else {
                let unused = g.temp("gradient", x.shape());
                record(g, unused);
            }
            g.contribute(gamma.broadcast(x.shape()), products, 1.0);
            g.contribute(beta.broadcast(x.shape()), dy, 1.0);
        });
        y
    }

    /// `x / max(|x|, 1e-12)` over the last axis.
    #[track_caller]
    pub fn l2_normalize(&mut self, x: Var) -> Var {
        assert!(!x.shape().is_empty(), "normalising a single number");
        let block = Block { epsilon: 1e-12, ..Block::default() };
        let source = self.in_order(x);
        let y = self.result("normalise", x.shape(), &[x]);
        let divisors = self.temp("norms", &x.shape()[..x.sizes.len() - 1]);
        self.rows(RowCall {
            name: "normalise",
            shader: &kernels::TENSOR_L2_NORMALIZE,
            log: None,
            over: x,
            inputs: &[source],
            outputs: &[y, divisors],
            block,
        });
        self.on_backward(y, move |g, dy| {
            let dy = g.in_order(dy);
            g.deliver_in_order(x, |g, to| {
                g.rows(RowCall {
                    name: "gradient of normalise",
                    shader: &kernels::TENSOR_L2_NORMALIZE_BACK,
                    log: None,
                    over: x,
                    inputs: &[dy, y, divisors],
                    outputs: &[to],
                    block,
                });
            });
        });
        y
    }

    /// Mean over rows of `-sum of target * log softmax(logits)`; targets are probabilities of the same shape `[n, classes]`
    /// and get no gradient.
    #[track_caller]
    pub fn cross_entropy(&mut self, logits: Var, targets: Var) -> Var {
        assert!(
            logits.sizes.len() == 2 && logits.shape() == targets.shape() && logits.sizes[1] > 0,
            "cross entropy: logits {:?}, targets {:?}, both [n, classes]",
            logits.shape(),
            targets.shape()
        );
        assert!(!self.needs(targets), "cross entropy gives targets no gradient");
        let rows = logits.sizes[0];
        let (z, t) = (self.in_order(logits), self.in_order(targets));
        let losses = self.temp("losses", &[rows]);
        self.rows(RowCall {
            name: "cross entropy",
            shader: &kernels::TENSOR_CROSS_ENTROPY,
            log: None,
            over: logits,
            inputs: &[z, t],
            outputs: &[losses],
            block: Block::default(),
        });
        let mean = 1.0 / rows as f32;
        let loss = self.result("cross entropy", &[], &[logits]);
        self.sum_into(losses, &[0], mean, loss);
        self.on_backward(loss, move |g, dy| {
            g.deliver_in_order(logits, |g, to| {
                g.rows(RowCall {
                    name: "gradient of cross entropy",
                    shader: &kernels::TENSOR_CROSS_ENTROPY_BACK,
                    log: None,
                    over: logits,
                    inputs: &[z, t, dy],
                    outputs: &[to],
                    block: Block { scale: mean, ..Block::default() },
                });
            });
        });
        loss
    }

    /// Normalised temperature-scaled cross entropy of features `[2 n, d]`, of which rows `i` and `i + n` are a pair: mean over
    /// all rows of `log sum over others of exp(cos / T) - cos with the partner / T`.
    #[track_caller]
    pub fn nt_xent(&mut self, features: Var, temperature: f32) -> Var {
        let fits = features.sizes.len() == 2 && features.sizes[0].is_multiple_of(2);
        assert!(
            fits && features.sizes[0] > 0,
            "NT-Xent: features {:?}, [2 n, d]",
            features.shape()
        );
        let rows = features.sizes[0];
        let z = self.l2_normalize(features);
        let cosines = self.linear(z, z, None);
        let losses = self.temp("losses", &[rows]);
        let block = Block { half: (rows / 2) as u32, scale: 1.0 / temperature, ..Block::default() };
        self.rows(RowCall {
            name: "NT-Xent",
            shader: &kernels::TENSOR_NT_XENT,
            log: None,
            over: cosines,
            inputs: &[cosines],
            outputs: &[losses],
            block,
        });
        let loss = self.result("NT-Xent", &[], &[features]);
        self.sum_into(losses, &[0], 1.0 / rows as f32, loss);
        self.on_backward(loss, move |g, dy| {
            g.deliver_in_order(cosines, |g, to| {
                g.rows(RowCall {
                    name: "gradient of NT-Xent",
                    shader: &kernels::TENSOR_NT_XENT_BACK,
                    log: None,
                    over: cosines,
                    inputs: &[cosines, dy],
                    outputs: &[to],
                    block,
                });
            });
        });
        loss
    }

    /// How many rows of `[n, classes]` have their largest logit where the largest target is, as one number without a gradient.
    #[track_caller]
    pub fn hits(&mut self, logits: Var, targets: Var) -> Var {
        assert!(
            logits.sizes.len() == 2 && logits.shape() == targets.shape() && logits.sizes[1] > 0,
            "hits: logits {:?}, targets {:?}, both [n, classes]",
            logits.shape(),
            targets.shape()
        );
        let (z, t) = (self.in_order(logits), self.in_order(targets));
        let each = self.temp("hits", &[logits.sizes[0]]);
        self.rows(RowCall {
            name: "hits",
            shader: &kernels::TENSOR_HITS,
            log: None,
            over: logits,
            inputs: &[z, t],
            outputs: &[each],
            block: Block::default(),
        });
        let all = self.temp("hits", &[]);
        self.sum_into(each, &[0], 1.0, all);
        all
    }
}

/// Specialisations of the kernels.
pub(crate) fn variants(add: &mut impl FnMut(&'static Shader, &[(&'static str, u32)])) {
    for lanes in LANES {
        for log in 0..2 {
            for shader in [&kernels::TENSOR_SOFTMAX, &kernels::TENSOR_SOFTMAX_BACK] {
                add(shader, &[("LANES", lanes), ("LOG", log)]);
            }
        }
        for shader in [
            &kernels::TENSOR_LAYER_NORM,
            &kernels::TENSOR_LAYER_NORM_BACK,
            &kernels::TENSOR_L2_NORMALIZE,
            &kernels::TENSOR_L2_NORMALIZE_BACK,
            &kernels::TENSOR_CROSS_ENTROPY,
            &kernels::TENSOR_CROSS_ENTROPY_BACK,
            &kernels::TENSOR_NT_XENT,
            &kernels::TENSOR_NT_XENT_BACK,
        ] {
            add(shader, &[("LANES", lanes)]);
        }
    }
    add(&kernels::TENSOR_HITS, &[("LANES", 1)]);
}
