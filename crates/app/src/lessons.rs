//! The lessons: four tours in plain language. A step sets the lab up by an address, as a link does, says what to look at and
//! asks a question.

use crate::state::{Bench, State};

/// A guided tour.
#[derive(Clone, Copy, Debug)]
pub struct Tour {
    /// Its name in addresses.
    pub key: &'static str,
    /// Its name for people: the question it answers.
    pub title: &'static str,
    /// What one learns.
    pub about: &'static str,
    /// Its steps.
    pub steps: &'static [Step],
}

/// A step of a tour.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it is about.
    pub title: &'static str,
    /// What to do and to look at; a paragraph each.
    pub text: &'static [&'static str],
    /// The fragment of the address that sets the lab up.
    pub state: &'static str,
    /// What is asked.
    pub question: Question,
    /// A picture of what there would be to see, for where there is no GPU.
    pub recorded: Option<Recorded>,
}

/// A question with answers to choose from.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The question.
    pub text: &'static str,
    /// The answers.
    pub answers: &'static [&'static str],
    /// Index of the right one.
    pub right: usize,
    /// Why it is right.
    pub because: &'static str,
}

/// A picture of what a step shows.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// Its file in `web/recorded`.
    pub file: &'static str,
    /// What it shows.
    pub what: &'static str,
}

/// All of them.
pub const TOURS: &[Tour] = &[PICTURE, MANY, AVERAGE, READING];

const PICTURE: Tour = Tour {
    key: "picture",
    title: "What is a network that is a picture?",
    about: "A photograph is a table of brightnesses. A network can be the same picture without any table: a formula \
            that answers for every place how bright it is.",
    steps: &[
        Step {
            title: "A formula that has seen nothing yet",
            text: &[
                "On the left is a picture of trousers: 28 × 28 = 784 numbers, one for each pixel. On the right is \
                 what a small network draws. It gets a place, x and y, and answers with a brightness; to draw it, we \
                 ask it for every place.",
                "Its weights, 1,185 numbers, are still random, so it draws noise.",
            ],
            state: "hide=network,many,waves,picture,difference",
            question: Question {
                text: "What does the network get, and what does it give?",
                answers: &[
                    "It gets a picture and says what is on it",
                    "It gets a place and gives a brightness",
                    "It gets a brightness and gives a place",
                ],
                right: 1,
                because: "That is all it does. The picture is how its answers look when it is asked about all places.",
            },
            recorded: None,
        },
        Step {
            title: "It learns",
            text: &[
                "Now it runs. At each step all answers are compared with the picture, and each of the 1,185 weights is \
                 turned a little in the direction that makes the error smaller. Watch the drawing and the curve of \
                 the error.",
                "Press Space to pause, the right arrow for a single step, R to begin again.",
            ],
            state: "run=1&hide=network,many,waves,picture",
            question: Question {
                text: "What changes while it learns?",
                answers: &["The pixels of the drawing", "The weights", "The picture on the left"],
                right: 1,
                because: "Only the weights change. The drawing is made anew from them each time.",
            },
            recorded: None,
        },
        Step {
            title: "Between the pixels",
            text: &[
                "The picture on the left has pixels: zoomed in, they are squares. The network has none. You may ask \
                 it for the brightness at any place, also between two pixels.",
                "Drag the pictures, and move the zoom. Try zooming out, beyond the edge of the picture.",
            ],
            state: "run=1&zoom=0.25&x=0.35&y=0.1&hide=network,many,waves,picture,chart",
            question: Question {
                text: "Does the network know what is between two pixels?",
                answers: &[
                    "Yes, it has seen the real trousers",
                    "No, nobody ever told it; it fills in something smooth",
                    "No, it draws nothing there",
                ],
                right: 1,
                because: "It was only asked about the pixels. What it says elsewhere is what its waves happen to give: \
                          smooth, but made up.",
            },
            recorded: Some(Recorded {
                file: "lesson-corner.webp",
                what: "A corner of the picture, four times as large: its pixels, and what the network draws there.",
            }),
        },
        Step {
            title: "Made of waves",
            text: &[
                "Below the pictures you see the first layer: each of its 32 neurons is a wave, some wide, some narrow, \
                 each in its own direction. Point at one. Everything the network draws is mixed from these.",
                "Now move ω₀ (the frequency) to 5, then to 80, and let it run each time.",
            ],
            state: "run=1&hide=many,picture,chart,difference",
            question: Question {
                text: "What do you get with a very small ω₀?",
                answers: &[
                    "Only wide waves: the drawing stays blurred",
                    "A sharper drawing",
                    "No waves at all",
                ],
                right: 0,
                because: "A sharp edge needs narrow waves. With ω₀ too large there are so many of them that the drawing \
                          becomes grainy between the pixels.",
            },
            recorded: Some(Recorded {
                file: "lesson-omega.webp",
                what: "The trousers by networks with ω₀ = 5, 30 and 80, after 500 steps each.",
            }),
        },
    ],
};

