//! The groups `siren_nets` and `siren_fit` of the golden sets.

use super::golden::{Golden, Set};
use super::{Case, Worst, to_f64};
use crate::error::LabError;
use serde_json::Value;
use weightlab_data::Store;
use weightlab_gpu::Gpu;
use weightlab_nets::fit::gradient;
use weightlab_nets::{Activation, Convention, FitBatch, FitSettings, Mlp, evaluate, image_grid};

/// Outputs of networks on grids.
pub(super) const NETS: &str = "siren_nets";
/// Fits.
pub(super) const FIT: &str = "siren_fit";

/// The part of [`FIT`] to run.
#[derive(Clone, Copy, Debug)]
pub(super) enum FitTask {
    /// The recorded first steps of Adam.
    Trajectory,
    /// A fitted network.
    Fitted(usize),
}

/// Everything of [`FIT`] that the set holds.
pub(super) fn fit_tasks<S: Store>(set: &Set<S>) -> Vec<FitTask> {
    let trajectory = set.has(FIT, "traj.losses").then_some(FitTask::Trajectory);
    let fitted = (0..).take_while(|i| set.has(FIT, &format!("fit.{i}.out")));
    trajectory.into_iter().chain(fitted.map(FitTask::Fitted)).collect()
}

/// The parameters `{prefix}.seq.{l}.weight` and `.bias`: widths and the vector `[P]`.
pub(super) async fn read_net<S: Store>(
    set: &mut Set<S>,
    file: &str,
    prefix: &str,
) -> Result<(Vec<usize>, Vec<f64>), LabError> {
    let mut dims = Vec::new();
    let mut params = Vec::new();
    for l in 0.. {
        let name = format!("{prefix}.seq.{l}.weight");
        if !set.has(file, &name) {
            break;
        }
        let weight = set.tensor(file, &name).await?;
        let bias = set.tensor(file, &format!("{prefix}.seq.{l}.bias")).await?;
        if l == 0 {
            dims.extend(weight.shape.last());
        }
        dims.extend(bias.shape.first());
        params.extend(weight.values);
        params.extend(bias.values);
    }
    let expected: usize = dims.windows(2).map(|d| d[0] * d[1] + d[1]).sum();
    if dims.len() < 2 || params.len() != expected {
        return Err(LabError::Golden {
            file: format!("{file}.safetensors"),
            what: format!("{prefix}: {} parameters for widths {dims:?}", params.len()),
            expected: format!("{prefix}.seq.0.weight, {prefix}.seq.0.bias, ... of one network"),
        });
    }
    Ok((dims, params))
}

/// The architecture of a case: `omega0` and `output_offset` as recorded, else the usual ones.
pub(super) fn mlp_of(dims: &[usize], case: Option<&Value>) -> Result<Mlp, LabError> {
    let mut mlp = Mlp::new(dims, Convention::Dwsnets)?;
    let number = |key| case.and_then(|c| c.get(key)).and_then(Value::as_f64);
    if let Some(omega) = number("omega0") {
        mlp.activation = Activation::Sine { omega_0: omega as f32 };
    }
    if let Some(offset) = number("output_offset") {
        mlp.output_offset = offset as f32;
    }
    mlp.validate()?;
    Ok(mlp)
}

pub(super) fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

