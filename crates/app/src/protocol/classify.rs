//! Words of the Classify bench. `run` numbers the trainings and `read` the readings, so that whatever belongs to an abandoned
//! one is recognised and dropped.

use super::zoo::Opened;
use crate::state::ClassifySpec;
use serde::{Deserialize, Serialize};
use weightlab_lab::message::Failed;
use weightlab_lab::train::{Epoch, Prediction, Score, Started};

/// From the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// The bench is looked at: the classifier that comes with the page and the test networks are wanted.
    Open,
    /// Train from the beginning, instead of what is trained now.
    Train {
        /// Its number.
        run: u32,
        /// What to train.
        spec: ClassifySpec,
    },
    /// Go on.
    Run,
    /// Stop for now.
    Pause,
    /// Forget what is trained now; who was trained last can still be asked.
    Drop,
    /// Fit a network to a picture and say what it shows.
    Read {
        /// Its number.
        read: u32,
        /// The picture.
        subject: Subject,
        /// Who is asked.
        whose: Whose,
    },
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// One of the built-in pictures.
    Fashion(u32),
    /// The drawing that comes along: its brightness, one byte per pixel of a square.
    Drawing {
        /// Whether what lines enclose is filled.
        fill: bool,
    },
}

/// A classifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whose {
    /// The one that comes with the page.
    #[default]
    Shipped,
    /// The one that was trained here.
    Trained,
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The networks to test on; their pictures come along as RGBA, one after the other.
    Test(Opened),
    /// The classifier that comes with the page is there.
    Shipped(About),
    /// Something that comes with the page is missing: why, in a sentence.
    Absent(String),
    /// A training begins, or goes on after the GPU was lost.
    Started {
        /// Which.
        run: u32,
        /// What it takes.
        started: Started,
    },
    /// How a training stands.
    Standing(Standing),
    /// An epoch has ended.
    Epoch {
        /// Of which training.
        run: u32,
        /// On what was learnt from.
        epoch: Epoch,
        /// On the test networks.
        test: Score,
        /// What each of these was taken for.
        predictions: Vec<Prediction>,
    },
    /// All epochs of a training are done.
    Finished {
        /// Which.
        run: u32,
    },
    /// A training could not begin or go on.
    Failed {
        /// Which.
        run: u32,
        /// Why.
        failed: Failed,
    },
    /// How a reading stands; what comes along, as RGBA, is the picture, and what the network draws once there is one.
    Reading(Reading),
    /// A picture could not be read.
    ReadFailed {
        /// Which reading.
        read: u32,
        /// Why, in a sentence.
        what: String,
    },
}

/// How many of the networks of the zoo `test` the classifier that comes with the page reads right, and of how many.
pub const SHIPPED_RIGHT: [u32; 2] = [84, 180];

/// A classifier as the page describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Its trainable numbers.
    pub parameters: u64,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// How a training stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Which.
    pub run: u32,
    /// Updates done.
    pub step: u32,
    /// Whether it goes on by itself.
    pub running: bool,
    /// Loss of the newest steps: the step, and the mean since the one before.
    pub points: Vec<(u32, f32)>,
    /// Networks learnt from per second.
    pub rate: Option<f64>,
    /// Seconds that remain.
    pub eta_s: Option<f64>,
}

/// How a reading stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Which.
    pub read: u32,
    /// Side of the pictures that come along, in pixels.
    pub side: u32,
    /// What the picture shows, if that is known.
    pub truth: Option<u32>,
    /// Updates of the network so far, and at most.
    pub steps: [u32; 2],
    /// How well the network draws the picture, dB.
    pub db: Option<f32>,
    /// What the classifier says, once the network is fitted.
    pub verdict: Option<Verdict>,
}

/// What a classifier says of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Who says it.
    pub whose: Whose,
    /// Numbers that it read.
    pub numbers: u32,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Of every class.
    pub probabilities: Vec<f64>,
    /// How long the fit took, s.
    pub fit_s: f64,
    /// How long the reading took, s.
    pub read_s: f64,
}
