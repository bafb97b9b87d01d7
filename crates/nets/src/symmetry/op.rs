//! The augmentations, their parameters and what they do to the function.

use super::SymmetryError;
use crate::{Activation, Mlp};

/// What an operation does to the function of a net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// f' = f, up to rounding.
    PreservesFunction,
    /// f'(x) = f(g x) for a map g of the input.
    ActsOnInput,
    /// Another function.
    ChangesFunction,
}

impl Effect {
    /// In words, and in files.
    pub fn name(self) -> &'static str {
        match self {
            Effect::PreservesFunction => "preserves the function",
            Effect::ActsOnInput => "acts on the input",
            Effect::ChangesFunction => "changes the function",
        }
    }
}

/// Where a translation enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Uniform over the hidden layers, as in the reference code. Only the first is a translation of
    /// the input; deeper ones change the function, less and less.
    Random,
    /// The first layer: f(x + t), as in the papers.
    First,
}

/// What gets one common sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Every neuron, as in the reference code.
    Neuron,
    /// Every layer, as in the papers.
    Layer,
}

/// An augmentation of one net. Each draws independently for every net.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// b_(r-1) += A_(r-1) .. A_0 t, t uniform on \[-range, range)^d_0. Acts on the input at depth 1.
    Translate {
        /// Half-width of the offsets, in input units.
        range: f32,
        /// Choice of r.
        depth: Depth,
    },
    /// Rotation of a 2-D input by an angle uniform on \[-degrees, degrees). Acts on the input.
    Rotate {
        /// Greatest angle.
        degrees: f32,
    },
    /// Rotation of a 3-D input about an axis by an angle uniform on \[-degrees, degrees). Acts on the input.
    RotateAxis {
        /// Direction; need not have unit length.
        axis: [f32; 3],
        /// Greatest angle.
        degrees: f32,
    },
    /// Rotation of a 3-D input, uniform over all rotations. Acts on the input.
    RotateRandom,
    /// A_0 *= s, s uniform on \[low, high). Acts on the input.
    Scale {
        /// Least factor.
        low: f32,
        /// Greatest factor.
        high: f32,
    },
    /// Signs of sine neurons, sin(-z) = -sin z. Preserves the function.
    SirenNegation {
        /// Of a minus.
        probability: f32,
        /// What gets one sign.
        per: Per,
    },
    /// Phases of sine neurons, b += k pi / omega_0 with k uniform on -k_max .. k_max - 1; the next
    /// layer's column is negated for odd k. Preserves the function.
    SirenBias {
        /// Bound of k.
        k_max: u32,
    },
    /// Positive factors of ReLU neurons, uniform on \[1 - range, 1 + range). Preserves the function.
    ReluScaling {
        /// Half-width, below 1.
        range: f32,
    },
    /// Every entry becomes 0 with a probability. Changes the function.
    Masking {
        /// Of dropping an entry; exact to 2^-24.
        probability: f32,
        /// Divide what is kept by 1 - probability, as the reference code does and the papers do not.
        rescale: bool,
    },
    /// Entries below a quantile of all absolute values become 0; the level is uniform on \[0, level).
    /// Changes the function.
    QuantileMasking {
        /// Greatest level.
        level: f32,
    },
    /// Every tensor gets noise of `level` times its own standard deviation. Changes the function.
    GaussianNoise {
        /// Relative to the tensor's standard deviation.
        level: f32,
    },
    /// A uniform permutation of every hidden layer. Preserves the function.
    Permutation,
}

impl Op {
    /// The chain that the reference code calls `combine`, before its alignment.
    pub fn combine() -> [Op; 3] {
        [
            Op::Translate { range: 0.25, depth: Depth::Random },
            Op::GaussianNoise { level: 0.32 },
            Op::SirenNegation { probability: 0.5, per: Per::Neuron },
        ]
    }

