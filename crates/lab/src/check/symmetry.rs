//! The groups `aug`, `match` and `mixup` of the golden sets.

use super::golden::Set;
use super::siren::{NETS, mlp_of, read_net, to_f32};
use super::{Case, Worst, to_f64};
use crate::error::LabError;
use serde_json::Value;
use weightlab_data::Store;
use weightlab_gpu::Gpu;
use weightlab_nets::align::{AlignSettings, Aligned, Order, Pair, align, solve_assignments};
use weightlab_nets::mix::Mixer;
use weightlab_nets::symmetry::{Augmenter, Depth, Draws, Move, Op, Per, moves};
use weightlab_nets::{Activation, Mlp, NetBatch, NetId, evaluate, image_grid};

/// Augmentations with recorded draws.
pub(super) const AUG: &str = "aug";
/// Weight matching with recorded layer orders, and linear assignments.
pub(super) const MATCH: &str = "match";
/// Mixtures with recorded lambdas.
pub(super) const MIXUP: &str = "mixup";

/// Families of nets with the inputs and outputs that tell them apart: the coordinates in [`NETS`] are by family.
const FAMILIES: [(&str, usize, usize); 3] = [("img", 2, 1), ("sdf", 3, 1), ("odd", 2, 3)];

/// Objectives of a replayed matching may be off by this share; of own random orders, they may be this share of
/// the worst that the reference found.
const OBJECTIVE: f64 = 1e-5;
const FREE_ORDER: f64 = 0.97;

pub(super) fn batch(gpu: &Gpu, mlp: &Mlp, params: &[f64]) -> Result<NetBatch, LabError> {
    Ok(NetBatch::upload(gpu, mlp, &to_f32(params), &[NetId { object: 0, view: 0 }])?)
}

fn one_pair() -> Vec<Pair> {
    Pair::numbered(&[(0, 0)])
}

pub(super) fn malformed(group: &str, case: &str, expected: &str) -> LabError {
    LabError::Golden {
        file: "manifest.json".to_owned(),
        what: format!("cases.{group}.{case} is malformed"),
        expected: expected.to_owned(),
    }
}

/// One vector per layer, `{prefix}.{l}`, one after another.
async fn by_layer<S: Store>(
    set: &mut Set<S>,
    file: &str,
    prefix: &str,
    count: usize,
) -> Result<Vec<Vec<f64>>, LabError> {
    let mut all = Vec::new();
    for l in 0..count {
        all.push(set.tensor(file, &format!("{prefix}.{l}")).await?.values);
    }
    Ok(all)
}

/// Weights and biases `{prefix}.w.{l}`, `{prefix}.b.{l}` as one vector in the order of the parameters.
async fn elements<S: Store>(
    set: &mut Set<S>,
    file: &str,
    prefix: &str,
    depth: usize,
) -> Result<Vec<f32>, LabError> {
    let mut all = Vec::new();
    for l in 0..depth {
        for part in ["w", "b"] {
            all.extend(set.tensor(file, &format!("{prefix}.{part}.{l}")).await?.to_f32());
        }
    }
    Ok(all)
}

fn moves_of(layers: &[Vec<f64>], make: impl Fn(f64) -> (f64, f64, f64)) -> Vec<Move> {
    let layer = |values: &Vec<f64>| -> Vec<Move> {
        let neuron = |(i, &v): (usize, &f64)| {
            let (row, shift, column) = make(v);
            Move { row: row as f32, shift: shift as f32, column: column as f32, ..Move::from(i) }
        };
        values.iter().enumerate().map(neuron).collect()
    };
    layers.iter().flat_map(layer).collect()
}

/// Compares a parameter vector with the net of this prefix, tensor by tensor.
async fn see_net<S: Store>(
    worst: &mut Worst,
    set: &mut Set<S>,
    file: &str,
    prefix: &str,
    mlp: &Mlp,
    got: &[f32],
) -> Result<(), LabError> {
    for (l, layer) in mlp.layers().iter().enumerate() {
        let ends = [layer.weight, layer.bias, layer.bias + layer.outputs];
        for (part, at) in ["weight", "bias"].into_iter().zip(ends.windows(2)) {
            let name = format!("{prefix}.seq.{l}.{part}");
            let golden = set.tensor(file, &name).await?;
            let here = to_f64(&got[at[0]..at[1]]);
            worst.see_all(&name, &here, &golden.values, |g| golden.tolerance.at(g));
        }
    }
    Ok(())
}

