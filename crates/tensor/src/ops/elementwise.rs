//! Sums with broadcasting, products, functions of one number. Kernels: `shaders/tensor/parts/{sum,map}.wgsl`.

use super::strided::{Block, Pair, RANKS};
use crate::graph::Graph;
use crate::shape::{Var, broadcast_shape};
use weightlab_kernels as kernels;

/// An activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Act {
    /// The number itself.
    #[default]
    None = 0,
    /// `max(0, x)`, with slope 0 at 0.
    Relu = 1,
    /// `x (1 + erf(x / sqrt 2)) / 2`.
    Gelu = 2,
    /// Hyperbolic tangent.
    Tanh = 3,
    /// `1 / (1 + exp(-x))`.
    Sigmoid = 4,
}

impl Act {
    pub(crate) const ALL: [Act; 5] = [Act::None, Act::Relu, Act::Gelu, Act::Tanh, Act::Sigmoid];
}

/// `OP` of the kernel `map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Op {
    Mul = 0,
    Div = 1,
    Mul3 = 2,
    MulDiv = 3,
    Exp = 4,
    Log = 5,
    Sqrt = 6,
    Reciprocal = 7,
}

/// `OP` of the slope of the first activation.
const SLOPES: u32 = 8;

/// Terms of one dispatch of the kernel `sum`.
pub(crate) const MAX_TERMS: usize = 6;

const SUM: Pair = Pair { scalar: &kernels::TENSOR_SUM, vec4: &kernels::TENSOR_SUM_VEC4 };
const MAP: Pair = Pair { scalar: &kernels::TENSOR_MAP, vec4: &kernels::TENSOR_MAP_VEC4 };

impl Graph {
    /// `to (+)= act(constant + scale * sum of factor * term)`.
    fn sum_call(
        &mut self,
        name: &str,
        terms: &[(Var, f32)],
        scale_constant: (f32, f32),
        act: Act,
        accumulate: bool,
        to: Var,
    ) {
        let inputs: Vec<Var> = terms.iter().map(|(x, _)| x.broadcast(to.shape())).collect();
        let mut block = Block {
            accumulate: accumulate.into(),
            scale: scale_constant.0,
            constant: scale_constant.1,
            ..Block::default()
        };
        for (to, (_, factor)) in block.coefficients.iter_mut().zip(terms) {
            *to = *factor;
        }
        let constants = [("TERMS", terms.len() as u32), ("ACT", act as u32)];
        self.strided(name, SUM, &constants, &inputs, to, block);
    }

    /// One call that writes or adds the sum of at most [`MAX_TERMS`] terms.
    pub(crate) fn sum_terms_into(&mut self, terms: &[(Var, f32)], to: Var) {
        self.sum_call("sum", terms, (1.0, 0.0), Act::None, false, to);
    }

    pub(crate) fn fill(&mut self, to: Var, value: f32) {
        self.sum_call("fill", &[], (0.0, value), Act::None, false, to);
    }

    /// One call: `to (+)= scale * f(inputs)`.
    pub(crate) fn map_into(&mut self, op: Op, inputs: &[Var], scale: f32, to: Var) {
        self.map_call(&format!("{op:?}").to_lowercase(), op as u32, inputs, scale, to);
    }

    fn map_call(&mut self, name: &str, op: u32, inputs: &[Var], scale: f32, to: Var) {
        let inputs: Vec<Var> = inputs.iter().map(|x| x.broadcast(to.shape())).collect();
        let block = Block { scale, ..Block::default() };
        self.strided(name, MAP, &[("OP", op)], &inputs, to, block);
    }

    /// `dy` times the slope of an activation, from its result (its argument for GELU).
    pub(crate) fn slope_into(&mut self, act: Act, dy: Var, saved: Var, scale: f32, to: Var) {
        self.map_call("slope", SLOPES + act as u32, &[dy, saved], scale, to);
    }

    /// `scale * dy * act'`; `dy` itself where there is nothing to do.
    pub(crate) fn through_activation(&mut self, act: Act, dy: Var, saved: Var, scale: f32) -> Var {
        if act == Act::None && scale == 1.0 {
            return dy;
        }
        let dz = self.temp("slope", dy.shape());
        if act == Act::None {
            self.sum_call("scale", &[(dy, scale)], (1.0, 0.0), Act::None, false, dz);
        } else {
            self.slope_into(act, dy, saved, scale, dz);
        }
        dz
    }

