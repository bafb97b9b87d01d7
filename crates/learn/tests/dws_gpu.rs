//! The fused DWS model on the GPU against the f64 reference and the published code's numbers.

mod common;

use common::runner::Runner;
use common::{Golden, Lcg, gpu, gpu_with_twins};
use weightlab_learn::DwsConfig;
use weightlab_learn::calls::{Kind, Temp};
use weightlab_learn::dws::reference::{Mode, Model, State};
use weightlab_learn::dws::{Dws, Pooling, Recorded, SetLayer, Shared, Wanted, parameters, state};

/// Nets in the layout of files.
fn nets(state: &State) -> Vec<f32> {
    let batch = state.biases[0].shape[0];
    let mut out = Vec::new();
    for b in 0..batch {
        for (w, bias) in state.weights.iter().zip(&state.biases) {
            let [_, m, n, _] = w.shape[..] else { panic!("rank 4") };
            for c in 0..n {
                out.extend((0..m).map(|r| w.data[(b * m + r) * n + c] as f32));
            }
            out.extend(bias.data[b * n..][..n].iter().map(|&x| x as f32));
        }
    }
    out
}

/// Who computes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Kernels(Kind),
    Twins,
}

impl Side {
    const ALL: [Side; 3] = [Side::Kernels(Kind::Gpu), Side::Kernels(Kind::Software), Side::Twins];

    fn kind(self) -> Kind {
        match self {
            Side::Kernels(kind) => kind,
            Side::Twins => Kind::Software,
        }
    }
}

/// A runner with the model's numbers.
fn runner(
    side: Side,
    model: &Model,
    dws: &Dws,
    wanted: Wanted,
    keep: impl Fn(&Recorded) -> Vec<Temp>,
) -> Runner {
    let values = |name: &str| model.values[name].iter().map(|&x| x as f32).collect::<Vec<_>>();
    let params = dws.arena().pack(|p| Some(values(&p.name))).unwrap();
    let gpu = if side == Side::Twins { gpu_with_twins() } else { gpu() };
    Runner::new(gpu, dws, &Wanted { kind: side.kind(), ..wanted }, &params, keep)
}

/// Largest error in units of `tolerance(value)`.
fn worst(got: &[f32], expected: &[f64], tolerance: impl Fn(f64) -> f64) -> f64 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).fold(0.0, |worst, (&x, &g)| {
        let ratio = (f64::from(x) - g).abs() / tolerance(g);
        if ratio.is_nan() { f64::INFINITY } else { f64::max(worst, ratio) }
    })
}

#[test]
fn golden_logits_and_gradients() {
    for side in Side::ALL {
        golden_model(side);
    }
}

