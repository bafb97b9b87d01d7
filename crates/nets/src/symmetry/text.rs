//! Operations as text: their names and parameters, what they mean, reading and writing.

use super::{Depth, Op, Per, SymmetryError};
use std::fmt;
use std::str::FromStr;

/// What can be asked for by name: for help texts and parsing.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The name on the command line and in files.
    pub name: &'static str,
    /// What it does, in one line.
    pub what: &'static str,
    /// What it does to the function.
    pub effect: &'static str,
    /// Its parameters, in order.
    pub parameters: &'static [Parameter],
}

/// A parameter of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its value if none is given: that of the reference code.
    pub default: &'static str,
    /// What it means, and what else is possible.
    pub what: &'static str,
}

const fn parameter(name: &'static str, default: &'static str, what: &'static str) -> Parameter {
    Parameter { name, default, what }
}

const EXACT: &str = "preserves the function exactly";
const INPUT: &str = "acts on the input";
const CHANGES: &str = "changes the function";
const DEGREES: Parameter = parameter("degrees", "30", "greatest angle, 0 to 180");

static KNOWN: [Known; 13] = [
    Known {
        name: "translate",
        what: "carries an offset of the input into a bias: b += A .. A t",
        effect: "acts on the input with depth=first; changes the function a little with a deeper layer",
        parameters: &[
            parameter("range", "0.25", "the offset is uniform on -range .. range, in input units"),
            parameter(
                "depth",
                "random",
                "which layer receives it: random, or first as in the papers",
            ),
        ],
    },
    Known {
        name: "rotate",
        what: "rotates a 2-D input by a random angle",
        effect: INPUT,
        parameters: &[DEGREES],
    },
    Known {
        name: "rotate-axis",
        what: "rotates a 3-D input about an axis by a random angle",
        effect: INPUT,
        parameters: &[
            parameter("x", "0", "direction of the axis, of any length"),
            parameter("y", "0", "the same"),
            parameter("z", "1", "the same"),
            DEGREES,
        ],
    },
    Known {
        name: "rotate-random",
        what: "rotates a 3-D input, uniform over all rotations",
        effect: INPUT,
        parameters: &[],
    },
    Known {
        name: "scale",
        what: "scales the input by a random factor",
        effect: INPUT,
        parameters: &[
            parameter("low", "0.8", "least factor"),
            parameter("high", "1.2", "greatest factor; 1 in the papers"),
        ],
    },
    Known {
        name: "siren-negation",
        what: "flips signs of sine neurons: sin(-z) = -sin z",
        effect: EXACT,
        parameters: &[
            parameter("probability", "0.5", "of a flip"),
            parameter("per", "neuron", "what flips as one: neuron, or layer as in the papers"),
        ],
    },
    Known {
        name: "siren-bias",
        what: "shifts phases of sine neurons by k half periods",
        effect: EXACT,
        parameters: &[parameter(
            "k_max",
            "4",
            "k is uniform on -k_max .. k_max - 1; 1 to 127, where f32 rounds biases by some 4e-5 of the range",
        )],
    },
    Known {
        name: "relu-scaling",
        what: "scales ReLU neurons up and what reads them down",
        effect: EXACT,
        parameters: &[parameter("range", "0.5", "factors are uniform on 1 - range .. 1 + range")],
    },
    Known {
        name: "masking",
        what: "sets random parameters to 0",
        effect: CHANGES,
        parameters: &[
            parameter("probability", "0.1", "of setting a parameter to 0"),
            parameter("rescale", "yes", "divide the others by 1 - probability; no in the papers"),
        ],
    },
    Known {
        name: "quantile-masking",
        what: "sets the smallest parameters to 0",
        effect: CHANGES,
        parameters: &[parameter("level", "0.1", "their share is uniform on 0 .. level")],
    },
    Known {
        name: "gaussian-noise",
        what: "adds noise to every tensor in proportion to its spread",
        effect: CHANGES,
        parameters: &[parameter("level", "0.32", "relative to the tensor's standard deviation")],
    },
    Known {
        name: "permutation",
        what: "shuffles the neurons of every hidden layer",
        effect: EXACT,
        parameters: &[],
    },
    Known {
        name: "combine",
        what: "translate, gaussian-noise and siren-negation one after the other",
        effect: CHANGES,
        parameters: &[],
    },
];

