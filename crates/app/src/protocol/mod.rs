//! What the page and its worker say to each other.
//!
//! A message is one of these values, as bytes, beside the large parts (pixels, files) as buffers that are handed
//! over, not copied. The page owns what is shown and the worker owns the GPU, the pictures, the zoos and the jobs.
//! Every bench has words of its own.

pub mod augment;
pub mod classify;
pub mod fit;
pub mod mix;
pub mod zoo;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use weightlab_gpu::AdapterReport;
use weightlab_lab::bench::Measurement;
use weightlab_lab::check::{Case, Summary};
use weightlab_lab::message::Failed;

/// Fingerprint of the sources, for reports.
pub const BUILD: &str = env!("WEIGHTLAB_BUILD");

/// From the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Find a GPU, or another one after the first was lost.
    Open,
    /// Run the conformance check.
    Check,
    /// Measure how fast this GPU fits.
    Measure,
    /// Give the device up, to see what happens then.
    Lose,
    /// To the Fit bench.
    Fit(fit::Request),
    /// To the Augment bench.
    Augment(augment::Request),
    /// To the Align & Mix bench.
    Mix(mix::Request),
    /// To the Classify bench.
    Classify(classify::Request),
    /// To the shelf of zoos.
    Zoo(zoo::Request),
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The worker listens from now on.
    Hello,
    /// There is a GPU.
    Ready(Device),
    /// There is none.
    NoGpu(NoGpu),
    /// The GPU went away.
    Lost {
        /// The browser's words.
        why: String,
        /// The step from which a fit can go on, if one was under way.
        step: Option<u32>,
        /// The step from which a training can go on, if one was under way.
        training: Option<u32>,
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
    /// From the Fit bench.
    Fit(fit::Reply),
    /// From the Augment bench.
    Augment(augment::Reply),
    /// From the Align & Mix bench.
    Mix(mix::Reply),
    /// From the Classify bench.
    Classify(Box<classify::Reply>),
    /// From the shelf of zoos.
    Zoo(zoo::Reply),
}

/// A GPU as the page describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Adapter and limits.
    pub adapter: AdapterReport,
    /// Who made it and what it is, as far as the browser says.
    pub made: String,
    /// What it could do beyond what every WebGPU device does, none of which is used.
    pub features: String,
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

/// A message as bytes: postcard, which has no names in it. Both ends are the same program, so nothing needs them, and the code
/// that would look for them is 40 kB of what everybody fetches. Types of messages therefore skip no fields and have no tags
/// inside.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    // Fails on sequences of unknown length, and there are none.
    postcard::to_allocvec(message).unwrap_or_default()
}

/// The message that [`encode`] made these bytes of; `None` if it did not.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

/// Columns and rows of a mosaic of `count` tiles: a little wider than high.
pub fn mosaic(count: u32) -> (u32, u32) {
    let columns = (1..=count.max(1)).find(|c| c * c >= count).unwrap_or(1);
    (columns, count.max(1).div_ceil(columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::FitSpec;
    use weightlab_lab::check::CaseStatus;
    use weightlab_lab::message::Warning;

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

    fn survives(reply: &Reply) {
        assert_eq!(decode::<Reply>(&encode(reply)).as_ref(), Some(reply));
    }

    #[test]
    fn messages_survive_the_way() {
        let request = Request::Fit(fit::Request::Fit { run: 3, spec: FitSpec::default() });
        assert_eq!(decode::<Request>(&encode(&request)), Some(request));
        let frame = fit::Frame {
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
            drawings: vec![fit::Drawing { kind: fit::DrawingKind::Net, width: 2, height: 2 }],
            bytes: [1, 2],
        };
        survives(&Reply::Fit(fit::Reply::Frame(Box::new(frame))));
        // Of other crates, where they are written as JSON too: no field may be skipped.
        let warning = Warning { what: "w".to_owned(), diverged: None };
        survives(&Reply::Fit(fit::Reply::Warning { run: 1, warning }));
        survives(&Reply::Case(Case {
            group: "g".to_owned(),
            case: "c".to_owned(),
            status: CaseStatus::Unsupported,
            worst: None,
            detail: None,
        }));
        survives(&Reply::CheckFailed(Failed { what: "f".to_owned(), hint: String::new() }));
    }

    #[test]
    fn what_is_no_message_is_none() {
        for bytes in [&[][..], &[255; 9], &encode(&Reply::Hello)[1..]] {
            assert_eq!(decode::<Reply>(bytes), None, "{bytes:?}");
        }
    }
}
