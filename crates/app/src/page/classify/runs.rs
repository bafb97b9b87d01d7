//! Trainings as the chart keeps them.

use crate::protocol::classify::Standing;
use crate::state::{ClassifySpec, Mixture};
use weightlab_lab::train::{Epoch, Score, Started};
use weightlab_learn::dws::SetLayer;

/// Points of the curve that are kept; beyond that every other one goes.
const MOST_POINTS: usize = 600;

/// One training.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::page) struct Run {
    /// The number the worker knows it by.
    pub number: u32,
    /// Its place in the alphabet; beyond its end it begins again.
    pub letter: u32,
    /// What was trained.
    pub spec: ClassifySpec,
    /// Updates per epoch, once that is known.
    pub per_epoch: u32,
    /// Updates so far, and the mean loss of the last ones.
    pub points: Vec<(u32, f32)>,
    /// What its epochs were worth.
    pub epochs: Vec<Scored>,
}

/// What an epoch was worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::page) struct Scored {
    pub epoch: u32,
    pub step: u32,
    pub train_loss: f64,
    pub train_accuracy: f64,
    pub test_loss: f64,
    pub test_accuracy: f64,
}

impl Scored {
    pub(super) fn new(epoch: &Epoch, test: &Score) -> Scored {
        Scored {
            epoch: epoch.epoch,
            step: epoch.step,
            train_loss: epoch.loss,
            train_accuracy: epoch.accuracy,
            test_loss: test.loss,
            test_accuracy: test.accuracy,
        }
    }
}

impl Run {
    pub(super) fn new(number: u32, letter: u32, spec: ClassifySpec) -> Run {
        Run { number, letter, spec, per_epoch: 0, points: Vec::new(), epochs: Vec::new() }
    }

    /// `A`, `B`, ..
    pub(super) fn name(&self) -> char {
        char::from(b'A' + (self.letter % 26) as u8)
    }

    /// The class of its colour.
    pub(super) fn class(&self) -> &'static str {
        ["run-0", "run-1", "run-2", "run-3", "run-4", "run-5"][(self.letter % 6) as usize]
    }

    /// What distinguishes it, in a few words.
    pub(super) fn title(&self) -> String {
        let spec = &self.spec;
        let mixture = match spec.mixture {
            Mixture::None => None,
            Mixture::Direct => Some("mixed"),
            Mixture::Aligned => Some("mixed aligned"),
            Mixture::Signed => Some("mixed aligned with signs"),
        };
        let parts: Vec<&str> =
            spec.negate.then_some("signs flipped").into_iter().chain(mixture).collect();
        let augment = if parts.is_empty() { "as they are".to_owned() } else { parts.join(", ") };
        let usual = ClassifySpec::default();
        let attention = spec.sets == SetLayer::Sab;
        let mut more = if attention { ", attention".to_owned() } else { String::new() };
        if spec.zoo != usual.zoo {
            more += &format!(", from {}", spec.zoo);
        }
        for (name, now, before) in [
            ("features", f64::from(spec.hidden), f64::from(usual.hidden)),
            ("batch", f64::from(spec.batch), f64::from(usual.batch)),
            ("rate", f64::from(spec.rate), f64::from(usual.rate)),
            ("seed", spec.seed as f64, usual.seed as f64),
        ] {
            if now != before {
                more += &format!(", {name} {}", (now * 1e7).round() / 1e7);
            }
        }
        augment + &more
    }

    /// Whether all its epochs are done.
    pub(super) fn is_over(&self) -> bool {
        self.epochs.last().is_some_and(|last| last.epoch >= self.spec.epochs)
    }

    /// It begins, or goes on where it was when the GPU was lost.
    pub(super) fn begin(&mut self, started: &Started) {
        self.per_epoch = started.steps_per_epoch;
        self.points.retain(|(step, _)| *step <= started.steps_before);
        self.epochs.retain(|epoch| epoch.step <= started.steps_before);
    }

    pub(super) fn note(&mut self, standing: &Standing) {
        self.points.extend(&standing.points);
        if self.points.len() > MOST_POINTS {
            let mut i = 0;
            self.points.retain(|_| {
                i += 1;
                i % 2 == 0
            });
        }
    }
}
