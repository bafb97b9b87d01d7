//! `weightlab fit`.

use super::open_gpu;
use crate::args::{FitArgs, Global};
use crate::interrupt;
use crate::output::Out;
use crate::progress::Line;
use crate::tell::JobFailed;
use anyhow::Result;
use std::process::ExitCode;
use weightlab_data::{DirStore, ImageSet, SourceOptions, Store, open_source};
use weightlab_lab::fit::default_dims;
use weightlab_lab::message::{Finished, Message, Metric, Started};
use weightlab_lab::meter::{bytes_text, duration_text, networks_text};
use weightlab_lab::{FitJob, FitOptions, LabError};
use weightlab_nets::{Activation, FitSettings, Mlp};

/// Divergences told one by one; what follows is counted.
const DIVERGED_LINES: u64 = 10;

/// Fits a source into a zoo.
pub async fn run(global: &Global, out: &Out, args: &FitArgs) -> Result<ExitCode> {
    let source = SourceOptions {
        split: args.split.map(Into::into),
        size: args.size.map(|s| (s.0, s.1)),
        grey: args.grey.then_some(true),
    };
    let images = open_source(&args.source, &source).map_err(LabError::from)?;
    out.note(&describe(&images));
    let mlp = mlp(args, &images)?;
    let options = FitOptions {
        settings: FitSettings {
            learning_rate: args.lr,
            max_steps: args.steps,
            until_psnr: args.until_psnr.0,
            ..FitSettings::default()
        },
        views: args.views,
        seed: args.seed,
        offset: args.offset,
        limit: args.limit,
        part: args.shard,
        nets_per_shard: args.shard_size,
        resume: args.resume,
        // A handful per batch: enough to plot, few enough to keep.
        metric_every: Some((args.steps / 10).max(1)),
        ..FitOptions::default()
    };
    let gpu = open_gpu(global).await?;
    let mut job = FitJob::new(&gpu, images, &mlp, options, DirStore::new(&args.out)).await?;
    match drive(&mut job, out, "what was stored is intact").await? {
        End::Finished(run) => {
            let finished = &run.finished;
            out.line(&summary(finished));
            if finished.nets > 0 && finished.diverged.len() as u64 == finished.nets {
                return Err(JobFailed {
                    what: format!(
                        "every network diverged ({} of {}): {} holds no usable network",
                        finished.nets,
                        finished.nets,
                        args.out.display()
                    ),
                    hint: "fit again into another folder with a smaller --lr".to_owned(),
                }
                .into());
            }
            Ok(ExitCode::SUCCESS)
        }
        End::Interrupted => {
            let stored = (job.stored(), job.zoo().manifest().planned().unwrap_or(0));
            // Dropping the job is what cancels it.
            drop(job);
            interrupt::tell(Some(stored));
            Ok(ExitCode::from(interrupt::CODE))
        }
    }
}

fn describe(images: &ImageSet) -> String {
    let source = &images.source;
    let split = source.split.as_ref().map_or(String::new(), |s| format!(", {s} split"));
    format!(
        "source: {} ({}{split}): {} {} of {}x{}, {}",
        source.name,
        source.kind.name(),
        images.len(),
        if images.len() == 1 { "image" } else { "images" },
        images.height,
        images.width,
        if images.channels == 1 { "grey" } else { "RGB" },
    )
}

fn mlp(args: &FitArgs, images: &ImageSet) -> Result<Mlp, LabError> {
    let dims = args.dims.as_ref().map_or_else(|| default_dims(images.channels), |d| d.0.clone());
    let mut mlp = Mlp::new(&dims, args.convention.into())?;
    if let Some(omega_0) = args.omega {
        mlp.activation = Activation::Sine { omega_0 };
    }
    mlp.validate()?;
    Ok(mlp)
}

/// What a job said on its way.
pub struct Run {
    /// Its first message.
    pub started: Started,
    /// Its last.
    pub finished: Finished,
    /// Its learning curves.
    pub metrics: Vec<Metric>,
}

/// How a job ended, if not in an error.
pub enum End {
    /// By itself.
    Finished(Box<Run>),
    /// By Ctrl-C.
    Interrupted,
}

/// Pulls a job to its end, showing what it says. `remedy` is what to do after an interruption, where a
/// fit cannot be resumed.
pub async fn drive<S: Store>(job: &mut FitJob<S>, out: &Out, remedy: &'static str) -> Result<End> {
    let (mut started, mut metrics) = (None, Vec::new());
    let mut diverged = 0;
    let see = |line: &Line, message: &Message| match message {
        Message::Started(s) => {
            out.note(&plan(s));
            started = Some(s.clone());
        }
        Message::Metric(m) => metrics.push(m.clone()),
        Message::Warning(w) => {
            diverged += u64::from(w.diverged.is_some());
            if w.diverged.is_none() || diverged <= DIVERGED_LINES {
                line.note(out, &format!("warning: {}", w.what));
            }
        }
        _ => {}
    };
    let finished = super::drive::drive(job, out, remedy, see).await;
    if diverged > DIVERGED_LINES {
        let more = networks_text(diverged - DIVERGED_LINES);
        out.note(&format!("warning: {more} more diverged: {diverged} in this run"));
    }
    match (finished?, started) {
        (Some(finished), Some(started)) => {
            Ok(End::Finished(Box::new(Run { started, finished, metrics })))
        }
        _ => Ok(End::Interrupted),
    }
}

fn plan(s: &Started) -> String {
    let before = match s.nets_before {
        0 => String::new(),
        n => format!(" ({n} already there)"),
    };
    format!(
        "fitting {}{before} of {} on {} points, at most {} steps each\n\
         adapter: {}; kernel: {}\n\
         GPU memory: {} for {} at a time; a shard every {} networks",
        networks_text(s.nets),
        s.dims,
        s.points,
        s.steps,
        s.adapter,
        s.kernel,
        bytes_text(s.bytes),
        networks_text(s.nets_per_batch),
        s.nets_per_shard,
    )
}

fn summary(f: &Finished) -> String {
    let mut text = networks_text(f.nets);
    if f.nets_fitted < f.nets {
        text += &format!(" ({} of them now)", f.nets_fitted);
    }
    text += &format!(" in {}", duration_text(f.seconds));
    if let Some(rate) = f.nets_per_s {
        text += &format!(", {rate:.2} per second");
    }
    if let (Some(median), Some(min), Some(max)) = (f.psnr.median, f.psnr.min, f.psnr.max) {
        text += &format!("\nPSNR median {median:.2} dB, from {min:.2} to {max:.2} dB");
    }
    if f.reached_target > 0 {
        text += &format!("\n{} stopped early at the wanted PSNR", f.reached_target);
    }
    if !f.diverged.is_empty() {
        let first: Vec<String> = f
            .diverged
            .iter()
            .take(10)
            .map(|d| format!("object {} view {} (step {})", d.object, d.view, d.step))
            .collect();
        let more = if f.diverged.len() > 10 { ", ..." } else { "" };
        text += &format!("\n{} diverged: {}{more}", f.diverged.len(), first.join(", "));
    }
    text
}
