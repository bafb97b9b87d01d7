//! The architecture of one small network, with the convention it was made under.
//!
//! Conventions differ between the data sets of the field (initialisation of the first layer, a
//! constant added to the output, the range of the targets), and a parameter vector means nothing
//! without them. So [`Mlp`] carries all of it, every file records it, and presets name the usual
//! combinations.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most layers (weight matrices) that any kernel accepts.
pub const MAX_LAYERS: usize = 8;
/// Widest layer that any kernel accepts.
pub const MAX_WIDTH: usize = 256;

/// Range of omega_0. Initial weights are divided by it, so that below the range they outgrow what Adam
/// can move. Phases grow with it, and beyond the range they leave |x| < 25,000, up to which the kernels
/// reduce the argument of the sine exactly (`shaders/shared/sine.wgsl`).
pub const OMEGA_RANGE: [f32; 2] = [0.01, 10_000.0];

/// What is applied after each hidden affine layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Activation {
    /// x <- sin(omega_0 (W x + b)), with the same omega_0 in every hidden layer.
    Sine {
        /// The frequency factor; 30 in all published data sets.
        omega_0: f32,
    },
    /// x <- max(0, W x + b).
    Relu,
}

/// Half-widths of the uniform initialisation, as a rule over the fan-in of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// All zero.
    Zero,
    /// sqrt(6 / fan_in) / omega_0 (Sitzmann et al. 2020, section 3.2; sqrt(6 / fan_in) for ReLU).
    Siren,
    /// 1 / fan_in (Sitzmann et al. 2020, first layer).
    InverseFanIn,
    /// 1 / sqrt(fan_in) (the default of PyTorch's `Linear`).
    InverseSqrtFanIn,
}

/// Initialisation of one kind of layer: weights and biases ~ U(-bound, bound).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerInit {
    /// Rule for the weights.
    pub weight: Bound,
    /// Rule for the biases.
    pub bias: Bound,
}

/// Initialisation of a whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// The first layer, which reads coordinates.
    pub first: LayerInit,
    /// Every other hidden layer.
    pub hidden: LayerInit,
    /// The last, linear layer.
    pub last: LayerInit,
}

/// Named presets of everything in [`Mlp`] but its widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convention {
    /// The data sets of DWSNets and of the weight-space augmentation papers: omega_0 = 30, the
    /// SIREN bound in the first layer too, zero biases, a PyTorch-default last layer, targets in
    /// \[0, 1\] and the constant 0.5 added to the output.
    Dwsnets,
    /// Sitzmann et al. 2020 and their published code: omega_0 = 30, first layer U(+-1 / fan_in),
    /// PyTorch-default biases, SIREN bound in the last layer, targets in \[-1, 1\], no offset.
    Sitzmann,
}

impl Convention {
    /// Every preset, for help texts.
    pub const ALL: [Convention; 2] = [Convention::Dwsnets, Convention::Sitzmann];

    /// The name used in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Convention::Dwsnets => "dwsnets",
            Convention::Sitzmann => "sitzmann",
        }
    }
}

/// A multilayer perceptron without its parameters.
///
/// Layer `l` maps `dims[l]` to `dims[l + 1]`. A parameter vector holds, layer by layer, the weight
/// `(out, in)` row-major and then the bias `(out)`: the order of the PyTorch state dict
/// `seq.0.weight, seq.0.bias, seq.1.weight, ...`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mlp {
    /// Widths, input first: `[d_0, .., d_M]`.
    pub dims: Vec<usize>,
    /// Applied after every layer but the last.
    pub activation: Activation,
    /// Constant added to every output; not a parameter.
    pub output_offset: f32,
    /// Values of the output that mean black and white. PSNR's peak is their difference.
    pub target_range: [f32; 2],
    /// How fresh parameters are drawn.
    pub init: Init,
}