/// Compares the outputs of a net with the tensor `name`, if it is there, on the coordinates of its family. The
/// recorded weights alone would not tell whether it is still the same function.
async fn see_outputs<S: Store>(
    worst: &mut Worst,
    gpu: &Gpu,
    set: &mut Set<S>,
    file: &str,
    name: &str,
    mlp: &Mlp,
    got: &[f32],
) -> Result<(), LabError> {
    let Some(family) = FAMILIES
        .into_iter()
        .find(|(_, inputs, outputs)| (mlp.inputs(), mlp.outputs()) == (*inputs, *outputs))
    else {
        return Ok(());
    };
    let coords = format!("coords.{}", family.0);
    if !set.has(file, name) || !set.has(NETS, &coords) {
        return Ok(());
    }
    let coords = set.tensor(NETS, &coords).await?.to_f32();
    let golden = set.tensor(file, name).await?;
    let outputs = evaluate(gpu, mlp, got, 1, &coords).await?;
    worst.see_all(name, &to_f64(&outputs), &golden.values, |g| golden.tolerance.at(g));
    Ok(())
}

/// Recorded draws of one augmentation.
enum Recorded {
    Translation(Vec<f32>, Vec<f32>),
    Numbers(Vec<f32>),
    Moves(Vec<Move>),
    Elements(Vec<f32>),
}

impl Recorded {
    fn draws(&self) -> Draws<'_> {
        match self {
            Recorded::Translation(offsets, depths) => Draws::Translation { offsets, depths },
            Recorded::Numbers(numbers) => Draws::Numbers(numbers),
            Recorded::Moves(moves) => Draws::Moves(moves),
            Recorded::Elements(elements) => Draws::Elements(elements),
        }
    }
}

async fn recorded<S: Store>(
    set: &mut Set<S>,
    case: &str,
    mlp: &Mlp,
) -> Result<Option<(Op, Recorded)>, LabError> {
    let (hidden, depth) = (mlp.depth() - 1, mlp.depth());
    let draw = |what: &str| format!("{case}.draw.{what}");
    let kind = case.split('.').next().unwrap_or_default();
    let numbers = async |set: &mut Set<S>, what: &str| {
        Ok::<_, LabError>(set.tensor(AUG, &draw(what)).await?.to_f32())
    };
    Ok(Some(match kind {
        _ if kind.starts_with("translate") => {
            let offsets = numbers(set, "t").await?;
            let depths = numbers(set, "depth").await?;
            let op = Op::Translate { range: 0.25, depth: Depth::Random };
            (op, Recorded::Translation(offsets, depths))
        }
        "rotate" => {
            (Op::Rotate { degrees: 30.0 }, Recorded::Numbers(numbers(set, "angle_deg").await?))
        }
        "scale" => (Op::Scale { low: 0.8, high: 1.2 }, Recorded::Numbers(numbers(set, "s").await?)),
        "quantile_masking" => {
            let level = numbers(set, "q_level").await?;
            (Op::QuantileMasking { level: 0.1 }, Recorded::Numbers(level))
        }
        "masking" => {
            let keep = elements(set, AUG, &draw("keep"), depth).await?;
            (Op::Masking { probability: 0.1, rescale: true }, Recorded::Elements(keep))
        }
        "gaussian_noise" => {
            let eps = elements(set, AUG, &draw("eps"), depth).await?;
            (Op::GaussianNoise { level: 0.32 }, Recorded::Elements(eps))
        }
        "siren_negation" => {
            let signs = by_layer(set, AUG, &draw("sign"), hidden).await?;
            let op = Op::SirenNegation { probability: 0.5, per: Per::Neuron };
            (op, Recorded::Moves(moves_of(&signs, |s| (s, 0.0, s))))
        }
        "siren_bias" => {
            let k = by_layer(set, AUG, &draw("k"), hidden).await?;
            let step = match mlp.activation {
                Activation::Sine { omega_0 } => std::f64::consts::PI / f64::from(omega_0),
                Activation::Relu => return Ok(None),
            };
            let sign = |k: f64| if k as i64 % 2 == 0 { 1.0 } else { -1.0 };
            let moves = moves_of(&k, |k| (1.0, k * step, sign(k)));
            (Op::SirenBias { k_max: 4 }, Recorded::Moves(moves))
        }
        "relu_scaling" => {
            let factors = by_layer(set, AUG, &draw("scale"), hidden).await?;
            let moves = moves_of(&factors, |c| (c, 0.0, 1.0 / c));
            (Op::ReluScaling { range: 0.5 }, Recorded::Moves(moves))
        }
        _ => return Ok(None),
    }))
}