/// One architecture of [`NETS`]: its grid, and every network's outputs on it.
pub(super) async fn nets<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    case: &str,
) -> Result<Vec<Case>, LabError> {
    let mut out = Vec::new();
    let coords = set.tensor(NETS, &format!("coords.{case}")).await?;
    // Points in the plane that make a square are an image's grid; others were drawn at random.
    let side = (coords.shape[0] as f64).sqrt().round() as usize;
    if coords.shape.last() == Some(&2) && side * side == coords.shape[0] {
        out.push(grid_case(&format!("coords.{case}"), &coords, side, side));
    }
    // `coords.rect_{s0}x{s1}`: in this order the reference makes s0 values of x, which varies
    // fastest, and s1 of y: an image of s1 rows and s0 columns. Done along with the first case.
    if set.cases().iter().find(|(g, _)| g == NETS).is_some_and(|(_, c)| c == case) {
        let names = set.names(NETS).into_iter().filter(|n| n.starts_with("coords.rect_"));
        for name in names.map(str::to_owned).collect::<Vec<_>>() {
            let sizes = name["coords.rect_".len()..].split_once('x');
            if let Some((Ok(s0), Ok(s1))) = sizes.map(|(a, b)| (a.parse(), b.parse())) {
                let golden = set.tensor(NETS, &name).await?;
                out.push(grid_case(&name, &golden, s1, s0));
            }
        }
    }
    let scalars = set.case(NETS, case).cloned();
    for i in (0..).take_while(|i| set.has(NETS, &format!("{case}.{i}.out"))).collect::<Vec<_>>() {
        let (dims, params) = read_net(set, NETS, &format!("{case}.{i}")).await?;
        let mlp = mlp_of(&dims, scalars.as_ref())?;
        let golden = set.tensor(NETS, &format!("{case}.{i}.out")).await?;
        let outputs = evaluate(gpu, &mlp, &to_f32(&params), 1, &coords.to_f32()).await?;
        let mut worst = Worst::default();
        worst.see_all("out", &to_f64(&outputs), &golden.values, |g| golden.tolerance.at(g));
        out.push(Case::judged(NETS, format!("{case}.{i}"), worst));
    }
    Ok(out)
}

fn grid_case(name: &str, golden: &Golden, height: usize, width: usize) -> Case {
    let mut worst = Worst::default();
    let grid = to_f64(&image_grid(height, width));
    worst.see_all("grid", &grid, &golden.values, |g| golden.tolerance.at(g));
    Case::judged(NETS, name, worst)
}

/// One part of [`FIT`].
pub(super) async fn fit<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    task: &FitTask,
) -> Result<Vec<Case>, LabError> {
    match *task {
        FitTask::Trajectory => trajectory(gpu, set).await,
        FitTask::Fitted(i) => fitted(gpu, set, i).await,
    }
}

/// The recipe of the set: Adam with PyTorch's defaults, lr 5e-4, no early stop.
fn settings(max_steps: u32) -> FitSettings {
    FitSettings { max_steps, until_psnr: None, ..FitSettings::default() }
}

/// The grid that an image was fitted on: that of [`NETS`] if it has as many points.
async fn grid_of<S: Store>(set: &mut Set<S>, target: &Golden) -> Result<Vec<f32>, LabError> {
    if set.has(NETS, "coords.img") {
        let coords = set.tensor(NETS, "coords.img").await?;
        if coords.shape.first() == Some(&target.values.len()) {
            return Ok(coords.to_f32());
        }
    }
    match target.shape[..] {
        [h, w] | [h, w, 1] => Ok(image_grid(h, w)),
        _ => Ok(image_grid(1, target.values.len())),
    }
}

async fn trajectory<S: Store>(gpu: &Gpu, set: &mut Set<S>) -> Result<Vec<Case>, LabError> {
    let (dims, init) = read_net(set, FIT, "traj.init").await?;
    let scalars = set.case(NETS, "img").cloned();
    let mlp = mlp_of(&dims, scalars.as_ref())?;
    let target = set.tensor(FIT, "target0").await?;
    let coords = grid_of(set, &target).await?;
    let (target, init) = (target.to_f32(), to_f32(&init));
    let mut out = Vec::new();

    // A batch that may do k steps ends with the loss of the parameters after k steps.
    let golden = set.tensor(FIT, "traj.losses").await?;
    let mut losses = Vec::new();
    for k in 0..golden.values.len() as u32 {
        let batch = run(gpu, &mlp, &coords, &target, &init, k).await?;
        losses.push(f64::from(batch.outcomes()[0].mse));
    }
    let mut worst = Worst::default();
    worst.see_all("loss", &losses, &golden.values, |g| golden.tolerance.at(g));
    out.push(Case::judged(FIT, "traj.losses", worst));

    if set.has(FIT, "traj.grad0.seq.0.weight") {
        let gradient = gradient(gpu, &mlp, &coords, &target, &init).await?;
        out.push(compare_net(set, &mlp, "traj.grad0", &gradient).await?);
    }
    let steps = golden.values.len();
    let after = format!("traj.after{steps}");
    if set.has(FIT, &format!("{after}.seq.0.weight")) {
        let batch = run(gpu, &mlp, &coords, &target, &init, steps as u32).await?;
        out.push(compare_net(set, &mlp, &after, &batch.params().await?).await?);
    }
    Ok(out)
}

