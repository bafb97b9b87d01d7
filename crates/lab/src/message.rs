//! What a job tells whoever runs it: a terminal, a page, a script, a test.

use crate::stats::Distribution;
use serde::{Deserialize, Serialize};

/// One message of a job's stream, which begins with an `S` and ends with an `F`; those of a fit unless
/// said otherwise. As JSON every message is an object with one key: `{"progress":{..}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Message<S = Started, F = Finished> {
    /// First message: what will be done and what it takes.
    Started(S),
    /// How far it is.
    Progress(Progress),
    /// What networks draw by now.
    Preview(Preview),
    /// A point of the learning curves.
    Metric(Metric),
    /// An epoch of a training.
    Epoch(crate::train::Epoch),
    /// Something the user should know; the job goes on.
    Warning(Warning),
    /// Results are safely stored up to here.
    Checkpoint(Checkpoint),
    /// Last message of a job that did all it should.
    Finished(F),
    /// Last message of a job that could not go on.
    Failed(Failed),
}

/// What a fit is going to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Networks of this zoo.
    pub nets: u64,
    /// Of these, already there from an earlier run.
    pub nets_before: u64,
    /// Most updates of one network.
    pub steps: u32,
    /// Most bytes of GPU buffers that the job will have at any time.
    pub bytes: u64,
    /// Most networks on the GPU at once.
    pub nets_per_batch: u64,
    /// Networks per shard, the unit of resuming.
    pub nets_per_shard: u32,
    /// Name of the adapter.
    pub adapter: String,
    /// Which kernel, specialised how.
    pub kernel: String,
    /// The architecture: `2-32-32-1`.
    pub dims: String,
    /// Points per network.
    pub points: u64,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Networks finished, those of earlier runs included.
    pub nets_done: u64,
    /// Networks in all.
    pub nets: u64,
    /// Updates done in this run, summed over networks; 0 in jobs that fit nothing.
    pub steps: u64,
    /// Share of this run's work that is done, 0 to 1, as far as can be said.
    pub fraction: f64,
    /// Updates per second, over the last seconds.
    pub steps_per_s: Option<f64>,
    /// Networks per second since the run began, counting only finished ones.
    pub nets_per_s: Option<f64>,
    /// Median PSNR over the networks on the GPU, dB.
    pub db: Option<f64>,
    /// Mean PSNR over the networks on the GPU, dB.
    pub db_mean: Option<f64>,
    /// Seconds since the run began.
    pub seconds: f64,
    /// Seconds that remain, as far as can be said.
    pub eta_s: Option<f64>,
    /// How a training goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning: Option<Learning>,
    /// Whether the kernels are being compiled, which takes up to half a minute where a driver has never seen them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compiling: bool,
}

/// How a training goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    /// From 1.
    pub epoch: u32,
    /// Epochs in all.
    pub epochs: u32,
    /// Updates done.
    pub step: u32,
    /// Mean loss of the last steps.
    pub loss: Option<f64>,
    /// Accuracy of the last steps.
    pub accuracy: Option<f64>,
    /// Accuracy on validation networks after the last whole epoch.
    pub validation_accuracy: Option<f64>,
}

/// What some networks draw by now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// Updates done.
    pub step: u32,
    /// `(object, view)` of each network.
    pub nets: Vec<(u32, u32)>,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// 1 or 3.
    pub channels: usize,
    /// `[nets, height, width, channels]`.
    pub pixels: Vec<u8>,
}

/// PSNR over one batch at one step. The loss behind it was taken before the last update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Position of the batch's first network in the zoo.
    pub first_net: u64,
    /// Updates done by the networks that are still running.
    pub step: u32,
    /// Networks still running.
    pub running: u64,
    /// Over all networks of the batch; finished ones keep their last value.
    pub psnr: Distribution,
    /// Per network, if asked for; null where it is not a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nets: Option<Vec<Option<f32>>>,
}

/// Something the user should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// In words.
    pub what: String,
    /// The network that diverged, if that is it.
    pub diverged: Option<Diverged>,
}

impl Warning {
    /// One of no network in particular.
    pub(crate) fn remark(what: String) -> Warning {
        Warning { what, diverged: None }
    }
}

/// A network whose loss became NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverged {
    /// Index of the image in its source.
    pub object: i64,
    /// Which of the image's networks.
    pub view: i64,
    /// Updates that had been done.
    pub step: i64,
}

/// A shard is stored and listed: a kill cannot lose it any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Name of the shard.
    pub shard: String,
    /// Networks stored so far.
    pub nets_done: u64,
    /// Networks in all.
    pub nets: u64,
}

/// What a fit came to. PSNR and divergence are over the whole zoo, times over this run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Networks in the zoo.
    pub nets: u64,
    /// Of these, fitted in this run.
    pub nets_fitted: u64,
    /// Seconds of this run.
    pub seconds: f64,
    /// Networks per second of this run.
    pub nets_per_s: Option<f64>,
    /// Updates of this run, summed over networks.
    pub steps: u64,
    /// Median PSNR, dB.
    pub psnr_median: Option<f64>,
    /// The whole distribution.
    pub psnr: Distribution,
    /// Networks that stopped early because they had reached the wanted PSNR.
    pub reached_target: u64,
    /// Networks that diverged.
    pub diverged: Vec<Diverged>,
    /// Most bytes of GPU buffers that the job had at any time.
    pub bytes: u64,
    /// Name of the adapter.
    pub adapter: String,
}

/// Why a job ended early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What happened and where.
    pub what: String,
    /// What to do.
    pub hint: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_object_named_by_its_kind() {
        let message = Message::<Started, Finished>::Progress(Progress {
            nets_done: 3,
            nets: 64,
            steps: 1200,
            fraction: 0.25,
            steps_per_s: Some(400.0),
            nets_per_s: None,
            db: None,
            db_mean: None,
            seconds: 3.0,
            eta_s: Some(9.0),
            learning: None,
            compiling: false,
        });
        let text = serde_json::to_string(&message).unwrap();
        assert!(text.starts_with(r#"{"progress":{"nets_done":3,"nets":64"#), "{text}");
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
    }
}