fn golden_model(side: Side) {
    let golden = Golden::open();
    for case in golden.cases() {
        let model = golden.model(&case);
        let input = golden.input(&case);
        let dws = Dws::new(&model.config, &model.dims).unwrap();
        let batch = input.biases[0].shape[0];
        let kind = side.kind();
        let wanted =
            Wanted { nets: batch, train: true, backward: true, input_gradient: false, kind };
        let mut runner = runner(side, &model, &dws, wanted, |_| Vec::new());
        println!("{case}, {side:?}: {:?}", runner.dispatches());
        let classes = model.config.classes;
        let expected = golden.tensor(&case, "logits").unwrap();
        // Gradient of the mean cross entropy by the logits.
        let targets = golden.targets(&case, classes);
        let mut d = Vec::new();
        for (row, target) in expected.data.chunks_exact(classes).zip(targets.chunks_exact(classes))
        {
            let top = row.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = row.iter().map(|x| (x - top).exp()).sum();
            d.extend(
                row.iter()
                    .zip(target)
                    .map(|(x, t)| (((x - top).exp() / total - t) / batch as f64) as f32),
            );
        }
        runner.run(&nets(&input), &d);
        let got = runner.logits();
        let [atol, rtol] = golden.tolerance(&case, "logits");
        let error = worst(&got, &expected.data, |g| atol + rtol * g.abs());
        println!("{case}: logits {error:.3}");
        assert!(error <= 1.0, "{case}: {got:?} {:?}", expected.data);
        // Before the search, which computes them again, with kernels.
        let gradients = runner.gradients();
        assert_eq!(runner.first_non_finite(), None, "{case}");
        let (rel, floor) = golden.gradient_tolerance(&case);
        let mut all = (0.0, String::new());
        for entry in dws.arena().entries() {
            let got = dws.arena().unpack(entry, &gradients);
            let expected = golden.values(&case, &format!("grad.{}", entry.param.name)).unwrap();
            let top = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            let error = worst(&got, &expected, |_| rel * top + floor);
            if error > all.0 {
                all = (error, entry.param.name.clone());
            }
        }
        println!("{case}: gradients {:.3} at {}", all.0, all.1);
        assert!(all.0 <= 1.0, "{case}: {all:?}");
        // The comparison can fail: a wrong parameter shows.
        let entry = &dws.arena().entries()[0];
        let mut params = dws
            .arena()
            .pack(|p| Some(model.values[&p.name].iter().map(|&x| x as f32).collect()))
            .unwrap();
        params[entry.at] += 0.01;
        runner.store.write_params(&params).unwrap();
        runner.run(&nets(&input), &d);
        let got = runner.logits();
        assert!(worst(&got, &expected.data, |g| atol + rtol * g.abs()) > 1.0, "{case}");
    }
}

/// Every map's output, every block's and every state, on the unmerged model.
#[test]
fn golden_sub_layers() {
    let golden = Golden::open();
    for case in golden.cases() {
        let mut model = golden.model(&case);
        // The published code recorded the last module's output before this is added.
        model.config.model_skip = false;
        let input = golden.input(&case);
        let dws = Dws::unmerged(&model.config, &model.dims).unwrap();
        let batch = input.biases[0].shape[0];
        let wanted = Wanted {
            nets: batch,
            train: true,
            backward: false,
            input_gradient: false,
            kind: Kind::Gpu,
        };
        let mut runner =
            runner(Side::Kernels(Kind::Gpu), &model, &dws, wanted, |r| dws.inspected(r));
        runner.run(&nets(&input), &[]);
        let contents = runner.contents();
        let mut compared = 0;
        let mut all = (0.0, String::new());
        for (name, tensor) in dws.outputs(&runner.recorded, &contents) {
            let (golden_name, relu) = match name.strip_prefix("relu.") {
                Some(rest) => (format!("layer.{rest}"), true),
                None => (name.clone(), false),
            };
            let Some(mut expected) = golden.tensor(&case, &golden_name) else { continue };
            assert_eq!(expected.shape, tensor.shape, "{name}");
            let [atol, rtol] = golden.tolerance(&case, &golden_name);
            if relu {
                expected.data.iter_mut().for_each(|x| *x = x.max(0.0));
            }
            let got: Vec<f32> = tensor.data.iter().map(|&x| x as f32).collect();
            let error = worst(&got, &expected.data, |g| atol + rtol * g.abs());
            compared += 1;
            if error >= all.0 {
                all = (error, name);
            }
        }
        println!("{case}: {compared} tensors, worst {:.3} at {}", all.0, all.1);
        assert!(all.0 <= 1.0 && compared >= 12, "{case}: {all:?}");
    }
}

/// A model with random numbers, as large as after some training, and nets for it.
fn random(config: &DwsConfig, dims: &[usize], batch: usize, seed: u64) -> (Model, Vec<f64>) {
    let mut random = Lcg(seed);
    let mut model =
        Model { config: config.clone(), dims: dims.to_vec(), values: Default::default() };
    for param in parameters(config, dims) {
        let scale = 1.0 / (param.shape[param.shape.len() - 1] as f64).sqrt();
        let values = (0..param.len()).map(|_| f64::from((scale * random.normal()) as f32));
        model.values.insert(param.name.clone(), values.collect());
    }
    for (name, len, start) in state(config, dims) {
        model.values.insert(name, vec![f64::from(start); len]);
    }
    let size: usize = dims.windows(2).map(|d| d[1] * (d[0] + 1)).sum();
    let nets = (0..batch * size).map(|_| f64::from(random.normal() as f32)).collect();
    (model, nets)
}

