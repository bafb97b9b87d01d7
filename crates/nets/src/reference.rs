//! Plain f64 Rust for everything the kernels compute: slow, obvious, the oracle of the tests.

use crate::{Activation, FitSettings, Mlp};

/// Result of [`loss_and_gradient`].
#[derive(Clone, Debug)]
pub struct Gradient {
    /// Mean over points and outputs of the squared error.
    pub loss: f64,
    /// Its derivative by every parameter, `[P]`.
    pub gradient: Vec<f64>,
}

fn activate(mlp: &Mlp, z: f64) -> (f64, f64) {
    match mlp.activation {
        Activation::Sine { omega_0 } => {
            let omega = f64::from(omega_0);
            ((omega * z).sin(), omega * (omega * z).cos())
        }
        Activation::Relu => (z.max(0.0), if z > 0.0 { 1.0 } else { 0.0 }),
    }
}

/// Values and derivatives of every layer at one point: `(x_l, dx_l / dz_l)`, input first.
fn layers_at(mlp: &Mlp, params: &[f64], x: &[f64]) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut trace = vec![(x.to_vec(), vec![1.0; x.len()])];
    for (l, layer) in mlp.layers().iter().enumerate() {
        let below = &trace[l].0;
        let (mut value, mut slope) = (Vec::new(), Vec::new());
        for o in 0..layer.outputs {
            let row = &params[layer.weight + o * layer.inputs..][..layer.inputs];
            let z: f64 =
                row.iter().zip(below).map(|(w, x)| w * x).sum::<f64>() + params[layer.bias + o];
            let (y, dy) = if l + 1 == mlp.depth() {
                (z + f64::from(mlp.output_offset), 1.0)
            } else {
                activate(mlp, z)
            };
            value.push(y);
            slope.push(dy);
        }
        trace.push((value, slope));
    }
    trace
}

/// Outputs `[points, d_M]` of one network at `coords` `[points, d_0]`.
pub fn forward(mlp: &Mlp, params: &[f64], coords: &[f64]) -> Vec<f64> {
    coords
        .chunks_exact(mlp.inputs())
        .flat_map(|x| layers_at(mlp, params, x).pop().map(|(y, _)| y).unwrap_or_default())
        .collect()
}

/// Loss and gradient of one network against `targets` `[points, d_M]`.
pub fn loss_and_gradient(mlp: &Mlp, params: &[f64], coords: &[f64], targets: &[f64]) -> Gradient {
    let scale = 1.0 / targets.len() as f64;
    let mut loss = 0.0;
    let mut gradient = vec![0.0; mlp.param_count()];
    let points = coords.chunks_exact(mlp.inputs()).zip(targets.chunks_exact(mlp.outputs()));
    for (x, target) in points {
        let trace = layers_at(mlp, params, x);
        let output = &trace[mlp.depth()].0;
        let mut delta: Vec<f64> = output.iter().zip(target).map(|(y, t)| y - t).collect();
        loss += scale * delta.iter().map(|d| d * d).sum::<f64>();
        delta.iter_mut().for_each(|d| *d *= 2.0 * scale);
        for (l, layer) in mlp.layers().iter().enumerate().rev() {
            let mut below = vec![0.0; layer.inputs];
            for (o, d) in delta.iter().enumerate() {
                gradient[layer.bias + o] += d;
                let row = layer.weight + o * layer.inputs;
                for (i, (x, back)) in trace[l].0.iter().zip(&mut below).enumerate() {
                    gradient[row + i] += d * x;
                    *back += d * params[row + i];
                }
            }
            delta = below.iter().zip(&trace[l].1).map(|(d, slope)| d * slope).collect();
        }
    }
    Gradient { loss, gradient }
}

/// Adam's state for one network.
#[derive(Clone, Debug)]
pub struct Adam {
    m: Vec<f64>,
    v: Vec<f64>,
    t: i32,
}

impl Adam {
    /// Before the first step.
    pub fn new(params: usize) -> Adam {
        Adam { m: vec![0.0; params], v: vec![0.0; params], t: 0 }
    }

    /// One update of `params` (Kingma & Ba 2015, algorithm 1).
    pub fn step(&mut self, settings: &FitSettings, params: &mut [f64], gradient: &[f64]) {
        self.t += 1;
        let [beta1, beta2] = [settings.beta1, settings.beta2].map(f64::from);
        for (i, &g) in gradient.iter().enumerate() {
            self.m[i] = beta1 * self.m[i] + (1.0 - beta1) * g;
            self.v[i] = beta2 * self.v[i] + (1.0 - beta2) * g * g;
            let m = self.m[i] / (1.0 - beta1.powi(self.t));
            let v = self.v[i] / (1.0 - beta2.powi(self.t));
            params[i] -=
                f64::from(settings.learning_rate) * m / (v.sqrt() + f64::from(settings.epsilon));
        }
    }
}
