//! The DWS model in plain f64, map by map: slow, obvious, the oracle of the tests.

use super::config::{DwsConfig, Pooling, SetLayer};
use super::params::{classifier, layer_skip, model_skip, norms};
use super::topology::{Affine, Block, Map, Part, Place, Source, SubLayer, sub_layers};
use std::collections::BTreeMap;

/// A dense tensor, batch first.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f64>,
}

impl Tensor {
    /// A tensor of zeros.
    pub fn zeros(shape: &[usize]) -> Tensor {
        Tensor { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }

    fn reshape(mut self, shape: &[usize]) -> Tensor {
        assert_eq!(self.data.len(), shape.iter().product::<usize>());
        self.shape = shape.to_vec();
        self
    }

    /// `[b, m, n, f]` to `[b, n, m, f]`.
    pub(super) fn swap(&self) -> Tensor {
        let [b, m, n, f] = self.shape[..] else { panic!("rank 4") };
        let mut out = Tensor::zeros(&[b, n, m, f]);
        for (at, value) in out.data.iter_mut().enumerate() {
            let (b, n_, m_, f_) = (at / (n * m * f), at / (m * f) % n, at / f % m, at % f);
            *value = self.data[((b * m + m_) * n + n_) * f + f_];
        }
        out
    }

    /// Summarises one axis.
    fn pool(&self, axis: usize, how: Pooling) -> Tensor {
        let outer: usize = self.shape[..axis].iter().product();
        let n = self.shape[axis];
        let inner: usize = self.shape[axis + 1..].iter().product();
        let mut shape = self.shape.clone();
        shape.remove(axis);
        let mut out = Tensor::zeros(&shape);
        for o in 0..outer {
            for i in 0..inner {
                let column = (0..n).map(|k| self.data[(o * n + k) * inner + i]);
                out.data[o * inner + i] = match how {
                    Pooling::Max => column.fold(f64::NEG_INFINITY, f64::max),
                    Pooling::Sum => column.sum(),
                    Pooling::Mean => column.sum::<f64>() / n as f64,
                };
            }
        }
        out
    }

    fn map(mut self, f: impl Fn(f64) -> f64) -> Tensor {
        self.data.iter_mut().for_each(|x| *x = f(*x));
        self
    }

    fn relu(self) -> Tensor {
        self.map(|x| x.max(0.0))
    }

    pub(super) fn add(&mut self, other: &Tensor) {
        assert_eq!(self.shape, other.shape);
        self.data.iter_mut().zip(&other.data).for_each(|(x, y)| *x += y);
    }
}

/// Features of all weights and biases of a batch of nets.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// `[batch, d_i, d_{i+1}, f]`
    pub weights: Vec<Tensor>,
    /// `[batch, d_{i+1}, f]`
    pub biases: Vec<Tensor>,
}

impl State {
    /// Nets `[batch, P]` in the layout of files, with one feature.
    pub fn of_nets(dims: &[usize], params: &[f64]) -> State {
        let size: usize = dims.windows(2).map(|d| d[1] * (d[0] + 1)).sum();
        let batch = params.len() / size;
        let mut state = State { weights: Vec::new(), biases: Vec::new() };
        let mut at = 0;
        for d in dims.windows(2) {
            let take = |at: usize, n: usize| -> Vec<f64> {
                params.chunks_exact(size).flat_map(|net| net[at..at + n].to_vec()).collect()
            };
            let disk = Tensor { shape: vec![batch, d[1], d[0], 1], data: take(at, d[0] * d[1]) };
            state.weights.push(disk.swap());
            at += d[0] * d[1];
            state.biases.push(Tensor { shape: vec![batch, d[1], 1], data: take(at, d[1]) });
            at += d[1];
        }
        state
    }

    fn parts(&mut self) -> impl Iterator<Item = &mut Tensor> {
        self.weights.iter_mut().chain(&mut self.biases)
    }

    fn relu(&mut self) {
        self.parts().for_each(|t| *t = t.clone().relu());
    }
}

/// Normalisation with the batch's statistics or with the stored ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As in training.
    Train,
    /// As in evaluation.
    Eval,
}

/// A DWS model with its numbers.
#[derive(Clone, Debug)]
pub struct Model {
    /// The model.
    pub config: DwsConfig,
    /// Widths of the nets it reads.
    pub dims: Vec<usize>,
    /// Parameters and running statistics by name.
    pub values: BTreeMap<String, Vec<f64>>,
}

