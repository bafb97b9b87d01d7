//! Plans, programs and updates as a trainer uses them.

mod common;

use common::{Nd, Random, Tolerance, check, gpu, targets};
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_tensor::{
    Act, Epilogue, Graph, Optimizer, ParamId, ParamSet, ParamStore, Pass, Program, TensorError,
    UpdateSettings, Updater, Var,
};

fn wait<T>(future: impl Future<Output = Result<T, TensorError>>) -> T {
    pollster::block_on(future).unwrap()
}

#[test]
#[should_panic(expected = "forward off by")]
fn the_comparison_sees_a_wrong_value() {
    check(
        "red",
        &[&[3]],
        1,
        |x| x,
        Tolerance::default(),
        |g, x| g.relu(x[0]),
        |x| x[0].map(|v| v.max(0.0) + 1e-5),
    );
}

#[test]
#[should_panic(expected = "gradient of input 0 off by")]
fn the_comparison_sees_a_wrong_gradient() {
    // The second factor is a constant here and not in the reference.
    let data = Random::new(2).numbers(4);
    let exact = Nd::new(&[4], data.iter().map(|&x| f64::from(x)).collect());
    check(
        "red",
        &[&[4]],
        2,
        |x| x,
        Tolerance::default(),
        |g, x| {
            let c = g.constant("c", &[4], &data);
            g.mul(x[0], c)
        },
        |x| {
            let moved = x[0].data.iter().zip(&exact.data).any(|(a, b)| a != b);
            x[0].with(if moved { &x[0] } else { &exact }, |a, b| a * b)
        },
    );
}

/// Two layers with a softmax: parameters, a graph of one step, its inputs and its loss.
struct Classifier {
    set: ParamSet,
    ids: Vec<ParamId>,
    sizes: [usize; 3],
}

impl Classifier {
    fn new(sizes: [usize; 3]) -> Classifier {
        let mut set = ParamSet::new();
        let mut ids = Vec::new();
        for (l, pair) in sizes.windows(2).enumerate() {
            ids.push(set.add(format!("{l}.weight"), &[pair[1], pair[0]]));
            ids.push(set.add(format!("{l}.bias"), &[pair[1]]));
        }
        Classifier { set, ids, sizes }
    }

    fn values(&self, seed: u32) -> Vec<f32> {
        Random::new(seed).numbers(self.set.len()).iter().map(|x| 0.5 * x).collect()
    }

    fn graph(&self, batch: usize) -> (Graph, [Var; 2], Var) {
        let mut g = Graph::new(&self.set, &targets()[0]);
        let x = g.input("x", &[batch, self.sizes[0]]);
        let t = g.input("targets", &[batch, self.sizes[2]]);
        let p: Vec<Var> = self.ids.iter().map(|&id| g.param(id)).collect();
        g.set_scope("hidden");
        let relu = Epilogue { activation: Act::Relu, ..Epilogue::default() };
        let h = g.linear_with(x, p[0], Some(p[1]), &relu);
        g.set_scope("head");
        let z = g.linear(h, p[2], Some(p[3]));
        let loss = g.cross_entropy(z, t);
        let hits = g.hits(z, t);
        g.metric("loss", loss);
        g.metric("hits", hits);
        g.backward(loss);
        let loss = g.keep(loss);
        (g, [x, t], loss)
    }

    fn data(&self, rows: usize, seed: u32) -> (Vec<f32>, Vec<f32>) {
        let mut random = Random::new(seed);
        let x = random.numbers(rows * self.sizes[0]);
        let t = (0..rows)
            .flat_map(|_| {
                let class = random.below(self.sizes[2]);
                (0..self.sizes[2]).map(move |c| f32::from(u8::from(c == class)))
            })
            .collect();
        (x, t)
    }
}

