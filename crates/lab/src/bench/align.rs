//! How fast pairs of networks are aligned and mixed.

use super::random;
use crate::error::LabError;
use serde::{Deserialize, Serialize};
use web_time::Instant;
use weightlab_gpu::Gpu;
use weightlab_nets::align::{AlignSettings, MAX_MATCH_WIDTH, Matcher, Method, Order, Pair, host};
use weightlab_nets::mix::{Lambda, Mix, Mixer};
use weightlab_nets::symmetry::SymmetryError;
use weightlab_nets::{Mlp, NetBatch, NetId};

/// What to measure.
#[derive(Clone, Debug)]
pub struct AlignBenchOptions {
    /// Pairs of a batch.
    pub pairs: usize,
    /// The architecture.
    pub mlp: Mlp,
    /// Which moves are allowed.
    pub method: Method,
    /// Rounds, each of which gives a measurement.
    pub rounds: u32,
    /// Whether the CPU aligns the same pairs in every round, for comparison.
    pub native: bool,
    /// Key of networks and orders.
    pub seed: u64,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlignMeasurement {
    /// `align`.
    pub bench: String,
    /// Name of the adapter.
    pub adapter: String,
    /// Pairs.
    pub n: u64,
    /// The architecture.
    pub dims: String,
    /// `weight-matching` or `signed`.
    pub method: String,
    /// Aligned pairs per second, by kernels on networks that lie on the GPU.
    pub pairs_per_s: f64,
    /// Milliseconds of the batch.
    pub ms: f64,
    /// Milliseconds of a whole aligned mixing of the batch: lambdas, alignment, mixtures.
    pub mix_ms: f64,
    /// Aligned pairs per second of plain Rust with the crate `lapjv` on all cores, in f64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native_pairs_per_s: Option<f64>,
    /// Mean number of sweeps.
    pub sweeps: f64,
    /// Mean squared distance of the weights before.
    pub squared_distance_before: f64,
    /// The same afterwards: other programs must get there too.
    pub squared_distance_after: f64,
}

/// Networks as after some training: larger than fresh ones, with biases. Network n has the numbers of stream n + 1.
pub fn trained_like(mlp: &Mlp, nets: usize, seed: u64) -> Vec<f32> {
    let mut out = Vec::with_capacity(nets * mlp.param_count());
    for net in 0..nets as u32 {
        let u = random(mlp.param_count(), seed, net + 1, [-1.0, 1.0]);
        for (l, layer) in mlp.layers().iter().enumerate() {
            let bound = 1.2 * mlp.init_bounds(l).0;
            out.extend(u[layer.weight..layer.bias].iter().map(|u| bound * u));
            out.extend(u[layer.bias..layer.bias + layer.outputs].iter().map(|u| 0.05 * u));
        }
    }
    out
}

/// Aligns pairs of random networks and measures each of some rounds, after one to warm up.
///
/// # Errors
/// Options that make no sense, or the GPU.
pub async fn align(
    gpu: &Gpu,
    options: &AlignBenchOptions,
) -> Result<Vec<AlignMeasurement>, LabError> {
    let AlignBenchOptions { pairs, ref mlp, method, rounds, native, seed } = *options;
    for (option, zero) in [("--pairs", pairs == 0), ("--rounds", rounds == 0)] {
        if zero {
            return Err(LabError::Zero { option });
        }
    }
    method.validate(mlp)?;
    if mlp.widest_hidden() > MAX_MATCH_WIDTH {
        return Err(LabError::Symmetry(SymmetryError::Unsuitable {
            operation: "bench align",
            dims: mlp.dims_text(),
            needs: "hidden layers of at most 128 neurons",
        }));
    }
    let params = trained_like(mlp, 2 * pairs, seed);
    let ids: Vec<NetId> = (0..2 * pairs as u32).map(|object| NetId { object, view: 0 }).collect();
    let nets = NetBatch::upload(gpu, mlp, &params, &ids)?;
    let list: Vec<(usize, usize)> = (0..pairs).map(|i| (2 * i, 2 * i + 1)).collect();
    let list = Pair::numbered(&list);
    let settings =
        AlignSettings { method, order: Order::Random { seed }, ..AlignSettings::default() };
    let mut matcher = Matcher::new(gpu, mlp, pairs)?;
    matcher.set_pairs(&list)?;
    let how = if method == Method::Signed { Mix::Signed } else { Mix::Aligned };
    let mut mixer = Mixer::new(gpu, mlp, pairs)?;
    mixer.set_pairs(&list)?;
    let out = NetBatch::empty(gpu, mlp, pairs)?;
    let before = matcher.objectives(&nets, &nets, true).await?;

    let mut all = Vec::new();
    for round in 0..=rounds {
        gpu.finish().await?;
        let begun = Instant::now();
        matcher.run(&nets, &nets, &settings)?;
        gpu.finish().await?;
        let seconds = begun.elapsed().as_secs_f64();

        let begun = Instant::now();
        let mut recording = gpu.record();
        mixer.record_lambdas(&mut recording, Lambda::Uniform, seed)?;
        mixer.record_moves(&mut recording, how, seed, &nets, &nets)?;
        mixer.record_nets(&mut recording, &nets, &nets, &out)?;
        recording.submit()?;
        gpu.finish().await?;
        let mixing = begun.elapsed().as_secs_f64();

        let mut native_pairs_per_s = None;
        if native && round > 0 {
            let begun = Instant::now();
            host::align_params(mlp, [&params, &params], &list, &settings)?;
            native_pairs_per_s = Some(pairs as f64 / begun.elapsed().as_secs_f64());
        }
        if round == 0 {
            continue;
        }
        let outcomes = matcher.outcomes().await?;
        let after = matcher.objectives(&nets, &nets, false).await?;
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / pairs as f64;
        all.push(AlignMeasurement {
            bench: "align".to_owned(),
            adapter: gpu.report().name.clone(),
            n: pairs as u64,
            dims: mlp.dims_text(),
            method: method.name().to_owned(),
            pairs_per_s: pairs as f64 / seconds,
            ms: 1e3 * seconds,
            mix_ms: 1e3 * mixing,
            native_pairs_per_s,
            sweeps: mean(&mut outcomes.iter().map(|o| f64::from(o.sweeps))),
            squared_distance_before: mean(&mut before.iter().map(|o| o.squared_distance)),
            squared_distance_after: mean(&mut after.iter().map(|o| o.squared_distance)),
        });
    }
    Ok(all)
}