/// Everything that [`Model::forward`] computed.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// `sub.<layer>.<block>.layers.<i>_<j>`: one map's output, spread over its target. `block.<layer>.<block>.<j>`: the
    /// sum over i. `layer.<layer>.w.<j>`, `.b.<j>`: a module's output.
    pub tensors: BTreeMap<String, Tensor>,
    /// `[batch, classes]`
    pub logits: Vec<f64>,
    /// Running statistics after this batch ([`Mode::Train`]).
    pub statistics: BTreeMap<String, Vec<f64>>,
}

impl Model {
    /// Logits of a batch of nets, and everything on the way. No dropout.
    pub fn forward(&self, input: &State, mode: Mode) -> Trace {
        let mut trace = Trace::default();
        let mut state = input.clone();
        for layer in 0..self.config.layers() {
            if layer > 0 {
                self.normalise(&mut state, layer, mode, &mut trace);
                state.relu();
            }
            state = self.layer(&state, layer, &mut trace);
        }
        if let Some(skip) = model_skip(&self.config) {
            for (out, raw) in state.parts().zip(input.weights.iter().chain(&input.biases)) {
                out.add(&self.affine(raw, &skip, ""));
            }
        }
        state.relu();
        let mut x = self.descriptor(&state);
        for (k, affine) in classifier(&self.config, &self.dims).iter().enumerate() {
            if k > 0 {
                x = x.relu();
            }
            x = self.affine(&x, affine, "");
        }
        trace.logits = x.data;
        trace
    }

    fn value(&self, name: &str) -> &[f64] {
        self.values.get(name).unwrap_or_else(|| panic!("no parameter {name}"))
    }

    /// y = x W^T + b on the last axis.
    fn affine(&self, x: &Tensor, affine: &Affine, prefix: &str) -> Tensor {
        let name = format!("{prefix}{}", affine.name);
        let weight = self.value(&format!("{name}.weight"));
        assert_eq!(x.shape.last(), Some(&affine.inputs), "{name}");
        assert_eq!(weight.len(), affine.inputs * affine.outputs, "{name}");
        let mut shape = x.shape.clone();
        *shape.last_mut().expect("checked") = affine.outputs;
        let mut data = Vec::with_capacity(shape.iter().product());
        for row in x.data.chunks_exact(affine.inputs) {
            for (o, w) in weight.chunks_exact(affine.inputs).enumerate() {
                let bias = if affine.bias { self.value(&format!("{name}.bias"))[o] } else { 0.0 };
                data.push(w.iter().zip(row).map(|(w, x)| w * x).sum::<f64>() + bias);
            }
        }
        Tensor { shape, data }
    }

    fn chain(&self, x: &Tensor, chain: &[Affine], prefix: &str) -> Tensor {
        let mut x = x.clone();
        for (k, affine) in chain.iter().enumerate() {
            if k > 0 {
                x = x.relu();
            }
            x = self.affine(&x, affine, prefix);
        }
        x
    }

    fn layer(&self, state: &State, layer: usize, trace: &mut Trace) -> State {
        let (h, last) = (self.config.hidden, self.dims.len() - 2);
        let name = format!("layers.layers.{}", self.config.module(layer));
        let batch = state.biases[0].shape[0];
        let mut out = State { weights: Vec::new(), biases: Vec::new() };
        for i in 0..=last {
            out.weights.push(Tensor::zeros(&[batch, self.dims[i], self.dims[i + 1], h]));
            out.biases.push(Tensor::zeros(&[batch, self.dims[i + 1], h]));
        }
        let subs = sub_layers(&self.config, &self.dims, layer);
        for block in Block::ALL {
            for j in 0..=last {
                let of_target: Vec<_> =
                    subs.iter().filter(|s| s.block == block && s.j == j).collect();
                let into = match block {
                    Block::WeightToWeight | Block::BiasToWeight => &mut out.weights[j],
                    Block::BiasToBias | Block::WeightToBias => &mut out.biases[j],
                };
                let mut sum = Tensor::zeros(&into.shape);
                for sub in of_target {
                    let value = self.sub_layer(state, layer, sub, &format!("{name}."));
                    let value = spread(&value, sub, &into.shape);
                    sum.add(&value);
                    trace.tensors.insert(format!("sub.{name}.{}", sub.name()), value);
                }
                into.add(&sum);
                trace.tensors.insert(format!("block.{name}.{}.{j}", block.name()), sum);
            }
        }
        let divisor = 2.0 * (last + 1) as f64;
        out.parts().for_each(|t| *t = t.clone().map(|x| x / divisor));
        if let Some(skip) = layer_skip(&self.config, layer) {
            for (out, input) in out.parts().zip(state.weights.iter().chain(&state.biases)) {
                out.add(&self.affine(input, &skip, ""));
            }
        }
        record(trace, &name, &out);
        out
    }

