//! The groups `ntxent` and `optim` of the golden sets: a loss and the optimisers of the tensor engine.

use super::golden::{Golden, Set};
use super::symmetry::malformed;
use super::{Case, Worst, to_f64};
use crate::error::LabError;
use serde_json::Value;
use weightlab_data::Store;
use weightlab_gpu::Gpu;
use weightlab_tensor::{
    Act, Epilogue, Graph, Optimizer, ParamId, ParamSet, ParamStore, Pass, Program, Target,
    UpdateSettings, Updater, Var, warm_up,
};

/// NT-Xent with its gradient.
pub(super) const NT_XENT: &str = "ntxent";
/// Trajectories of optimisers.
pub(super) const OPTIM: &str = "optim";

/// Temperature of the case that goes through a projection; the manifest says it in words alone.
const PROJECTION_TEMPERATURE: f32 = 0.1;
/// Steps of the trainer's warm-up, as the manifest says in words.
const WARM_UP: u32 = 1000;

fn number(of: &Value, key: &str) -> Option<f64> {
    let value = of.get(key)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn see(worst: &mut Worst, name: &str, got: &[f32], golden: &Golden) {
    worst.see_all(name, &to_f64(got), &golden.values, |g| golden.tolerance.at(g));
}

fn matrix(name: &str, golden: &Golden) -> Result<[usize; 2], LabError> {
    golden.shape[..].try_into().map_err(|_| malformed(NT_XENT, name, "a matrix"))
}

/// One case of given features.
pub(super) async fn nt_xent<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    case: &str,
) -> Result<Vec<Case>, LabError> {
    let temperature = set.case(NT_XENT, case).and_then(|of| number(of, "temperature"));
    let temperature = temperature.ok_or_else(|| malformed(NT_XENT, case, "a temperature"))? as f32;
    let features = set.tensor(NT_XENT, &format!("{case}.features")).await?;
    let [rows, width] = matrix(case, &features)?;

    let params = ParamSet::new();
    let mut g = Graph::new(&params, &Target::of(gpu));
    let x = g.input_with_gradient("features", &[rows, width]);
    let loss = g.nt_xent(x, temperature);
    let z = g.l2_normalize(x);
    let over = Epilogue { scale: 1.0 / temperature, ..Epilogue::default() };
    let cosines = g.linear_with(z, z, None, &over);
    let (loss, cosines) = (g.keep(loss), g.keep(cosines));
    g.backward(loss);
    let gradient = g.gradient(x);
    let mut program = run(gpu, g, &params, &[])?.0;
    program.write(x, &features.to_f32())?;
    program.run(&Pass::default())?;

    let mut worst = Worst::default();
    let golden = set.tensor(NT_XENT, &format!("{case}.loss")).await?;
    see(&mut worst, "loss", &program.read(loss).await?, &golden);
    let golden = set.tensor(NT_XENT, &format!("{case}.grad")).await?;
    if let Some(gradient) = gradient {
        see(&mut worst, "gradient", &program.read(gradient).await?, &golden);
    }
    // The partner first, then the others in order.
    let all = program.read(cosines).await?;
    let partner = |i: usize| (i + rows / 2) % rows;
    let logits: Vec<f32> = (0..rows)
        .flat_map(|i| {
            let others = (0..rows).filter(move |&k| k != i && k != partner(i));
            [partner(i)].into_iter().chain(others).map(move |k| i * rows + k)
        })
        .filter_map(|at| all.get(at).copied())
        .collect();
    let golden = set.tensor(NT_XENT, &format!("{case}.logits")).await?;
    see(&mut worst, "logits", &logits, &golden);
    Ok(vec![Case::judged(NT_XENT, case, worst)])
}

fn run(
    gpu: &Gpu,
    graph: Graph,
    params: &ParamSet,
    values: &[f32],
) -> Result<(Program, ParamStore), LabError> {
    let optimizer = Optimizer::Sgd { momentum: 0.0 };
    let store = ParamStore::new(gpu, params, values, &[], &optimizer)?;
    Ok((Program::new(gpu, graph.plan()?, &store)?, store))
}