/// An architecture that no kernel can run.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum MlpError {
    /// Fewer than two or more than [`MAX_LAYERS`] layers.
    #[error(
        "an architecture needs 2 to {MAX_LAYERS} layers, so 3 to {max} widths; {got} widths were given",
        max = MAX_LAYERS + 1
    )]
    Depth {
        /// Number of widths given.
        got: usize,
    },
    /// A width of zero or above [`MAX_WIDTH`].
    #[error(
        "width {got} at position {position} of the architecture (--dims); widths are 1 to {MAX_WIDTH}"
    )]
    Width {
        /// Index into `dims`.
        position: usize,
        /// The width given.
        got: usize,
    },
    /// omega_0 outside [`OMEGA_RANGE`].
    #[error(
        "omega_0 (--omega) = {got}; give {min} to {max}: initial weights are divided by it, and 32-bit \
         floats cannot tell the sines of larger phases (30 is usual)",
        min = OMEGA_RANGE[0],
        max = OMEGA_RANGE[1]
    )]
    Omega {
        /// The value given.
        got: f32,
    },
    /// The output offset or the target range is not usable.
    #[error(
        "output offset {offset} and target range {range:?}: all must be finite, and the range ascending"
    )]
    Output {
        /// The offset given.
        offset: f32,
        /// The range given.
        range: [f32; 2],
    },
}

/// Where one layer lies in the parameter vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Fan-in.
    pub inputs: usize,
    /// Fan-out.
    pub outputs: usize,
    /// Index of the first weight; weights are `(outputs, inputs)` row-major.
    pub weight: usize,
    /// Index of the first bias.
    pub bias: usize,
}

impl Mlp {
    /// The architecture `dims` under a named convention.
    ///
    /// # Errors
    /// Depth or a width outside what the kernels accept.
    pub fn new(dims: &[usize], convention: Convention) -> Result<Mlp, MlpError> {
        let (init, output_offset, target_range) = match convention {
            Convention::Dwsnets => {
                let siren = LayerInit { weight: Bound::Siren, bias: Bound::Zero };
                let linear =
                    LayerInit { weight: Bound::InverseSqrtFanIn, bias: Bound::InverseSqrtFanIn };
                (Init { first: siren, hidden: siren, last: linear }, 0.5, [0.0, 1.0])
            }
            Convention::Sitzmann => {
                let first =
                    LayerInit { weight: Bound::InverseFanIn, bias: Bound::InverseSqrtFanIn };
                let rest = LayerInit { weight: Bound::Siren, bias: Bound::InverseSqrtFanIn };
                (Init { first, hidden: rest, last: rest }, 0.0, [-1.0, 1.0])
            }
        };
        let mlp = Mlp {
            dims: dims.to_vec(),
            activation: Activation::Sine { omega_0: 30.0 },
            output_offset,
            target_range,
            init,
        };
        mlp.validate()?;
        Ok(mlp)
    }

    /// Checks what deserialisation cannot.
    ///
    /// # Errors
    /// The first thing that no kernel could run.
    pub fn validate(&self) -> Result<(), MlpError> {
        if !(3..=MAX_LAYERS + 1).contains(&self.dims.len()) {
            return Err(MlpError::Depth { got: self.dims.len() });
        }
        for (position, &got) in self.dims.iter().enumerate() {
            if !(1..=MAX_WIDTH).contains(&got) {
                return Err(MlpError::Width { position, got });
            }
        }
        if let Activation::Sine { omega_0 } = self.activation
            && !(OMEGA_RANGE[0]..=OMEGA_RANGE[1]).contains(&omega_0)
        {
            return Err(MlpError::Omega { got: omega_0 });
        }
        let [lo, hi] = self.target_range;
        if !(self.output_offset.is_finite() && lo.is_finite() && hi.is_finite() && lo < hi) {
            return Err(MlpError::Output { offset: self.output_offset, range: self.target_range });
        }
        Ok(())
    }

    /// The preset this architecture agrees with, if any.
    pub fn convention(&self) -> Option<Convention> {
        Convention::ALL
            .into_iter()
            .find(|&c| Mlp::new(&self.dims, c).is_ok_and(|preset| preset == *self))
    }

    /// Number of layers (weight matrices), M.
    pub fn depth(&self) -> usize {
        self.dims.len() - 1
    }

