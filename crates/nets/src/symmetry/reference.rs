//! Plain Rust for every augmentation: the same draws, the arithmetic in f64, one net at a time.

use super::augment::half_period;
use super::block::{hidden_count, neuron_starts};
use super::{Depth, Move, Op, Per, moves};
use crate::{Mlp, NetId};
use weightlab_kernels::philox::{self, Purpose};

/// The draws of one operation for one net.
#[derive(Clone, Debug)]
pub enum Drawn {
    /// Offset and depth.
    Translation(Vec<f32>, usize),
    /// Angle, factor or level; three for a random rotation.
    Numbers(Vec<f32>),
    /// One per hidden neuron.
    Moves(Vec<Move>),
    /// One per parameter.
    Elements(Vec<f64>),
}

/// The draws that the kernels make for `op` at `position` of its chain.
pub fn draw(mlp: &Mlp, op: &Op, id: NetId, seed: u64, position: u32) -> Drawn {
    let word = |purpose, k: usize| {
        let stream = philox::stream(purpose, position);
        philox::philox4x32([k as u32 / 4, id.object, id.view, stream], philox::key(seed))[k % 4]
    };
    let uniform = |purpose, count: usize, low: f32, high: f32| -> Vec<f32> {
        (0..count)
            .map(|k| low + (high - low) * (0.5 * philox::symmetric(word(purpose, k)) + 0.5))
            .collect()
    };
    let starts = neuron_starts(mlp);
    let neurons = |make: &dyn Fn(usize, usize) -> Move| {
        let mut all = Vec::with_capacity(hidden_count(mlp));
        for l in starts.windows(2) {
            all.extend((l[0]..l[1]).map(|h| make(h, l[0])));
        }
        Drawn::Moves(all)
    };
    let unit = |word: u32| f64::from(word >> 8) / f64::from(1 << 24);
    // Two entries share a word (`draw_bits.wgsl`).
    let half = |purpose, e: usize| unit(word(purpose, e / 2).rotate_left(16 * (e as u32 % 2)));
    match *op {
        Op::Translate { range, depth } => {
            let deepest = if depth == Depth::First { 2 } else { mlp.depth() };
            let depth = uniform(Purpose::TranslateDepth, 1, 1.0, deepest as f32)[0];
            let depth = (depth as usize).min(mlp.depth() - 1);
            Drawn::Translation(
                uniform(Purpose::TranslateOffset, mlp.inputs(), -range, range),
                depth,
            )
        }
        Op::Rotate { degrees } | Op::RotateAxis { degrees, .. } => {
            Drawn::Numbers(uniform(Purpose::Rotation, 1, -degrees, degrees))
        }
        Op::RotateRandom => Drawn::Numbers(uniform(Purpose::Rotation, 3, 0.0, 1.0)),
        Op::Scale { low, high } => Drawn::Numbers(uniform(Purpose::Scale, 1, low, high)),
        Op::QuantileMasking { level } => {
            Drawn::Numbers(uniform(Purpose::QuantileLevel, 1, 0.0, level))
        }
        Op::SirenNegation { probability, per } => neurons(&|h, first| {
            let layer = starts.partition_point(|&start| start < first);
            let entry = if per == Per::Layer { layer } else { h };
            let minus = half(Purpose::Negation, entry) < f64::from(probability);
            let s = if minus { -1.0 } else { 1.0 };
            Move { row: s, column: s, ..Move::from(h - first) }
        }),
        Op::SirenBias { k_max } => neurons(&|h, first| {
            let bits = word(Purpose::PhaseShift, h) >> 8;
            let k = ((bits * 2 * k_max) >> 24) as i32 - k_max as i32;
            let column = if k % 2 == 0 { 1.0 } else { -1.0 };
            Move { shift: k as f32 * half_period(mlp), column, ..Move::from(h - first) }
        }),
        Op::ReluScaling { range } => neurons(&|h, first| {
            let u = 2.0 * unit(word(Purpose::ReluScaling, h)) - 1.0;
            let c = 1.0 + f64::from(range) * u;
            Move { row: c as f32, column: (1.0 / c) as f32, ..Move::from(h - first) }
        }),
        Op::Permutation => {
            let mut all = Vec::new();
            for l in starts.windows(2) {
                let mut order: Vec<usize> = (l[0]..l[1]).collect();
                order.sort_by_key(|&h| (word(Purpose::Permutation, h), h));
                all.extend(order.into_iter().map(|h| Move::from(h - l[0])));
            }
            Drawn::Moves(all)
        }
        Op::Masking { probability, .. } => Drawn::Elements(
            (0..mlp.param_count())
                .map(|p| {
                    let kept = half(Purpose::Mask, p) >= f64::from(probability);
                    if kept { 1.0 } else { 0.0 }
                })
                .collect(),
        ),
        Op::GaussianNoise { .. } => Drawn::Elements(
            (0..mlp.param_count())
                .map(|p| {
                    let pair = p / 2 * 2;
                    let u = unit(word(Purpose::Noise, pair)) + 1.0 / f64::from(1 << 24);
                    let v = f64::from(philox::symmetric(word(Purpose::Noise, pair + 1)));
                    let (sin, cos) = (std::f64::consts::PI * v).sin_cos();
                    (-2.0 * u.ln()).sqrt() * if p % 2 == 0 { cos } else { sin }
                })
                .collect(),
        ),
    }
}