/// The loss through a projection of two layers, with the gradients of its parameters.
pub(super) async fn projection<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
) -> Result<Vec<Case>, LabError> {
    const PARTS: [&str; 4] = ["0.weight", "0.bias", "2.weight", "2.bias"];
    let features = set.tensor(NT_XENT, "proj.in").await?;
    let [rows, width] = matrix("proj.in", &features)?;
    let mut params = ParamSet::new();
    let (mut ids, mut values): (Vec<ParamId>, Vec<f32>) = Default::default();
    for part in PARTS {
        let golden = set.tensor(NT_XENT, &format!("proj.{part}")).await?;
        ids.push(params.add(part, &golden.shape));
        values.extend(golden.to_f32());
    }
    let mut g = Graph::new(&params, &Target::of(gpu));
    let x = g.input("features", &[rows, width]);
    let p: Vec<Var> = ids.iter().map(|&id| g.param(id)).collect();
    let relu = Epilogue { activation: Act::Relu, ..Epilogue::default() };
    let h = g.linear_with(x, p[0], Some(p[1]), &relu);
    let z = g.linear(h, p[2], Some(p[3]));
    let loss = g.nt_xent(z, PROJECTION_TEMPERATURE);
    let loss = g.keep(loss);
    g.backward(loss);
    let (mut program, store) = run(gpu, g, &params, &values)?;
    program.write(x, &features.to_f32())?;
    program.run(&Pass::default())?;

    let mut worst = Worst::default();
    let golden = set.tensor(NT_XENT, "proj.loss").await?;
    see(&mut worst, "loss", &program.read(loss).await?, &golden);
    let gradients = store.gradients().await?;
    for (part, entry) in PARTS.into_iter().zip(params.entries()) {
        let golden = set.tensor(NT_XENT, &format!("proj.grad.{part}")).await?;
        see(&mut worst, part, &gradients[entry.offset..entry.offset + entry.len()], &golden);
    }
    Ok(vec![Case::judged(NT_XENT, "projection", worst)])
}

/// The optimiser of a case, by its name and settings.
fn optimizer(case: &str, of: &Value) -> Option<Optimizer> {
    let amsgrad = of.get("amsgrad").and_then(Value::as_str) == Some("True");
    Some(match case {
        "sgd" => Optimizer::Sgd { momentum: number(of, "momentum")? as f32 },
        "adam_l2" => Optimizer::adam(),
        _ if case.starts_with("adamw") => Optimizer::adamw(amsgrad),
        _ => return None,
    })
}

/// One case: parameters after recorded steps with recorded gradients.
pub(super) async fn optim<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    case: &str,
) -> Result<Vec<Case>, LabError> {
    let of = set.case(OPTIM, case).cloned().unwrap_or_default();
    if case == "warmup" {
        return Ok(vec![warm_up_case()]);
    }
    let Some(optimizer) = optimizer(case, &of) else {
        return Ok(vec![Case::unsupported(OPTIM, case)]);
    };
    let setting = |key: &str| {
        let wrong = || malformed(OPTIM, case, &format!("a number `{key}`"));
        number(&of, key).map(|x| x as f32).ok_or_else(wrong)
    };
    let (lr, weight_decay) = (setting("lr")?, setting("weight_decay")?);
    let start = set.tensor(OPTIM, "p0").await?;
    let gradients = set.tensor(OPTIM, "grads").await?.to_f32();
    let recorded = set.tensor(OPTIM, "steps").await?;
    let trajectory = set.tensor(OPTIM, &format!("{case}.trajectory")).await?;
    let n = start.values.len();
    if n == 0 {
        return Err(malformed(OPTIM, case, "parameters"));
    }

    let mut params = ParamSet::new();
    params.add("p", &[n]);
    let store = ParamStore::new(gpu, &params, &start.to_f32(), &[], &optimizer)?;
    let mut updater = Updater::new(gpu, &store)?;
    let mut got = Vec::new();
    for (step, gradient) in (1u32..).zip(gradients.chunks_exact(n)) {
        store.write_gradients(gradient)?;
        updater.step(&UpdateSettings { lr, weight_decay, step, clip_norm: None })?;
        if recorded.values.contains(&f64::from(step)) {
            got.extend(store.params().await?);
        }
    }
    let mut worst = Worst::default();
    see(&mut worst, "trajectory", &got, &trajectory);
    Ok(vec![Case::judged(OPTIM, case, worst)])
}

/// The manifest has a rule and no numbers: base t / W below step W, then base.
fn warm_up_case() -> Case {
    let mut worst = Worst::default();
    let base = 0.25;
    for step in [1, 2, 500, WARM_UP - 1, WARM_UP, WARM_UP + 1, 10 * WARM_UP] {
        let expected = f64::from(base) * f64::from(step.min(WARM_UP)) / f64::from(WARM_UP);
        let rate = warm_up(base, step, WARM_UP);
        // One rounding to f32.
        worst.see("rate", step as usize, rate.into(), expected, 1e-7 * expected);
    }
    Case::judged(OPTIM, "warmup", worst)
}
