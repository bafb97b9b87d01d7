//! `weightlab experiment`.

use super::drive::drive;
use super::fit::End;
use super::{open_gpu, open_zoo, table, write_file};
use crate::args::{AugmentationArgs, ExperimentCommand, Global, MidpointArgs};
use crate::interrupt;
use crate::output::Out;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use weightlab_data::MemStore;
use weightlab_lab::experiment::accuracy::Table;
use weightlab_lab::experiment::augmentations::{augmentations, one_of_each_class};
use weightlab_lab::experiment::midpoints::{Finished, Mean, MidpointJob, MidpointOptions};
use weightlab_lab::fit::default_dims;
use weightlab_lab::message::Message;
use weightlab_lab::meter::duration_text;
use weightlab_lab::{FitJob, FitOptions, LabError, builtin};
use weightlab_nets::{Convention, FitSettings, Mlp};

/// What to say when a job takes too long to end.
const AGAIN: &str = "nothing to clean up: run it again whenever you like";

/// Runs an experiment.
pub async fn run(global: &Global, out: &Out, command: &ExperimentCommand) -> Result<ExitCode> {
    match command {
        ExperimentCommand::Midpoints(args) => midpoints(global, out, args).await,
        ExperimentCommand::Augmentations(args) => figure(global, out, args).await,
        ExperimentCommand::Table1(args) => {
            super::accuracy::run(global, out, args, Table::Augmentations).await
        }
        ExperimentCommand::MixupAblation(args) => {
            super::accuracy::run(global, out, args, Table::MixupAblation).await
        }
        ExperimentCommand::Views(args) => {
            super::accuracy::run(global, out, args, Table::Views).await
        }
        ExperimentCommand::Capacity(args) => {
            super::accuracy::run(global, out, args, Table::Capacity).await
        }
    }
}

async fn figure(global: &Global, out: &Out, args: &AugmentationArgs) -> Result<ExitCode> {
    let figure = if let Some(path) = &args.zoo {
        let zoo = open_zoo(path).await?;
        augmentations(&open_gpu(global).await?, &zoo, args.seed).await?
    } else {
        let gpu = open_gpu(global).await?;
        let images = builtin::fashion_mnist().map_err(LabError::from)?;
        let images = one_of_each_class(&images, args.nets as usize);
        let dims = default_dims(images.channels);
        let mlp = Mlp::new(&dims, Convention::Dwsnets).map_err(LabError::from)?;
        let settings = FitSettings { max_steps: args.steps, ..FitSettings::default() };
        let options = FitOptions { settings, seed: args.seed, ..FitOptions::default() };
        let mut job = FitJob::new(&gpu, images, &mlp, options, MemStore::new()).await?;
        match super::fit::drive(&mut job, out, AGAIN).await? {
            End::Finished(_) => {}
            End::Interrupted => {
                interrupt::tell(None);
                return Ok(ExitCode::from(interrupt::CODE));
            }
        }
        augmentations(&gpu, job.zoo(), args.seed).await?
    };
    let [png, html] = ["png", "html"].map(|end| args.out.join(format!("augmentations.{end}")));
    write_file(&png, &figure.png()?).await?;
    let from = match &args.zoo {
        Some(zoo) => format!("--zoo '{}'", zoo.display()),
        None => format!("--nets {} --steps {}", args.nets, args.steps),
    };
    let command = format!("weightlab experiment augmentations {from} --seed {}", args.seed);
    write_file(&html, figure.html(&command)?.as_bytes()).await?;
    let rows = figure.rows.iter().filter(|r| !r.op.is_empty());
    let objects: Vec<_> =
        rows.clone().map(|r| json!({"name": r.name, "op": r.op, "change": r.change})).collect();
    let files = [&png, &html].map(|f| f.display().to_string());
    out.object(&json!({"augmentations": {"files": files, "rows": objects}}));
    let number = |x: Option<f64>| x.map_or("not finite".to_owned(), |x| format!("{x:.1e}"));
    let mut lines =
        vec![["augmentation", "max |f - f'|", "mean squared"].map(str::to_owned).to_vec()];
    lines.extend(rows.map(|r| vec![r.op.clone(), number(r.change.max), number(r.change.mse)]));
    out.line(&table(&lines));
    out.line(&format!("{}\n{} (open it in a browser)", files[0], files[1]));
    Ok(ExitCode::SUCCESS)
}

async fn midpoints(global: &Global, out: &Out, args: &MidpointArgs) -> Result<ExitCode> {
    let zoo = open_zoo(&args.zoo).await?;
    let gpu = open_gpu(global).await?;
    let options = MidpointOptions { pairs: args.pairs, kin: args.same.into(), seed: args.seed };
    let mut job = MidpointJob::new(&gpu, &zoo, options).await?;
    let finished = drive(&mut job, out, AGAIN, |_, message| {
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
