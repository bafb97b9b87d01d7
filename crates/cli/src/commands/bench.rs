//! `weightlab bench`.

use super::open_gpu;
use crate::args::{
    BenchAlignArgs, BenchAugmentArgs, BenchCommand, BenchFitArgs, BenchMatmulArgs, BenchTrainArgs,
    Global,
};
use crate::output::{Out, object_always};
use anyhow::Result;
use std::process::ExitCode;
use weightlab_lab::LabError;
use weightlab_lab::bench::{
    self, AlignBenchOptions, AugmentBenchOptions, FitBenchOptions, MatmulBenchOptions, Peak,
    TrainBenchOptions,
};
use weightlab_lab::meter::bytes_text;
use weightlab_learn::train::TrainConfig;
use weightlab_learn::{DwsConfig, ModelConfig};
use weightlab_nets::{Convention, Mlp};

/// Measures. Results are JSON lines with and without `--json`: they are for machines.
pub async fn run(global: &Global, out: &Out, command: &BenchCommand) -> Result<ExitCode> {
    match command {
        BenchCommand::Fit(args) => fit(global, out, args).await,
        BenchCommand::Augment(args) => augment(global, out, args).await,
        BenchCommand::Align(args) => align(global, out, args).await,
        BenchCommand::Matmul(args) => matmul(global, out, args).await,
        BenchCommand::Train(args) => train(global, out, args).await,
    }
}

fn share_text(peak: Option<f64>, share: Option<f64>) -> String {
    match (peak, share) {
        (_, Some(share)) => format!(" ({:.0} % of peak)", share * 100.0),
        (Some(peak), None) => format!(
            " (above the peak of {peak:.1}: an invalid measurement, the machine is busy with other work)"
        ),
        (None, None) => String::new(),
    }
}

async fn matmul(global: &Global, out: &Out, args: &BenchMatmulArgs) -> Result<ExitCode> {
    let gpu = open_gpu(global).await?;
    let options = MatmulBenchOptions {
        rows: args.rows as usize,
        inputs: args.inputs as usize,
        outputs: args.outputs as usize,
        rounds: args.rounds,
    };
    let peak = Peak::measure(&gpu).await?;
    let measurements = bench::matmul(&gpu, &options).await?;
    let peak = peak.again(&gpu).await?;
    for mut m in measurements {
        m.compare(peak);
        object_always(&m);
        out.note(&format!(
            "{} x {} -> {}, {}: {:.2} ms, {:.1} GFLOP/s{}, {} dispatches on {}",
            m.n,
            m.inputs,
            m.outputs,
            m.what,
            m.ms,
            m.gflops,
            share_text(m.peak_gflops, m.peak_share),
            m.dispatches,
            m.adapter
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn fit(global: &Global, out: &Out, args: &BenchFitArgs) -> Result<ExitCode> {
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
    let peak = Peak::measure(&gpu).await?;
    let measurements = bench::fit(&gpu, &options).await?;
    let peak = peak.again(&gpu).await?;
    for mut m in measurements {
        m.compare(peak);
        object_always(&m);
        let share = share_text(m.peak_gflops, m.peak_share);
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

async fn augment(global: &Global, out: &Out, args: &BenchAugmentArgs) -> Result<ExitCode> {
    let mlp = Mlp::new(&args.dims.0, Convention::Dwsnets).map_err(LabError::from)?;
    let gpu = open_gpu(global).await?;
    let options =
        AugmentBenchOptions { nets: args.nets, mlp, rounds: args.rounds, seed: args.seed };
    for (i, m) in bench::augment(&gpu, &options).await?.into_iter().enumerate() {
        object_always(&m);
        if i == 0 {
            out.note(&format!(
                "{} nets of {} on {}: copying by a kernel {:.2} GB/s, by the driver {:.2} GB/s",
                m.n, m.dims, m.adapter, m.copy_gbytes_per_s, m.driver_gbytes_per_s
            ));
        }
        let [low, high] = m.share_range.map(|s| 100.0 * s);
        out.note(&format!(
            "{:<40} {:7.1} ms {:6.2} GB/s, {:4.0} % of copying ({low:.0} to {high:.0})",
            m.op,
            m.ms,
            m.gbytes_per_s,
            100.0 * m.share
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn align(global: &Global, out: &Out, args: &BenchAlignArgs) -> Result<ExitCode> {
    let mlp = Mlp::new(&args.dims.0, Convention::Dwsnets).map_err(LabError::from)?;
    let gpu = open_gpu(global).await?;
    let options = AlignBenchOptions {
        pairs: args.pairs,
        mlp,
        method: args.method.into(),
        rounds: args.rounds,
        native: args.native,
        seed: args.seed,
    };
    for m in bench::align(&gpu, &options).await? {
        object_always(&m);
        let native = m.native_pairs_per_s.map_or(String::new(), |n| {
            format!(", plain Rust on all cores {n:.0} ({:.2} of it)", m.pairs_per_s / n)
        });
        out.note(&format!(
            "{} pairs of {}, {}: {:.0} pairs/s{native}; {:.1} sweeps, distance^2 {:.4} -> {:.4}; mixing {:.1} ms, on {}",
            m.n,
            m.dims,
            m.method,
            m.pairs_per_s,
            m.sweeps,
            m.squared_distance_before,
            m.squared_distance_after,
            m.mix_ms,
            m.adapter
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn train(global: &Global, out: &Out, args: &BenchTrainArgs) -> Result<ExitCode> {
    let mlp = Mlp::new(&args.dims.0, Convention::Dwsnets).map_err(LabError::from)?;
    let gpu = open_gpu(global).await?;
    for &batch in &args.batch {
        let model =
            DwsConfig { hidden: args.hidden, hidden_layers: args.layers, ..DwsConfig::default() };
        let config = TrainConfig {
            batch,
            augment: args.augment.parse().map_err(LabError::from)?,
            model: ModelConfig::Dws(model),
            ..TrainConfig::default()
        };
        let options =
            TrainBenchOptions { config, mlp: mlp.clone(), classes: 10, rounds: args.rounds };
        let m = bench::train(&gpu, &options).await?;
        object_always(&m);
        out.note(&format!(
            "{} ({} parameters) on {}, augment {}, batch {}: {:.1} samples/s, {:.1} ms and {} dispatches a step, {} predicted, {} taken, on {}{}",
            m.model,
            m.parameters,
            m.dims,
            m.augment,
            m.batch,
            m.samples_per_s,
            m.ms,
            m.dispatches,
            bytes_text(m.bytes),
            bytes_text(m.bytes_taken),
            m.adapter,
            if m.twins { ", with native twins of kernels" } else { "" }
        ));
    }
    Ok(ExitCode::SUCCESS)
}