#[test]
fn planned_bytes_are_exact_and_a_step_allocates_nothing() {
    // A device of its own, as other tests allocate too.
    let options = OpenOptions { poison: true, default_limits: true, ..Default::default() };
    let gpu = pollster::block_on(Gpu::open(&options)).unwrap();
    let model = Classifier::new([6, 20, 5]);
    let adamw = Optimizer::adamw(true);

    let before = gpu.live_bytes();
    let store = ParamStore::new(&gpu, &model.set, &model.values(1), &[], &adamw).unwrap();
    assert_eq!(gpu.live_bytes() - before, ParamStore::bytes(&model.set, &adamw));

    let (graph, [x, t], loss) = model.graph(16);
    let plan = graph.plan().unwrap();
    let (bytes, dispatches) = (plan.bytes().total(), plan.dispatches());
    let before = gpu.live_bytes();
    let mut program = Program::new(&gpu, plan, &store).unwrap();
    assert_eq!(gpu.live_bytes() - before, bytes);
    // Linear, linear, losses, mean, hits, sum, two metrics; back: logits, and weight, bias, input twice but the last.
    assert_eq!((dispatches.forward, dispatches.backward), (8, 1 + 3 + 1 + 2));

    for micro in [false, true] {
        let before = gpu.live_bytes();
        let updater = if micro {
            Updater::with_micro_batches(&gpu, &store)
        } else {
            Updater::new(&gpu, &store)
        };
        let updater = updater.unwrap();
        assert_eq!(gpu.live_bytes() - before, Updater::bytes(&store, micro));
        drop(updater);
    }
    let mut updater = Updater::new(&gpu, &store).unwrap();
    assert_eq!(updater.dispatches(), 3);

    let (xs, ts) = model.data(16, 3);
    program.write(x, &xs).unwrap();
    program.write(t, &ts).unwrap();
    let mut step = |n: u32| {
        program.run(&Pass { seed: 1, step: n, row: n - 1 }).unwrap();
        let settings =
            UpdateSettings { lr: 0.02, weight_decay: 5e-4, step: n, clip_norm: Some(5.0) };
        updater.step(&settings).unwrap();
    };
    step(1);
    let before = gpu.counts();
    (2..=40).for_each(&mut step);
    let spent = gpu.counts() - before;
    assert_eq!((spent.buffers, spent.pipelines, spent.bytes_read), (0, 0, 0), "{spent:?}");
    assert_eq!(spent.submissions, 2 * 39);
    assert_eq!(spent.dispatches, 39 * (dispatches.forward + dispatches.backward + 3) as u64);

    let metrics = wait(program.metrics(0..40));
    assert_eq!(program.metric_names(), ["loss", "hits"]);
    assert!(
        metrics[39][0] < 0.3 * metrics[0][0],
        "it learns: {:?} to {:?}",
        metrics[0],
        metrics[39]
    );
    assert!(metrics[39][1] >= 14.0);
    assert_eq!(metrics[39][0], wait(program.read(loss))[0]);
    let report = wait(updater.verdict());
    assert!(report.finite && report.skipped == 0 && report.norm > 0.0);
}

#[test]
fn micro_batches_add_up_to_the_batch() {
    let model = Classifier::new([6, 20, 5]);
    let (xs, ts) = model.data(24, 8);
    let adamw = Optimizer::adamw(false);
    let settings = UpdateSettings { lr: 0.01, weight_decay: 5e-4, step: 1, clip_norm: Some(0.5) };
    let run = |parts: &[usize]| {
        let store = ParamStore::new(gpu(), &model.set, &model.values(2), &[], &adamw).unwrap();
        let mut updater = Updater::with_micro_batches(gpu(), &store).unwrap();
        for step in 1..=3 {
            let mut at = 0;
            for (i, &rows) in parts.iter().enumerate() {
                let (graph, [x, t], _) = model.graph(rows);
                let mut program = Program::new(gpu(), graph.plan().unwrap(), &store).unwrap();
                program.write(x, &xs[6 * at..6 * (at + rows)]).unwrap();
                program.write(t, &ts[5 * at..5 * (at + rows)]).unwrap();
                program.run(&Pass::default()).unwrap();
                updater.accumulate(rows as f32 / 24.0, i == 0).unwrap();
                at += rows;
            }
            updater.step(&UpdateSettings { step, ..settings }).unwrap();
        }
        (wait(store.params()), wait(updater.verdict()).norm)
    };
    let (whole, norm) = run(&[24]);
    let (parts, norm_of_parts) = run(&[8, 10, 6]);
    // Sums in another order; Adam makes steps of like size out of gradients of any.
    let worst = whole.iter().zip(&parts).fold(0.0, |w: f32, (a, b)| w.max((a - b).abs()));
    assert!(worst < 2e-5, "{worst}");
    assert!((norm - norm_of_parts).abs() < 1e-5 * norm);
    assert_ne!(whole, model.values(2));
}