const MANY: Tour = Tour {
    key: "many",
    title: "Many networks, one picture",
    about: "Networks that draw the same need not have the same weights. Some of the differences mean nothing at all: \
            these are the symmetries of a network.",
    steps: &[
        Step {
            title: "Sixteen students",
            text: &[
                "Sixteen networks learn the same picture, each from random weights of its own. Let them finish and \
                 compare the drawings: choose some by clicking on them.",
            ],
            state: "nets=16&steps=400&run=1&hide=network,picture,chart,waves,difference,view",
            question: Question {
                text: "They draw nearly the same. Do they have nearly the same weights?",
                answers: &["Yes, there is one right answer", "No, each found its own"],
                right: 1,
                because: "There are very many ways to mix the same picture from waves. Look at the first layers in the \
                          next step.",
            },
            recorded: Some(Recorded {
                file: "lesson-many.webp",
                what: "Eight of sixteen networks, each from other random weights, after 400 steps.",
            }),
        },
        Step {
            title: "Different waves",
            text: &[
                "The waves of one of them are shown below. Choose another network on the wall: its waves are others, \
                 though its picture is the same.",
            ],
            state: "nets=16&steps=400&run=1&hide=network,picture,chart,difference,view",
            question: Question {
                text: "If you write the weights of two of these networks below each other, what do you see?",
                answers: &[
                    "The same numbers",
                    "Numbers that seem to have nothing to do with each other",
                ],
                right: 1,
                because: "So comparing networks number by number says little about whether they do the same. That is \
                          the difficulty of all that follows.",
            },
            recorded: Some(Recorded {
                file: "lesson-many.webp",
                what: "Eight of sixteen networks, each from other random weights, after 400 steps.",
            }),
        },
        Step {
            title: "Neurons can swap places",
            text: &[
                "Here is one network, before and after its neurons were shuffled: the rows of one table of weights and \
                 the columns of the next are in another order. Look at how much the tables change, and how much the \
                 picture does.",
            ],
            state: "bench=augment&op=permutation",
            question: Question {
                text: "Why does the picture stay the same?",
                answers: &[
                    "Because only few weights have changed",
                    "Because a sum does not depend on the order in which one adds",
                ],
                right: 1,
                because: "Each neuron passes its value on to a sum. Whoever stands first or last in it makes no \
                          difference: 32 neurons can be arranged in more ways than there are atoms in the sun, and all of \
                          them are the same function.",
            },
            recorded: Some(Recorded {
                file: "lesson-symmetry.webp",
                what: "A network as it was fitted; with its neurons shuffled; with signs turned; with noise on its weights.",
            }),
        },
        Step {
            title: "Signs can flip",
            text: &[
                "A sine has another symmetry: sin(−z) = −sin(z). So the sign of all weights into a neuron can be \
                 turned round, if the signs of the weights out of it are turned as well. Press “another draw” a few times.",
            ],
            state: "bench=augment&op=siren-negation",
            question: Question {
                text: "A network with 64 hidden neurons: how many networks do the same, by signs alone?",
                answers: &["64", "2 · 64 = 128", "2 multiplied by itself 64 times"],
                right: 2,
                because: "Each neuron can be turned or not, independently of the others: 2 · 2 · 2 · … .",
            },
            recorded: Some(Recorded {
                file: "lesson-symmetry.webp",
                what: "A network as it was fitted; with its neurons shuffled; with signs turned; with noise on its weights.",
            }),
        },
        Step {
            title: "Not every change is harmless",
            text: &[
                "Noise on the weights is no symmetry: it changes the function. Move the slider of its level, and find \
                 the level at which you no longer recognise the picture.",
            ],
            state: "bench=augment&op=gaussian-noise:level%3D0.05",
            question: Question {
                text: "What may such changes be good for, if one wants to teach another network to read weights?",
                answers: &[
                    "For nothing: they spoil the networks",
                    "They make many examples out of one, so that the reader learns what matters",
                ],
                right: 1,
                because: "That is augmentation: whoever has seen the same network in a thousand guises is less likely to \
                          be fooled by the guise.",
            },
            recorded: Some(Recorded {
                file: "lesson-symmetry.webp",
                what: "A network as it was fitted; with its neurons shuffled; with signs turned; with noise on its weights.",
            }),
        },
    ],
};