/// Architectures and options beyond the golden ones: one input, one hidden neuron, several hidden widths, widths above and
/// below the tiles, all options.
fn cases() -> Vec<(Vec<usize>, usize, DwsConfig)> {
    let base = DwsConfig { hidden: 8, hidden_layers: 1, ..DwsConfig::default() };
    vec![
        (vec![1, 6, 1, 2], 3, DwsConfig { hidden_layers: 0, ..base.clone() }),
        (vec![2, 9, 37, 9, 1], 2, DwsConfig { hidden: 16, pooling: Pooling::Mean, ..base.clone() }),
        (vec![2, 30, 17, 1], 9, DwsConfig { hidden: 32, last_heads: 2, ..base.clone() }),
        (
            vec![2, 70, 5, 3],
            2,
            DwsConfig { hidden: 16, hidden_layers: 0, last_heads: 4, ..base.clone() },
        ),
        (
            vec![3, 4, 4, 4, 2],
            5,
            DwsConfig {
                set_layer: SetLayer::Ds,
                map_depth: 3,
                head_depth: 3,
                batch_norm: true,
                layer_skip: true,
                model_skip: true,
                classes: 7,
                ..base.clone()
            },
        ),
        (
            vec![2, 8, 8, 8, 3],
            3,
            DwsConfig {
                map_depth: 2,
                last_neighbour: Shared::PerOutput,
                far_bias_to_last: Shared::PerOutput,
                layer_skip: true,
                hidden_layers: 2,
                pooling: Pooling::Sum,
                ..base
            },
        ),
    ]
}

#[test]
fn any_model_equals_the_reference() {
    for (k, (dims, batch, config)) in cases().into_iter().enumerate() {
        // Every other case with the kernels for software renderers; all with their twins.
        let kind = if k % 2 == 0 { Kind::Software } else { Kind::Gpu };
        for side in [Side::Kernels(kind), Side::Twins] {
            equals_the_reference(side, k as u64, &dims, batch, &config);
        }
    }
}

