//! Words of the Augment bench. The page says what it wants to see, as often as that changes; the worker shows the newest.

use serde::{Deserialize, Serialize};
use weightlab_lab::augment::Change;
use weightlab_nets::symmetry::Effect;

/// From the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Show this.
    Try(Wish),
}

/// What is to be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Name of the zoo.
    pub zoo: String,
    /// Position of the network in it.
    pub net: u32,
    /// Operations, one after the other, as text.
    pub ops: Vec<String>,
    /// Key of all that is drawn at random.
    pub draw: u64,
    /// Whether the page is dark: the middle of the colours is its ground.
    pub dark: bool,
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// Which operations suit the networks of a zoo.
    Suits {
        /// Its name.
        zoo: String,
        /// For each that is known, in their order, why it does not; `None` if it does.
        reasons: Vec<Option<String>>,
    },
    /// What was to be seen. Drawings come along as RGBA: the weights before, after and their difference, and the same of
    /// the function if it is a picture.
    Tried(Box<Tried>),
    /// It cannot be shown.
    Failed {
        /// Why, in a sentence.
        what: String,
    },
}

/// What a chain did to a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Of what.
    pub wish: Wish,
    /// What each operation drew, in words.
    pub draws: Vec<String>,
    /// What each did, in order.
    pub ops: Vec<Change>,
    /// What all of them together did.
    pub overall: Change,
    /// Parameters that are others than before, and all there are.
    pub changed: [u32; 2],
    /// Points at which functions were compared.
    pub points: u32,
    /// Height and width of the drawings of weights.
    pub weights: [u32; 2],
    /// Height and width of the drawings of the function, if it is a picture.
    pub picture: Option<[u32; 2]>,
}

impl Tried {
    /// What one sees, in plain words.
    pub fn sentence(&self) -> String {
        let [changed, all] = self.changed;
        let moved = match changed {
            0 => "Not one number changed".to_owned(),
            n if n == all => format!("All {all} numbers changed"),
            n => format!("{n} of {all} numbers changed"),
        };
        let (Some(max), Some(share)) = (self.overall.max, self.overall.of_range) else {
            return format!("{moved}, and what the network gives is no number any more.");
        };
        let by = format!("{} of the range", percent(share));
        let effect = self.overall.effect.as_str();
        if changed == 0 {
            return format!(
                "{moved}: this draw happens to do nothing. Another draw, or a larger setting, does more."
            );
        }
        if effect == Effect::PreservesFunction.name() {
            let off = if max > 0.0 {
                format!("nowhere does it differ by more than {}, which is rounding", at_most(max))
            } else {
                "it is the same to the last bit".to_owned()
            };
            return format!(
                "{moved}, and the picture did not: {off}. These are two different lists of numbers for one and the \
                 same function."
            );
        }
        // One operation whose map of the input was checked, whatever it is in general.
        let checked = match self.ops.as_slice() {
            [one] => one.max_on_moved_input,
            _ => None,
        };
        if let Some(off) = checked {
            return format!(
                "{moved}, and the picture moved with them. It is the old picture seen from another place: \
                 asked at the moved points, the old network gives the same up to {}. At one point, brightness \
                 changed by up to {by}.",
                at_most(off)
            );
        }
        if effect == Effect::ActsOnInput.name() {
            return format!(
                "{moved}, and the picture moved with them: after every step it is the picture before, seen from another \
                 place. At one point, brightness changed by up to {by}."
            );
        }
        if share < 0.01 {
            return format!("{moved}, and the picture hardly did: by up to {by}.");
        }
        format!(
            "{moved}, and the picture with them: by up to {by}. This is another function; a learner that is to call both \
             the same has to bear it, as it bears noise in an image."
        )
    }
}

/// One digit, rounded up: nothing is greater than what is said.
fn at_most(x: f64) -> String {
    let unit = 10f64.powf(x.log10().floor());
    // A digit that comes out whole stays, whatever the division's rounding.
    format!("{:.0e}", (x / unit - 1e-9).ceil() * unit)
}

/// A share for people.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 10.0 { format!("{percent:.0} %") } else { format!("{percent:.2} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(effect: Effect, max: f64, checked: Option<f64>, changed: u32) -> Tried {
        let change = Change {
            op: "op".to_owned(),
            effect: effect.name().to_owned(),
            max: Some(max),
            of_range: Some(max),
            max_on_moved_input: checked,
            nets_on_moved_input: u64::from(checked.is_some()),
        };
        let wish = Wish { zoo: "z".to_owned(), net: 0, ops: Vec::new(), draw: 0, dark: false };
        Tried {
            wish,
            draws: vec![String::new()],
            ops: vec![change.clone()],
            overall: change,
            changed: [changed, 9],
            points: 4,
            weights: [1, 9],
            picture: None,
        }
    }

    #[test]
    fn sentences_say_what_happened() {
        let said = |effect, max, checked, changed| tried(effect, max, checked, changed).sentence();
        let kept = said(Effect::PreservesFunction, 3e-7, None, 9);
        assert!(
            kept.starts_with("All 9 numbers changed, and the picture did not: nowhere"),
            "{kept}"
        );
        assert!(kept.contains("more than 3e-7"), "{kept}");
        for (max, expected) in [(1.3e-6, "than 2e-6"), (8.3e-7, "than 9e-7"), (9.7e-7, "than 1e-6")]
        {
            let kept = said(Effect::PreservesFunction, max, None, 9);
            assert!(kept.contains(expected), "{max}: {kept}");
        }
        assert!(said(Effect::PreservesFunction, 0.0, None, 9).contains("the last bit"));
        let moved = said(Effect::ActsOnInput, 0.7, Some(2e-6), 4);
        assert!(
            moved.starts_with("4 of 9") && moved.contains("up to 70 % of the range"),
            "{moved}"
        );
        assert!(moved.contains("2e-6"), "{moved}");
        let noise = said(Effect::ChangesFunction, 0.05, None, 9);
        assert!(noise.contains("5.00 %") && noise.contains("another function"), "{noise}");
        assert!(said(Effect::ChangesFunction, 0.001, None, 9).contains("hardly"));
        assert!(said(Effect::PreservesFunction, 0.0, None, 0).contains("do nothing"));
        let mut broken = tried(Effect::ChangesFunction, 1.0, None, 9);
        (broken.overall.max, broken.overall.of_range) = (None, None);
        assert!(broken.sentence().contains("no number"));
    }
}