    /// One map's output: `[b, n, y]` by positions, `[b, y]`, or `[b, m, n, y]`.
    fn sub_layer(&self, state: &State, layer: usize, sub: &SubLayer, prefix: &str) -> Tensor {
        let how = self.config.pooling;
        let x = self.source(state, sub.source);
        let affine = sub.affine(&self.config);
        match sub.map {
            Map::Affine(_) => self.chain(&x, &affine, prefix),
            Map::Set if self.config.set_layer == SetLayer::Ds => {
                let (gamma, lambda) = affine.split_at(affine.len() / 2);
                let mut out = self.chain(&x, gamma, prefix);
                let pooled = self.chain(&x.pool(1, how), lambda, prefix);
                let [_, n, y] = out.shape[..] else { panic!("rank 3") };
                for (at, value) in out.data.iter_mut().enumerate() {
                    *value -= pooled.data[at / (n * y) * y + at % y];
                }
                out
            }
            Map::Set => {
                let [q, k, v] = [0, 1, 2].map(|k| self.affine(&x, &affine[k], prefix));
                let mut out = attend(&q, &k, &v, self.config.heads_of(layer));
                let more = self.affine(&out, &affine[3], prefix).relu();
                out.add(&more);
                out
            }
            Map::Entries => {
                let per = affine.len() / 4;
                let part =
                    |k: usize, x: &Tensor| self.chain(x, &affine[k * per..(k + 1) * per], prefix);
                let all = part(0, &x);
                let over_rows = part(1, &x.pool(1, how));
                let over_columns = part(2, &x.pool(2, how));
                let both = part(3, &pool_entries(&x, how));
                let [_, m, n, h] = all.shape[..] else { panic!("rank 4") };
                let mut out = all;
                for (at, value) in out.data.iter_mut().enumerate() {
                    let (b, r, c, f) = (at / (m * n * h), at / (n * h) % m, at / h % n, at % h);
                    *value += over_rows.data[(b * n + c) * h + f]
                        + over_columns.data[(b * m + r) * h + f]
                        + both.data[b * h + f];
                    *value /= 4.0;
                }
                out
            }
        }
    }

    fn source(&self, state: &State, source: Source) -> Tensor {
        let how = self.config.pooling;
        let last = self.dims.len() - 2;
        match source {
            Source::Positions(Part::Weight(0)) => by_position(&state.weights[0].swap()),
            Source::Positions(Part::Weight(i)) => by_position(&state.weights[i]),
            Source::Positions(Part::Bias(i)) => state.biases[i].clone(),
            Source::OverRows(i) => state.weights[i].pool(1, how),
            Source::OverColumns(i) => state.weights[i].pool(2, how),
            Source::Entries(i) => state.weights[i].clone(),
            Source::Pooled(Part::Weight(0)) => flatten(state.weights[0].pool(2, how)),
            Source::Pooled(Part::Weight(i)) if i == last => flatten(state.weights[i].pool(1, how)),
            Source::Pooled(Part::Weight(i)) => pool_entries(&state.weights[i], how),
            Source::Pooled(Part::Bias(i)) if i == last => flatten(state.biases[i].clone()),
            Source::Pooled(Part::Bias(i)) => state.biases[i].pool(1, how),
        }
    }

    fn descriptor(&self, state: &State) -> Tensor {
        let last = self.dims.len() - 2;
        let order = (1..last)
            .chain([0, last])
            .map(Part::Weight)
            .chain((0..=last).map(Part::Bias))
            .map(|part| self.source(state, Source::Pooled(part)));
        let parts: Vec<Tensor> = order.collect();
        let batch = parts[0].shape[0];
        let mut data = Vec::new();
        for b in 0..batch {
            for part in &parts {
                let width = part.shape[1];
                data.extend_from_slice(&part.data[b * width..(b + 1) * width]);
            }
        }
        Tensor { shape: vec![batch, data.len() / batch], data }
    }