fn equals_the_reference(side: Side, k: u64, dims: &[usize], batch: usize, config: &DwsConfig) {
    let (model, nets) = random(config, dims, batch, k + 11);
    let dws = Dws::new(config, dims).unwrap();
    let input = State::of_nets(dims, &nets);
    let kind = side.kind();
    let wanted = Wanted { nets: batch, train: true, backward: true, input_gradient: true, kind };
    let mut runner = runner(side, &model, &dws, wanted, |r| dws.inspected_input(r));
    let expected = model.forward(&input, Mode::Train).logits;
    // The gradient of a random combination of the logits, along random directions, against differences.
    let mut random = Lcg(k);
    let weights: Vec<f64> = expected.iter().map(|_| f64::from(random.normal() as f32)).collect();
    let d: Vec<f32> = weights.iter().map(|&x| x as f32).collect();
    runner.run(&self::nets(&input), &d);
    let scale = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let error = worst(&runner.logits(), &expected, |_| scale);
    println!("{side:?} {dims:?}: logits {error:.1e}");
    // Sums of some hundred f32 products through three layers.
    assert!(error < 2e-5, "{dims:?}: {error}");
    let gradients = runner.gradients();
    let loss = |model: &Model, nets: &[f64]| -> f64 {
        let logits = model.forward(&State::of_nets(dims, nets), Mode::Train).logits;
        logits.iter().zip(&weights).map(|(x, w)| x * w).sum()
    };
    const STEP: f64 = 1e-7;
    const GROUPS: usize = 12;
    // Every parameter counts alike: directions have the inverse length of the gradients. Gradients that are zero in
    // theory (of the keys' biases) are noise in proportion to the others.
    let norm = |values: &[f32]| values.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    let entries = dws.arena().entries();
    let longest =
        entries.iter().map(|e| norm(&dws.arena().unpack(e, &gradients))).fold(0.0, f64::max);
    let mut worst_error = 0.0;
    for part in 0..GROUPS {
        let mut moved = [model.clone(), model.clone()];
        let (mut here, mut tensors) = (0.0, 0);
        for entry in dws.arena().entries().iter().skip(part).step_by(GROUPS) {
            let got = dws.arena().unpack(entry, &gradients);
            let length = norm(&got) + 1e-3 * longest;
            for (i, &g) in got.iter().enumerate() {
                let v = random.normal() / length;
                here += f64::from(g) * v;
                moved[0].values.get_mut(&entry.param.name).unwrap()[i] += STEP * v;
                moved[1].values.get_mut(&entry.param.name).unwrap()[i] -= STEP * v;
            }
            tensors += 1;
        }
        let expected = (loss(&moved[0], &nets) - loss(&moved[1], &nets)) / (2.0 * STEP);
        let error = (here - expected).abs() / f64::from(tensors).sqrt();
        assert!(error < 2e-3, "{dims:?} part {part}: {here} here, {expected} by differences");
        worst_error = f64::max(worst_error, error);
    }
    let got = dws.input_gradient(&runner.recorded, &runner.contents()).unwrap();
    let direction: Vec<f64> = got.iter().map(|_| random.normal()).collect();
    let here: f64 = got.iter().zip(&direction).map(|(&g, v)| f64::from(g) * v).sum();
    let there = [STEP, -STEP].map(|step| {
        let moved: Vec<f64> = nets.iter().zip(&direction).map(|(x, v)| x + step * v).collect();
        loss(&model, &moved)
    });
    let expected = (there[0] - there[1]) / (2.0 * STEP);
    let size = norm(&got);
    println!("{dims:?}: gradients {worst_error:.1e}, of the nets {here} {expected}");
    assert!((here - expected).abs() < 2e-3 * size, "{dims:?}: {here} {expected}");
}

/// What a step costs in dispatches; the paper's model on the paper's nets.
#[test]
fn few_dispatches() {
    let dws = Dws::new(&DwsConfig::default(), &[2, 32, 32, 1]).unwrap();
    let wanted =
        Wanted { nets: 64, train: true, backward: true, input_gradient: false, kind: Kind::Gpu };
    let recorded = dws.record(&wanted);
    let count = recorded.forward.len() + recorded.backward.len();
    println!("{} forward, {} backward", recorded.forward.len(), recorded.backward.len());
    assert!(count <= 160, "{count}");
}

/// Permuted nets get the same logits.
#[test]
fn permutations_change_nothing() {
    let dims = [2, 32, 32, 1];
    let config = DwsConfig::default();
    let (model, nets) = random(&config, &dims, 4, 3);
    let dws = Dws::new(&config, &dims).unwrap();
    let size = dws.net_len();
    let mut order = Lcg(9);
    let moved: Vec<f64> =
        nets.chunks_exact(size).flat_map(|net| order.permute(&dims, net)).collect();
    let kind = Kind::Software;
    let wanted = Wanted { nets: 4, train: false, backward: false, input_gradient: false, kind };
    let [a, b] = [&nets, &moved].map(|nets| {
        let side = Side::Kernels(Kind::Software);
        let mut runner = runner(side, &model, &dws, wanted, |_| Vec::new());
        runner.run(&self::nets(&State::of_nets(&dims, nets)), &[]);
        runner.logits().into_iter().map(f64::from).collect::<Vec<_>>()
    });
    let spread = a.iter().zip(&a[10..]).fold(0.0, |m: f64, (x, y)| m.max((x - y).abs()));
    let change = a.iter().zip(&b).fold(0.0, |m: f64, (x, y)| m.max((x - y).abs()));
    println!("logits differ by {spread:.2} between nets, change by {change:.1e}");
    assert!(spread > 0.01 && change < 1e-5, "{spread} {change}");
}
