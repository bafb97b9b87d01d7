//! Cases that need no files: kernels against plain f64 references, over architectures drawn at random.

use super::{Case, Worst, to_f64};
use crate::bench::random;
use crate::error::LabError;
use weightlab_gpu::Gpu;
use weightlab_kernels::philox;
use weightlab_nets::fit::gradient;
use weightlab_nets::init::{init, init_reference};
use weightlab_nets::{Convention, FitBatch, FitSettings, Mlp, NetId, evaluate, reference, sine};

/// One architecture with its data, or one of the cases that need none.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// Fresh parameters, bit for bit.
    Init(Subject),
    /// Outputs.
    Evaluate(Subject),
    /// Losses of some steps of Adam.
    Fit(Subject),
    /// The sine of the kernels.
    Sine,
}

/// An architecture and how many of it, on how many points.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    mlp: Mlp,
    nets: usize,
    points: usize,
    /// Distinguishes the random numbers of subjects.
    stream: u32,
}

impl Subject {
    fn name(&self) -> String {
        format!("{} {} nets {} points", self.mlp.dims_text(), self.nets, self.points)
    }

    fn ids(&self) -> Vec<NetId> {
        // Not consecutive: a mistake in the indexing would go unnoticed.
        (0..self.nets as u32).map(|i| NetId { object: 7 * i + 3, view: i % 3 }).collect()
    }
}

/// Updates followed in a case of `fit`.
const FIT_STEPS: u32 = 3;

/// Which subjects are fitted too: the usual architecture, and one with odd widths and three outputs.
const FITTED: [usize; 2] = [0, 1];

/// The cases: the usual architecture, corners that tiles do not divide, and a few at random.
pub(super) fn tasks(seed: u64) -> Vec<Task> {
    let fixed: [(&[usize], usize, usize); 4] = [
        (&[2, 32, 32, 1], 3, 100),
        (&[2, 5, 7, 3], 2, 81),
        (&[1, 1, 1], 2, 3),
        (&[3, 40, 33, 2], 2, 65),
    ];
    let words: Vec<u32> =
        (0..8).flat_map(|i| philox::philox4x32([i, 0, 0, 1 << 31], philox::key(seed))).collect();
    let drawn = words.chunks_exact(8).map(|w| {
        let width = |i: usize| 1 + w[i] as usize % 40;
        let mut dims = vec![1 + w[0] as usize % 3];
        dims.extend((0..1 + w[1] as usize % 3).map(|i| width(2 + i)));
        dims.push(1 + w[5] as usize % 3);
        (dims, 1 + w[6] as usize % 5, 1 + w[7] as usize % 150)
    });
    let all = fixed.into_iter().map(|(d, n, p)| (d.to_vec(), n, p)).chain(drawn);
    let mut tasks = Vec::new();
    for (i, (dims, nets, points)) in all.enumerate() {
        let convention = if i % 2 == 0 { Convention::Dwsnets } else { Convention::Sitzmann };
        // Widths are drawn within the bounds, so every draw is an architecture.
        let Ok(mlp) = Mlp::new(&dims, convention) else { continue };
        let subject = Subject { mlp, nets, points, stream: 100 + i as u32 };
        tasks.push(Task::Init(subject.clone()));
        tasks.push(Task::Evaluate(subject.clone()));
        // Each takes a kernel of its own, and compiling that takes seconds on a software GPU.
        if FITTED.contains(&i) {
            tasks.push(Task::Fit(subject));
        }
    }
    tasks.push(Task::Sine);
    tasks
}

pub(super) async fn run(gpu: &Gpu, seed: u64, task: &Task) -> Result<Vec<Case>, LabError> {
    match task {
        Task::Init(subject) => check_init(gpu, seed, subject).await.map(|c| vec![c]),
        Task::Evaluate(subject) => check_evaluate(gpu, seed, subject).await.map(|c| vec![c]),
        Task::Fit(subject) => check_fit(gpu, seed, subject).await.map(|c| vec![c]),
        Task::Sine => check_sine(gpu).await,
    }
}

async fn check_init(gpu: &Gpu, seed: u64, subject: &Subject) -> Result<Case, LabError> {
    let got = init(gpu, &subject.mlp, &subject.ids(), seed).await?;
    let expected: Vec<f32> =
        subject.ids().iter().flat_map(|&id| init_reference(&subject.mlp, id, seed)).collect();
    let mut worst = Worst::default();
    // No tolerance: counter-based numbers and one multiplication are exact everywhere.
    worst.see_all("parameter", &to_f64(&got), &to_f64(&expected), |_| 0.0);
    Ok(Case::judged("init", subject.name(), worst))
}

