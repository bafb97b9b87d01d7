//! What all jobs have in common: they are pulled, they measure their time, they end once.

use crate::message::{Message, Progress};
use crate::meter::{self, Meter};
use serde::Serialize;
use web_time::Instant;

/// Work that is pulled message by message.
///
/// The first message is [`Message::Started`], the last one [`Message::Finished`] or
/// [`Message::Failed`]; afterwards there is none. To pause is to stop pulling; to cancel is to drop.
pub trait Job {
    /// What the job is going to do.
    type Started: Serialize;
    /// What it came to.
    type Finished: Serialize;

    /// The next message; `None` once the job is over.
    fn next(&mut self) -> impl Future<Output = Option<Message<Self::Started, Self::Finished>>>;
}

/// Time and rate of a job that handles one network after the other.
#[derive(Debug, Default)]
pub struct Clock {
    begun: Option<Instant>,
    meter: Meter,
}

impl Clock {
    /// Starts the clock, unless it runs.
    pub fn start(&mut self) {
        self.begun.get_or_insert_with(Instant::now);
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.begun.map_or(0.0, |at| at.elapsed().as_secs_f64())
    }

    /// `done` of `nets` networks are done by now; `db` is the median PSNR of the last ones, if known.
    pub fn progress(&mut self, done: u64, nets: u64, db: Option<f64>) -> Progress {
        let seconds = self.seconds();
        self.meter.observe(seconds, done as f64);
        let rate = self.meter.rate();
        Progress {
            nets_done: done,
            nets,
            steps: 0,
            fraction: if nets > 0 { done as f64 / nets as f64 } else { 1.0 },
            steps_per_s: None,
            nets_per_s: rate,
            db,
            db_mean: None,
            seconds,
            eta_s: meter::eta(nets.saturating_sub(done) as f64, rate),
            learning: None,
            compiling: false,
        }
    }
}
