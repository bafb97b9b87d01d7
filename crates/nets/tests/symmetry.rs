//! Augmentation kernels against plain f64 Rust, the golden values, and the laws they must keep.

mod common;

use common::golden::{Set, layers};
use common::{Case, gpu, gpu_like, open_gpu, small_gpu, worst};
use pollster::block_on;
use weightlab_gpu::{Counts, Gpu};
use weightlab_nets::symmetry::{
    Augmenter, Chain, Depth, Draws, Effect, Move, Op, Per, SymmetryError,
};
use weightlab_nets::symmetry::{augment, reference};
use weightlab_nets::{Activation, Mlp, NetBatch, NetId, evaluate};

/// Every operation with its defaults and the other choices, as text, with the inputs it needs.
const SINE_OPS: [(&str, usize); 16] = [
    ("translate", 2),
    ("translate:depth=first,range=0.5", 3),
    ("rotate", 2),
    ("rotate:degrees=180", 2),
    ("rotate-axis", 3),
    ("rotate-axis:x=1,y=-2,z=0.5,degrees=90", 3),
    ("rotate-random", 3),
    ("scale", 1),
    ("siren-negation", 2),
    ("siren-negation:per=layer", 2),
    ("siren-bias", 2),
    ("siren-bias:k_max=1", 2),
    ("masking", 2),
    ("masking:rescale=no,probability=0.5", 2),
    ("quantile-masking:level=0.9", 2),
    ("permutation", 2),
];

fn parse(text: &str) -> Op {
    Op::parse(text).unwrap()[0]
}

fn ids(nets: usize, view: u32) -> Vec<NetId> {
    (0..nets as u32).map(|n| NetId { object: 1000 + 7 * n, view }).collect()
}

