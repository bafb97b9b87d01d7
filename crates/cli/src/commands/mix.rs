//! `weightlab mix`.

use super::drive::{DERIVED_REMEDY, derived_interrupted, drive};
use super::{open_gpu, open_zoo, read_pairs};
use crate::args::{Global, MixArgs};
use crate::output::Out;
use crate::tell::Usage;
use anyhow::Result;
use std::process::ExitCode;
use weightlab_data::DirStore;
use weightlab_lab::derive::PairList;
use weightlab_lab::message::Message;
use weightlab_lab::meter::{bytes_text, duration_text, networks_text};
use weightlab_lab::{LabError, MixJob, MixOptions};

/// Mixes pairs of networks of a zoo, into another.
pub async fn run(global: &Global, out: &Out, args: &MixArgs) -> Result<ExitCode> {
    let zoo = open_zoo(&args.zoo).await?;
    let pairs = match (&args.pairs, args.partners) {
        (Some(file), _) => read_pairs(file, zoo.nets())?,
        (None, Some(pool)) => {
            zoo.refuse_remains().map_err(LabError::from)?;
            PairList::with_partners(&zoo, args.views, pool.into(), args.seed).await?
        }
        (None, None) => {
            let what = "no pairs".to_owned();
            return Err(Usage { what, hint: "give --pairs or --partners" }.into());
        }
    };
    let options =
        MixOptions { pairs, method: args.method.into(), lambda: args.lambda, seed: args.seed };
    let gpu = open_gpu(global).await?;
    let mut job = MixJob::new(&gpu, &zoo, options, DirStore::new(&args.out)).await?;
    let finished = drive(&mut job, out, DERIVED_REMEDY, |line, message| match message {
        Message::Started(s) => out.note(&format!(
            "mixing {} pairs of {}, method {}, lambda {}\n\
             adapter: {}; GPU memory: {} for {} pairs at a time",
            s.pairs,
            s.dims,
            s.method,
            s.lambda,
            s.adapter,
            bytes_text(s.bytes),
            s.pairs_per_batch
        )),
        Message::Warning(w) => line.note(out, &format!("warning: {}", w.what)),
        _ => {}
    })
    .await?;
    let Some(finished) = finished else { return Ok(derived_interrupted(job.zoo())) };
    if let (Some(low), Some(mean), Some(high)) =
        (finished.lambda.min, finished.lambda.mean, finished.lambda.max)
    {
        out.line(&format!("lambda: mean {mean:.3}, from {low:.3} to {high:.3}"));
    }
    let (from, to) = (args.zoo.display().to_string(), args.out.display().to_string());
    out.line(&format!(
        "{to}: {} mixed from {from} in {}; {} has their labels as probabilities of {} class{}",
        networks_text(finished.pairs),
        duration_text(finished.seconds),
        finished.mixtures_file,
        finished.classes,
        if finished.classes == 1 { "" } else { "es" }
    ));
    Ok(ExitCode::SUCCESS)
}
