//! Weightlab's jobs, as streams of messages that a terminal, a page, a script and a test drive alike.
//!
//! A job is pulled: `while let Some(message) = job.next().await`. Between two pulls nothing runs, so to
//! pause is to stop pulling, and to cancel is to drop the job; what a job has announced as a
//! [`Checkpoint`](message::Checkpoint) is then safely stored. Every pull does a bounded slice of work of
//! tens of milliseconds, except where a shard is written.

pub mod align;
pub mod augment;
pub mod bench;
pub mod builtin;
pub mod check;
mod computed_on;
mod contact_sheet;
pub mod demo;
pub mod derive;
mod error;
pub mod experiment;
pub mod fit;
pub mod job;
pub mod message;
pub mod meter;
pub mod mix;
pub mod path;
pub mod picture;
pub mod report;
pub mod stats;
mod strips;
pub mod train;
pub mod view;

pub use align::{AlignJob, AlignOptions};
pub use augment::{AugmentJob, AugmentOptions};
pub use contact_sheet::{ContactSheet, RenderOptions, render};
pub use error::LabError;
pub use fit::{FitJob, FitOptions};
pub use job::Job;
pub use message::Message;
pub use mix::{MixJob, MixOptions};
pub use train::{TrainJob, TrainOptions};

/// Every specialisation of every shader that Weightlab can ask a device for: what the checks outside this program (Tint)
/// must see.
pub fn shader_variants() -> Vec<weightlab_kernels::Variant> {
    let mut all = weightlab_nets::variants::all();
    all.extend(weightlab_tensor::variants::all());
    all.extend(weightlab_learn::variants::all());
    all
}