fn as_f64(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Whether the operation changed any net: a net of few layers may well keep its signs.
fn check(gpu: &Gpu, mlp: &Mlp, params: &[f32], op: Op, seed: u64, tolerance: f64) -> bool {
    let mut changed = false;
    let nets = params.len() / mlp.param_count();
    let ids = ids(nets, 3);
    let batch = NetBatch::upload(gpu, mlp, params, &ids).unwrap();
    let got = block_on(augment(&batch, &[op], seed).unwrap().read()).unwrap();
    for (n, &id) in ids.iter().enumerate() {
        let range = n * mlp.param_count()..(n + 1) * mlp.param_count();
        let net = as_f64(&params[range.clone()]);
        let drawn = reference::draw(mlp, &op, id, seed, 0);
        let expected = reference::apply(mlp, &net, &op, &drawn);
        changed |= net != expected;
        let error = worst(&got[range], &expected, 1.0);
        assert!(error < tolerance, "{op:?} on {}: {error}", mlp.dims_text());
    }
    changed
}

/// Products of few f32 near one, so a few units in the last place of 1.
const TOLERANCE: f64 = 1e-6;

#[test]
fn every_operation_agrees_with_the_reference() {
    for (i, (text, inputs)) in SINE_OPS.into_iter().enumerate() {
        let mut changed = false;
        for hidden in [&[32usize, 32][..], &[5, 70, 3], &[1], &[9, 8, 7, 6, 5, 4, 3]] {
            let mut dims = vec![inputs];
            dims.extend(hidden);
            dims.push(2);
            let case = Case::new(&dims, 1, 3, 11 + i as u64);
            let (params, seed) = (case.params(), 5 + i as u64);
            changed |= check(gpu(), &case.mlp, &params, parse(text), seed, TOLERANCE);
        }
        assert!(changed, "{text} does nothing");
    }
    let mut case = Case::new(&[2, 16, 12, 1], 1, 3, 1);
    case.mlp.activation = Activation::Relu;
    assert!(check(gpu(), &case.mlp, &case.params(), parse("relu-scaling"), 8, TOLERANCE));
}

/// The logarithm and the square root of the kernel's normal numbers are good to some units in the last
/// place of numbers up to 6.
#[test]
fn noise_agrees_with_the_reference() {
    for dims in [&[2, 32, 32, 1][..], &[1, 3, 1], &[3, 40, 7, 2]] {
        let case = Case::new(dims, 1, 40, 2);
        assert!(check(gpu(), &case.mlp, &case.params(), parse("gaussian-noise"), 77, 3e-6));
    }
}

#[test]
fn normal_numbers_are_normal() {
    let mlp = Case::new(&[2, 64, 64, 1], 1, 1, 0).mlp;
    let op = parse("gaussian-noise");
    let mut all = Vec::new();
    for n in 0..20 {
        let id = NetId { object: n, view: 0 };
        let reference::Drawn::Elements(eps) = reference::draw(&mlp, &op, id, 3, 0) else {
            panic!()
        };
        all.extend(eps);
    }
    let n = all.len() as f64;
    let moment = |k: i32| all.iter().map(|x| x.powi(k)).sum::<f64>() / n;
    // Five standard errors: of the mean 1, of the square 2, of the fourth power 96 by sqrt(n).
    let error = |variance: f64| 5.0 * (variance / n).sqrt();
    assert!(moment(1).abs() < error(1.0), "mean {}", moment(1));
    assert!((moment(2) - 1.0).abs() < error(2.0), "variance {}", moment(2));
    assert!((moment(4) - 3.0).abs() < error(96.0), "fourth moment {}", moment(4));
}

/// Preserving operations keep the outputs; those on the input move the grid.
#[test]
fn operations_do_to_the_function_what_they_say() {
    let relu = "relu-scaling:range=0.9";
    for (text, inputs) in SINE_OPS.into_iter().chain([(relu, 2), ("permutation", 1)]) {
        let op = parse(text);
        for hidden in [&[32usize, 32][..], &[20, 7, 13]] {
            let mut dims = vec![inputs];
            dims.extend(hidden);
            dims.push(2);
            let mut case = Case::new(&dims, 60, 2, 3);
            if text == relu {
                case.mlp.activation = Activation::Relu;
            }
            let mlp = &case.mlp;
            let params = case.params();
            let batch = NetBatch::upload(gpu(), mlp, &params, &ids(2, 0)).unwrap();
            let after = block_on(augment(&batch, &[op], 4).unwrap().read()).unwrap();
            let run =
                |params: &[f32]| block_on(evaluate(gpu(), mlp, params, 2, &case.coords)).unwrap();
            let before = as_f64(&run(&params));
            let (low, high) =
                before.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
            let change = worst(&run(&after), &before, high - low);
            match op.effect() {
                // The rounding of f32 phases, omega_0 (b + k pi / omega_0), through the layers.
                Effect::PreservesFunction => assert!(change < 1e-5, "{op:?}: {change}"),
                Effect::ActsOnInput | Effect::ChangesFunction => {
                    assert!(change > 1e-4, "{op:?}: {change}");
                }
            }
        }
    }
}

#[test]
fn input_operations_are_maps_of_the_input() {
    for text in ["translate:depth=first", "rotate", "scale"] {
        let op = parse(text);
        let case = Case::new(&[2, 24, 16, 1], 50, 1, 9);
        let params = case.params();
        let id = NetId { object: 4, view: 2 };
        let batch = NetBatch::upload(gpu(), &case.mlp, &params, &[id]).unwrap();
        let after = block_on(augment(&batch, &[op], 6).unwrap().read()).unwrap();
        let (reference::Drawn::Numbers(t) | reference::Drawn::Translation(t, _)) =
            reference::draw(&case.mlp, &op, id, 6, 0)
        else {
            panic!()
        };
        let (sin, cos) = t[0].to_radians().sin_cos();
        let moved: Vec<f32> = case
            .coords
            .chunks_exact(2)
            .flat_map(|x| match op {
                Op::Translate { .. } => [x[0] + t[0], x[1] + t[1]],
                Op::Rotate { .. } => [cos * x[0] + sin * x[1], cos * x[1] - sin * x[0]],
                _ => [t[0] * x[0], t[0] * x[1]],
            })
            .collect();
        let run = |p: &[f32], c: &[f32]| block_on(evaluate(gpu(), &case.mlp, p, 1, c)).unwrap();
        let error = worst(&run(&after, &case.coords), &as_f64(&run(&params, &moved)), 1.0);
        assert!(error < 3e-5, "{op:?}: {error}");
    }
}

/// One batch, single nets, and nets in another order give the same bits.
#[test]
fn chunks_do_not_matter() {
    let case = Case::new(&[2, 12, 9, 1], 1, 5, 21);
    let (mlp, params, count) = (&case.mlp, case.params(), case.mlp.param_count());
    let ids = ids(5, 1);
    let ops: Vec<Op> = ["combine", "masking", "quantile-masking", "permutation", "siren-bias"]
        .iter()
        .flat_map(|t| Op::parse(t).unwrap())
        .collect();
    let batch = NetBatch::upload(gpu(), mlp, &params, &ids).unwrap();
    let whole = block_on(augment(&batch, &ops, 9).unwrap().read()).unwrap();
    for order in [vec![0u32], vec![4, 2], vec![3, 1, 1]] {
        let part = batch.pick(&order).unwrap();
        let got = block_on(augment(&part, &ops, 9).unwrap().read()).unwrap();
        let expected: Vec<f32> = order
            .iter()
            .flat_map(|&n| whole[n as usize * count..(n as usize + 1) * count].to_vec())
            .collect();
        assert_eq!(got, expected);
    }
    let other = block_on(augment(&batch, &ops, 10).unwrap().read()).unwrap();
    assert_ne!(whole, other, "the seed has no effect");
    // Twice the same operation draws twice.
    let op = parse("siren-negation");
    let once = block_on(augment(&batch, &[op], 1).unwrap().read()).unwrap();
    let twice = block_on(augment(&batch, &[op, op], 1).unwrap().read()).unwrap();
    assert!(twice != params && twice != once);
}

/// What a step of a training loop asks of the device, for every operation; and that neither the batch nor the
/// place in it matters, but the epoch does.
#[test]
fn a_step_moves_no_data_and_allocates_nothing() {
    let gpu = open_gpu();
    let all: Vec<(&str, usize)> =
        SINE_OPS.into_iter().chain([("gaussian-noise", 2), ("relu-scaling", 2)]).collect();
    for inputs in [1, 2, 3] {
        for relu in [false, true] {
            let mut case = Case::new(&[inputs, 12, 9, 1], 1, 20, 21);
            if relu {
                case.mlp.activation = Activation::Relu;
            }
            let (mlp, params) = (&case.mlp, case.params());
            let ops: Vec<Op> = all
                .iter()
                .filter(|(_, needed)| *needed == inputs)
                .map(|(text, _)| parse(text))
                .filter(|op| op.validate(mlp).is_ok())
                .collect();
            let data = NetBatch::upload(&gpu, mlp, &params, &ids(20, 1)).unwrap();
            let order: Vec<u32> = (0..20).map(|i| 7 * i % 20).collect();
            let items = gpu.upload("items", &order).unwrap();
            let mut chain = Chain::new(&gpu, mlp, &ops, 8).unwrap();
            let mut step = |range, epoch| {
                let mut recording = gpu.record();
                let out = chain.record(&mut recording, &data, &items, range, 9, epoch).unwrap();
                recording.submit().unwrap();
                out
            };
            let batches = [0..8, 8..16, 16..20];
            let before = gpu.counts();
            for range in batches.clone() {
                step(range, 0);
            }
            let Counts { buffers, pipelines, bytes_written, bytes_read, submissions, .. } =
                gpu.counts() - before;
            assert_eq!([buffers, pipelines, bytes_written, bytes_read], [0; 4], "{ops:?}");
            assert_eq!(submissions, 3);
            let mut epoch = |epoch| -> Vec<f32> {
                let batches = batches.clone().into_iter();
                batches.flat_map(|b| block_on(step(b, epoch).read()).unwrap()).collect()
            };
            // The same nets at once, as the other way to augment does it.
            let whole = augment(&data.pick(&order).unwrap(), &ops, 9).unwrap();
            let whole = block_on(whole.read()).unwrap();
            assert_eq!(epoch(0), whole, "{ops:?}");
            assert_ne!(epoch(1), whole, "{ops:?}");
        }
    }
}

#[test]
fn works_within_the_default_limits() {
    let case = Case::new(&[2, 32, 32, 1], 1, 2, 5);
    for (text, inputs) in SINE_OPS {
        if inputs == 2 {
            check(small_gpu(), &case.mlp, &case.params(), parse(text), 3, TOLERANCE);
        }
    }
}

fn golden_draws(set: &Set, case: &str, mlp: &Mlp) -> (Op, Vec<f32>, Vec<f32>, Vec<Move>) {
    let name = |what: &str| format!("{case}.draw.{what}");
    let hidden = mlp.depth() - 1;
    let moves = |what: &str, make: &dyn Fn(f64) -> (f64, f64, f64)| -> Vec<Move> {
        layers(hidden, |l| {
            let values = set.values(&name(&format!("{what}.{l}")));
            let at = |(i, v): (usize, &f64)| {
                let (row, shift, column) = make(*v);
                let source = i as u32;
                Move { source, row: row as f32, shift: shift as f32, column: column as f32 }
            };
            values.iter().enumerate().map(at).collect()
        })
    };
    let elements = |what: &str| {
        layers(mlp.depth(), |l| {
            let mut all = set.f32s(&name(&format!("{what}.w.{l}")));
            all.extend(set.f32s(&name(&format!("{what}.b.{l}"))));
            all
        })
    };
    let none = Vec::new();
    match case.split(['.', '_']).next().unwrap() {
        "translate" => {
            let op = Op::Translate { range: 0.25, depth: Depth::Random };
            (op, set.f32s(&name("t")), set.f32s(&name("depth")), Vec::new())
        }
        "rotate" => (Op::Rotate { degrees: 30.0 }, set.f32s(&name("angle_deg")), none, Vec::new()),
        "scale" => (Op::Scale { low: 0.8, high: 1.2 }, set.f32s(&name("s")), none, Vec::new()),
        "quantile" => {
            (Op::QuantileMasking { level: 0.1 }, set.f32s(&name("q_level")), none, Vec::new())
        }
        "masking" => {
            let op = Op::Masking { probability: 0.1, rescale: true };
            (op, elements("keep"), none, Vec::new())
        }
        "gaussian" => (Op::GaussianNoise { level: 0.32 }, elements("eps"), none, Vec::new()),
        "relu" => (
            Op::ReluScaling { range: 0.5 },
            none.clone(),
            none,
            moves("scale", &|c| (c, 0.0, 1.0 / c)),
        ),
        _ if case.starts_with("siren_negation") => {
            let op = Op::SirenNegation { probability: 0.5, per: Per::Neuron };
            (op, none.clone(), none, moves("sign", &|s| (s, 0.0, s)))
        }
        _ => {
            let shift = std::f64::consts::PI / 30.0;
            let odd = |k: f64| if k as i64 % 2 == 0 { 1.0 } else { -1.0 };
            let op = Op::SirenBias { k_max: 4 };
            (op, none.clone(), none, moves("k", &|k| (1.0, k * shift, odd(k))))
        }
    }
}

#[test]
fn golden_augmentations() {
    let set = Set::open("aug");
    let cases = set.cases();
    assert!(cases.len() >= 24, "{} cases", cases.len());
    for (case, _) in cases {
        let source = format!("src.{}", case.split('.').nth(1).unwrap());
        let mut mlp = set.mlp(&source);
        let (op, numbers, depths, moves) = golden_draws(&set, &case, &mlp);
        if matches!(op, Op::ReluScaling { .. }) {
            // The golden values are of the weights alone.
            mlp.activation = Activation::Relu;
        }
        let params: Vec<f32> = set.net(&source).iter().map(|&x| x as f32).collect();
        let draws = match op {
            Op::Translate { .. } => Draws::Translation { offsets: &numbers, depths: &depths },
            Op::Masking { .. } | Op::GaussianNoise { .. } => Draws::Elements(&numbers),
            _ if moves.is_empty() => Draws::Numbers(&numbers),
            _ => Draws::Moves(&moves),
        };
        for gpu in [gpu(), gpu_like()] {
            let got = under(gpu, &mlp, &params, &op, draws);
            let error = set.net_error(&format!("{case}.after"), &got);
            assert!(error <= 1.0, "{case}: {error} of the tolerance");
        }
    }
}

/// Nets after an operation with given draws.
fn under(gpu: &Gpu, mlp: &Mlp, params: &[f32], op: &Op, draws: Draws<'_>) -> Vec<f32> {
    let nets = params.len() / mlp.param_count();
    let batch = NetBatch::upload(gpu, mlp, params, &ids(nets, 0)).unwrap();
    let out = NetBatch::empty(gpu, mlp, nets).unwrap();
    let mut augmenter = Augmenter::new(gpu, mlp, nets).unwrap();
    let mut recording = gpu.record();
    augmenter.record(&mut recording, op, draws, &batch, &out).unwrap();
    recording.submit().unwrap();
    block_on(out.read()).unwrap()
}

/// Where q (count - 1) is a whole number but for the rounding of q, and where many entries are the same.
#[test]
fn quantiles_are_exact() {
    let case = Case::new(&[2, 32, 32, 1], 1, 1, 17);
    let (mlp, op) = (&case.mlp, parse("quantile-masking:level=1"));
    let last = mlp.param_count() - 1;
    let tied: Vec<f32> = case.params().iter().map(|x| (20.0 * x).round() / 20.0).collect();
    let mut levels = vec![0.0, f32::from_bits(1), 1e-30, 1.0f32.next_down(), 1.0];
    for k in [1, 2, 3, 100, 511, 512, 1000, 1054, last - 1] {
        let q = (k as f64 / last as f64) as f32;
        levels.extend([q.next_down(), q, q.next_up()]);
    }
    for net in [case.params(), tied] {
        let params = net.repeat(levels.len());
        let got = under(gpu(), mlp, &params, &op, Draws::Numbers(&levels));
        for (got, &level) in got.chunks_exact(net.len()).zip(&levels) {
            let drawn = reference::Drawn::Numbers(vec![level]);
            let expected = reference::apply(mlp, &as_f64(&net), &op, &drawn);
            assert_eq!(as_f64(got), expected, "level {level}");
        }
    }
}

/// Also of entries that share a random word, and of rare ones.
#[test]
fn masks_have_their_probability() {
    let mlp = Case::new(&[2, 64, 64, 1], 1, 1, 0).mlp;
    for probability in [0.5, 0.1, 0.001] {
        let op = Op::Masking { probability, rescale: false };
        let [mut dropped, mut both, mut pairs] = [0.0; 3];
        for object in 0..100 {
            let drawn = reference::draw(&mlp, &op, NetId { object, view: 0 }, 5, 0);
            let reference::Drawn::Elements(kept) = drawn else { panic!() };
            for pair in kept.as_chunks::<2>().0 {
                dropped += 2.0 - pair[0] - pair[1];
                both += (1.0 - pair[0]) * (1.0 - pair[1]);
                pairs += 1.0;
            }
        }
        // Five standard errors.
        let p = f64::from(probability);
        let near = |count: f64, p: f64, of: f64| {
            assert!(
                (count - p * of).abs() < 5.0 * (p * (1.0 - p) * of).sqrt(),
                "{count} of {of}: {p}"
            );
        };
        near(dropped, p, 2.0 * pairs);
        near(both, p * p, pairs);
    }
}

/// What is written into files reads back as the same operation, and every default can be read.
#[test]
fn operations_read_back() {
    for (text, _) in SINE_OPS.into_iter().chain([("relu-scaling:range=0.25", 1)]) {
        let op = parse(text);
        assert_eq!(parse(&op.to_string()), op);
    }
    for known in Op::known() {
        let all: Vec<String> =
            known.parameters.iter().map(|p| format!("{}={}", p.name, p.default)).collect();
        let spelt_out = Op::parse(&format!("{}:{}", known.name, all.join(","))).unwrap();
        assert_eq!(spelt_out, Op::parse(known.name).unwrap());
    }
}

#[test]
fn mistakes_are_named() {
    let text = |r: Result<Vec<Op>, SymmetryError>| r.unwrap_err().to_string();
    let unknown = text(Op::parse("maskin:probability=0.1"));
    assert!(
        unknown.contains("did you mean `masking`") && unknown.contains("permutation"),
        "{unknown}"
    );
    let parameter = text(Op::parse("masking:prob=0.1"));
    assert!(
        parameter.contains("`prob`")
            && parameter.contains("did you mean `probability`")
            && parameter.contains("rescale"),
        "{parameter}"
    );
    assert!(text(Op::parse("permutation:k=1")).contains("takes no parameters"));
    assert!(text(Op::parse("scale:low=1,low=2")).contains("`low` is given twice"));
    assert!(text(Op::parse("siren-bias:k_max=2.5")).contains("whole number"));
    let value = text(Op::parse("translate:range=wide"));
    assert!(value.contains("range=wide"), "{value}");
    assert!(text(Op::parse("translate:depth=second")).contains("`random` or `first`"));

    let mlp = Case::new(&[1, 4, 1], 1, 1, 0).mlp;
    let message = |t: &str| parse(t).validate(&mlp).unwrap_err().to_string();
    assert!(message("rotate").contains("2-D input"));
    assert!(message("relu-scaling").contains("ReLU"));
    assert!(message("masking:probability=1.5").contains("1.5"));

    let mut params = Case::new(&[1, 4, 1], 1, 3, 0).params();
    params[13 + 9] = f32::NAN;
    let batch = NetBatch::upload(gpu(), &mlp, &params, &ids(3, 0)).unwrap();
    let error = block_on(batch.check_finite()).unwrap_err().to_string();
    assert!(error.contains("net 1, layer 1: the weight entry 1"), "{error}");
    assert!(batch.pick(&[3]).is_err());
    assert!(NetBatch::upload(gpu(), &mlp, &params, &ids(2, 0)).is_err());
}