pub(super) fn apply(
    gpu: &Gpu,
    from: &NetBatch,
    op: &Op,
    draws: Draws<'_>,
) -> Result<NetBatch, LabError> {
    let to = NetBatch::empty(gpu, from.mlp(), 1)?;
    let mut recording = gpu.record();
    Augmenter::new(gpu, from.mlp(), 1)?.record(&mut recording, op, draws, from, &to)?;
    recording.submit()?;
    Ok(to)
}

/// One case of [`AUG`], `{operation}.{source net}`.
pub(super) async fn aug<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    case: &str,
) -> Result<Vec<Case>, LabError> {
    let source = format!("src.{}", case.rsplit('.').next().unwrap_or_default());
    let (dims, params) = read_net(set, AUG, &source).await?;
    let mut mlp = mlp_of(&dims, None)?;
    let Some((op, draws)) = recorded(set, case, &mlp).await? else {
        return Ok(vec![Case::unsupported(AUG, case)]);
    };
    let mut outputs = "out";
    if matches!(op, Op::ReluScaling { .. }) {
        // The same weights, read as those of a plain ReLU network.
        mlp.activation = Activation::Relu;
        mlp.output_offset = 0.0;
        outputs = "relu_out";
    }
    let from = batch(gpu, &mlp, &params)?;
    let got = apply(gpu, &from, &op, draws.draws())?.read().await?;
    let mut worst = Worst::default();
    see_net(&mut worst, set, AUG, &format!("{case}.after"), &mlp, &got).await?;
    see_outputs(&mut worst, gpu, set, AUG, &format!("{case}.{outputs}"), &mlp, &got).await?;
    Ok(vec![Case::judged(AUG, case, worst)])
}

pub(super) fn orders(group: &str, case: &str, of: &Value) -> Result<Order, LabError> {
    serde_json::from_value(of.get("layer_orders").cloned().unwrap_or_default())
        .map(|sweeps| Order::Recorded(vec![sweeps]))
        .map_err(|_| malformed(group, case, "layer_orders: a list of orders, one per sweep"))
}

pub(super) async fn matched(a: &NetBatch, b: &NetBatch, order: Order) -> Result<Aligned, LabError> {
    let settings = AlignSettings { order, ..AlignSettings::default() };
    let mut all = align(a, b, &one_pair(), &settings).await?;
    Ok(all.remove(0))
}

/// The mixture of one pair under given moves.
async fn mixed(
    a: &NetBatch,
    b: &NetBatch,
    moves: &[Move],
    lambda: f64,
) -> Result<Vec<f32>, LabError> {
    let gpu = a.gpu();
    let mut mixer = Mixer::new(gpu, a.mlp(), 1)?;
    mixer.set_pairs(&one_pair())?;
    mixer.set_moves(moves)?;
    mixer.set_lambdas(&[lambda as f32])?;
    let out = NetBatch::empty(gpu, a.mlp(), 1)?;
    let mut recording = gpu.record();
    mixer.record_nets(&mut recording, a, b, &out)?;
    recording.submit()?;
    Ok(out.read().await?)
}

/// Compares permutations `{prefix}.{l}`.
async fn see_permutations<S: Store>(
    worst: &mut Worst,
    set: &mut Set<S>,
    file: &str,
    prefix: &str,
    mlp: &Mlp,
    got: &[Move],
) -> Result<(), LabError> {
    for (l, p) in moves::permutations(mlp, got).into_iter().enumerate() {
        let name = format!("{prefix}.{l}");
        let golden = set.tensor(file, &name).await?;
        let here: Vec<f64> = p.into_iter().map(|i| i as f64).collect();
        worst.see_all(&name, &here, &golden.values, |_| 0.0);
    }
    Ok(())
}