/// What PyTorch's documentation says, in f64.
fn reference(
    optimizer: &Optimizer,
    settings: &UpdateSettings,
    p: &mut [f64],
    g: &[f64],
    memory: &mut [Vec<f64>; 3],
) {
    let norm = g.iter().map(|x| x * x).sum::<f64>().sqrt();
    let factor = settings.clip_norm.map_or(1.0, |c| (f64::from(c) / norm).min(1.0));
    let (lr, wd) = (f64::from(settings.lr), f64::from(settings.weight_decay));
    for i in 0..p.len() {
        let mut g = g[i] * factor;
        let mut adam = |g: f64, p: &mut f64, b1: f32, b2: f32, eps: f32, amsgrad: bool| {
            let [m, v, w] = memory;
            let (b1, b2) = (f64::from(b1), f64::from(b2));
            m[i] = b1 * m[i] + (1.0 - b1) * g;
            v[i] = b2 * v[i] + (1.0 - b2) * g * g;
            w[i] = w[i].max(v[i]);
            let t = f64::from(settings.step);
            let root = (if amsgrad { w[i] } else { v[i] }).sqrt() / (1.0 - b2.powf(t)).sqrt();
            *p -= lr / (1.0 - b1.powf(t)) * m[i] / (root + f64::from(eps));
        };
        match *optimizer {
            Optimizer::Sgd { momentum } => {
                g += wd * p[i];
                memory[0][i] = f64::from(momentum) * memory[0][i] + g;
                p[i] -= lr * memory[0][i];
            }
            Optimizer::Adam { beta1, beta2, epsilon, amsgrad } => {
                g += wd * p[i];
                adam(g, &mut p[i], beta1, beta2, epsilon, amsgrad);
            }
            Optimizer::AdamW { beta1, beta2, epsilon, amsgrad } => {
                p[i] *= 1.0 - lr * wd;
                adam(g, &mut p[i], beta1, beta2, epsilon, amsgrad);
            }
        }
    }
}

#[test]
fn optimisers_follow_their_formulas() {
    let adam = |amsgrad| Optimizer::Adam { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, amsgrad };
    let all = [
        Optimizer::Sgd { momentum: 0.9 },
        Optimizer::Sgd { momentum: 0.0 },
        adam(false),
        adam(true),
        Optimizer::adamw(false),
        Optimizer::adamw(true),
    ];
    let mut set = ParamSet::new();
    // Gaps between tensors and more than one workgroup.
    set.add("a", &[5]);
    set.add("b", &[301]);
    for optimizer in &all {
        for clip_norm in [None, Some(1.0)] {
            let mut random = Random::new(4);
            let start = random.numbers(set.len());
            let store = ParamStore::new(gpu(), &set, &start, &[], optimizer).unwrap();
            let mut updater = Updater::new(gpu(), &store).unwrap();
            let mut p: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
            let mut memory = [0, 1, 2].map(|_| vec![0.0; p.len()]);
            for step in 1..=12 {
                // Large, then small: the greatest second moment stays.
                let size = if step < 5 { 1.0 } else { 0.01 };
                let g: Vec<f32> = random.numbers(set.len()).iter().map(|x| x * size).collect();
                let settings = UpdateSettings { lr: 0.01, weight_decay: 0.1, step, clip_norm };
                store.write_gradients(&g).unwrap();
                updater.step(&settings).unwrap();
                let exact: Vec<f64> = g.iter().map(|&x| f64::from(x)).collect();
                reference(optimizer, &settings, &mut p, &exact, &mut memory);
                if step == 6 {
                    // Through the host and back, as a checkpoint goes.
                    let moments = wait(store.moments());
                    assert_eq!(moments.len(), store.moments_len());
                    store.write_moments(&vec![f32::NAN; moments.len()]).unwrap();
                    store.write_moments(&moments).unwrap();
                    store.write_params(&wait(store.params())).unwrap();
                }
            }
            let error = common::worst(&wait(store.params()), &p);
            assert!(error < 3e-6, "{optimizer:?} {clip_norm:?}: {error:.1e}");
        }
    }
}

