//! `weightlab bench`.

use super::open_gpu;
use crate::args::{BenchCommand, Global};
use crate::output::{Out, object_always};
use anyhow::Result;
use std::process::ExitCode;
use weightlab_lab::LabError;
use weightlab_lab::bench::{self, FitBenchOptions};
use weightlab_lab::meter::bytes_text;
use weightlab_nets::{Convention, Mlp};

/// Measures. Results are JSON lines with and without `--json`: they are for machines.
pub async fn run(global: &Global, out: &Out, command: &BenchCommand) -> Result<ExitCode> {
    let BenchCommand::Fit(args) = command;
    let mlp = Mlp::new(&args.dims.0, Convention::Dwsnets).map_err(LabError::from)?;
    let gpu = open_gpu(global).await?;
    let options = FitBenchOptions {
        nets: args.nets,
        points: args.points,
        mlp,
        steps: args.steps,
        rounds: args.rounds,
        seed: args.seed,
    };
    let peak = bench::peak_gflops(&gpu).await?;
    for m in bench::fit(&gpu, &options, peak).await? {
        object_always(&m);
        let share =
            m.peak_share.map_or(String::new(), |s| format!(" ({:.0} % of peak)", s * 100.0));
        out.note(&format!(
            "{} nets: {:.4} ms per net and step, {:.1} GFLOP/s{share}, {} on {}",
            m.n,
            m.ms_per_net_step,
            m.gflops,
            bytes_text(m.bytes),
            m.adapter
        ));
    }
    Ok(ExitCode::SUCCESS)
}