/// One case of [`MATCH`]: every recorded run, and own random orders against the reference's range.
pub(super) async fn matching<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    case: &str,
) -> Result<Vec<Case>, LabError> {
    let of = set.case(MATCH, case).cloned().unwrap_or_default();
    let Some(runs) = of.get("runs").and_then(Value::as_array) else {
        return Ok(vec![Case::unsupported(MATCH, case)]);
    };
    let (dims, a) = read_net(set, MATCH, &format!("{case}.a")).await?;
    let (_, b) = read_net(set, MATCH, &format!("{case}.b")).await?;
    let mlp = mlp_of(&dims, None)?;
    let (a, b) = (batch(gpu, &mlp, &a)?, batch(gpu, &mlp, &b)?);
    let mut out = Vec::new();
    for (r, run) in runs.iter().enumerate() {
        let got = matched(&a, &b, orders(MATCH, case, run)?).await?;
        let mut worst = Worst::default();
        let prefix = format!("{case}.run{r}.perm");
        see_permutations(&mut worst, set, MATCH, &prefix, &mlp, &got.moves).await?;
        let number = |key: &str| run.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
        for (key, here) in [("inner", got.after.inner), ("sqdist", got.after.squared_distance)] {
            let golden = number(key);
            worst.see(key, 0, here, golden, OBJECTIVE * golden.abs());
        }
        worst.see("sweeps", 0, f64::from(got.sweeps), number("sweeps"), 0.0);
        out.push(Case::judged(MATCH, format!("{case}.run{r}"), worst));
    }
    let least = of.pointer("/free_order_40_runs/min").and_then(Value::as_f64);
    if let Some(least) = least {
        let mut worst = Worst::default();
        for seed in 0..4 {
            let got = matched(&a, &b, Order::Random { seed }).await?.after.inner;
            // Only falling short is an error: the tolerance is what may be missing.
            worst.see(
                "inner",
                seed as usize,
                got.min(least),
                least,
                (1.0 - FREE_ORDER) * least.abs(),
            );
        }
        out.push(Case::judged(MATCH, format!("{case}.free"), worst));
    }
    Ok(out)
}

/// The linear assignments that come with [`MATCH`].
pub(super) async fn assignments<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
) -> Result<Vec<Case>, LabError> {
    let names: Vec<String> = set
        .names(MATCH)
        .into_iter()
        .filter_map(|n| n.strip_prefix("lap.")?.strip_suffix(".cost").map(|i| format!("lap.{i}")))
        .collect();
    let mut out = Vec::new();
    for name in names {
        let costs = set.tensor(MATCH, &format!("{name}.cost")).await?;
        let n = costs.shape.first().copied().unwrap_or(0);
        // The recorded problems ask for the greatest sum.
        let negative: Vec<f32> = costs.values.iter().map(|&c| -c as f32).collect();
        let columns = solve_assignments(gpu, &[(n, negative)]).await?.remove(0);
        let value: f64 = columns.iter().enumerate().map(|(i, &j)| costs.values[i * n + j]).sum();
        let golden = set.tensor(MATCH, &format!("{name}.value")).await?;
        let mut worst = Worst::default();
        worst.see_all("value", &[value], &golden.values, |g| golden.tolerance.at(g));
        if set.has(MATCH, &format!("{name}.col")) {
            let golden = set.tensor(MATCH, &format!("{name}.col")).await?;
            let here: Vec<f64> = columns.into_iter().map(|j| j as f64).collect();
            worst.see_all("col", &here, &golden.values, |_| 0.0);
        }
        out.push(Case::judged(MATCH, name, worst));
    }
    Ok(out)
}