impl Op {
    /// Everything that [`Op::parse`] knows.
    pub fn known() -> &'static [Known] {
        &KNOWN
    }

    /// Operations from `name` or `name:parameter=value,..`; parameters left out have their defaults,
    /// which are those of the reference code. `combine` gives three.
    ///
    /// # Errors
    /// An unknown name or parameter, with the known ones and the nearest, a parameter given twice, or a
    /// value that cannot be read.
    pub fn parse(text: &str) -> Result<Vec<Op>, SymmetryError> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let Some(known) = KNOWN.iter().find(|k| k.name == name) else {
            let names = || KNOWN.iter().map(|k| k.name);
            return Err(SymmetryError::UnknownOperation {
                given: name.to_owned(),
                nearest: nearest(name, names()),
                known: names().collect::<Vec<_>>().join(", "),
            });
        };
        let values = Values::read(known, rest)?;
        Ok(vec![match known.name {
            "translate" => Op::Translate {
                range: values.number("range")?,
                depth: values
                    .choice("depth", [("random", Depth::Random), ("first", Depth::First)])?,
            },
            "rotate" => Op::Rotate { degrees: values.number("degrees")? },
            "rotate-axis" => Op::RotateAxis {
                axis: [values.number("x")?, values.number("y")?, values.number("z")?],
                degrees: values.number("degrees")?,
            },
            "rotate-random" => Op::RotateRandom,
            "scale" => Op::Scale { low: values.number("low")?, high: values.number("high")? },
            "siren-negation" => Op::SirenNegation {
                probability: values.number("probability")?,
                per: values.choice("per", [("neuron", Per::Neuron), ("layer", Per::Layer)])?,
            },
            "siren-bias" => Op::SirenBias { k_max: values.number("k_max")? },
            "relu-scaling" => Op::ReluScaling { range: values.number("range")? },
            "masking" => Op::Masking {
                probability: values.number("probability")?,
                rescale: values.choice("rescale", [("yes", true), ("no", false)])?,
            },
            "quantile-masking" => Op::QuantileMasking { level: values.number("level")? },
            "gaussian-noise" => Op::GaussianNoise { level: values.number("level")? },
            "permutation" => Op::Permutation,
            _ => return Ok(Op::combine().to_vec()),
        }])
    }
}

/// As [`Op::parse`] reads it, with every parameter.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match *self {
            Op::Translate { range, depth } => {
                let depth = if depth == Depth::First { "first" } else { "random" };
                write!(f, ":range={range},depth={depth}")
            }
            Op::Rotate { degrees } => write!(f, ":degrees={degrees}"),
            Op::RotateAxis { axis: [x, y, z], degrees } => {
                write!(f, ":x={x},y={y},z={z},degrees={degrees}")
            }
            Op::Scale { low, high } => write!(f, ":low={low},high={high}"),
            Op::SirenNegation { probability, per } => {
                let per = if per == Per::Layer { "layer" } else { "neuron" };
                write!(f, ":probability={probability},per={per}")
            }
            Op::SirenBias { k_max } => write!(f, ":k_max={k_max}"),
            Op::ReluScaling { range } => write!(f, ":range={range}"),
            Op::Masking { probability, rescale } => {
                let rescale = if rescale { "yes" } else { "no" };
                write!(f, ":probability={probability},rescale={rescale}")
            }
            Op::QuantileMasking { level } | Op::GaussianNoise { level } => {
                write!(f, ":level={level}")
            }
            Op::RotateRandom | Op::Permutation => Ok(()),
        }
    }
}

/// The `name=value` pairs given for an operation; its defaults stand for the others.
struct Values<'a> {
    known: &'static Known,
    given: Vec<(&'a str, &'a str)>,
}

impl<'a> Values<'a> {
    fn read(known: &'static Known, text: &'a str) -> Result<Values<'a>, SymmetryError> {
        let operation = known.name;
        let mut given: Vec<(&str, &str)> = Vec::new();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let names = || known.parameters.iter().map(|p| p.name);
            if !names().any(|n| n == name) {
                return Err(SymmetryError::UnknownParameter {
                    operation,
                    given: name.to_owned(),
                    nearest: nearest(name, names()),
                    known: names().collect::<Vec<_>>().join(", "),
                });
            }
            if given.iter().any(|(n, _)| *n == name) {
                return Err(SymmetryError::Twice { operation, name: name.to_owned() });
            }
            given.push((name, value));
        }
        Ok(Values { known, given })
    }

    fn text(&self, name: &str) -> &'a str {
        let default = self.known.parameters.iter().find(|p| p.name == name).map(|p| p.default);
        let given = self.given.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        given.or(default).unwrap_or_default()
    }

    fn unreadable(&self, name: &'static str, expected: String) -> SymmetryError {
        let value = self.text(name).to_owned();
        SymmetryError::Unreadable { operation: self.known.name, name, value, expected }
    }

    fn number<T: FromStr>(&self, name: &'static str) -> Result<T, SymmetryError> {
        let whole = "1.5".parse::<T>().is_err();
        let expected = if whole { "a whole number of at least 0" } else { "a number" };
        self.text(name).parse().map_err(|_| self.unreadable(name, expected.to_owned()))
    }

    fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: [(&'static str, T); 2],
    ) -> Result<T, SymmetryError> {
        let found = choices.iter().find(|(n, _)| *n == self.text(name));
        let expected = || format!("`{}` or `{}`", choices[0].0, choices[1].0);
        found.map(|(_, value)| *value).ok_or_else(|| self.unreadable(name, expected()))
    }
}

/// The name that is most like `given`; empty if there is none.
fn nearest(given: &str, names: impl Iterator<Item = &'static str>) -> &'static str {
    names.min_by_key(|name| edit_distance(name, given)).unwrap_or_default()
}

/// Levenshtein's edit distance: how many letters must be changed, added or removed.
pub fn edit_distance(a: &str, b: &str) -> usize {
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
