//! Pulling a job to its end.

use crate::interrupt;
use crate::output::Out;
use crate::progress::Line;
use crate::tell::JobFailed;
use anyhow::Result;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use weightlab_data::{DirStore, Zoo};
use weightlab_lab::Job;
use weightlab_lab::message::{Message, Progress};

/// Between two progress objects.
const JSON_EVERY: Duration = Duration::from_millis(500);

/// Pulls a job to its end, showing progress, and everything as JSON if that is wanted. `see` gets what
/// else there is to show. `None` if Ctrl-C ended it; `remedy` is what to do then.
pub async fn drive<J: Job>(
    job: &mut J,
    out: &Out,
    remedy: &'static str,
    mut see: impl FnMut(&Line, &Message<J::Started, J::Finished>),
) -> Result<Option<J::Finished>> {
    interrupt::watch(remedy);
    let mut line = Line::new(out);
    let mut shown: Option<Instant> = None;
    while let Some(message) = job.next().await {
        // Before anything is shown: the last words may have been said already, and are to be the last.
        if interrupt::requested() && !matches!(message, Message::Finished(_) | Message::Failed(_)) {
            line.clear();
            return Ok(None);
        }
        let due = match &message {
            Message::Progress(p) => {
                let due = is_due(p, shown);
                if due {
                    shown = Some(Instant::now());
                }
                due
            }
            Message::Preview(_) => false,
            // Failures are reported once, where all errors are.
            Message::Failed(_) => false,
            _ => true,
        };
        if due {
            out.object(&message);
        }
        match message {
            Message::Progress(p) => line.show(&p),
            Message::Finished(finished) => {
                line.clear();
                return Ok(Some(finished));
            }
            Message::Failed(failed) => {
                line.clear();
                return Err(JobFailed { what: failed.what, hint: failed.hint }.into());
            }
            other => see(&line, &other),
        }
    }
    line.clear();
    anyhow::bail!("the job ended without a result; this is a defect of the program")
}

fn is_due(progress: &Progress, shown: Option<Instant>) -> bool {
    progress.fraction >= 1.0 || shown.is_none_or(|at| at.elapsed() >= JSON_EVERY)
}

/// What to say of a job that makes a zoo from others, when it takes too long to end.
pub const DERIVED_REMEDY: &str =
    "the new zoo is unfinished: run the command again, which begins anew";

/// Ends such a job when it was interrupted.
pub fn derived_interrupted(zoo: &Zoo<DirStore>) -> ExitCode {
    let manifest = zoo.manifest();
    interrupt::tell(Some((manifest.nets(), manifest.planned().unwrap_or(0))));
    ExitCode::from(interrupt::CODE)
}