    /// A contiguous copy without a gradient.
    pub(crate) fn copy(&mut self, x: Var) -> Var {
        let y = self.temp("copy", x.shape());
        self.sum_terms_into(&[(x, 1.0)], y);
        y
    }

    /// `x` as a tensor of its own, elements in order.
    pub(crate) fn contiguous(&mut self, x: Var) -> Var {
        self.combine("copy", &[(x, 1.0)], 1.0, 0.0, Act::None)
    }

    /// `x` itself if its elements lie in order, else a copy without a gradient.
    pub(crate) fn in_order(&mut self, x: Var) -> Var {
        if x.is_contiguous() { x } else { self.copy(x) }
    }

    /// `act(constant + scale * sum of factor * term)`, broadcasting.
    #[track_caller]
    fn combine(
        &mut self,
        name: &str,
        terms: &[(Var, f32)],
        scale: f32,
        constant: f32,
        act: Act,
    ) -> Var {
        assert!(!terms.is_empty(), "{name}: a sum of nothing");
        let shape = broadcast_shape(terms.iter().map(|(x, _)| x.shape()));
        let vars: Vec<Var> = terms.iter().map(|(x, _)| *x).collect();
        if terms.len() > MAX_TERMS {
            // All but the last chunk are added up first.
            let (head, tail) = terms.split_at(MAX_TERMS);
            let head = self.combine(name, head, 1.0, 0.0, Act::None);
            let rest: Vec<_> = [(head, 1.0)].into_iter().chain(tail.iter().copied()).collect();
            return self.combine(name, &rest, scale, constant, act);
        }
        let rare = act != Act::None && act != Act::Relu;
        if rare && (terms.len() > 1 || scale != 1.0 || constant != 0.0) {
            // Rarer activations take a dispatch of their own, to keep the number of kernels down.
            let z = self.combine(name, terms, scale, constant, Act::None);
            return self.activate(z, act);
        }
        let y = self.result(name, &shape, &vars);
        self.sum_call(name, terms, (scale, constant), act, false, y);
        let terms = terms.to_vec();
        self.on_backward(y, move |g, dy| {
            // Factors are taken along by what adds the terms up, unless there is a slope to multiply with.
            let (dz, scale) = match act {
                Act::None => (dy, scale),
                _ => (g.through_activation(act, dy, y, scale), 1.0),
            };
            for (x, factor) in terms {
                g.contribute(x.broadcast(dz.shape()), dz, scale * factor);
            }
        });
        y
    }

    /// `a + b`, broadcasting as NumPy.
    #[track_caller]
    pub fn add(&mut self, a: Var, b: Var) -> Var {
        self.combine("add", &[(a, 1.0), (b, 1.0)], 1.0, 0.0, Act::None)
    }

    /// `a - b`, broadcasting.
    #[track_caller]
    pub fn sub(&mut self, a: Var, b: Var) -> Var {
        self.combine("sub", &[(a, 1.0), (b, -1.0)], 1.0, 0.0, Act::None)
    }

    /// `act(scale * sum of terms)`, broadcasting: one dispatch for up to six terms.
    #[track_caller]
    pub fn sum_of(&mut self, terms: &[Var], scale: f32, activation: Act) -> Var {
        let terms: Vec<_> = terms.iter().map(|x| (*x, 1.0)).collect();
        self.combine("sum of terms", &terms, scale, 0.0, activation)
    }

    /// `scale * x + offset`.
    pub fn affine(&mut self, x: Var, scale: f32, offset: f32) -> Var {
        self.combine("affine", &[(x, 1.0)], scale, offset, Act::None)
    }

    /// `-x`.
    pub fn neg(&mut self, x: Var) -> Var {
        self.affine(x, -1.0, 0.0)
    }

    /// An activation of every element.
    pub fn activate(&mut self, x: Var, activation: Act) -> Var {
        let name = format!("{activation:?}").to_lowercase();
        // GELU finds its argument in `x`, so that none is stored.
        if activation == Act::Gelu {
            let y = self.result(&name, x.shape(), &[x]);
            self.sum_call(&name, &[(x, 1.0)], (1.0, 0.0), activation, false, y);
            self.on_backward(y, move |g, dy| {
                g.deliver(x, |g, to| g.slope_into(activation, dy, x, 1.0, to));
            });
            return y;
        }
        self.combine(&name, &[(x, 1.0)], 1.0, 0.0, activation)
    }

    /// `max(0, x)`; its slope at 0 is 0.
    pub fn relu(&mut self, x: Var) -> Var {
        self.activate(x, Act::Relu)
    }

