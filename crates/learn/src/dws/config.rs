//! What a DWS model consists of.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The map applied to a set of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetLayer {
    /// Set attention: every position looks at all.
    Sab,
    /// Deep sets: a map of each position minus a map of the pooled positions.
    Ds,
}

/// How positions are summarised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The greatest.
    Max,
    /// The mean.
    Mean,
    /// The sum.
    Sum,
}

/// Whether two maps into the last weight matrix tell its output units apart. The published code does
/// not, where the theory would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shared {
    /// One vector for all output units, as the published code.
    Shared,
    /// One vector for each output unit.
    PerOutput,
}

/// A DWS classifier without the architecture of the nets that it reads.
///
/// The default is the model of the reference's image experiments: hidden 32, four hidden layers, set attention
/// with 8 heads, max pooling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DwsConfig {
    /// Features H of every hidden state; a multiple of 8.
    pub hidden: usize,
    /// Layers after the first; the trunk has one more.
    pub hidden_layers: usize,
    /// Outputs of the classifier.
    pub classes: usize,
    /// The map over sets of positions.
    pub set_layer: SetLayer,
    /// Attention heads of all layers but the last.
    pub heads: usize,
    /// Attention heads of the last layer.
    pub last_heads: usize,
    /// How positions are summarised.
    pub pooling: Pooling,
    /// Affine maps in a chain, with ReLU between (deep-sets layers and maps of pooled features).
    pub map_depth: usize,
    /// Affine maps in the classifier.
    pub head_depth: usize,
    /// Batch normalisation between layers.
    pub batch_norm: bool,
    /// Share of features dropped after each ReLU.
    pub dropout: f32,
    /// Drop features in evaluation too, as the published code does.
    pub dropout_in_eval: bool,
    /// Adds an entrywise map of its input to each layer's output.
    pub layer_skip: bool,
    /// Adds an entrywise map of the raw weights to the trunk's output.
    pub model_skip: bool,
    /// Keeps only the maps between neighbouring tensors.
    pub diagonal: bool,
    /// Maps from the last inner weight to the last weight.
    pub last_neighbour: Shared,
    /// Maps from far biases to the last weight.
    pub far_bias_to_last: Shared,
    /// Factor of the trunk's initial weights.
    pub init_scale: f32,
}

/// Most features: eight times those of the paper; what grows with their square stays within 32-bit sizes.
const MOST_HIDDEN: usize = 1024;

/// Most hidden layers of the trunk, sixteen times those of the paper.
const MOST_LAYERS: usize = 64;

impl Default for DwsConfig {
    fn default() -> DwsConfig {
        DwsConfig {
            hidden: 32,
            hidden_layers: 4,
            classes: 10,
            set_layer: SetLayer::Sab,
            heads: 8,
            last_heads: 1,
            pooling: Pooling::Max,
            map_depth: 1,
            head_depth: 1,
            batch_norm: false,
            dropout: 0.0,
            dropout_in_eval: false,
            layer_skip: false,
            model_skip: false,
            diagonal: false,
            last_neighbour: Shared::Shared,
            far_bias_to_last: Shared::Shared,
            init_scale: 1.0,
        }
    }
}

/// A DWS model that cannot be built.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum DwsError {
    /// A value outside its range.
    #[error("DWS: `{name}` is {value}; it must be {expected}")]
    Setting {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// Too few layers in the nets that are read.
    #[error(
        "DWS reads networks of three or more layers (weight matrices); widths {dims:?} have {}. \
         Fit networks with at least two hidden layers, as `--dims 2,32,32,1`",
        dims.len().saturating_sub(1)
    )]
    Depth {
        /// Widths of the nets.
        dims: Vec<usize>,
    },
}

impl DwsConfig {
    /// Checks the options, and that nets of widths `dims` can be read.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self, dims: &[usize]) -> Result<(), DwsError> {
        let wrong =
            |name, value: String, expected| Err(DwsError::Setting { name, value, expected });
        if dims.len() < 4 || dims.contains(&0) {
            return Err(DwsError::Depth { dims: dims.to_vec() });
        }
        if self.hidden == 0 || !self.hidden.is_multiple_of(8) || self.hidden > MOST_HIDDEN {
            return wrong("hidden", self.hidden.to_string(), "a multiple of 8, 1024 at most");
        }
        if self.hidden_layers > MOST_LAYERS {
            return wrong("hidden_layers", self.hidden_layers.to_string(), "64 at most");
        }
        for (name, heads) in [("heads", self.heads), ("last_heads", self.last_heads)] {
            if heads == 0 || !self.hidden.is_multiple_of(heads) {
                return wrong(name, heads.to_string(), "a divisor of `hidden`");
            }
        }
        for (name, n) in [("map_depth", self.map_depth), ("head_depth", self.head_depth)] {
            if n == 0 || n > 8 {
                return wrong(name, n.to_string(), "1 to 8");
            }
        }
        if self.classes < 2 {
            return wrong("classes", self.classes.to_string(), "at least 2");
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return wrong("dropout", self.dropout.to_string(), "at least 0 and below 1");
        }
        if !(self.init_scale > 0.0 && self.init_scale.is_finite()) {
            return wrong("init_scale", self.init_scale.to_string(), "positive");
        }
        Ok(())
    }

    /// Layers of the trunk.
    pub fn layers(&self) -> usize {
        self.hidden_layers + 1
    }

    /// Features that layer `layer` reads.
    pub fn features_in(&self, layer: usize) -> usize {
        if layer == 0 { 1 } else { self.hidden }
    }

    /// Attention heads of layer `layer`.
    pub fn heads_of(&self, layer: usize) -> usize {
        if layer + 1 == self.layers() { self.last_heads } else { self.heads }
    }

    /// Index of layer `layer` in the published model's list of modules, in which normalisation, ReLU and
    /// dropout count as well.
    pub fn module(&self, layer: usize) -> usize {
        layer * if self.batch_norm { 4 } else { 3 }
    }
}