/// One case of [`MIXUP`], `{pair}.{variant}`.
pub(super) async fn mixture<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    case: &str,
) -> Result<Vec<Case>, LabError> {
    let of = set.case(MIXUP, case).cloned().unwrap_or_default();
    if let Some((family, "summary")) = case.split_once('.') {
        return Ok(vec![summary(gpu, set, family, &of).await?]);
    }
    let (Some(lambda), Some((family, variant))) =
        (of.get("lam").and_then(Value::as_f64), case.split_once('.'))
    else {
        return Ok(vec![Case::unsupported(MIXUP, case)]);
    };
    let (dims, a) = read_net(set, MIXUP, &format!("{family}.a")).await?;
    let (_, b) = read_net(set, MIXUP, &format!("{family}.b")).await?;
    let mlp = mlp_of(&dims, None)?;
    let hidden = mlp.depth() - 1;
    let (mut a, b) = (batch(gpu, &mlp, &a)?, batch(gpu, &mlp, &b)?);
    let mut worst = Worst::default();
    let mut swapped = false;
    let moves = match variant {
        "direct" | "weights_only" => moves::identity(&mlp),
        "random_perm" => {
            // The reference permutes the current item and leaves its partner.
            swapped = true;
            let p = by_layer(set, MIXUP, &format!("{case}.draw.perm"), hidden).await?;
            p.iter().flatten().map(|&i| Move::from(i as usize)).collect()
        }
        "align" => {
            let got = matched(&a, &b, orders(MIXUP, case, &of)?).await?.moves;
            let prefix = format!("{case}.perm");
            see_permutations(&mut worst, set, MIXUP, &prefix, &mlp, &got).await?;
            got
        }
        "combine" => {
            let draw = |what: &str| format!("{case}.draw.{what}");
            let offsets = set.tensor(MIXUP, &draw("t")).await?.to_f32();
            let depth = of.get("depth").and_then(Value::as_f64).unwrap_or(f64::NAN) as f32;
            let eps = elements(set, MIXUP, &draw("eps"), mlp.depth()).await?;
            let signs = by_layer(set, MIXUP, &draw("sign"), hidden).await?;
            let draws = [
                Recorded::Translation(offsets, vec![depth]),
                Recorded::Elements(eps),
                Recorded::Moves(moves_of(&signs, |s| (s, 0.0, s))),
            ];
            for (op, draws) in Op::combine().iter().zip(&draws) {
                a = apply(gpu, &a, op, draws.draws())?;
            }
            matched(&a, &b, orders(MIXUP, case, &of)?).await?.moves
        }
        _ => return Ok(vec![Case::unsupported(MIXUP, case)]),
    };
    let (stays, moving, weight) = if swapped { (&b, &a, 1.0 - lambda) } else { (&a, &b, lambda) };
    let got = mixed(stays, moving, &moves, weight).await?;
    see_net(&mut worst, set, MIXUP, &format!("{case}.mixed"), &mlp, &got).await?;
    see_outputs(&mut worst, gpu, set, MIXUP, &format!("{case}.out"), &mlp, &got).await?;
    Ok(vec![Case::judged(MIXUP, case, worst)])
}

/// How far the mixtures' images are from that of a: mean squared errors on the image grid.
async fn summary<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    family: &str,
    of: &Value,
) -> Result<Case, LabError> {
    let (dims, a) = read_net(set, MIXUP, &format!("{family}.a")).await?;
    let (_, b) = read_net(set, MIXUP, &format!("{family}.b")).await?;
    let mlp = mlp_of(&dims, None)?;
    let grid = image_grid(28, 28);
    let image = evaluate(gpu, &mlp, &to_f32(&a), 1, &grid).await?;
    let (a, b) = (batch(gpu, &mlp, &a)?, batch(gpu, &mlp, &b)?);
    let mut worst = Worst::default();
    for (variant, key) in [("direct", "mse_direct_vs_a"), ("align", "mse_align_vs_a")] {
        let case = format!("{family}.{variant}");
        let recorded = set.case(MIXUP, &case).cloned().unwrap_or_default();
        let moves = match variant {
            "direct" => moves::identity(&mlp),
            _ => matched(&a, &b, orders(MIXUP, &case, &recorded)?).await?.moves,
        };
        let number = |v: &Value, key| v.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let mixed = mixed(&a, &b, &moves, number(&recorded, "lam")).await?;
        let mixed = evaluate(gpu, &mlp, &mixed, 1, &grid).await?;
        let square = |(x, y): (&f32, &f32)| (f64::from(*x) - f64::from(*y)).powi(2);
        let mse = mixed.iter().zip(&image).map(square).sum::<f64>() / image.len() as f64;
        worst.see(key, 0, mse, number(of, key), OBJECTIVE * number(of, key));
    }
    Ok(Case::judged(MIXUP, format!("{family}.summary"), worst))
}