/// The points g x at which the old net gives what the new one gives at `coords`, `[points, d_0]`: f'(x) = f(g x).
/// `None` if the operation is, under these draws, no map of the input.
pub fn moved_input(mlp: &Mlp, op: &Op, drawn: &Drawn, coords: &[f32]) -> Option<Vec<f64>> {
    let each = |map: &dyn Fn(&[f64]) -> Vec<f64>| {
        let point = |x: &[f32]| map(&x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        coords.chunks_exact(mlp.inputs()).flat_map(point).collect()
    };
    match (op, drawn) {
        (Op::Translate { .. }, Drawn::Translation(offset, 1)) => {
            Some(each(&|x| x.iter().zip(offset).map(|(x, &t)| x + f64::from(t)).collect()))
        }
        (Op::Scale { .. }, Drawn::Numbers(s)) => {
            Some(each(&|x| x.iter().map(|x| x * f64::from(s[0])).collect()))
        }
        (Op::Rotate { .. } | Op::RotateAxis { .. } | Op::RotateRandom, Drawn::Numbers(numbers)) => {
            // R^T x.
            let r = rotation(op, numbers);
            let dot = |x: &[f64], c: usize| x.iter().zip(&r).map(|(x, row)| x * row[c]).sum();
            Some(each(&|x| (0..x.len()).map(|c| dot(x, c)).collect()))
        }
        _ => None,
    }
}

/// One net after an operation with given draws.
///
/// # Panics
/// If the draws are not those of the operation.
pub fn apply(mlp: &Mlp, params: &[f64], op: &Op, drawn: &Drawn) -> Vec<f64> {
    let mut out = params.to_vec();
    let layers = mlp.layers();
    let first = layers[0];
    match (op, drawn) {
        (Op::Translate { .. }, Drawn::Translation(offset, depth)) => {
            let mut v: Vec<f64> = offset.iter().map(|&t| f64::from(t)).collect();
            for layer in &layers[..*depth] {
                v = (0..layer.outputs)
                    .map(|o| {
                        let row = &params[layer.weight + o * layer.inputs..][..layer.inputs];
                        row.iter().zip(&v).map(|(a, x)| a * x).sum()
                    })
                    .collect();
            }
            let at = layers[depth - 1].bias;
            out[at..at + v.len()].iter_mut().zip(&v).for_each(|(b, v)| *b += v);
        }
        (Op::Scale { .. }, Drawn::Numbers(s)) => {
            out[..first.bias].iter_mut().for_each(|a| *a *= f64::from(s[0]));
        }
        (Op::Rotate { .. } | Op::RotateAxis { .. } | Op::RotateRandom, Drawn::Numbers(numbers)) => {
            let r = rotation(op, numbers);
            for row in out[..first.bias].chunks_exact_mut(first.inputs) {
                let old = row.to_vec();
                for (c, x) in row.iter_mut().enumerate() {
                    *x = old.iter().zip(&r[c]).map(|(a, r)| a * r).sum();
                }
            }
        }
        (
            Op::SirenNegation { .. }
            | Op::SirenBias { .. }
            | Op::ReluScaling { .. }
            | Op::Permutation,
            Drawn::Moves(moves),
        ) => out = moves::apply(mlp, params, moves),
        (Op::Masking { probability, rescale }, Drawn::Elements(keep)) => {
            let factor = if *rescale { 1.0 / (1.0 - f64::from(*probability)) } else { 1.0 };
            out.iter_mut().zip(keep).for_each(|(x, k)| *x *= factor * k);
        }
        (Op::QuantileMasking { .. }, Drawn::Numbers(level)) => {
            let mut sorted: Vec<f64> = params.iter().map(|x| x.abs()).collect();
            sorted.sort_by(f64::total_cmp);
            let position = f64::from(level[0]) * (sorted.len() - 1) as f64;
            let k = position as usize;
            // The threshold lies `step` above the k-th number; added to it, a small step could be lost.
            let low = sorted[k];
            let step = (position - k as f64) * (sorted[(k + 1).min(sorted.len() - 1)] - low);
            out.iter_mut().filter(|x| x.abs() - low < step).for_each(|x| *x = 0.0);
        }
        (Op::GaussianNoise { level }, Drawn::Elements(eps)) => {
            for layer in &layers {
                for range in [layer.weight..layer.bias, layer.bias..layer.bias + layer.outputs] {
                    let sd = spread(&params[range.clone()]);
                    for p in range {
                        out[p] += f64::from(*level) * (sd + 1e-8) * eps[p];
                    }
                }
            }
        }
        _ => panic!("the draws are not those of {}", op.name()),
    }
    out
}

/// Unbiased standard deviation; 0 for one number.
pub fn spread(x: &[f64]) -> f64 {
    if x.len() < 2 {
        return 0.0;
    }
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (x.len() - 1) as f64).sqrt()
}

