//! Baselines that read networks as plain numbers.

use crate::dws::{Init, Param};
use crate::network::NetworkError;
use serde::{Deserialize, Serialize};
use weightlab_tensor::{Act, Epilogue, Graph, ParamId, ParamSet, Var};

/// A multilayer perceptron on all parameters of a network in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MlpConfig {
    /// Width of the hidden layers.
    pub hidden: usize,
    /// How many there are.
    pub hidden_layers: usize,
    /// Share of features dropped after each ReLU in training.
    pub dropout: f32,
}

impl Default for MlpConfig {
    fn default() -> MlpConfig {
        MlpConfig { hidden: 256, hidden_layers: 3, dropout: 0.0 }
    }
}

/// A transformer with one token per neuron: its incoming weights and its bias, embedded layer by layer, plus a learned position
/// (as Schürholt et al., NeurIPS 2021, read networks). Pre-norm encoder layers, the mean of all tokens, a linear classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Features of a token.
    pub width: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the feed-forward part, in widths.
    pub expansion: usize,
    /// Share of features dropped after attention and feed-forward in training.
    pub dropout: f32,
}

impl Default for TransformerConfig {
    fn default() -> TransformerConfig {
        TransformerConfig { width: 64, layers: 4, heads: 8, expansion: 2, dropout: 0.0 }
    }
}

/// A baseline.
#[derive(Debug)]
pub struct Plain {
    params: Vec<Param>,
    dims: Vec<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Mlp { layers: Vec<Linear>, dropout: f32 },
    Transformer(Transformer),
}

#[derive(Clone, Copy, Debug)]
struct Linear {
    weight: ParamId,
    bias: ParamId,
}

#[derive(Clone, Copy, Debug)]
struct Norm {
    gamma: ParamId,
    beta: ParamId,
}

#[derive(Debug)]
struct Transformer {
    config: TransformerConfig,
    embed: Vec<Linear>,
    position: ParamId,
    layers: Vec<Encoder>,
    norm: Norm,
    head: Linear,
}

#[derive(Debug)]
struct Encoder {
    norms: [Norm; 2],
    /// Q, K and V side by side.
    packed: Linear,
    out: Linear,
    up: Linear,
    down: Linear,
}

/// Registers parameters.
struct Builder<'a> {
    set: &'a mut ParamSet,
    params: Vec<Param>,
}

impl Builder<'_> {
    fn add(&mut self, name: String, shape: &[usize], init: Init) -> ParamId {
        let id = self.set.add(name.clone(), shape);
        self.params.push(Param { name, shape: shape.to_vec(), init });
        id
    }

    /// PyTorch's default.
    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Linear {
        let init = Init::Uniform { bound: (inputs as f64).sqrt().recip() };
        Linear {
            weight: self.add(format!("{name}.weight"), &[outputs, inputs], init),
            bias: self.add(format!("{name}.bias"), &[outputs], init),
        }
    }

    fn norm(&mut self, name: &str, width: usize) -> Norm {
        Norm {
            gamma: self.add(format!("{name}.weight"), &[width], Init::Constant(1.0)),
            beta: self.add(format!("{name}.bias"), &[width], Init::Constant(0.0)),
        }
    }
}

/// Every size is at least 1 and at most what its words say.
fn sizes(
    model: &'static str,
    values: &[(&'static str, usize, usize, &'static str)],
) -> Result<(), NetworkError> {
    match values.iter().find(|(_, n, most, _)| *n == 0 || n > most) {
        None => Ok(()),
        Some(&(name, n, _, expected)) => {
            Err(NetworkError::Setting { model, name, value: n.to_string(), expected })
        }
    }
}

fn rate(model: &'static str, dropout: f32) -> Result<(), NetworkError> {
    if (0.0..1.0).contains(&dropout) {
        return Ok(());
    }
    let expected = "at least 0 and below 1";
    Err(NetworkError::Setting { model, name: "dropout", value: dropout.to_string(), expected })
}

