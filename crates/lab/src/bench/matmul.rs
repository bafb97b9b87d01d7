//! How fast linear layers are.

use crate::error::LabError;
use serde::{Deserialize, Serialize};
use web_time::Instant;
use weightlab_gpu::Gpu;
use weightlab_tensor::{Graph, Optimizer, ParamSet, ParamStore, Pass, Program, Target};

/// What to measure: a linear layer of `rows` rows.
#[derive(Clone, Copy, Debug)]
pub struct MatmulBenchOptions {
    /// Rows of the input.
    pub rows: usize,
    /// Its columns.
    pub inputs: usize,
    /// Columns of the result.
    pub outputs: usize,
    /// Rounds, of which the fastest counts.
    pub rounds: u32,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatmulMeasurement {
    /// `matmul`.
    pub bench: String,
    /// Name of the adapter.
    pub adapter: String,
    /// `forward`, or `train`: forward, back, the loss between them and the gradient of the weight, counted as three products.
    pub what: String,
    /// Rows.
    pub n: u64,
    /// Columns of the input.
    pub inputs: u64,
    /// Columns of the result.
    pub outputs: u64,
    /// Milliseconds of the fastest round.
    pub ms: f64,
    /// Thousand million multiplications and additions per second.
    pub gflops: f64,
    /// What a kernel of nothing but multiply-adds reaches on this adapter, where measured.
    pub peak_gflops: Option<f64>,
    /// The former divided by the latter; none if that exceeds 1.
    pub peak_share: Option<f64>,
    /// Dispatches.
    pub dispatches: u64,
}

/// Runs of a round take at least this long, so that submitting does not count.
const ROUND_SECONDS: f64 = 0.1;

/// Measures a linear layer forward, and forward and back.
///
/// # Errors
/// The GPU, or a layer beyond what it binds.
pub async fn matmul(
    gpu: &Gpu,
    options: &MatmulBenchOptions,
) -> Result<[MatmulMeasurement; 2], LabError> {
    Ok([measure(gpu, options, false).await?, measure(gpu, options, true).await?])
}

async fn measure(
    gpu: &Gpu,
    options: &MatmulBenchOptions,
    train: bool,
) -> Result<MatmulMeasurement, LabError> {
    let MatmulBenchOptions { rows, inputs, outputs, rounds } = *options;
    let mut set = ParamSet::new();
    let (weight, bias) = (set.add("weight", &[outputs, inputs]), set.add("bias", &[outputs]));
    let values = super::random(set.len(), 1, 1, [-0.1, 0.1]);
    let store = ParamStore::new(gpu, &set, &values, &[], &Optimizer::Sgd { momentum: 0.0 })?;
    let mut g = Graph::new(&set, &Target::of(gpu));
    let shape = [rows, inputs];
    let x = if train { g.input_with_gradient("x", &shape) } else { g.input("x", &shape) };
    let (weight, bias) = (g.param(weight), g.param(bias));
    let y = g.linear(x, weight, Some(bias));
    if train {
        let squares = g.square(y);
        let loss = g.mean(squares, &[0, 1], false);
        g.backward(loss);
    } else {
        g.keep(y);
    }
    let mut program = Program::new(gpu, g.plan()?, &store)?;
    program.write(x, &super::random(rows * inputs, 2, 1, [-1.0, 1.0]))?;

    // The first run compiles; the second says how many make a round.
    let mut seconds = async |runs: u32| -> Result<f64, LabError> {
        let start = Instant::now();
        for _ in 0..runs {
            program.run(&Pass::default())?;
        }
        gpu.finish().await?;
        Ok(start.elapsed().as_secs_f64() / f64::from(runs))
    };
    seconds(1).await?;
    let runs = (ROUND_SECONDS / seconds(1).await?).ceil().clamp(1.0, 1000.0) as u32;
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        best = best.min(seconds(runs).await?);
    }
    let products = if train { 3.0 } else { 1.0 };
    let gflops = products * 2.0 * rows as f64 * inputs as f64 * outputs as f64 / best / 1e9;
    let dispatches = program.plan().dispatches();
    Ok(MatmulMeasurement {
        bench: "matmul".to_owned(),
        adapter: gpu.report().name.clone(),
        what: if train { "train" } else { "forward" }.to_owned(),
        n: rows as u64,
        inputs: inputs as u64,
        outputs: outputs as u64,
        ms: best * 1e3,
        gflops,
        peak_gflops: None,
        peak_share: None,
        dispatches: (dispatches.forward + dispatches.backward) as u64,
    })
}
