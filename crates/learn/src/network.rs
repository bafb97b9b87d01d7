//! What can be trained: DWS, and two baselines that do not know the symmetries of the networks they read.

use crate::calls::Kind;
use crate::dws::{self, Dws, DwsConfig, DwsError, Init, Param, Wanted};
use crate::plain::{MlpConfig, Plain, TransformerConfig};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use weightlab_kernels::philox::{self, Purpose};
use weightlab_tensor::{Graph, ParamId, ParamSet, Target, TensorError, Var};

/// A model and its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelConfig {
    /// Deep weight-space networks.
    Dws(DwsConfig),
    /// A multilayer perceptron on all parameters in a row.
    Mlp(MlpConfig),
    /// A transformer with a token per neuron.
    Transformer(TransformerConfig),
}

impl Default for ModelConfig {
    fn default() -> ModelConfig {
        ModelConfig::Dws(DwsConfig::default())
    }
}

impl ModelConfig {
    /// The names on the command line.
    pub const NAMES: [&'static str; 3] = ["dws", "mlp", "transformer"];

    /// The defaults of a model.
    pub fn named(name: &str) -> Option<ModelConfig> {
        Some(match name {
            "dws" => ModelConfig::Dws(DwsConfig::default()),
            "mlp" => ModelConfig::Mlp(MlpConfig::default()),
            "transformer" => ModelConfig::Transformer(TransformerConfig::default()),
            _ => return None,
        })
    }

    /// What in it depends on which networks are computed at once, if anything does: a batch in parts is then another batch.
    pub fn by_batch(&self) -> Option<&'static str> {
        let dropout = match self {
            ModelConfig::Dws(dws) if dws.batch_norm => return Some("batch normalisation"),
            ModelConfig::Dws(dws) => dws.dropout,
            ModelConfig::Mlp(mlp) => mlp.dropout,
            ModelConfig::Transformer(transformer) => transformer.dropout,
        };
        (dropout > 0.0).then_some("dropout, whose numbers are drawn by the place in the batch,")
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            ModelConfig::Dws(_) => "dws",
            ModelConfig::Mlp(_) => "mlp",
            ModelConfig::Transformer(_) => "transformer",
        }
    }
}