#[test]
fn what_is_not_finite_is_found_and_not_learnt() {
    let model = Classifier::new([3, 4, 2]);
    let values = model.values(5);
    let store = ParamStore::new(gpu(), &model.set, &values, &[], &Optimizer::adam()).unwrap();
    let (graph, [x, t], _) = model.graph(2);
    let mut program = Program::new(gpu(), graph.plan().unwrap(), &store).unwrap();
    let mut updater = Updater::new(gpu(), &store).unwrap();
    let pass = Pass::default();
    let settings = UpdateSettings { lr: 0.1, weight_decay: 0.0, step: 1, clip_norm: None };
    program.write(t, &[1.0, 0.0, 0.0, 1.0]).unwrap();
    program.write(x, &[0.1; 6]).unwrap();
    program.run(&pass).unwrap();
    assert_eq!(wait(program.first_non_finite(&pass)), None);

    program.write(x, &[0.1, 0.1, f32::NAN, 0.1, 0.1, 0.1]).unwrap();
    program.run(&pass).unwrap();
    updater.step(&settings).unwrap();
    let report = wait(updater.verdict());
    assert!(!report.finite && report.skipped == 1, "{report:?}");
    assert_eq!(wait(store.params()), values, "a step that is not finite changes nothing");
    assert!(wait(store.moments()).iter().all(|m| *m == 0.0));
    assert_eq!(wait(program.first_non_finite(&pass)).as_deref(), Some("x"));

    // Finite inputs whose product overflows: the layer is named.
    program.write(x, &[3e38; 6]).unwrap();
    let mut large = values.clone();
    large[..12].fill(10.0);
    store.write_params(&large).unwrap();
    program.run(&pass).unwrap();
    assert_eq!(wait(program.first_non_finite(&pass)).as_deref(), Some("hidden: linear"));
    large[3] = f32::INFINITY;
    store.write_params(&large).unwrap();
    program.write(x, &[0.1; 6]).unwrap();
    assert_eq!(wait(program.first_non_finite(&pass)).as_deref(), Some("0.weight"));

    // Good gradients after bad ones are learnt from, and the count stays.
    store.write_params(&values).unwrap();
    program.run(&pass).unwrap();
    updater.step(&settings).unwrap();
    let report = wait(updater.verdict());
    assert!(report.finite && report.skipped == 1);
    assert_ne!(wait(store.params()), values);
}

#[test]
fn tensors_that_do_not_live_together_share_memory() {
    let mut g = Graph::new(&ParamSet::new(), &targets()[0]);
    let x = g.input("x", &[1024]);
    let y = (0..20).fold(x, |x, _| g.exp(x));
    let _y = g.keep(y);
    let plan = g.plan().unwrap();
    assert_eq!(plan.bytes().shared, 2 * 4096, "a chain needs two buffers");
    assert_eq!(plan.bytes().kept, 2 * 4096);
    assert_eq!(plan.dispatches().forward, 20);
    assert!(plan.labels().all(|l| l == "exp"));
}

#[test]
fn a_tensor_beyond_the_limit_is_named_with_figures() {
    let mut g = Graph::new(&ParamSet::new(), &targets()[0]);
    g.set_scope("layer 3");
    let x = g.input("x", &[6000]);
    let wide = g.broadcast_to(x, &[6000, 6000]);
    let y = g.exp(wide);
    let _y = g.keep(y);
    let error = g.plan().unwrap_err().to_string();
    assert!(error.contains("layer 3: exp") && error.contains("144000000"), "{error}");
}

#[test]
fn unused_parameters_have_a_gradient_of_zero() {
    let mut set = ParamSet::new();
    let used = set.add("used", &[3]);
    set.add("unused", &[5]);
    let store = ParamStore::new(gpu(), &set, &[1.0; 8], &[], &Optimizer::adam()).unwrap();
    store.write_gradients(&[7.0; 8]).unwrap();
    let mut g = Graph::new(&set, &targets()[0]);
    let p = g.param(used);
    let part = g.slice(p, 0, 0..2);
    let loss = g.sum(part, &[0], false);
    g.backward(loss);
    let mut program = Program::new(gpu(), g.plan().unwrap(), &store).unwrap();
    program.run(&Pass::default()).unwrap();
    assert_eq!(wait(store.gradients()), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn lengths_that_do_not_fit_are_errors() {
    let model = Classifier::new([3, 4, 2]);
    let sgd = Optimizer::Sgd { momentum: 0.0 };
    assert!(ParamStore::new(gpu(), &model.set, &[0.0; 3], &[], &sgd).is_err());
    let store = ParamStore::new(gpu(), &model.set, &model.values(1), &[], &sgd).unwrap();
    let (graph, [x, _], loss) = model.graph(2);
    let program = Program::new(gpu(), graph.plan().unwrap(), &store).unwrap();
    let error = program.write(x, &[0.0; 5]).unwrap_err().to_string();
    assert!(error.contains("x: 5 numbers, 6 expected"), "{error}");
    assert_eq!(wait(program.read(loss)).len(), 1);
    let other = ParamStore::new(gpu(), &ParamSet::new(), &[], &[], &sgd).unwrap();
    let (graph, ..) = model.graph(2);
    assert!(Program::new(gpu(), graph.plan().unwrap(), &other).is_err());
}