const AVERAGE: Tour = Tour {
    key: "average",
    title: "Why averaging breaks, and alignment mends",
    about: "The average of two pictures is a picture with both in it. The average of two networks is mostly rubbish, \
            unless their neurons are brought into the same order first.",
    steps: &[
        Step {
            title: "Two ends of a line",
            text: &[
                "Two networks, and a slider between them. At its left end you see the first, at its right end the \
                 second. Move it slowly from one end to the other and watch the strip called “direct”.",
            ],
            state: "bench=mix&t=0",
            question: Question {
                text: "What lies half-way, if the weights are simply averaged?",
                answers: &["The average of both pictures", "Neither of them, but something broken"],
                right: 1,
                because: "Both draw well, and what is between them does not. Weights are no pixels.",
            },
            recorded: Some(Recorded {
                file: "lesson-mix.webp",
                what: "The way from one network to the other: direct, shuffled at random, aligned, aligned with signs.",
            }),
        },
        Step {
            title: "The hill between them",
            text: &[
                "The curve shows the error along the way, for four ways of mixing. Where it rises like a hill between \
                 its ends, the networks on the way are worse than both.",
            ],
            state: "bench=mix&t=0.5",
            question: Question {
                text: "Why does averaging break them?",
                answers: &[
                    "Because neuron 5 of one has another task than neuron 5 of the other",
                    "Because averages are always bad",
                    "Because the networks are too small",
                ],
                right: 0,
                because: "It is like averaging two football teams by the numbers on their shirts: the goalkeeper of one \
                          with the striker of the other.",
            },
            recorded: Some(Recorded {
                file: "lesson-mix.webp",
                what: "The way from one network to the other: direct, shuffled at random, aligned, aligned with signs.",
            }),
        },
        Step {
            title: "Find the partners first",
            text: &[
                "“Aligned” looks for the order of the second network's neurons in which they resemble those of the first \
                 most. The table shows how costly it would be to pair each with each; the marks are the pairs chosen. \
                 The second network still draws the same, and now compare the middles.",
            ],
            state: "bench=mix&t=0.5&method=aligned",
            question: Question {
                text: "Does alignment change what the second network draws?",
                answers: &[
                    "Yes, it makes it more like the first",
                    "No, only the order of its neurons",
                ],
                right: 1,
                because: "Reordering neurons is a symmetry. Only the way between the two becomes another.",
            },
            recorded: Some(Recorded {
                file: "lesson-mix.webp",
                what: "The way from one network to the other: direct, shuffled at random, aligned, aligned with signs.",
            }),
        },
        Step {
            title: "And their signs",
            text: &[
                "Two neurons may be partners up to their sign. “Signed” also chooses for each pair whether to turn it \
                 round. Compare the hills of all four.",
            ],
            state: "bench=mix&t=0.5&method=signed",
            question: Question {
                text: "Is the middle now a perfect picture?",
                answers: &["Yes", "No, but the error is smaller"],
                right: 1,
                because: "The waves of two networks have no exact counterparts: even the best partners differ. An honest \
                          result: alignment helps much, and not wholly.",
            },
            recorded: Some(Recorded {
                file: "lesson-mix.webp",
                what: "The way from one network to the other: direct, shuffled at random, aligned, aligned with signs.",
            }),
        },
    ],
};