impl Plain {
    /// The perceptron; its parameters are added to `set`.
    ///
    /// # Errors
    /// An option out of range.
    pub fn mlp(
        config: &MlpConfig,
        dims: &[usize],
        classes: usize,
        set: &mut ParamSet,
    ) -> Result<Plain, NetworkError> {
        sizes(
            "mlp",
            &[
                ("hidden", config.hidden, 8192, "1 to 8192"),
                ("hidden_layers", config.hidden_layers, 64, "1 to 64"),
            ],
        )?;
        rate("mlp", config.dropout)?;
        let mut builder = Builder { set, params: Vec::new() };
        let mut widths = vec![dims.windows(2).map(|d| d[1] * (d[0] + 1)).sum()];
        widths.extend(vec![config.hidden; config.hidden_layers]);
        widths.push(classes);
        // So that no matrix is beyond what 32 bits address, which in a browser `usize` is too.
        if widths[0] as u64 * widths[1] as u64 >= 1 << 29 {
            return Err(NetworkError::Setting {
                model: "mlp",
                name: "hidden",
                value: config.hidden.to_string(),
                expected: "less, for networks of so many parameters: 2^29 weights of a layer are too many",
            });
        }
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(l, w)| builder.linear(&format!("layers.{l}"), w[0], w[1]))
            .collect();
        let kind = Kind::Mlp { layers, dropout: config.dropout };
        Ok(Plain { params: builder.params, dims: dims.to_vec(), kind })
    }

    /// The transformer; its parameters are added to `set`.
    ///
    /// # Errors
    /// An option out of range.
    pub fn transformer(
        config: &TransformerConfig,
        dims: &[usize],
        classes: usize,
        set: &mut ParamSet,
    ) -> Result<Plain, NetworkError> {
        let TransformerConfig { width, layers, heads, expansion, dropout } = *config;
        sizes(
            "transformer",
            &[
                ("width", width, 2048, "1 to 2048"),
                ("layers", layers, 64, "1 to 64"),
                ("heads", heads, width, "1 to `width`"),
                ("expansion", expansion, 16, "1 to 16"),
            ],
        )?;
        rate("transformer", dropout)?;
        if !width.is_multiple_of(heads) {
            let expected = "a divisor of `width`";
            let value = heads.to_string();
            let model = "transformer";
            return Err(NetworkError::Setting { model, name: "heads", value, expected });
        }
        let mut b = Builder { set, params: Vec::new() };
        let embed = dims
            .windows(2)
            .enumerate()
            .map(|(l, d)| b.linear(&format!("embed.{l}"), d[0] + 1, width))
            .collect();
        let tokens: usize = dims[1..].iter().sum();
        let position = b.add("position".to_owned(), &[tokens, width], Init::Normal { std: 0.02 });
        let layers = (0..layers)
            .map(|l| {
                let name = |part: &str| format!("layers.{l}.{part}");
                Encoder {
                    norms: [b.norm(&name("norm1"), width), b.norm(&name("norm2"), width)],
                    packed: b.linear(&name("qkv"), width, 3 * width),
                    out: b.linear(&name("out"), width, width),
                    up: b.linear(&name("up"), width, expansion * width),
                    down: b.linear(&name("down"), expansion * width, width),
                }
            })
            .collect();
        let norm = b.norm("norm", width);
        let head = b.linear("head", width, classes);
        let config = config.clone();
        let kind = Transformer { config, embed, position, layers, norm, head };
        let params = b.params;
        Ok(Plain { params, dims: dims.to_vec(), kind: Kind::Transformer(kind) })
    }

    /// All parameters, in the order of the set.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Records the model.
    pub fn record(&self, graph: &mut Graph, nets: Var, train: bool) -> Var {
        match &self.kind {
            Kind::Mlp { layers, dropout } => {
                let mut x = nets;
                for (l, layer) in layers.iter().enumerate() {
                    let last = l + 1 == layers.len();
                    x = linear(graph, x, layer, if last { Act::None } else { Act::Relu });
                    if !last && train {
                        x = graph.dropout(x, *dropout);
                    }
                }
                x
            }
            Kind::Transformer(model) => model.record(graph, &self.dims, nets, train),
        }
    }
}

fn linear(graph: &mut Graph, x: Var, layer: &Linear, activation: Act) -> Var {
    let (weight, bias) = (graph.param(layer.weight), graph.param(layer.bias));
    let epilogue = Epilogue { activation, ..Epilogue::default() };
    graph.linear_with(x, weight, Some(bias), &epilogue)
}

impl Transformer {
    fn norm(&self, graph: &mut Graph, x: Var, norm: &Norm) -> Var {
        let (gamma, beta) = (graph.param(norm.gamma), graph.param(norm.beta));
        graph.layer_norm(x, gamma, beta, 1e-5)
    }

    fn record(&self, graph: &mut Graph, dims: &[usize], nets: Var, train: bool) -> Var {
        let TransformerConfig { width, heads, dropout, .. } = self.config;
        let batch = nets.shape()[0];
        let rate = if train { dropout } else { 0.0 };
        let mut tokens = Vec::new();
        let mut at = 0;
        for (d, embed) in dims.windows(2).zip(&self.embed) {
            let weights = graph.slice(nets, 1, at..at + d[0] * d[1]);
            let weights = graph.reshape(weights, &[batch, d[1], d[0]]);
            at += d[0] * d[1];
            let biases = graph.slice(nets, 1, at..at + d[1]);
            let biases = graph.reshape(biases, &[batch, d[1], 1]);
            at += d[1];
            let neurons = graph.concat(&[weights, biases], 2);
            tokens.push(linear(graph, neurons, embed, Act::None));
        }
        let tokens = graph.concat(&tokens, 1);
        let position = graph.param(self.position);
        let mut x = graph.add(tokens, position);
        for layer in &self.layers {
            let y = self.norm(graph, x, &layer.norms[0]);
            let packed = linear(graph, y, &layer.packed, Act::None);
            let [q, k, v] = [0, 1, 2].map(|i| graph.slice(packed, 2, i * width..(i + 1) * width));
            let scale = ((width / heads) as f32).sqrt().recip();
            let mixed = graph.attention(q, k, v, heads, scale);
            let y = linear(graph, mixed, &layer.out, Act::None);
            let y = graph.dropout(y, rate);
            x = graph.add(x, y);
            let y = self.norm(graph, x, &layer.norms[1]);
            let y = linear(graph, y, &layer.up, Act::Gelu);
            let y = linear(graph, y, &layer.down, Act::None);
            let y = graph.dropout(y, rate);
            x = graph.add(x, y);
        }
        let x = self.norm(graph, x, &self.norm);
        let pooled = graph.mean(x, &[1], false);
        linear(graph, pooled, &self.head, Act::None)
    }
}