/// What a relative error of 2^-24 in each parameter, the least that f32 arithmetic makes, does to a
/// result: the yardstick of what f32 can be asked for. Sine networks magnify it by omega_0 and more in
/// each layer, so no fixed tolerance would do.
fn disturbance(
    params: &[f64],
    seed: u64,
    stream: u32,
    result: &[f64],
    compute: impl Fn(&[f64]) -> Vec<f64>,
) -> f64 {
    let signs = random(params.len(), seed, stream, [-1.0, 1.0]);
    let disturbed: Vec<f64> = params
        .iter()
        .zip(&signs)
        .map(|(p, s)| p * (1.0 + f64::from(s.signum()) * 2f64.powi(-24)))
        .collect();
    compute(&disturbed).iter().zip(result).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Sums of rounding errors over layers and points, in units of [`disturbance`]; and an absolute floor
/// for the sine itself, whose accuracy is checked on its own.
const SAFETY: f64 = 5.0;
const FLOOR: f64 = 4e-6;

async fn check_evaluate(gpu: &Gpu, seed: u64, subject: &Subject) -> Result<Case, LabError> {
    let Subject { mlp, nets, points, stream } = subject;
    let params: Vec<f32> =
        subject.ids().iter().flat_map(|&id| init_reference(mlp, id, seed)).collect();
    let coords = random(points * mlp.inputs(), seed, *stream, [-1.0, 1.0]);
    let outputs = evaluate(gpu, mlp, &params, *nets, &coords).await?;
    let coords = to_f64(&coords);
    let mut worst = Worst::default();
    let each = points * mlp.outputs();
    for (n, net) in params.chunks_exact(mlp.param_count()).enumerate() {
        let net = to_f64(net);
        let forward = |p: &[f64]| reference::forward(mlp, p, &coords);
        let expected = forward(&net);
        let tolerance = SAFETY * disturbance(&net, seed, stream + 1000, &expected, forward) + FLOOR;
        let got = to_f64(&outputs[n * each..(n + 1) * each]);
        worst.see_all(&format!("net {n}"), &got, &expected, |_| tolerance);
    }
    Ok(Case::judged("evaluate", subject.name(), worst))
}

async fn check_fit(gpu: &Gpu, seed: u64, subject: &Subject) -> Result<Case, LabError> {
    let Subject { mlp, nets, points, stream } = subject;
    let coords = random(points * mlp.inputs(), seed, *stream, [-1.0, 1.0]);
    let each = points * mlp.outputs();
    let targets = random(nets * each, seed, stream + 2000, mlp.target_range);
    let params: Vec<f32> =
        subject.ids().iter().flat_map(|&id| init_reference(mlp, id, seed)).collect();
    let coords_f64 = to_f64(&coords);
    let mut worst = Worst::default();
    let mut losses = Vec::new();
    for (net, target) in params.chunks_exact(mlp.param_count()).zip(targets.chunks_exact(each)) {
        let target = to_f64(target);
        let follow = |p: &[f64]| reference_losses(mlp, p, &coords_f64, &target);
        let net = to_f64(net);
        let expected = follow(&net);
        let yardstick = disturbance(&net, seed, stream + 3000, &expected, follow);
        losses.push((expected, SAFETY * yardstick));
    }
    let gradients = gradient(gpu, mlp, &coords, &targets, &params).await?;
    for (n, (net, target)) in
        params.chunks_exact(mlp.param_count()).zip(targets.chunks_exact(each)).enumerate()
    {
        let (net, target) = (to_f64(net), to_f64(target));
        let compute =
            |p: &[f64]| reference::loss_and_gradient(mlp, p, &coords_f64, &target).gradient;
        let expected = compute(&net);
        let yardstick = SAFETY * disturbance(&net, seed, stream + 4000, &expected, compute);
        let largest = expected.iter().map(|g| g.abs()).fold(0.0, f64::max);
        let got = to_f64(&gradients[n * mlp.param_count()..][..mlp.param_count()]);
        worst.see_all(&format!("net {n}, gradient"), &got, &expected, |_| {
            yardstick + FLOOR * largest
        });
    }
    for k in 0..=FIT_STEPS {
        let settings = FitSettings { max_steps: k, until_psnr: None, ..FitSettings::default() };
        let mut batch = FitBatch::from_params(gpu, mlp, &coords, &targets, &params, &settings)?;
        while !batch.advance().await?.finished {}
        for (n, outcome) in batch.outcomes().iter().enumerate() {
            let (expected, tolerance) = &losses[n];
            let loss = expected[k as usize];
            let got = f64::from(outcome.mse);
            worst.see(
                &format!("net {n}, loss"),
                k as usize,
                got,
                loss,
                tolerance + FLOOR * loss.sqrt().max(loss),
            );
        }
    }
    Ok(Case::judged("fit", subject.name(), worst))
}

/// Losses before each of the first steps, and after the last.
fn reference_losses(mlp: &Mlp, params: &[f64], coords: &[f64], target: &[f64]) -> Vec<f64> {
    let settings = FitSettings::default();
    let mut params = params.to_vec();
    let mut adam = reference::Adam::new(params.len());
    let mut losses = Vec::new();
    for _ in 0..FIT_STEPS {
        let at = reference::loss_and_gradient(mlp, &params, coords, target);
        losses.push(at.loss);
        adam.step(&settings, &mut params, &at.gradient);
    }
    losses.push(reference::loss_and_gradient(mlp, &params, coords, target).loss);
    losses
}

/// What the sine of the kernels may be off by: it is range-reduced and a polynomial of our own, so it
/// does not depend on the device's sine, only on its products and sums.
const SINE_TOLERANCE: f64 = 5e-7;

async fn check_sine(gpu: &Gpu) -> Result<Vec<Case>, LabError> {
    let (sin, cos) = sine::max_error(gpu).await?;
    let case = |name: &str, error: f64| {
        let mut worst = Worst::default();
        worst.see(name, 0, error, 0.0, SINE_TOLERANCE);
        let detail = format!("largest absolute error {error:.1e}");
        Case {
            detail: Some(detail),
            ..Case::judged("sine", format!("{name} on |x| <= 200"), worst)
        }
    };
    Ok(vec![case("sin", sin), case("cos", cos)])
}