/// A model that cannot be built or filled.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum NetworkError {
    /// An option or architecture that DWS does not take.
    #[error(transparent)]
    Dws(#[from] DwsError),
    /// An option outside its range.
    #[error("{model}: `{name}` is {value}; it must be {expected}")]
    Setting {
        /// Of which model.
        model: &'static str,
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// A parameter that is missing among given ones, or has another shape.
    #[error("tensor {name}: expected shape {expected:?}, {got}")]
    Tensor {
        /// Its name.
        name: String,
        /// As the model has it.
        expected: Vec<usize>,
        /// What there is instead, in words.
        got: String,
    },
}

/// A tensor of a model, by its name in files.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Name.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// A model for networks of one architecture, without numbers.
#[derive(Debug)]
pub struct Network {
    config: ModelConfig,
    set: ParamSet,
    kind: Model,
    nets: usize,
}

#[derive(Debug)]
enum Model {
    Dws(Box<Dws>, ParamId),
    Plain(Plain),
}

impl Network {
    /// The model `config` for networks of widths `dims` and `classes` classes.
    ///
    /// # Errors
    /// An option out of range, or networks that the model cannot read.
    pub fn new(
        config: &ModelConfig,
        dims: &[usize],
        classes: usize,
    ) -> Result<Network, NetworkError> {
        let mut set = ParamSet::new();
        let kind = match config {
            ModelConfig::Dws(config) => {
                let dws = Dws::new(&DwsConfig { classes, ..config.clone() }, dims)?;
                let id = set.add("dws", &[dws.arena().len()]);
                let state = dws.fresh_state().len();
                if state > 0 {
                    set.add_state("statistics", &[state]);
                }
                Model::Dws(Box::new(dws), id)
            }
            ModelConfig::Mlp(config) => Model::Plain(Plain::mlp(config, dims, classes, &mut set)?),
            ModelConfig::Transformer(config) => {
                Model::Plain(Plain::transformer(config, dims, classes, &mut set)?)
            }
        };
        let nets = dims.windows(2).map(|d| d[1] * (d[0] + 1)).sum();
        Ok(Network { config: config.clone(), set, kind, nets })
    }

    /// The options.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The parameters as the tensor engine has them.
    pub fn set(&self) -> &ParamSet {
        &self.set
    }

    /// Trainable numbers, padding not counted.
    pub fn parameters(&self) -> usize {
        self.params().iter().map(Param::len).sum()
    }

    /// Whether so many networks at once stay within the 32-bit sizes of kernels.
    ///
    /// # Errors
    /// They do not.
    pub(crate) fn check_size(&self, nets: usize) -> Result<(), TensorError> {
        let Model::Dws(dws, _) = &self.kind else {
            return Ok(());
        };
        let entries = dws.dims().windows(2).map(|d| d[0] * d[1]).max().unwrap_or(0);
        let numbers = (nets as u64) * (entries as u64) * (dws.config().hidden as u64);
        let most = 1u64 << 31;
        if numbers < most {
            return Ok(());
        }
        let name = "features of a matrix".to_owned();
        Err(TensorError::TooLarge { name, bytes: 4 * numbers, limit: 4 * most })
    }

    /// Numbers in a network that is read.
    pub fn net_len(&self) -> usize {
        self.nets
    }

    fn params(&self) -> Vec<Param> {
        match &self.kind {
            Model::Dws(dws, _) => dws.arena().entries().iter().map(|e| e.param.clone()).collect(),
            Model::Plain(plain) => plain.params().to_vec(),
        }
    }

    /// Records the model: `nets` `[batch, P]` to logits `[batch, classes]`.
    pub fn record(&self, graph: &mut Graph, target: &Target, nets: Var, train: bool) -> Var {
        match &self.kind {
            Model::Plain(plain) => plain.record(graph, nets, train),
            Model::Dws(dws, id) => {
                let wanted = Wanted {
                    nets: nets.shape()[0],
                    train,
                    backward: train,
                    input_gradient: false,
                    kind: if target.software { Kind::Software } else { Kind::Gpu },
                };
                dws.record(&wanted).add_to(graph, nets, *id, &[]).0
            }
        }
    }

    /// Fresh parameters, as [`weightlab_tensor::ParamStore`] takes them.
    pub fn init(&self, seed: u64) -> Vec<f32> {
        let key = philox::key(seed);
        let mut index = 0;
        let values = |param: &Param| -> Vec<f32> {
            let mut number = 0;
            let mut words = [0; 4];
            let this = index;
            index += 1;
            // On (0, 1), in steps of 2^-32.
            let uniform = || {
                if number % 4 == 0 {
                    let counter = [number / 4, this, 0, Purpose::ModelInit as u32];
                    words = philox::philox4x32(counter, key);
                }
                number += 1;
                (f64::from(words[(number as usize - 1) % 4]) + 0.5) / 2f64.powi(32)
            };
            draw(param, uniform)
        };
        self.pack_with(values)
    }

    fn pack_with(&self, mut values: impl FnMut(&Param) -> Vec<f32>) -> Vec<f32> {
        match &self.kind {
            Model::Dws(dws, _) => {
                dws.arena().pack(|p| Some(values(p))).expect("a value for every parameter")
            }
            Model::Plain(plain) => plain.params().iter().flat_map(values).collect(),
        }
    }

    /// Parameters from tensors by name.
    ///
    /// # Errors
    /// One that is missing or has another shape.
    pub fn pack(
        &self,
        tensor: impl Fn(&str) -> Option<(Vec<usize>, Vec<f32>)>,
    ) -> Result<Vec<f32>, NetworkError> {
        for param in self.params() {
            check(&param.name, &param.shape, tensor(&param.name))?;
        }
        Ok(self.pack_with(|p| tensor(&p.name).map(|(_, v)| v).unwrap_or_default()))
    }

    /// Parameters by name.
    pub fn unpack(&self, packed: &[f32]) -> Vec<NamedTensor> {
        match &self.kind {
            Model::Dws(dws, _) => dws
                .arena()
                .entries()
                .iter()
                .map(|e| NamedTensor {
                    name: e.param.name.clone(),
                    shape: e.param.shape.clone(),
                    values: dws.arena().unpack(e, packed),
                })
                .collect(),
            Model::Plain(plain) => {
                let mut rest = packed;
                let take = |p: &Param| {
                    let (here, after) = rest.split_at(p.len());
                    rest = after;
                    let (name, shape) = (p.name.clone(), p.shape.clone());
                    NamedTensor { name, shape, values: here.to_vec() }
                };
                plain.params().iter().map(take).collect()
            }
        }
    }

    /// Names and lengths of what is not trained.
    fn state(&self) -> Vec<(String, usize, f32)> {
        match &self.kind {
            Model::Dws(dws, _) => dws::state(dws.config(), dws.dims()),
            Model::Plain(_) => Vec::new(),
        }
    }

    /// Fresh running statistics.
    pub fn fresh_state(&self) -> Vec<f32> {
        self.state().into_iter().flat_map(|(_, len, start)| vec![start; len]).collect()
    }

    /// State from tensors by name.
    ///
    /// # Errors
    /// One that is missing or has another shape.
    pub fn pack_state(
        &self,
        tensor: impl Fn(&str) -> Option<(Vec<usize>, Vec<f32>)>,
    ) -> Result<Vec<f32>, NetworkError> {
        let mut all = Vec::new();
        for (name, len, _) in self.state() {
            all.extend(check(&name, &[len], tensor(&name))?);
        }
        Ok(all)
    }

    /// State by name.
    pub fn unpack_state(&self, packed: &[f32]) -> Vec<NamedTensor> {
        let mut rest = packed;
        let take = |(name, len, _): (String, usize, f32)| {
            let (here, after) = rest.split_at(len);
            rest = after;
            NamedTensor { name, shape: vec![len], values: here.to_vec() }
        };
        self.state().into_iter().map(take).collect()
    }
}

fn check(
    name: &str,
    expected: &[usize],
    got: Option<(Vec<usize>, Vec<f32>)>,
) -> Result<Vec<f32>, NetworkError> {
    let wrong = |got: String| NetworkError::Tensor {
        name: name.to_owned(),
        expected: expected.to_vec(),
        got,
    };
    match got {
        None => Err(wrong("but there is no such tensor".to_owned())),
        Some((shape, _)) if shape != expected => Err(wrong(format!("found {shape:?}"))),
        Some((_, values)) => Ok(values),
    }
}

/// Values of one parameter from numbers on (0, 1).
pub(crate) fn draw(param: &Param, mut uniform: impl FnMut() -> f64) -> Vec<f32> {
    (0..param.len())
        .map(|_| match param.init {
            Init::Constant(value) => value as f32,
            Init::Uniform { bound } => (bound * (2.0 * uniform() - 1.0)) as f32,
            Init::Normal { std } => {
                let (u, v) = (uniform(), uniform());
                // Box and Muller 1958.
                (std * (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
            }
        })
        .collect()
}
