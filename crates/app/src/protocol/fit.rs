//! Words of the Fit bench. `run` numbers the fits, so that whatever belongs to an abandoned one is recognised and
//! dropped.

use crate::state::{Detail, FitSpec, FitView, Palette};
use serde::{Deserialize, Serialize};
use weightlab_lab::message::{Failed, Finished, Started, Warning};
use weightlab_lab::view::{Wave, Window};

/// From the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Prepare a fit, instead of the one there is.
    Fit {
        /// Its number.
        run: u32,
        /// What to fit.
        spec: FitSpec,
    },
    /// Go on.
    Run,
    /// Stop for now.
    Pause,
    /// One update of every network, then stop.
    Step,
    /// Look at the fit this way from now on.
    Look(Look),
    /// What comes along (files, or a bitmap) is the user's own picture, or pictures, from now on.
    Own {
        /// What to call a bitmap.
        name: String,
    },
    /// Put the networks of the fit, which is over, on the shelf of zoos.
    Keep {
        /// What to call the zoo.
        name: String,
    },
}

/// How the page looks at a fit, and with how many pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// What is seen.
    pub window: Window,
    /// How finely the network is drawn.
    pub detail: Detail,
    /// Whether the difference is wanted.
    pub difference: bool,
    /// Colours of differences and waves.
    pub palette: Palette,
    /// Which network.
    pub net: u32,
    /// Whether to go slowly, one step at a time.
    pub slow: bool,
    /// Side of the network's picture on the screen, in its pixels.
    pub side: u32,
    /// Side of a wave on the screen; 0 where none are shown.
    pub wave_side: u32,
    /// The wave that is looked at closely.
    pub wave: Option<u32>,
    /// Whether the page is dark: the middle of blue-orange is the page's ground.
    pub dark: bool,
}

impl Look {
    /// From the state, with no pixels yet.
    pub fn new(view: &FitView) -> Look {
        Look {
            window: view.window(),
            detail: view.detail,
            difference: view.difference,
            palette: view.palette,
            net: view.net,
            slow: view.slow,
            side: 256,
            wave_side: 0,
            wave: None,
            dark: false,
        }
    }
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// What a fit is to become; its pictures come along as RGBA, one after the other.
    Target(Target),
    /// A fit is ready to run.
    Started {
        /// Which.
        run: u32,
        /// What it takes.
        started: Started,
    },
    /// How a fit stands; its drawings come along as RGBA.
    Frame(Box<Frame>),
    /// Something the user should know.
    Warning {
        /// Which fit.
        run: u32,
        /// What.
        warning: Warning,
    },
    /// A fit has done all it should.
    Finished {
        /// Which.
        run: u32,
        /// What it came to.
        finished: Finished,
    },
    /// A fit could not begin or go on.
    Failed {
        /// Which.
        run: u32,
        /// Why.
        failed: Failed,
    },
    /// The user's own picture is there, or pictures.
    OwnReady {
        /// How many.
        count: u32,
        /// What to know of them, in a sentence.
        note: Option<String>,
    },
    /// It could not be read.
    OwnRefused {
        /// Why, in a sentence.
        what: String,
    },
    /// The networks are on the shelf.
    Kept {
        /// The zoo's name.
        name: String,
    },
    /// They could not be kept.
    KeepRefused {
        /// Why, in a sentence.
        what: String,
    },
}

/// What a fit is to become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Which fit.
    pub run: u32,
    /// Height in pixels.
    pub height: u32,
    /// Width in pixels.
    pub width: u32,
    /// How many pictures.
    pub count: u32,
    /// What each shows, where that is known.
    pub names: Vec<String>,
}

/// How a fit stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Which fit.
    pub run: u32,
    /// Updates of the networks that still run.
    pub step: u32,
    /// Whether it goes on by itself.
    pub running: bool,
    /// Whether all that running needs is compiled.
    pub prepared: bool,
    /// Networks that are done, and in all.
    pub nets: [u64; 2],
    /// Updates per second, summed over networks.
    pub rate: Option<f64>,
    /// Seconds that remain.
    pub eta_s: Option<f64>,
    /// PSNR of the network that is looked at, dB.
    pub db: Option<f32>,
    /// New points of the curve.
    pub points: Vec<Point>,
    /// PSNR of every network, where there are many.
    pub each: Vec<Option<f32>>,
    /// The first layer of the network that is looked at.
    pub waves: Vec<Wave>,
    /// What the buffers that come along show.
    pub drawings: Vec<Drawing>,
    /// Bytes of GPU buffers, and of the worker's memory.
    pub bytes: [u64; 2],
}

/// A point of the curve, over all networks: PSNR in dB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Updates done.
    pub step: u32,
    /// Least.
    pub low: f32,
    /// Median.
    pub middle: f32,
    /// Greatest.
    pub high: f32,
}

/// What is drawn in a buffer of RGBA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawing {
    /// What it shows.
    pub kind: DrawingKind,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// What a drawing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DrawingKind {
    /// The network, in the window.
    Net,
    /// The network over the whole picture, at the picture's own pixels.
    NetPixels,
    /// Network minus target, over the whole picture at its own pixels.
    Difference,
    /// The waves of the first layer, row by row.
    Waves,
    /// The wave that is looked at, in the window.
    Wave,
    /// All networks, row by row.
    Wall,
}