/// Rows of the rotation matrix; 2 x 2 in the upper left for a 2-D rotation.
fn rotation(op: &Op, numbers: &[f32]) -> [[f64; 3]; 3] {
    let (sin, cos) = f64::from(numbers[0]).to_radians().sin_cos();
    let tau = std::f64::consts::TAU;
    match *op {
        Op::Rotate { .. } => [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]],
        Op::RotateAxis { axis, .. } => {
            // Rodrigues: R = cos I + sin K + (1 - cos) k k^T.
            let length = axis.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>().sqrt();
            let k = axis.map(|a| f64::from(a) / length);
            let cross = [[0.0, -k[2], k[1]], [k[2], 0.0, -k[0]], [-k[1], k[0], 0.0]];
            std::array::from_fn(|i| {
                std::array::from_fn(|j| {
                    f64::from(u8::from(i == j)) * cos
                        + sin * cross[i][j]
                        + (1.0 - cos) * k[i] * k[j]
                })
            })
        }
        _ => {
            let [u, v, w] = [0, 1, 2].map(|k| f64::from(numbers[k]));
            let (a, b) = ((1.0 - u).sqrt(), u.sqrt());
            let (p, q) = (tau * (v - 0.5), tau * (w - 0.5));
            let (x, y, z, w) = (a * p.sin(), a * p.cos(), b * q.sin(), b * q.cos());
            [
                [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
                [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
                [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
            ]
        }
    }
}