    /// Width of the input, d_0.
    pub fn inputs(&self) -> usize {
        self.dims[0]
    }

    /// Width of the output, d_M.
    pub fn outputs(&self) -> usize {
        self.dims[self.depth()]
    }

    /// Widest hidden layer.
    pub fn widest_hidden(&self) -> usize {
        self.dims[1..self.depth()].iter().copied().max().unwrap_or(0)
    }

    /// Number of parameters of one network, P.
    pub fn param_count(&self) -> usize {
        self.dims.windows(2).map(|d| d[0] * d[1] + d[1]).sum()
    }

    /// Where parameter `at` of a vector lies: layer, from 0; `weight` or `bias`; entry of that tensor,
    /// row-major.
    pub fn locate(&self, at: usize) -> (usize, &'static str, usize) {
        let layers = self.layers();
        let layer = layers.iter().rposition(|l| at >= l.weight).unwrap_or(0);
        let place = layers[layer];
        match at.checked_sub(place.bias) {
            Some(entry) => (layer, "bias", entry),
            None => (layer, "weight", at - place.weight),
        }
    }

    /// Where each layer lies in the parameter vector, in order.
    pub fn layers(&self) -> Vec<Layer> {
        let mut at = 0;
        self.dims
            .windows(2)
            .map(|d| {
                let layer =
                    Layer { inputs: d[0], outputs: d[1], weight: at, bias: at + d[0] * d[1] };
                at = layer.bias + d[1];
                layer
            })
            .collect()
    }

    /// Half-widths `(weight, bias)` of the uniform initialisation of layer `l`.
    pub fn init_bounds(&self, l: usize) -> (f32, f32) {
        let rule = match l {
            0 => self.init.first,
            l if l + 1 == self.depth() => self.init.last,
            _ => self.init.hidden,
        };
        let fan_in = self.dims[l] as f64;
        let omega_0 = match self.activation {
            Activation::Sine { omega_0 } => f64::from(omega_0),
            Activation::Relu => 1.0,
        };
        let bound = |rule| match rule {
            Bound::Zero => 0.0,
            Bound::Siren => (6.0 / fan_in).sqrt() / omega_0,
            Bound::InverseFanIn => 1.0 / fan_in,
            Bound::InverseSqrtFanIn => 1.0 / fan_in.sqrt(),
        };
        (bound(rule.weight) as f32, bound(rule.bias) as f32)
    }

    /// PSNR in dB of a mean squared error in output units: 10 log10(peak^2 / mse), with the peak
    /// from [`Mlp::target_range`]. Infinite for an exact fit, NaN for a NaN.
    pub fn psnr(&self, mse: f64) -> f64 {
        let peak = f64::from(self.target_range[1]) - f64::from(self.target_range[0]);
        10.0 * (peak * peak / mse).log10()
    }

    /// The mean squared error whose PSNR is `db`; the inverse of [`Mlp::psnr`].
    pub fn mse_at_psnr(&self, db: f64) -> f64 {
        let peak = f64::from(self.target_range[1]) - f64::from(self.target_range[0]);
        peak * peak / 10f64.powf(db / 10.0)
    }

    /// `2-32-32-1`, for people.
    pub fn dims_text(&self) -> String {
        self.dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
    }
}

/// The coordinate grid of an image: `[height * width, 2]`, point `r * width + c` at
/// `(x = lin(width)[c], y = lin(height)[r])`, where `lin(n)` is `n` points from -1 to 1 with both
/// ends, computed in f64 and rounded to f32 (one point lies at 0). The first coordinate is the
/// column and varies fastest.
pub fn image_grid(height: usize, width: usize) -> Vec<f32> {
    let lin = |i: usize, n: usize| {
        if n == 1 { 0.0 } else { (-1.0 + 2.0 * i as f64 / (n - 1) as f64) as f32 }
    };
    let mut grid = Vec::with_capacity(height * width * 2);
    for r in 0..height {
        for c in 0..width {
            grid.extend([lin(c, width), lin(r, height)]);
        }
    }
    grid
}
