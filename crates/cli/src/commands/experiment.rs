//! `weightlab experiment`.

use super::drive::drive;
use super::{open_gpu, open_zoo, table, write_file};
use crate::args::{ExperimentCommand, Global, MidpointArgs};
use crate::interrupt;
use crate::output::Out;
use anyhow::Result;
use std::process::ExitCode;
use weightlab_lab::experiment::midpoints::{Finished, Mean, MidpointJob, MidpointOptions};
use weightlab_lab::message::Message;
use weightlab_lab::meter::duration_text;

/// Runs an experiment.
pub async fn run(global: &Global, out: &Out, command: &ExperimentCommand) -> Result<ExitCode> {
    match command {
        ExperimentCommand::Midpoints(args) => midpoints(global, out, args).await,
    }
}

async fn midpoints(global: &Global, out: &Out, args: &MidpointArgs) -> Result<ExitCode> {
    let zoo = open_zoo(&args.zoo).await?;
    let gpu = open_gpu(global).await?;
    let options = MidpointOptions { pairs: args.pairs, kin: args.same.into(), seed: args.seed };
    let mut job = MidpointJob::new(&gpu, &zoo, options).await?;
    let finished = drive(&mut job, out, "nothing to clean up: run it again", |_, message| {
        if let Message::Started(s) = message {
            out.note(&format!(
                "midpoints of {} pairs of {} of the same {}, {} points, on {}",
                s.pairs, s.dims, s.kin, s.points, s.adapter
            ));
        }
    })
    .await?;
    let Some(finished) = finished else {
        interrupt::tell(None);
        return Ok(ExitCode::from(interrupt::CODE));
    };
    let file = args.out.as_ref().map(|folder| folder.join("midpoints.csv"));
    if let Some(file) = &file {
        write_file(file, job.csv().as_bytes()).await?;
    }
    out.line(&in_words(&finished));
    if let Some(file) = &file {
        out.line(&format!("{}: every pair", file.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn with_margin(m: &Mean) -> String {
    format!("{:.4} +- {:.4}", m.mean, m.margin)
}

fn in_words(f: &Finished) -> String {
    let heads = [
        "midpoint",
        "against the average",
        "the nearer",
        "its shape alone",
        "phase, rad",
        "distance^2",
        "more than signed",
        "signed better in",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for row in &f.rows {
        let own = row.method == "signed";
        rows.push(vec![
            row.method.clone(),
            with_margin(&row.mse_blend),
            with_margin(&row.mse_nearer),
            with_margin(&row.mse_shape),
            format!("{:.2}", row.phase.mean),
            format!("{:.3}", row.squared_distance.mean),
            if own { "-".to_owned() } else { with_margin(&row.more_than_signed) },
            if own { "-".to_owned() } else { format!("{:.0} %", 100.0 * row.signed_better) },
        ]);
    }
    format!(
        "{}\nmean squared errors over {} pairs of the same {}, with 95 % confidence intervals\n\
         for comparison: networks against their own images {}, one image against the average of both {}, \
         the best grey against it {}\ntime: {}",
        table(&rows),
        f.pairs,
        f.kin,
        with_margin(&f.ends),
        with_margin(&f.one_image),
        with_margin(&f.constant),
        duration_text(f.seconds)
    )
}
