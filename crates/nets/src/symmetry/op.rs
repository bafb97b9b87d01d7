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
        /// Of dropping an entry.
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

/// Name and parameters of every operation, for help texts and parsing.
const KNOWN: [(&str, &str); 13] = [
    ("translate", "range (0.25), depth (random or first)"),
    ("rotate", "degrees (30)"),
    ("rotate-axis", "x (0), y (0), z (1), degrees (30)"),
    ("rotate-random", "nothing"),
    ("scale", "low (0.8), high (1.2)"),
    ("siren-negation", "probability (0.5), per (neuron or layer)"),
    ("siren-bias", "k_max (4)"),
    ("relu-scaling", "range (0.5)"),
    ("masking", "probability (0.1), rescale (yes or no)"),
    ("quantile-masking", "level (0.1)"),
    ("gaussian-noise", "level (0.32)"),
    ("permutation", "nothing"),
    ("combine", "nothing; it stands for translate, gaussian-noise, siren-negation"),
];

impl Op {
    /// `(name, parameters with defaults)` of everything [`Op::parse`] knows.
    pub fn known() -> &'static [(&'static str, &'static str)] {
        &KNOWN
    }

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
            let error = SymmetryError::Setting { operation, name, value: value.into(), expected };
            if ok { Ok(()) } else { Err(error) }
        };
        let suits = |ok: bool, needs| {
            let error = SymmetryError::Unsuitable { operation, dims: mlp.dims_text(), needs };
            if ok { Ok(()) } else { Err(error) }
        };
        let sine = matches!(mlp.activation, Activation::Sine { .. });
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

    /// Operations from `name` or `name:parameter=value,..`; parameters left out have their defaults,
    /// which are those of the reference code. `combine` gives three.
    ///
    /// # Errors
    /// An unknown name or parameter, with the known ones, or a value that cannot be read.
    pub fn parse(text: &str) -> Result<Vec<Op>, SymmetryError> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let Some(&(operation, known)) = KNOWN.iter().find(|(n, _)| *n == name) else {
            let nearest = KNOWN.iter().map(|(n, _)| *n).min_by_key(|n| distance(n, name));
            return Err(SymmetryError::UnknownOperation {
                given: name.to_owned(),
                nearest: nearest.unwrap_or_default(),
                known: KNOWN.map(|(n, _)| n).join(", "),
            });
        };
        let mut given: Vec<(&str, &str)> = Vec::new();
        for part in rest.split(',').filter(|p| !p.is_empty()) {
            given.push(part.split_once('=').unwrap_or((part, "")));
        }
        let mut values = Values { operation, given };
        let op = match operation {
            "translate" => Op::Translate {
                range: values.number("range", 0.25)?,
                depth: values
                    .choice("depth", &[("random", Depth::Random), ("first", Depth::First)])?,
            },
            "rotate" => Op::Rotate { degrees: values.number("degrees", 30.0)? },
            "rotate-axis" => Op::RotateAxis {
                axis: [
                    values.number("x", 0.0)?,
                    values.number("y", 0.0)?,
                    values.number("z", 1.0)?,
                ],
                degrees: values.number("degrees", 30.0)?,
            },
            "rotate-random" => Op::RotateRandom,
            "scale" => {
                Op::Scale { low: values.number("low", 0.8)?, high: values.number("high", 1.2)? }
            }
            "siren-negation" => Op::SirenNegation {
                probability: values.number("probability", 0.5)?,
                per: values.choice("per", &[("neuron", Per::Neuron), ("layer", Per::Layer)])?,
            },
            "siren-bias" => Op::SirenBias { k_max: values.number("k_max", 4)? },
            "relu-scaling" => Op::ReluScaling { range: values.number("range", 0.5)? },
            "masking" => Op::Masking {
                probability: values.number("probability", 0.1)?,
                rescale: values.choice("rescale", &[("yes", true), ("no", false)])?,
            },
            "quantile-masking" => Op::QuantileMasking { level: values.number("level", 0.1)? },
            "gaussian-noise" => Op::GaussianNoise { level: values.number("level", 0.32)? },
            "permutation" => Op::Permutation,
            _ => {
                values.finish(known)?;
                return Ok(Op::combine().to_vec());
            }
        };
        values.finish(known)?;
        Ok(vec![op])
    }
}

/// What remains to be read of `name=value` pairs.
struct Values<'a> {
    operation: &'static str,
    given: Vec<(&'a str, &'a str)>,
}

impl<'a> Values<'a> {
    fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.given.iter().position(|(n, _)| *n == name)?;
        Some(self.given.remove(at).1)
    }

    fn unreadable(&self, name: &'static str, value: &str, expected: &'static str) -> SymmetryError {
        let value = value.to_owned();
        SymmetryError::Unreadable { operation: self.operation, name, value, expected }
    }

    fn number<T: std::str::FromStr>(
        &mut self,
        name: &'static str,
        default: T,
    ) -> Result<T, SymmetryError> {
        let Some(text) = self.take(name) else { return Ok(default) };
        text.parse().map_err(|_| self.unreadable(name, text, "a number in range"))
    }

    /// The first choice is the default.
    fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T); 2],
    ) -> Result<T, SymmetryError> {
        let Some(text) = self.take(name) else { return Ok(choices[0].1) };
        let expected = match choices[0].0 {
            "random" => "`random` or `first`",
            "neuron" => "`neuron` or `layer`",
            _ => "`yes` or `no`",
        };
        choices
            .iter()
            .find(|(n, _)| *n == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| self.unreadable(name, text, expected))
    }

    fn finish(self, known: &'static str) -> Result<(), SymmetryError> {
        match self.given.first() {
            Some((given, _)) => Err(SymmetryError::UnknownParameter {
                operation: self.operation,
                given: (*given).to_owned(),
                known,
            }),
            None => Ok(()),
        }
    }
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
