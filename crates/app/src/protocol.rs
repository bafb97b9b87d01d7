//! What the page and its worker say to each other.
//!
//! A message is one of these values as JSON beside the large parts (pixels) as buffers that are handed
//! over, not copied. The page owns what is shown and the worker owns the GPU, the pictures and the jobs;
//! `run` numbers the fits, so that whatever belongs to an abandoned one is recognised and dropped.

use crate::state::{Detail, FitSpec, FitView, Palette};
use serde::{Deserialize, Serialize};
use weightlab_gpu::AdapterReport;
use weightlab_lab::bench::Measurement;
use weightlab_lab::check::{Case, Summary};
use weightlab_lab::message::{Failed, Finished, Started, Warning};
use weightlab_lab::view::{Wave, Window};

/// Fingerprint of the sources; page and worker understand each other if theirs are the same.
pub const BUILD: &str = env!("WEIGHTLAB_BUILD");

/// From the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Find a GPU, or another one after the first was lost.
    Open,
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
    /// The picture that comes along (a file, or a bitmap) is the user's own from now on.
    Own {
        /// What to call it in messages.
        name: String,
    },
    /// Run the conformance check.
    Check,
    /// Measure how fast this GPU fits.
    Measure,
    /// Give the device up, to see what happens then.
    Lose,
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
    /// The worker listens from now on.
    Hello {
        /// [`BUILD`] of the worker.
        build: String,
    },
    /// There is a GPU.
    Ready(Device),
    /// There is none.
    NoGpu(NoGpu),
    /// The GPU went away.
    Lost {
        /// The browser's words.
        why: String,
        /// The step from which the fit can go on, if one was under way.
        step: Option<u32>,
    },
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
    /// The user's own picture is there.
    OwnReady {
        /// What it is called.
        name: String,
    },
    /// It could not be read.
    OwnRefused {
        /// Why, in a sentence.
        what: String,
    },
    /// A case of the check.
    Case(Case),
    /// The check is over.
    Checked(Summary),
    /// The check could not go on.
    CheckFailed(Failed),
    /// How fast this GPU fits.
    Measured(Measurement),
    /// The measurement could not be made.
    MeasureFailed(Failed),
}

/// A GPU as the page describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Adapter and limits.
    pub adapter: AdapterReport,
    /// Who made it and what it is, as far as the browser says.
    pub made: String,
    /// Whether it is a program instead of a GPU.
    pub software: bool,
}

/// Why there is no GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoGpu {
    /// The page came over an insecure connection.
    Insecure,
    /// The browser has no WebGPU.
    Absent,
    /// The browser has WebGPU, but not in workers.
    NotInWorkers,
    /// The browser found no adapter that it would use.
    NoAdapter,
    /// There is one, but it cannot be used.
    Unusable(String),
    /// The worker did not start at all.
    NoWorker(String),
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

/// Columns and rows of a mosaic of `count` tiles: a little wider than high.
pub fn mosaic(count: u32) -> (u32, u32) {
    let columns = (1..=count.max(1)).find(|c| c * c >= count).unwrap_or(1);
    (columns, count.max(1).div_ceil(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mosaic_holds_all_its_tiles() {
        for (count, shape) in [(1, (1, 1)), (2, (2, 1)), (64, (8, 8)), (32, (6, 6)), (5, (3, 2))] {
            assert_eq!(mosaic(count), shape, "{count}");
        }
        for count in 1..500 {
            let (columns, rows) = mosaic(count);
            assert!(columns * rows >= count && columns * (rows - 1) < count);
        }
    }

    #[test]
    fn messages_survive_the_way() {
        let request = Request::Fit { run: 3, spec: FitSpec::default() };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
        // JSON has no NaN or infinity: a value that is neither must be absent, not null-turned-error.
        let frame = Frame {
            run: 1,
            step: 2,
            running: true,
            prepared: true,
            nets: [0, 1],
            rate: None,
            eta_s: None,
            db: None,
            points: Vec::new(),
            each: vec![None, Some(1.0)],
            waves: Vec::new(),
            drawings: vec![Drawing { kind: DrawingKind::Net, width: 2, height: 2 }],
            bytes: [1, 2],
        };
        let reply = Reply::Frame(Box::new(frame));
        let text = serde_json::to_string(&reply).unwrap();
        assert_eq!(serde_json::from_str::<Reply>(&text).unwrap(), reply);
    }
}
