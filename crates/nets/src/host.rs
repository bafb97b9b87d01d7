//! Networks on the processor, for where there is no GPU: plain f32, one network after the other, on one core.
//!
//! Points go through in blocks, so that the values of all layers stay in the fastest cache, and every array has its points
//! innermost, so that a compiler can do several at once.

use crate::{Activation, Layer, Mlp};
use std::f32::consts::FRAC_1_PI;

/// Points of a block.
pub(crate) const BLOCK: usize = 32;

/// One quantity of a neuron at the points of a block.
type Row = [f32; BLOCK];

/// sin and cos of a SIREN phase, operation by operation as `shaders/shared/sine.wgsl`.
fn sin_cos(x: f32) -> (f32, f32) {
    let k = (x * FRAC_1_PI).round_ties_even();
    let r = ((x - k * 3.140625) - k * 0.000_967_502_6) - k * 1.509_958e-7;
    let z = r * r;
    let s = ((2.599_903_2e-6 * z - 1.980_654_8e-4) * z + 8.333_016e-3) * z - 0.166_666_57;
    let c = (((-2.607_566_2e-7 * z + 2.476_180_8e-5) * z - 1.388_840_3e-3) * z + 4.166_664e-2) * z
        - 0.5;
    // Both change sign where k is odd.
    let odd = ((k as i32) as u32) << 31;
    let signed = |y: f32| f32::from_bits(y.to_bits() ^ odd);
    (signed(r + (r * z) * s), signed(1.0 + z * c))
}

/// The passes of one architecture over a block of points.
#[derive(Debug)]
pub(crate) struct Passes {
    layers: Vec<Layer>,
    activation: Activation,
    output_offset: f32,
    /// Of every layer's neurons, the inputs first: `[depth + 1][width]`.
    values: Vec<Vec<Row>>,
    /// dx/dz of the hidden layers' neurons, then the loss's derivative by z: `[depth][width]`.
    slopes: Vec<Vec<Row>>,
}

impl Passes {
    pub(crate) fn new(mlp: &Mlp) -> Passes {
        let rows = |&width: &usize| vec![[0.0; BLOCK]; width];
        Passes {
            layers: mlp.layers(),
            activation: mlp.activation,
            output_offset: mlp.output_offset,
            values: mlp.dims.iter().map(rows).collect(),
            slopes: mlp.dims[1..].iter().map(rows).collect(),
        }
    }

    /// Evaluates a network with parameters `[P]` at up to [`BLOCK`] points, `[points, d_0]`.
    pub(crate) fn forward(&mut self, params: &[f32], coords: &[f32]) {
        let inputs = &mut self.values[0];
        let width = inputs.len();
        for (p, point) in coords.chunks_exact(width).enumerate() {
            inputs.iter_mut().zip(point).for_each(|(row, &x)| row[p] = x);
        }
        let last = self.layers.len() - 1;
        for (l, layer) in self.layers.iter().enumerate() {
            let (below, above) = self.values.split_at_mut(l + 1);
            let rows = above[0].iter_mut().zip(&mut self.slopes[l]);
            for (o, (value, slope)) in rows.enumerate() {
                let mut z = [params[layer.bias + o]; BLOCK];
                let weights = &params[layer.weight + o * layer.inputs..][..layer.inputs];
                for (w, x) in weights.iter().zip(&below[l]) {
                    z.iter_mut().zip(x).for_each(|(z, x)| *z += w * x);
                }
                for ((z, value), slope) in z.iter().zip(value).zip(slope) {
                    (*value, *slope) = match self.activation {
                        _ if l == last => (z + self.output_offset, 1.0),
                        Activation::Sine { omega_0 } => {
                            let (sin, cos) = sin_cos(omega_0 * z);
                            (sin, omega_0 * cos)
                        }
                        Activation::Relu => (z.max(0.0), if *z > 0.0 { 1.0 } else { 0.0 }),
                    };
                }
            }
        }
    }

    /// The outputs of the last [`Passes::forward`] at the first points: output `o` of point `p` at `p * d_M + o`.
    pub(crate) fn outputs(&self, points: usize) -> impl Iterator<Item = f32> {
        let rows = self.values.last().map_or(&[][..], Vec::as_slice);
        (0..points).flat_map(move |p| rows.iter().map(move |row| row[p]))
    }

    /// Adds to `gradient` `[P]` what the points of the last [`Passes::forward`] contribute, whose derivatives of the loss by
    /// the outputs are `deltas`, `[points, d_M]`.
    pub(crate) fn backward(&mut self, params: &[f32], deltas: &[f32], gradient: &mut [f32]) {
        let last = self.layers.len() - 1;
        let outputs = &mut self.slopes[last];
        let width = outputs.len();
        outputs.fill([0.0; BLOCK]);
        for (p, point) in deltas.chunks_exact(width).enumerate() {
            outputs.iter_mut().zip(point).for_each(|(row, &d)| row[p] = d);
        }
        for (l, layer) in self.layers.iter().enumerate().rev() {
            let (below, deltas) = self.slopes.split_at_mut(l);
            let deltas = &deltas[0];
            for (o, delta) in deltas.iter().enumerate() {
                gradient[layer.bias + o] += delta.iter().sum::<f32>();
                let row = &mut gradient[layer.weight + o * layer.inputs..][..layer.inputs];
                for (g, x) in row.iter_mut().zip(&self.values[l]) {
                    *g += dot(delta, x);
                }
            }
            for (i, slope) in below.last_mut().into_iter().flatten().enumerate() {
                let mut sum = [0.0; BLOCK];
                for (o, delta) in deltas.iter().enumerate() {
                    let w = params[layer.weight + o * layer.inputs + i];
                    sum.iter_mut().zip(delta).for_each(|(sum, d)| *sum += w * d);
                }
                slope.iter_mut().zip(sum).for_each(|(slope, sum)| *slope *= sum);
            }
        }
    }
}

/// In eight sums, so that they do not wait for each other.
fn dot(a: &Row, b: &Row) -> f32 {
    let mut sums = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}

/// Outputs `[nets, points, d_M]` of networks with parameters `[nets, P]` at `coords` `[points, d_0]`.
pub(crate) fn evaluate(mlp: &Mlp, params: &[f32], coords: &[f32]) -> Vec<f32> {
    let mut passes = Passes::new(mlp);
    let mut out = Vec::with_capacity(params.len() / mlp.param_count() * coords.len());
    for net in params.chunks_exact(mlp.param_count()) {
        for block in coords.chunks(BLOCK * mlp.inputs()) {
            passes.forward(net, block);
            out.extend(passes.outputs(block.len() / mlp.inputs()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::sin_cos;

    #[test]
    fn the_sine_is_as_good_as_the_shaders() {
        for i in -(1 << 17)..=(1 << 17) {
            let x = i as f32 * (200.0 / 131_072.0);
            let (sin, cos) = sin_cos(x);
            let exact = f64::from(x).sin_cos();
            // What `weightlab check` measures of the shader.
            assert!((f64::from(sin) - exact.0).abs() < 1.3e-7, "sin {x}: {sin}");
            assert!((f64::from(cos) - exact.1).abs() < 1.9e-7, "cos {x}: {cos}");
        }
    }
}