    /// The name on the command line and in files.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Translate { .. } => "translate",
            Op::Rotate { .. } => "rotate",
            Op::RotateAxis { .. } => "rotate-axis",
            Op::RotateRandom => "rotate-random",
            Op::Scale { .. } => "scale",
            Op::SirenNegation { .. } => "siren-negation",
            Op::SirenBias { .. } => "siren-bias",
            Op::ReluScaling { .. } => "relu-scaling",
            Op::Masking { .. } => "masking",
            Op::QuantileMasking { .. } => "quantile-masking",
            Op::GaussianNoise { .. } => "gaussian-noise",
            Op::Permutation => "permutation",
        }
    }

    /// What it does to the function.
    pub fn effect(&self) -> Effect {
        match self {
            Op::SirenNegation { .. }
            | Op::SirenBias { .. }
            | Op::ReluScaling { .. }
            | Op::Permutation => Effect::PreservesFunction,
            Op::Translate { depth: Depth::First, .. }
            | Op::Rotate { .. }
            | Op::RotateAxis { .. }
            | Op::RotateRandom
            | Op::Scale { .. } => Effect::ActsOnInput,
            Op::Translate { depth: Depth::Random, .. }
            | Op::Masking { .. }
            | Op::QuantileMasking { .. }
            | Op::GaussianNoise { .. } => Effect::ChangesFunction,
        }
    }

    /// Checks parameters and whether the operation exists for an architecture.
    ///
    /// # Errors
    /// [`SymmetryError::Setting`] or [`SymmetryError::Unsuitable`].
    pub fn validate(&self, mlp: &Mlp) -> Result<(), SymmetryError> {
        let operation = self.name();
        let want = |ok: bool, name, value: f32, expected| {
            let error = SymmetryError::Setting { operation, name, value, expected };
            if ok { Ok(()) } else { Err(error) }
        };
        let sine = matches!(mlp.activation, Activation::Sine { .. });
        let suits = |ok: bool, needs| {
            let neurons = if sine { "sine" } else { "ReLU" };
            let dims = format!("{} with {neurons} neurons", mlp.dims_text());
            let error = SymmetryError::Unsuitable { operation, dims, needs };
            if ok { Ok(()) } else { Err(error) }
        };
        let positive = |x: f32| x.is_finite() && x >= 0.0;
        match *self {
            Op::Translate { range, .. } => {
                want(positive(range), "range", range, "finite and at least 0")
            }
            Op::Rotate { degrees } => {
                suits(mlp.inputs() == 2, "a 2-D input")?;
                want((0.0..=180.0).contains(&degrees), "degrees", degrees, "0 to 180")
            }
            Op::RotateAxis { axis, degrees } => {
                suits(mlp.inputs() == 3, "a 3-D input")?;
                let length = axis.iter().map(|a| a * a).sum::<f32>().sqrt();
                want(length.is_finite() && length > 0.0, "length of the axis", length, "above 0")?;
                want((0.0..=180.0).contains(&degrees), "degrees", degrees, "0 to 180")
            }
            Op::RotateRandom => suits(mlp.inputs() == 3, "a 3-D input"),
            Op::Scale { low, high } => {
                want(low.is_finite() && low > 0.0, "low", low, "finite and above 0")?;
                want(high.is_finite() && high >= low, "high", high, "finite and at least low")
            }
            Op::SirenNegation { probability, .. } => {
                suits(sine, "sine neurons")?;
                want((0.0..=1.0).contains(&probability), "probability", probability, "0 to 1")
            }
            Op::SirenBias { k_max } => {
                suits(sine, "sine neurons")?;
                want((1..=127).contains(&k_max), "k_max", k_max as f32, "1 to 127")
            }
            Op::ReluScaling { range } => {
                suits(!sine, "ReLU neurons")?;
                want((0.0..1.0).contains(&range), "range", range, "at least 0 and below 1")
            }
            Op::Masking { probability, .. } => {
                let ok = (0.0..1.0).contains(&probability);
                want(ok, "probability", probability, "at least 0 and below 1")
            }
            Op::QuantileMasking { level } => {
                want((0.0..=1.0).contains(&level), "level", level, "0 to 1")
            }
            Op::GaussianNoise { level } => {
                want(positive(level), "level", level, "finite and at least 0")
            }
            Op::Permutation => Ok(()),
        }
    }
}
