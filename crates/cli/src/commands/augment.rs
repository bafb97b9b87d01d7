//! `weightlab augment`.

use super::drive::{DERIVED_REMEDY, derived_interrupted, drive};
use super::{open_gpu, open_zoo, program, quoted};
use crate::args::{AugmentArgs, Global};
use crate::output::Out;
use anyhow::Result;
use std::process::ExitCode;
use weightlab_data::DirStore;
use weightlab_lab::augment::{Change, Finished, Started};
use weightlab_lab::message::Message;
use weightlab_lab::meter::{bytes_text, duration_text, networks_text};
use weightlab_lab::{AugmentJob, AugmentOptions, LabError};
use weightlab_nets::symmetry::Op;

/// Augments a zoo into another.
pub async fn run(global: &Global, out: &Out, args: &AugmentArgs) -> Result<ExitCode> {
    let mut ops = Vec::new();
    for text in &args.ops {
        ops.extend(Op::parse(text).map_err(LabError::from)?);
    }
    let zoo = open_zoo(&args.zoo).await?;
    let gpu = open_gpu(global).await?;
    let options = AugmentOptions { ops, seed: args.seed };
    let mut job = AugmentJob::new(&gpu, &zoo, options, DirStore::new(&args.out)).await?;
    let finished = drive(&mut job, out, DERIVED_REMEDY, |line, message| match message {
        Message::Started(s) => out.note(&plan(s)),
        Message::Warning(w) => line.note(out, &format!("warning: {}", w.what)),
        _ => {}
    })
    .await?;
    let Some(finished) = finished else { return Ok(derived_interrupted(job.zoo())) };
    out.line(&summary(&finished));
    let (from, to) = (args.zoo.display().to_string(), args.out.display().to_string());
    out.line(&format!("{to}: {} made from {from}", networks_text(finished.nets)));
    out.note(&format!("next: {} render {} --out augmented.png", program(), quoted(&to)));
    Ok(ExitCode::SUCCESS)
}

/// All operations, for the help text.
pub fn operations() -> String {
    let mut text = String::from("Operations, with the defaults of the reference code:\n");
    for known in Op::known() {
        text += &format!("\n  {}\n      {}; {}\n", known.name, known.what, known.effect);
        for p in known.parameters {
            text += &format!("      {:<18} {}\n", format!("{}={}", p.name, p.default), p.what);
        }
    }
    text + "\nExample: weightlab augment out/zoo --op rotate:degrees=15 --op siren-bias --out out/augmented"
}

fn plan(s: &Started) -> String {
    let ops: Vec<String> = s.ops.iter().map(|o| format!("\n  {}: {}", o.op, o.effect)).collect();
    format!(
        "augmenting {} of {}, functions compared at {} points{}\n\
         adapter: {}; GPU memory: {} for {} at a time",
        networks_text(s.nets),
        s.dims,
        s.points,
        ops.concat(),
        s.adapter,
        bytes_text(s.bytes),
        networks_text(s.nets_per_batch),
    )
}

fn summary(f: &Finished) -> String {
    let mut rows: Vec<[String; 4]> = vec![[
        "operation".to_owned(),
        "max |f - f'|".to_owned(),
        "of the range".to_owned(),
        "what it does".to_owned(),
    ]];
    rows.extend(f.ops.iter().map(row));
    if f.ops.len() > 1 {
        rows.push(row(&f.overall));
    }
    let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2].map(width);
    let lines: Vec<String> = rows
        .iter()
        .map(|[a, b, c, d]| {
            format!("{a:<0$}  {b:>1$}  {c:>2$}  {d}", widths[0], widths[1], widths[2])
        })
        .collect();
    let mut text = lines.join("\n");
    if let [Some(lo), Some(hi)] = f.output_range {
        text += &format!("\noutputs before: from {lo:.3} to {hi:.3}");
    }
    if let (Some(before), Some(after)) = (f.psnr_before.median, f.psnr.median) {
        text += &format!("\nPSNR, median: {before:.2} dB before, {after:.2} dB after");
    }
    text + &format!("\ntime: {}", duration_text(f.seconds))
}

fn row(change: &Change) -> [String; 4] {
    let mut effect = change.effect.clone();
    if let Some(moved) = change.max_on_moved_input {
        effect += &format!(
            ": max |f(g x) - f'(x)| is {} over {}",
            number(Some(moved)),
            networks_text(change.nets_on_moved_input)
        );
    }
    [change.op.clone(), number(change.max), number(change.of_range), effect]
}

fn number(x: Option<f64>) -> String {
    match x {
        None => "not finite".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(x) if x < 0.001 => format!("{x:.1e}"),
        Some(x) => format!("{x:.3}"),
    }
}
