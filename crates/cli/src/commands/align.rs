//! `weightlab align`.

use super::drive::{DERIVED_REMEDY, derived_interrupted, drive};
use super::{figure, open_gpu, open_zoo, read_pairs, table};
use crate::args::{AlignArgs, AlignOrder, Global};
use crate::output::Out;
use crate::tell::Usage;
use anyhow::Result;
use std::process::ExitCode;
use weightlab_data::{DirStore, Store, Zoo};
use weightlab_lab::align::{Finished, Started};
use weightlab_lab::derive::PairList;
use weightlab_lab::message::Message;
use weightlab_lab::meter::{bytes_text, duration_text, networks_text};
use weightlab_lab::stats::Distribution;
use weightlab_lab::{AlignJob, AlignOptions, LabError};

/// Aligns networks of a zoo, into another.
pub async fn run(global: &Global, out: &Out, args: &AlignArgs) -> Result<ExitCode> {
    let zoo = open_zoo(&args.zoo).await?;
    let options = AlignOptions {
        pairs: pairs(args, &zoo)?,
        method: args.method.into(),
        ascending: args.order == AlignOrder::Ascending,
        seed: args.seed,
    };
    let gpu = open_gpu(global).await?;
    let mut job = AlignJob::new(&gpu, &zoo, options, DirStore::new(&args.out)).await?;
    let finished = drive(&mut job, out, DERIVED_REMEDY, |line, message| match message {
        Message::Started(s) => out.note(&plan(s)),
        Message::Warning(w) => line.note(out, &format!("warning: {}", w.what)),
        _ => {}
    })
    .await?;
    let Some(finished) = finished else { return Ok(derived_interrupted(job.zoo())) };
    out.line(&summary(&finished));
    let (from, to) = (args.zoo.display().to_string(), args.out.display().to_string());
    out.line(&format!(
        "{to}: {} made from {from}; {} says how neurons were moved",
        networks_text(finished.pairs),
        finished.moves_file
    ));
    Ok(ExitCode::SUCCESS)
}

fn pairs(args: &AlignArgs, zoo: &Zoo<DirStore>) -> Result<PairList> {
    let nets = zoo.nets();
    match (&args.pairs, args.reference) {
        (Some(file), _) => read_pairs(file, nets),
        (None, Some(index)) if index < nets => Ok(PairList::with_reference(index, nets)),
        (None, Some(index)) => {
            Err(LabError::NoSuchNet { store: zoo.store().describe(), index, nets }.into())
        }
        (None, None) => {
            Err(Usage { what: "no pairs".to_owned(), hint: "give --pairs or --reference" }.into())
        }
    }
}

fn plan(s: &Started) -> String {
    format!(
        "aligning {} pairs of {}, method {}, {} order{}\n\
         adapter: {}; GPU memory: {} for {} pairs at a time",
        s.pairs,
        s.dims,
        s.method,
        s.order,
        if s.on_cpu {
            ", on the CPU: hidden layers are wider than the GPU's kernel takes"
        } else {
            ""
        },
        s.adapter,
        bytes_text(s.bytes),
        s.pairs_per_batch,
    )
}

fn summary(f: &Finished) -> String {
    let mut rows =
        vec![["over all pairs", "min", "median", "mean", "max"].map(str::to_owned).to_vec()];
    let mut row = |name: &str, d: &Distribution| {
        let mut cells = vec![name.to_owned()];
        cells.extend([d.min, d.median, d.mean, d.max].map(number));
        rows.push(cells);
    };
    row("objective before", &f.objective_before);
    row("objective after", &f.objective_after);
    row("squared distance before", &f.squared_distance_before);
    row("squared distance after", &f.squared_distance_after);
    row("sweeps", &f.sweeps);
    let mut text = table(&rows);
    if let (Some(before), Some(after)) = (f.psnr_before.median, f.psnr.median) {
        text += &format!("\nPSNR, median: {before:.2} dB before, {after:.2} dB after");
    }
    text + &format!("\ntime: {}", duration_text(f.seconds))
}

fn number(x: Option<f64>) -> String {
    x.map_or("-".to_owned(), |x| figure(x, if x == x.round() { 0 } else { 3 }))
}