const READING: Tour = Tour {
    key: "reading",
    title: "Reading a network without running it",
    about: "Can one tell from the weights alone what a network draws? A second network learns just that, and because \
            it knows the symmetries it cannot be fooled by the order of the neurons.",
    steps: &[
        Step {
            title: "Weights in, class out",
            text: &[
                "720 networks, each of which draws a piece of clothing, are shown to a reader. It gets their weights, \
                 never their pictures, and is to say which kind of clothing it is. Let it train for some epochs.",
            ],
            state: "bench=classify&run=1",
            question: Question {
                text: "There are ten kinds. How often would pure guessing be right?",
                answers: &["Never", "In one of ten cases", "In half of them"],
                right: 1,
                because: "10 % is the line that it has to leave. Everything above was read from weights.",
            },
            recorded: Some(Recorded {
                file: "lesson-training.webp",
                what: "How many it reads right over 30 passes, from none below to all above: bright, the 720 networks that \
                       it learns from (44 % in the end); grey, 180 others (34 %). The flat line is guessing.",
            }),
        },
        Step {
            title: "Learnt by heart, or understood?",
            text: &[
                "There are two curves: how well it does on the networks it learns from, and on others that it has never \
                 seen. They part slowly: train until epoch 12 or so.",
            ],
            state: "bench=classify",
            question: Question {
                text: "After a while the first keeps rising and the second hardly does. What does that mean?",
                answers: &[
                    "It learns its examples by heart instead of what they have in common",
                    "The test is unfair",
                ],
                right: 0,
                because: "That is overfitting. With augmentation it sees each network in ever new guises; train again \
                          with one and compare the curves.",
            },
            recorded: Some(Recorded {
                file: "lesson-training.webp",
                what: "Over 30 passes, bright: the networks that it learns from, still rising at 44 %. Grey: others, which \
                       hover around 30 % from the tenth pass on.",
            }),
        },
        Step {
            title: "Draw, fit, classify",
            text: &[
                "Draw a piece of clothing, white on black. A network learns your drawing in a moment, and a reader that \
                 was trained on 7,403 networks of photographs says what it takes its weights for. Of 180 others it reads 84 right.",
            ],
            state: "bench=classify",
            question: Question {
                text: "The reader has only seen networks of photographs. Why may it be wrong about your drawing?",
                answers: &[
                    "Because your drawing is of another kind than anything it learnt from",
                    "Because drawings cannot become networks",
                ],
                right: 0,
                because: "A reader can be trusted on what resembles its examples. Elsewhere it still answers, as surely as \
                          ever: remember that of all learnt machines.",
            },
            recorded: Some(Recorded {
                file: "lesson-reading.webp",
                what: "What eight networks draw. From their weights the reader said: ankle boot, T-shirt, trouser, dress, \
                       dress, trouser, dress, shirt. They are: ankle boot, pullover, trouser, trouser, shirt, trouser, \
                       coat, shirt.",
            }),
        },
    ],
};

/// What was recorded of a bench, for where it cannot compute. The Fit bench has recordings of its pictures.
pub fn recorded(bench: Bench) -> Option<Recorded> {
    let of =
        |step: &&Step| bench != Bench::Fit && State::from_fragment(step.state).0.bench == bench;
    TOURS.iter().flat_map(|tour| tour.steps).filter(of).find_map(|step| step.recorded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn benches_that_compute_have_something_recorded() {
        let file = |bench| recorded(bench).map(|recorded| recorded.file);
        assert_eq!(file(Bench::Mix), Some("lesson-mix.webp"));
        assert_eq!(file(Bench::Augment), Some("lesson-symmetry.webp"));
        assert_eq!(file(Bench::Classify), Some("lesson-training.webp"));
        assert_eq!(file(Bench::Fit).or(file(Bench::Zoo)), None);
    }

    #[test]
    fn every_step_sets_the_lab_up() {
        let keys: BTreeSet<_> = TOURS.iter().map(|tour| tour.key).collect();
        assert_eq!(keys.len(), TOURS.len());
        for tour in TOURS {
            for (i, step) in tour.steps.iter().enumerate() {
                let (state, problems) = State::from_fragment(step.state);
                assert_eq!(problems, Vec::<String>::new(), "{} {i}", tour.key);
                assert!(Bench::ALL.contains(&state.bench), "{} {i}", tour.key);
                assert!(state.lesson.is_none(), "{} {i}: the step is added by the page", tour.key);
                // As it is written in an address, so that a link made there is the same.
                let (again, _) = State::from_fragment(&state.to_fragment());
                assert_eq!(again, state, "{} {i}", tour.key);
                let question = step.question;
                assert!(question.right < question.answers.len(), "{} {i}", tour.key);
                assert!(
                    question.answers.len() >= 2 && question.text.ends_with('?'),
                    "{} {i}",
                    tour.key
                );
            }
        }
    }
}
