//! How much of the first net a mixture has.

use crate::symmetry::SymmetryError;
use std::str::FromStr;
use weightlab_kernels::philox::{self, Purpose};

/// Least and greatest parameter of [`Lambda::Beta`]: beyond, f32 has nothing between the ends, or nothing but a half.
const BETA: [f32; 2] = [0.01, 1000.0];

/// The weights of the first nets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lambda {
    /// The same for all pairs.
    Constant(f32),
    /// Uniform on \[0, 1), drawn per pair by its stream.
    Uniform,
    /// Beta(a, a), drawn per pair by its stream: the law of the original MixUp. Beta(1, 1) is uniform, small a stays
    /// near the ends, large a near a half.
    Beta(f32),
}

impl Lambda {
    /// Checks the parameter.
    ///
    /// # Errors
    /// [`SymmetryError::Setting`].
    pub fn validate(&self) -> Result<(), SymmetryError> {
        let (name, value, range, expected) = match *self {
            Lambda::Constant(lambda) => ("lambda", lambda, [0.0, 1.0], "0 to 1"),
            Lambda::Uniform => return Ok(()),
            Lambda::Beta(a) => ("a of beta:a", a, BETA, "0.01 to 1000"),
        };
        if (range[0]..=range[1]).contains(&value) {
            return Ok(());
        }
        Err(SymmetryError::Setting { operation: "mix", name, value, expected })
    }

    /// The number of one pair: the plain twin of `shaders/align/draw_lambdas.wgsl`, in f64.
    pub fn reference(&self, stream: [u32; 2], seed: u64) -> f64 {
        let words = |first: u32| {
            let counter = [first, stream[0], stream[1], Purpose::Lambda as u32];
            philox::philox4x32(counter, philox::key(seed))
        };
        match *self {
            Lambda::Constant(lambda) => lambda.into(),
            Lambda::Uniform => 0.5 * f64::from(philox::symmetric(words(0)[0])) + 0.5,
            Lambda::Beta(a) => {
                let a = f64::from(a);
                let difference = ln_gamma_draw(a, 1, words) - ln_gamma_draw(a, 0, words);
                1.0 / (1.0 + difference.clamp(-80.0, 80.0).exp())
            }
        }
    }
}

/// On (0, 1], in steps of 2^-24.
fn unit(word: u32) -> f64 {
    f64::from((word >> 8) + 1) / 16_777_216.0
}

/// The logarithm of a Gamma(a) number: Marsaglia and Tsang's method, as the shader's header has it.
fn ln_gamma_draw(a: f64, which: u32, words: impl Fn(u32) -> [u32; 4]) -> f64 {
    let d = if a < 1.0 { a + 1.0 } else { a } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    let mut out = d.ln();
    for k in 0..16 {
        let w = words(2 * k + which);
        let angle = std::f64::consts::PI * f64::from(philox::symmetric(w[1]));
        let x = (-2.0 * unit(w[0]).ln()).sqrt() * angle.cos();
        let t = 1.0 + c * x;
        let v = t.powi(3);
        if t > 0.0 && unit(w[2]).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            out += v.ln();
            break;
        }
    }
    if a < 1.0 {
        out += unit(words(64 + which)[0]).ln() / a;
    }
    out
}

impl FromStr for Lambda {
    type Err = SymmetryError;

    /// A number from 0 to 1, `uniform`, or `beta:a`.
    fn from_str(text: &str) -> Result<Lambda, SymmetryError> {
        let lambda = match text.strip_prefix("beta:") {
            _ if text == "uniform" => Some(Lambda::Uniform),
            Some(a) => a.parse().ok().map(Lambda::Beta),
            None => text.parse().ok().map(Lambda::Constant),
        };
        let Some(lambda) = lambda else {
            return Err(SymmetryError::Unreadable {
                operation: "mix",
                name: "lambda",
                value: text.to_owned(),
                expected: "a number from 0 to 1, `uniform`, or `beta:a` such as `beta:0.2`"
                    .to_owned(),
            });
        };
        lambda.validate()?;
        Ok(lambda)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!("0.25".parse::<Lambda>().unwrap(), Lambda::Constant(0.25));
        assert_eq!("uniform".parse::<Lambda>().unwrap(), Lambda::Uniform);
        assert_eq!("beta:0.2".parse::<Lambda>().unwrap(), Lambda::Beta(0.2));
        for (text, words) in [
            ("1.5", &["lambda = 1.5", "0 to 1"][..]),
            ("-0.1", &["lambda = -0.1; "]),
            ("NaN", &["lambda = NaN"]),
            ("beta:0", &["a of beta:a = 0", "0.01"]),
            ("half", &["half", "uniform"]),
            ("beta:", &["beta:a"]),
        ] {
            let error = text.parse::<Lambda>().unwrap_err().to_string();
            assert!(words.iter().all(|w| error.contains(w)), "{error}");
        }
    }
}