async fn run(
    gpu: &Gpu,
    mlp: &Mlp,
    coords: &[f32],
    target: &[f32],
    params: &[f32],
    steps: u32,
) -> Result<FitBatch, LabError> {
    let mut batch = FitBatch::from_params(gpu, mlp, coords, target, params, &settings(steps))?;
    while !batch.advance().await?.finished {}
    Ok(batch)
}

/// Compares a parameter vector with `{prefix}.seq.*`, each tensor within its own tolerance.
async fn compare_net<S: Store>(
    set: &mut Set<S>,
    mlp: &Mlp,
    prefix: &str,
    got: &[f32],
) -> Result<Case, LabError> {
    let mut worst = Worst::default();
    for (l, layer) in mlp.layers().iter().enumerate() {
        let ranges = [
            ("weight", layer.weight..layer.bias),
            ("bias", layer.bias..layer.bias + layer.outputs),
        ];
        for (kind, range) in ranges {
            let name = format!("{prefix}.seq.{l}.{kind}");
            let golden = set.tensor(FIT, &name).await?;
            let got = to_f64(&got[range]);
            worst.see_all(&name, &got, &golden.values, |g| golden.tolerance.at(g));
        }
    }
    Ok(Case::judged(FIT, prefix, worst))
}

async fn fitted<S: Store>(gpu: &Gpu, set: &mut Set<S>, i: usize) -> Result<Vec<Case>, LabError> {
    let (dims, params) = read_net(set, FIT, &format!("fit.{i}")).await?;
    let scalars = set.case(NETS, "img").cloned();
    let mlp = mlp_of(&dims, scalars.as_ref())?;
    let golden = set.tensor(FIT, &format!("fit.{i}.out")).await?;
    let is_this = |net: &&Value| net.get("net").and_then(Value::as_u64) == Some(i as u64);
    let record = set
        .case(FIT, "fits")
        .and_then(|fits| fits.get("nets")?.as_array()?.iter().find(is_this).cloned());
    let number = |key| record.as_ref().and_then(|r| r.get(key)).and_then(Value::as_f64);
    let target_name = format!("target{}", number("target").unwrap_or(0.0));
    let target = set.tensor(FIT, &target_name).await?;
    let coords = grid_of(set, &target).await?;
    let params = to_f32(&params);

    let mut out = Vec::new();
    let outputs = to_f64(&evaluate(gpu, &mlp, &params, 1, &coords).await?);
    let mut worst = Worst::default();
    worst.see_all("out", &outputs, &golden.values, |g| golden.tolerance.at(g));
    out.push(Case::judged(FIT, format!("fit.{i}.out"), worst));

    // The fit's own loss against that of the golden outputs. If every output is within tol of its
    // golden value, the mean square is within 2 sqrt(mse) tol + tol^2 (Cauchy-Schwarz).
    let mse_of = |outputs: &[f64]| {
        let square = |(y, t): (&f64, &f64)| (y - t) * (y - t);
        outputs.iter().zip(&target.values).map(square).sum::<f64>() / target.values.len() as f64
    };
    let tol = golden.values.iter().map(|&g| golden.tolerance.at(g)).fold(0.0, f64::max);
    let expected = mse_of(&golden.values);
    let batch = run(gpu, &mlp, &coords, &target.to_f32(), &params, 0).await?;
    let mse = f64::from(batch.outcomes()[0].mse);
    let mut worst = Worst::default();
    worst.see("mse", 0, mse, expected, 2.0 * expected.sqrt() * tol + tol * tol);
    out.push(Case::judged(FIT, format!("fit.{i}.mse"), worst));

    // The recorded figure belongs to the parameters one update before the stored ones, which the
    // last update changed by up to 0.03 dB in the published set.
    if let Some(psnr) = number("psnr") {
        let mut worst = Worst::default();
        worst.see("psnr", 0, mlp.psnr(mse), psnr, 0.05);
        out.push(Case::judged(FIT, format!("fit.{i}.psnr"), worst));
    }
    Ok(out)
}