    fn normalise(&self, state: &mut State, layer: usize, mode: Mode, trace: &mut Trace) {
        const EPSILON: f64 = 1e-5;
        const MOMENTUM: f64 = 0.1;
        let names = norms(&self.config, &self.dims, layer);
        if names.is_empty() {
            return;
        }
        let h = self.config.hidden;
        for (tensor, name) in state.parts().zip(&names) {
            let count = (tensor.data.len() / h) as f64;
            let of = |what: &str| self.value(&format!("{name}.{what}"))[..].to_vec();
            let (gamma, beta) = (of("weight"), of("bias"));
            let (mut mean, mut variance) = (vec![0.0; h], vec![0.0; h]);
            if mode == Mode::Train {
                for (at, x) in tensor.data.iter().enumerate() {
                    mean[at % h] += x / count;
                }
                for (at, x) in tensor.data.iter().enumerate() {
                    variance[at % h] += (x - mean[at % h]).powi(2) / count;
                }
                for (what, now, factor) in [
                    ("running_mean", &mean, 1.0),
                    ("running_var", &variance, count / (count - 1.0)),
                ] {
                    let mut stored = of(what);
                    for (old, new) in stored.iter_mut().zip(now) {
                        *old = (1.0 - MOMENTUM) * *old + MOMENTUM * new * factor;
                    }
                    trace.statistics.insert(format!("{name}.{what}"), stored);
                }
            } else {
                (mean, variance) = (of("running_mean"), of("running_var"));
            }
            for (at, x) in tensor.data.iter_mut().enumerate() {
                let c = at % h;
                *x = (*x - mean[c]) / (variance[c] + EPSILON).sqrt() * gamma[c] + beta[c];
            }
        }
        let name = format!("layers.layers.{}", self.config.module(layer) - 3);
        record(trace, &name, state);
    }
}

fn record(trace: &mut Trace, name: &str, state: &State) {
    for (kind, parts) in [("w", &state.weights), ("b", &state.biases)] {
        for (j, tensor) in parts.iter().enumerate() {
            trace.tensors.insert(format!("layer.{name}.{kind}.{j}"), tensor.clone());
        }
    }
}

/// `[b, n, m, f]` to `[b, n, m f]`.
fn by_position(x: &Tensor) -> Tensor {
    let [b, n, m, f] = x.shape[..] else { panic!("rank 4") };
    x.clone().reshape(&[b, n, m * f])
}

fn flatten(x: Tensor) -> Tensor {
    let batch = x.shape[0];
    let rest = x.data.len() / batch;
    x.reshape(&[batch, rest])
}

fn pool_entries(x: &Tensor, how: Pooling) -> Tensor {
    let [b, m, n, f] = x.shape[..] else { panic!("rank 4") };
    x.clone().reshape(&[b, m * n, f]).pool(1, how)
}

/// Q + softmax(Q K^T / sqrt(y)) V per head. The scale is that of the full width y.
fn attend(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Tensor {
    let [batch, n, y] = q.shape[..] else { panic!("rank 3") };
    let width = y / heads;
    let mut out = q.clone();
    for b in 0..batch {
        for head in 0..heads {
            let at = |row: usize, c: usize| (b * n + row) * y + head * width + c;
            for row in 0..n {
                let score = |other: usize| {
                    (0..width).map(|c| q.data[at(row, c)] * k.data[at(other, c)]).sum::<f64>()
                        / (y as f64).sqrt()
                };
                let scores: Vec<f64> = (0..n).map(score).collect();
                let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
                let total: f64 = weights.iter().sum();
                for c in 0..width {
                    let mixed: f64 = (0..n).map(|o| weights[o] * v.data[at(o, c)]).sum();
                    out.data[at(row, c)] += mixed / total;
                }
            }
        }
    }
    out
}

/// A map's output over the whole of its target.
pub(super) fn spread(x: &Tensor, sub: &SubLayer, shape: &[usize]) -> Tensor {
    let mut out = Tensor::zeros(shape);
    let h = shape[shape.len() - 1];
    let width = sub.outputs;
    if let Part::Bias(_) = sub.target() {
        let n = shape[1];
        for (at, value) in out.data.iter_mut().enumerate() {
            let (b, p, f) = (at / (n * h), at / h % n, at % h);
            *value = match sub.place {
                Place::Positions => x.data[(b * n + p) * width + f],
                // b_L: every unit has features of its own.
                _ if width > h => x.data[b * width + p * h + f],
                _ => x.data[b * width + f],
            };
        }
        return out;
    }
    let (m, n) = (shape[1], shape[2]);
    for (at, value) in out.data.iter_mut().enumerate() {
        let (b, r, c, f) = (at / (m * n * h), at / (n * h) % m, at / h % n, at % h);
        let own = |unit: usize| if width > h { unit * h + f } else { f };
        *value = match (sub.place, sub.j) {
            (Place::Entries, _) => x.data[at],
            (Place::Rows, _) => x.data[(b * m + r) * width + f],
            (Place::Columns, _) => x.data[(b * n + c) * width + f],
            (Place::Positions, 0) => x.data[(b * n + c) * width + own(r)],
            (Place::Positions, _) => x.data[(b * m + r) * width + own(c)],
            (Place::Everywhere, 0) => x.data[b * width + own(r)],
            (Place::Everywhere, _) => x.data[b * width + own(c)],
        };
    }
    out
}