    /// `x (1 + erf(x / sqrt 2)) / 2`.
    pub fn gelu(&mut self, x: Var) -> Var {
        self.activate(x, Act::Gelu)
    }

    /// Hyperbolic tangent.
    pub fn tanh(&mut self, x: Var) -> Var {
        self.activate(x, Act::Tanh)
    }

    /// `1 / (1 + exp(-x))`.
    pub fn sigmoid(&mut self, x: Var) -> Var {
        self.activate(x, Act::Sigmoid)
    }

    /// `a b`, broadcasting.
    #[track_caller]
    pub fn mul(&mut self, a: Var, b: Var) -> Var {
        let shape = broadcast_shape([a.shape(), b.shape()].into_iter());
        let (a, b) = (a.broadcast(&shape), b.broadcast(&shape));
        let y = self.result("mul", &shape, &[a, b]);
        self.map_into(Op::Mul, &[a, b], 1.0, y);
        self.on_backward(y, move |g, dy| {
            g.deliver(a, |g, to| g.map_into(Op::Mul, &[dy, b], 1.0, to));
            g.deliver(b, |g, to| g.map_into(Op::Mul, &[dy, a], 1.0, to));
        });
        y
    }

    /// `a / b`, broadcasting.
    #[track_caller]
    pub fn div(&mut self, a: Var, b: Var) -> Var {
        let shape = broadcast_shape([a.shape(), b.shape()].into_iter());
        let (a, b) = (a.broadcast(&shape), b.broadcast(&shape));
        let y = self.result("div", &shape, &[a, b]);
        self.map_into(Op::Div, &[a, b], 1.0, y);
        self.on_backward(y, move |g, dy| {
            g.deliver(a, |g, to| g.map_into(Op::Div, &[dy, b], 1.0, to));
            g.deliver(b, |g, to| g.map_into(Op::MulDiv, &[dy, y, b], -1.0, to));
        });
        y
    }

    /// A function of every element whose gradient is one call of `map`.
    fn function(
        &mut self,
        op: Op,
        inputs: &[Var],
        back: impl FnOnce(&mut Graph, Var, Var, Var) + Send + 'static,
    ) -> Var {
        let x = inputs[0];
        let y = self.result(&format!("{op:?}").to_lowercase(), x.shape(), &[x]);
        self.map_into(op, inputs, 1.0, y);
        self.on_backward(y, move |g, dy| {
            g.deliver(x, |g, to| back(g, dy, y, to));
        });
        y
    }

    /// `e^x`.
    pub fn exp(&mut self, x: Var) -> Var {
        self.function(Op::Exp, &[x], |g, dy, y, to| g.map_into(Op::Mul, &[dy, y], 1.0, to))
    }

    /// Natural logarithm.
    pub fn log(&mut self, x: Var) -> Var {
        self.function(Op::Log, &[x], move |g, dy, _, to| g.map_into(Op::Div, &[dy, x], 1.0, to))
    }

    /// Square root.
    pub fn sqrt(&mut self, x: Var) -> Var {
        self.function(Op::Sqrt, &[x], |g, dy, y, to| g.map_into(Op::Div, &[dy, y], 0.5, to))
    }

    /// `x^2`.
    pub fn square(&mut self, x: Var) -> Var {
        self.function(Op::Mul, &[x, x], move |g, dy, _, to| {
            g.map_into(Op::Mul, &[dy, x], 2.0, to);
        })
    }

    /// `1 / x`.
    pub fn reciprocal(&mut self, x: Var) -> Var {
        self.function(Op::Reciprocal, &[x], |g, dy, y, to| {
            g.map_into(Op::Mul3, &[dy, y, y], -1.0, to);
        })
    }
}

/// Specialisations of the kernels.
pub(crate) fn variants(add: &mut impl FnMut(&'static kernels::Shader, &[(&'static str, u32)])) {
    for rank in RANKS {
        for shader in [SUM.scalar, SUM.vec4] {
            for terms in 0..=MAX_TERMS as u32 {
                let acts = if terms == 1 { &Act::ALL[..] } else { &[Act::None, Act::Relu] };
                for &act in acts {
                    add(shader, &[("TERMS", terms), ("ACT", act as u32), ("RANK", rank)]);
                }
            }
        }
        for shader in [MAP.scalar, MAP.vec4] {
            for op in 0..SLOPES + Act::ALL.len() as u32 {
                add(shader, &[("OP", op), ("RANK", rank)]);
            }
        }
    }
}
