//! Words of the Align & Mix bench. The page says what it wants to see, as often as that changes; the worker follows.

use serde::{Deserialize, Serialize};
use weightlab_lab::path::PathPoint;
use weightlab_nets::mix::Mix;

/// Mixtures in a strip.
pub const STEPS: usize = 21;

/// From the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Show this.
    Show(Wish),
}

/// Which line: two networks, and how their neurons are shuffled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Which {
    /// Name of the zoo.
    pub zoo: String,
    /// Positions of the networks in it.
    pub pair: [u32; 2],
    /// Key of random permutations and orders.
    pub seed: u64,
}

/// What is to be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// The line.
    pub which: Which,
    /// Share of the second network.
    pub t: f64,
    /// The assignment that is looked at.
    pub look: Look,
}

/// An assignment that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Position in [`Mix::ALL`] of the method that made it.
    pub method: u32,
    /// Hidden layer, from 0.
    pub layer: u32,
    /// Whether the page is dark.
    pub dark: bool,
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// There is a line. The images at both ends come along, then the strip of their averages.
    Line(Line),
    /// What a method makes of the line; its strip comes along.
    Strip(Strip),
    /// The mixtures at one place. Their images come along: the average of both, then one per method.
    At(At),
    /// An assignment. The costs come along as they are, and reordered.
    Costs(Costs),
    /// It cannot be shown.
    Failed {
        /// Why, in a sentence.
        what: String,
    },
}

/// A line between two networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Which.
    pub which: Which,
    /// What is known of both: `#3 Sneaker`.
    pub titles: [String; 2],
    /// Whether errors are against the images that were fitted, rather than what the networks themselves draw.
    pub against_images: bool,
    /// Height and width of the images.
    pub size: [u32; 2],
    /// Widths of the hidden layers.
    pub hidden: Vec<u32>,
    /// Methods there are for this architecture: positions in [`Mix::ALL`].
    pub methods: Vec<u32>,
}

/// What a method makes of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strip {
    /// Of which line.
    pub which: Which,
    /// Position in [`Mix::ALL`].
    pub method: u32,
    /// Squared distance of both networks' weights.
    pub squared_distance: f64,
    /// The mixtures, [`STEPS`] of them.
    pub points: Vec<PathPoint>,
}

/// The mixtures at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct At {
    /// Of which line.
    pub which: Which,
    /// Share of the second network.
    pub t: f64,
    /// How far each is from where it should be: the average of both images, then the methods of the line.
    pub points: Vec<PathPoint>,
}

/// An assignment and what it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Of which line.
    pub which: Which,
    /// Which assignment.
    pub look: Look,
    /// Neurons of the layer.
    pub width: u32,
    /// Which neuron of the second network is at each place of the first.
    pub columns: Vec<u32>,
    /// Sum of the costs with every neuron in its place, and as they are assigned.
    pub sums: [f64; 2],
}

/// The name of a method, from its position in [`Mix::ALL`].
pub fn name(method: u32) -> &'static str {
    Mix::ALL.get(method as usize).map_or("", |method| method.name())
}

impl At {
    /// What one sees, in plain words. `methods` are those of the line.
    pub fn sentence(&self, methods: &[u32]) -> String {
        let error = |wanted: Mix| {
            let at = methods.iter().position(|&m| Mix::ALL.get(m as usize) == Some(&wanted))?;
            Some(self.points.get(at + 1)?.mse_blend)
        };
        if self.which.pair[0] == self.which.pair[1] {
            return "Both ends are the same network, and mixed with itself it stays what it is. Shuffled, it is still the same \
                    function, but the mixture is not (“random”); matching puts the neurons back (“aligned”)."
                .to_owned();
        }
        let (Some(direct), Some(aligned)) = (error(Mix::Direct), error(Mix::Aligned)) else {
            return String::new();
        };
        // Signs mostly help, not always.
        let signed = error(Mix::Signed).filter(|signed| *signed < aligned);
        let matched = signed.unwrap_or(aligned);
        let place = match self.t {
            t if t <= 0.0 => {
                return "At this end there is the first network alone. Move the slider, and the second comes in."
                    .to_owned();
            }
            t if t >= 1.0 => {
                return "At this end there is the second network alone, in four orders of its neurons: all of them \
                        draw the same."
                    .to_owned();
            }
            t if (0.48..=0.52).contains(&t) => "Half way",
            _ => "Here",
        };
        let times = direct / matched.max(1e-12);
        if times >= 1.5 {
            let text = |error: f64| match direct / error.max(1e-12) {
                times if times >= 10.0 => format!("{times:.0} times"),
                times => format!("{times:.1} times"),
            };
            let aligned = text(aligned);
            let [signs, more] = match signed.map(text) {
                Some(signed) => [
                    format!(", and {signed} that with signs too"),
                    ", some with the other sign".to_owned(),
                ],
                None => Default::default(),
            };
            format!(
                "{place}, the error of the weights averaged as they are is {aligned} that of “aligned”{signs}. Nothing \
                 was learnt in between: the neurons of the second network were only put in another order{more}."
            )
        } else if times > 1.05 {
            format!(
                "{place}, matching helps, but little: these two networks have not many neurons in common, whatever \
                 their order."
            )
        } else {
            format!(
                "{place}, matching does not help: the error is as large as without. Try two networks of one picture."
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_say_what_is_seen() {
        let mut which = Which { zoo: "z".to_owned(), pair: [0, 1], seed: 0 };
        let said = |t: f64, errors: [f64; 5], methods: &[u32]| {
            let point = |&e: &f64| PathPoint { t, mse_blend: e, mse_first: e, mse_second: e };
            let points = errors.iter().map(point).collect();
            At { which: which.clone(), t, points }.sentence(methods)
        };
        let all = [0, 1, 2, 3];
        let much = said(0.5, [0.0, 0.53, 0.6, 0.08, 0.03], &all);
        assert!(
            much.starts_with("Half way, ")
                && much.contains("is 6.6 times that of “aligned”, and 18 times"),
            "{much}"
        );
        assert!(
            said(0.3, [0.0, 0.12, 0.2, 0.1, 0.1], &all).starts_with("Here, matching helps, but")
        );
        assert!(said(0.3, [0.0, 0.1, 0.2, 0.1, 0.1], &all).contains("does not help"));
        assert!(said(0.0, [0.0; 5], &all).contains("first network alone"));
        assert!(said(1.0, [0.0; 5], &all).contains("second network alone"));
        // Without sines there are no signs.
        assert!(said(0.5, [0.0, 0.5, 0.5, 0.1, 0.0], &all[..3]).contains("is 5.0 times"));
        which.pair = [4, 4];
        let same = At { which, t: 0.5, points: Vec::new() };
        assert!(same.sentence(&all).contains("the same network"));
        assert_eq!([0, 3, 9].map(name), ["direct", "signed", ""]);
    }
}
