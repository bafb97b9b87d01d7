//! Every parameter of a DWS model under its name in the published code.

use super::config::DwsConfig;
use super::topology::{Affine, chain, sub_layers};

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// N(0, std^2).
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// U(-bound, bound).
    Uniform {
        /// Half-width.
        bound: f64,
    },
    /// The same number everywhere.
    Constant(f64),
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Name in the published code.
    pub name: String,
    /// Weights are (out, in).
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
}

impl Param {
    /// How many numbers.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Bound of the trunk's initial biases.
const BIAS: f64 = 1e-4;

/// The affine maps of the classifier, in order.
pub fn classifier(config: &DwsConfig, dims: &[usize]) -> Vec<Affine> {
    chain("clf.layer", descriptor_len(config, dims), config.classes, config.head_depth, true)
}

/// Features that the classifier reads: pooled inner weights, W_0 by input, W_L by output, pooled biases,
/// the last bias.
fn descriptor_len(config: &DwsConfig, dims: &[usize]) -> usize {
    let depth = dims.len() - 1;
    config.hidden * (2 * depth - 3 + dims[0] + 2 * dims[depth])
}

/// The affine map that a layer adds entrywise.
pub fn layer_skip(config: &DwsConfig, layer: usize) -> Option<Affine> {
    let inputs = config.features_in(layer);
    let name = format!("layers.layers.{}.skip.0", config.module(layer));
    config.layer_skip.then_some(Affine { name, inputs, outputs: config.hidden, bias: true })
}

/// The affine map that carries the raw weights to the trunk's output.
pub fn model_skip(config: &DwsConfig) -> Option<Affine> {
    let name = "layers.skip".to_owned();
    config.model_skip.then_some(Affine { name, inputs: 1, outputs: config.hidden, bias: true })
}

/// Names of the normalisations before layer `layer`, weights first: `..weights_bn.0`. Empty without
/// normalisation and before the first layer.
pub fn norms(config: &DwsConfig, dims: &[usize], layer: usize) -> Vec<String> {
    if !config.batch_norm || layer == 0 {
        return Vec::new();
    }
    let module = config.module(layer) - 3;
    ["weights_bn", "biases_bn"]
        .iter()
        .flat_map(|kind| {
            (0..dims.len() - 1).map(move |i| format!("layers.layers.{module}.{kind}.{i}"))
        })
        .collect()
}

/// All trainable parameters, in a fixed order.
pub fn parameters(config: &DwsConfig, dims: &[usize]) -> Vec<Param> {
    let mut all = Vec::new();
    for layer in 0..config.layers() {
        for name in norms(config, dims, layer) {
            let shape = vec![config.hidden];
            all.push(Param {
                name: format!("{name}.weight"),
                shape: shape.clone(),
                init: Init::Constant(1.0),
            });
            all.push(Param { name: format!("{name}.bias"), shape, init: Init::Constant(0.0) });
        }
        let prefix = format!("layers.layers.{}", config.module(layer));
        for sub in sub_layers(config, dims, layer) {
            for affine in sub.affine(config) {
                let name = format!("{prefix}.{}", affine.name);
                push(&mut all, &Affine { name, ..affine }, |a| {
                    trunk_init(a, f64::from(config.init_scale))
                });
            }
        }
        if let Some(skip) = layer_skip(config, layer) {
            push(&mut all, &skip, |a| (numel(a).sqrt().recip(), 0.0).into());
        }
    }
    if let Some(skip) = model_skip(config) {
        push(&mut all, &skip, |a| (numel(a).recip(), 0.0).into());
    }
    for affine in classifier(config, dims) {
        // The default of PyTorch's `Linear`.
        let bound = Init::Uniform { bound: (affine.inputs as f64).sqrt().recip() };
        push(&mut all, &affine, |_| Inits { weight: bound, bias: bound });
    }
    all
}

/// Running statistics of the normalisations: (name, length, start).
pub fn state(config: &DwsConfig, dims: &[usize]) -> Vec<(String, usize, f32)> {
    (0..config.layers())
        .flat_map(|layer| norms(config, dims, layer))
        .flat_map(|name| {
            [("running_mean", 0.0), ("running_var", 1.0)]
                .map(|(what, start)| (format!("{name}.{what}"), config.hidden, start))
        })
        .collect()
}

fn numel(affine: &Affine) -> f64 {
    (affine.inputs * affine.outputs) as f64
}

struct Inits {
    weight: Init,
    bias: Init,
}

impl From<(f64, f64)> for Inits {
    fn from((weight, bias): (f64, f64)) -> Inits {
        Inits { weight: Init::Constant(weight), bias: Init::Constant(bias) }
    }
}

/// Normal weights of std sqrt(2 / (in + out)) sqrt(2 in / out) scale, biases near zero.
fn trunk_init(affine: &Affine, scale: f64) -> Inits {
    let (inputs, outputs) = (affine.inputs as f64, affine.outputs as f64);
    let std = (2.0 / (inputs + outputs)).sqrt() * (2.0 * inputs / outputs).sqrt() * scale;
    Inits { weight: Init::Normal { std }, bias: Init::Uniform { bound: BIAS } }
}

fn push(all: &mut Vec<Param>, affine: &Affine, init: impl Fn(&Affine) -> Inits) {
    let inits = init(affine);
    all.push(Param {
        name: format!("{}.weight", affine.name),
        shape: vec![affine.outputs, affine.inputs],
        init: inits.weight,
    });
    if affine.bias {
        all.push(Param {
            name: format!("{}.bias", affine.name),
            shape: vec![affine.outputs],
            init: inits.bias,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dws::config::SetLayer;

    fn count(config: &DwsConfig, dims: &[usize]) -> usize {
        parameters(config, dims).iter().map(Param::len).sum()
    }

    /// The published totals.
    #[test]
    fn published_counts() {
        for (dims, small, large, norms) in [
            (vec![2, 32, 32, 1], 551_114, 8_557_322, [1_536, 6_144]),
            (vec![3, 32, 32, 32, 32, 1], 1_329_610, 20_678_410, [2_560, 10_240]),
            (vec![2, 32, 32, 32, 32, 3], 1_682_314, 26_230_282, [2_560, 10_240]),
        ] {
            for (hidden, expected, norm) in [(32, small, norms[0]), (128, large, norms[1])] {
                let config = DwsConfig { hidden, ..DwsConfig::default() };
                assert_eq!(count(&config, &dims), expected, "{dims:?} {hidden}");
                let with = DwsConfig { batch_norm: true, ..config };
                assert_eq!(count(&with, &dims), expected + norm, "{dims:?} {hidden} normalised");
            }
        }
    }

    /// The closed formula of one layer, term by term, over architectures.
    #[test]
    fn counts_follow_the_formula() {
        let set = |x: usize, y: usize| 3 * x * y + 4 * y + y * y;
        let lin = |x: usize, y: usize| x * y + y;
        let layer = |m: usize, d0: usize, dm: usize, a: usize, h: usize| {
            let ww = set(a * d0, h * d0)
                + set(a * dm, h * dm)
                + 4 * (m - 2) * lin(a, h)
                + set(a * d0, h)
                + (m - 2) * set(a, h)
                + set(a, h * d0)
                + set(a * dm, h)
                + (m - 3) * set(a, h)
                + (m - 3) * (lin(a * d0, h) + lin(a, h * d0) + lin(a * dm, h) + lin(a, h * dm))
                + lin(a * d0, h * dm)
                + lin(a * dm, h * d0)
                + (m - 3) * m.saturating_sub(4) * lin(a, h);
            let bb = (m - 1) * set(a, h)
                + lin(a * dm, h * dm)
                + (m - 1) * (lin(a * dm, h) + lin(a, h * dm))
                + (m - 1) * (m - 2) * lin(a, h);
            let bw = set(a, h * d0)
                + lin(a * dm, h * dm)
                + 2 * (m - 2) * set(a, h)
                + set(a, h * dm)
                + lin(a * dm, h * d0)
                + (m - 2) * (lin(a * dm, h) + lin(a, h * d0))
                + (m - 2) * (m - 2) * lin(a, h);
            let wb = set(a * d0, h)
                + lin(a * dm, h * dm)
                + 2 * (m - 2) * set(a, h)
                + set(a * dm, h)
                + lin(a * d0, h * dm)
                + (m - 2) * (lin(a * d0, h) + lin(a * dm, h) + lin(a, h * dm))
                + (m - 2) * (m - 3) * lin(a, h);
            ww + bb + bw + wb
        };
        for (dims, hidden, hidden_layers) in [
            (vec![2, 5, 7, 3], 8, 2),
            (vec![1, 9, 4, 6, 1], 16, 0),
            (vec![3, 4, 6, 5, 4, 2], 8, 1),
            (vec![2, 3, 3, 3, 3, 3, 3], 24, 3),
        ] {
            let config = DwsConfig { hidden, hidden_layers, ..DwsConfig::default() };
            let (m, d0, dm) = (dims.len() - 1, dims[0], dims[dims.len() - 1]);
            let expected = layer(m, d0, dm, 1, hidden)
                + hidden_layers * layer(m, d0, dm, hidden, hidden)
                + (hidden * (2 * m - 3 + d0 + 2 * dm) + 1) * 10;
            assert_eq!(count(&config, &dims), expected, "{dims:?}");
        }
    }

    #[test]
    fn names_are_unique() {
        for set_layer in [SetLayer::Sab, SetLayer::Ds] {
            let config = DwsConfig {
                set_layer,
                batch_norm: true,
                layer_skip: true,
                model_skip: true,
                map_depth: 2,
                head_depth: 2,
                ..DwsConfig::default()
            };
            let all = parameters(&config, &[2, 8, 8, 8, 1]);
            let names: std::collections::BTreeSet<_> = all.iter().map(|p| &p.name).collect();
            assert_eq!(names.len(), all.len());
        }
    }
}
