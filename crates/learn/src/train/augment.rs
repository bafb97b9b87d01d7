//! What happens to a batch before it is learned from.

use super::error::TrainError;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use weightlab_nets::Mlp;
use weightlab_nets::mix::{Labels, Mix};
use weightlab_nets::symmetry::{Op, SymmetryError, edit_distance};

/// Names beside those of operations.
const MIXTURES: [&str; 8] = [
    "none",
    "mixup",
    "input-mixup",
    "mixup-random",
    "mixup-aligned",
    "mixup-signed",
    "combine",
    "combine-signed",
];

/// Operations on every network, then a mixture with a partner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Augment {
    text: String,
    /// One after the other, drawn anew each time.
    pub ops: Vec<Op>,
    /// How the partner is treated, and what becomes of the labels.
    pub mix: Option<(Mix, Labels)>,
}

impl Default for Augment {
    fn default() -> Augment {
        Augment { text: "none".to_owned(), ops: Vec::new(), mix: None }
    }
}

impl Augment {
    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks that the operations fit an architecture.
    ///
    /// # Errors
    /// The first that does not.
    pub fn validate(&self, mlp: &Mlp) -> Result<(), SymmetryError> {
        self.ops.iter().try_for_each(|op| op.validate(mlp))
    }
}

impl FromStr for Augment {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Augment, TrainError> {
        let wrong =
            |what: &str| TrainError::Augment { text: text.to_owned(), what: what.to_owned() };
        let mut out = Augment { text: text.trim().to_owned(), ops: Vec::new(), mix: None };
        for part in text.split('+').map(str::trim) {
            let mix = match part {
                "none" => continue,
                "mixup" => (Mix::Direct, Labels::Mixed),
                "input-mixup" => (Mix::Direct, Labels::Larger),
                "mixup-random" => (Mix::Random, Labels::Mixed),
                "mixup-aligned" => (Mix::Aligned, Labels::Mixed),
                "mixup-signed" => (Mix::Signed, Labels::Mixed),
                "combine" | "combine-signed" => {
                    out.ops.extend(Op::combine());
                    let how = if part == "combine" { Mix::Aligned } else { Mix::Signed };
                    (how, Labels::Mixed)
                }
                operation => {
                    let ops = Op::parse(operation).map_err(|e| match e {
                        SymmetryError::UnknownOperation { given, nearest, .. } => {
                            let names = MIXTURES.into_iter().chain([nearest]);
                            let close = names.min_by_key(|n| edit_distance(&given, n));
                            let close = close.unwrap_or_default();
                            wrong(&format!("there is no `{given}`; did you mean `{close}`?"))
                        }
                        other => wrong(&other.to_string()),
                    })?;
                    if out.mix.is_some() {
                        return Err(wrong("operations come before the mixture"));
                    }
                    out.ops.extend(ops);
                    continue;
                }
            };
            if out.mix.replace(mix).is_some() {
                return Err(wrong("there is more than one mixture"));
            }
        }
        Ok(out)
    }
}

impl TryFrom<String> for Augment {
    type Error = TrainError;

    fn try_from(text: String) -> Result<Augment, TrainError> {
        text.parse()
    }
}

impl From<Augment> for String {
    fn from(augment: Augment) -> String {
        augment.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_chains() {
        let of = |text: &str| text.parse::<Augment>();
        assert_eq!(of("none").unwrap(), Augment::default());
        assert_eq!(of("mixup-signed").unwrap().mix, Some((Mix::Signed, Labels::Mixed)));
        let chain = of("siren-negation + mixup-aligned").unwrap();
        assert_eq!((chain.ops.len(), chain.mix), (1, Some((Mix::Aligned, Labels::Mixed))));
        let combine = of("combine").unwrap();
        assert_eq!((combine.ops.len(), combine.mix), (3, Some((Mix::Aligned, Labels::Mixed))));
        for bad in ["mix", "mixup+mixup", "mixup+translate", "translate:range=x"] {
            let error = of(bad).unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{bad}`")) && error.contains("mixup-aligned"),
                "{error}"
            );
        }
    }

    #[test]
    fn misspelt_names_are_understood() {
        for (given, meant) in
            [("mixpu", "mixup"), ("mixup-aligend", "mixup-aligned"), ("rotat", "rotate")]
        {
            let error = given.parse::<Augment>().unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean `{meant}`?")), "{error}");
        }
    }

    #[test]
    fn a_file_holds_the_text() {
        let augment: Augment = "translate:range=0.1+mixup".parse().unwrap();
        let text = serde_json::to_string(&augment).unwrap();
        assert_eq!(text, "\"translate:range=0.1+mixup\"");
        assert_eq!(serde_json::from_str::<Augment>(&text).unwrap(), augment);
    }
}
