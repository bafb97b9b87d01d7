//! Alignment and mixing against the CPU twin, the golden values, and the laws they must keep.

mod common;

use common::golden::{Set, layers};
use common::{Case, gpu, small_gpu};
use pollster::block_on;
use weightlab_gpu::Gpu;
use weightlab_kernels::philox::{philox4x32, symmetric};
use weightlab_nets::align::{
    AlignSettings, Aligned, Matcher, Method, Order, Pair, Shape, align, host, solve_assignments,
};
use weightlab_nets::mix::{self, Lambda, Mix, mix};
use weightlab_nets::symmetry::{Move, Op, Per, augment, moves};
use weightlab_nets::{Activation, Mlp, NetBatch, NetId};

fn ids(nets: usize) -> Vec<NetId> {
    (0..nets as u32).map(|object| NetId { object, view: 0 }).collect()
}

fn upload(gpu: &Gpu, mlp: &Mlp, params: &[f32]) -> NetBatch {
    NetBatch::upload(gpu, mlp, params, &ids(params.len() / mlp.param_count())).unwrap()
}

fn f32s(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

fn f64s(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Pair n of two batches of the same length.
fn one_to_one(nets: usize) -> Vec<Pair> {
    Pair::numbered(&(0..nets).map(|n| (n, n)).collect::<Vec<_>>())
}

fn numbers(stream: u32, count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| symmetric(philox4x32([i, stream, 0, 98], [1, 2])[0])).collect()
}

/// Random, tied, rank-deficient and constant matrices of every side to 128.
fn problems(count: usize) -> Vec<(usize, Vec<f32>)> {
    (0..count)
        .map(|i| {
            // Mostly sides that networks have, all of them in turn.
            let n = if i % 4 == 0 { 1 + (i / 4) % 128 } else { 1 + (i * 7) % 40 };
            let u = numbers(i as u32, n * n);
            let costs = match i % 5 {
                0 | 1 => u,
                2 => u.iter().map(|x| (3.0 * x).round()).collect(),
                3 => (0..n * n).map(|k| u[k / n] * u[k % n]).collect(),
                _ if i % 2 == 0 => vec![u[0]; n * n],
                _ => (0..n * n).map(|k| u[k / n] + u[n * n - 1 - k % n]).collect(),
            };
            (n, costs)
        })
        .collect()
}

fn check_assignments(gpu: &Gpu, problems: &[(usize, Vec<f32>)]) {
    let got = block_on(solve_assignments(gpu, problems)).unwrap();
    for ((n, costs), columns) in problems.iter().zip(got) {
        let mut seen = vec![false; *n];
        columns.iter().for_each(|&c| seen[c] = true);
        assert!(seen.iter().all(|&s| s), "not a permutation: {columns:?}");
        let costs = f64s(costs);
        let total = |q: &[usize]| q.iter().enumerate().map(|(i, &j)| costs[i * n + j]).sum::<f64>();
        let best = total(&host::assign(*n, &costs).unwrap());
        let size: f64 = costs.iter().map(|c| c.abs()).fold(0.0, f64::max) * *n as f64;
        // Duals are sums of f32 costs; an error of theirs moves the total by as much.
        let excess = (total(&columns) - best) / size.max(1e-30);
        assert!(excess.abs() < 1e-6, "n = {n}: {excess} above the optimum");
    }
}

#[test]
fn assignments_are_optimal() {
    check_assignments(gpu(), &problems(10_240));
    check_assignments(small_gpu(), &problems(64));
}

#[test]
fn golden_assignments() {
    let set = Set::open("match");
    let mut names: Vec<String> =
        (0..).map(|i| format!("lap.{i}")).take_while(|n| set.has(&format!("{n}.cost"))).collect();
    assert!(names.len() > 2);
    names.push("lap.tied".to_owned());
    for name in names {
        let costs = set.values(&format!("{name}.cost"));
        let n = costs.len().isqrt();
        let negative: Vec<f32> = costs.iter().map(|&c| -c as f32).collect();
        let columns = block_on(solve_assignments(gpu(), &[(n, negative)])).unwrap().remove(0);
        let value: f64 = columns.iter().enumerate().map(|(i, &j)| costs[i * n + j]).sum();
        let error = set.error(&format!("{name}.value"), &[value as f32]);
        assert!(error <= 1.0, "{name}: {value}, {error} of the tolerance");
        if set.has(&format!("{name}.col")) {
            assert_eq!(columns, set.indices(&format!("{name}.col")), "{name}");
        }
    }
}

fn orders(run: &serde_json::Value) -> Vec<Vec<usize>> {
    serde_json::from_value(run["layer_orders"].clone()).unwrap()
}

fn golden_pair(gpu: &Gpu, set: &Set, a: &str, b: &str, settings: &AlignSettings) -> Aligned {
    let mlp = set.mlp(a);
    let a = upload(gpu, &mlp, &f32s(&set.net(a)));
    let b = upload(gpu, &mlp, &f32s(&set.net(b)));
    block_on(align(&a, &b, &one_to_one(1), settings)).unwrap().remove(0)
}

#[test]
fn golden_matchings() {
    let set = Set::open("match");
    for (case, of) in set.cases() {
        if !of.is_object() || of.get("runs").is_none() {
            continue;
        }
        let (a, b) = (format!("{case}.a"), format!("{case}.b"));
        let mlp = set.mlp(&a);
        let runs = of["runs"].as_array().unwrap();
        for (r, run) in runs.iter().enumerate() {
            let recorded = vec![orders(run)];
            let settings = AlignSettings { order: Order::Recorded(recorded), ..Default::default() };
            for gpu in [gpu(), small_gpu()] {
                let got = golden_pair(gpu, &set, &a, &b, &settings);
                let expected: Vec<Vec<usize>> = (0..mlp.depth() - 1)
                    .map(|l| set.indices(&format!("{case}.run{r}.perm.{l}")))
                    .collect();
                assert_eq!(moves::permutations(&mlp, &got.moves), expected, "{case} run {r}");
                assert_eq!(
                    u64::from(got.sweeps),
                    run["sweeps"].as_u64().unwrap(),
                    "{case} run {r}"
                );
                let near = |x: f64, key: &serde_json::Value| {
                    let golden = key.as_f64().unwrap();
                    assert!(
                        (x - golden).abs() <= 1e-5 * golden.abs(),
                        "{case} run {r}: {x} for {golden}"
                    );
                };
                near(got.after.inner, &run["inner"]);
                near(got.after.squared_distance, &run["sqdist"]);
                near(got.before.inner, &of["identity_inner"]);
            }
        }
        // Own random orders.
        let bound = 0.97 * of["free_order_40_runs"]["min"].as_f64().unwrap();
        for seed in 0..10 {
            let order = Order::Random { seed };
            let settings = AlignSettings { order, ..Default::default() };
            let got = golden_pair(gpu(), &set, &a, &b, &settings);
            assert!(got.converged && got.after.inner >= bound, "{case}: {}", got.after.inner);
        }
    }
}

/// Random nets as after some training, and copies disturbed and moved. Noise comes first: shifts of whole half periods
/// would otherwise count as spread of the biases and drown them.
fn planted(mlp: &Mlp, nets: usize, seed: u64, noise: f32, signed: bool) -> (NetBatch, NetBatch) {
    let case = Case::new(&mlp.dims, 1, nets, seed);
    let a = upload(gpu(), mlp, &case.params());
    let noisy = augment(&a, &[Op::GaussianNoise { level: noise }], seed ^ 1).unwrap();
    let mut ops = vec![Op::Permutation];
    if signed {
        ops.push(Op::SirenNegation { probability: 0.5, per: Per::Neuron });
        ops.push(Op::SirenBias { k_max: 4 });
    }
    (a, augment(&noisy, &ops, seed).unwrap())
}

/// The share of nets whose planted moves are all found.
fn planted_share(mlp: &Mlp, nets: usize, seed: u64, signed: bool, method: Method) -> f64 {
    let (a, b) = planted(mlp, nets, seed, 0.1, signed);
    let settings = AlignSettings { method, ..Default::default() };
    let got = block_on(align(&a, &b, &one_to_one(nets), &settings)).unwrap();
    // The noiseless copy, moved by what was found, must be the original again.
    let (_, exact) = planted(mlp, nets, seed, 0.0, signed);
    let (a, exact) = (block_on(a.read()).unwrap(), block_on(exact.read()).unwrap());
    let count = mlp.param_count();
    let found = got.iter().enumerate().filter(|(n, aligned)| {
        let moved = moves::apply(mlp, &f64s(&exact[n * count..(n + 1) * count]), &aligned.moves);
        let original = &a[n * count..(n + 1) * count];
        moved.iter().zip(original).all(|(x, y)| (x - f64::from(*y)).abs() < 1e-5)
    });
    found.count() as f64 / nets as f64
}

#[test]
fn planted_moves_are_found() {
    let mlp = Case::new(&[2, 32, 32, 1], 1, 1, 0).mlp;
    let plain = planted_share(&mlp, 1000, 3, false, Method::WeightMatching);
    let lost = planted_share(&mlp, 1000, 4, true, Method::WeightMatching);
    let signed = planted_share(&mlp, 1000, 4, true, Method::Signed);
    println!("planted found: plain {plain}, plain after sign flips {lost}, signed {signed}");
    assert!(plain >= 0.99 && signed >= 0.99 && lost <= 0.01);
    let deep = Case::new(&[3, 32, 32, 32, 32, 1], 1, 1, 0).mlp;
    let signed = planted_share(&deep, 100, 5, true, Method::Signed);
    assert!(signed >= 0.99, "five layers: {signed}");
}

/// The kernel and the CPU twin take the same way, in every specialisation.
#[test]
fn agrees_with_the_reference() {
    for (dims, nets) in [
        (&[2, 32, 32, 1][..], 6),
        (&[3, 5, 64, 17, 2], 4),
        (&[1, 1, 2, 1], 3),
        (&[2, 70, 100, 1], 2),
        (&[90, 9, 8, 7, 6, 5, 4, 3, 70], 3),
    ] {
        for method in [Method::WeightMatching, Method::Signed] {
            let case = Case::new(dims, 1, 2 * nets, 8);
            let (mlp, params, count) = (&case.mlp, case.params(), case.mlp.param_count());
            let batch = upload(gpu(), mlp, &params);
            let pairs: Vec<(usize, usize)> = (0..nets).map(|n| (n, 2 * nets - 1 - n)).collect();
            let pairs = Pair::numbered(&pairs);
            let order = Order::Random { seed: 12 };
            let settings = AlignSettings { method, order, ..Default::default() };
            let got = block_on(align(&batch, &batch, &pairs, &settings)).unwrap();
            for (i, (pair, got)) in pairs.iter().zip(got).enumerate() {
                let net = |n: u32| f64s(&params[n as usize * count..(n as usize + 1) * count]);
                let (a, b) = (net(pair.a), net(pair.b));
                let (expected, sweeps, _) =
                    host::align_pair(mlp, &a, &b, &settings, i, pair).unwrap();
                let best = host::objective(mlp, &a, &b, &expected);
                let name = format!("{} {method:?} pair {i}", mlp.dims_text());
                let error = (got.after.squared_distance - best.squared_distance).abs();
                assert!(error < 1e-5 * best.squared_distance, "{name}: {got:?}, {best:?}");
                assert_eq!(got.sweeps, sweeps, "{name}");
                assert!(got.converged && got.after.squared_distance <= got.before.squared_distance);
            }
        }
    }
}

#[test]
fn every_specialisation_agrees() {
    let case = Case::new(&[2, 30, 20, 1], 1, 8, 4);
    let batch = upload(gpu(), &case.mlp, &case.params());
    let pairs = Pair::numbered(&[(0, 1), (2, 3), (4, 5), (6, 7)]);
    let mut all = Vec::new();
    for software in [false, true] {
        for bytes in [16_384, 1_024] {
            for hidden in [32, 64, 128] {
                let shape = Shape::choose_within(bytes, software, hidden, 64);
                if shape.workgroup_bytes() > u64::from(gpu().report().max_workgroup_bytes) {
                    continue;
                }
                let mut matcher = Matcher::with_shape(gpu(), &case.mlp, 4, shape).unwrap();
                matcher.set_pairs(&pairs).unwrap();
                let settings = AlignSettings { method: Method::Signed, ..Default::default() };
                matcher.run(&batch, &batch, &settings).unwrap();
                assert!(block_on(matcher.outcomes()).unwrap().iter().all(|o| o.converged));
                all.push((shape, block_on(matcher.moves()).unwrap()));
            }
        }
    }
    for (shape, moves) in &all {
        assert_eq!(moves, &all[0].1, "{shape:?}");
    }
}

/// Sweeps only gain, wherever they are cut off.
#[test]
fn the_objective_never_falls() {
    let case = Case::new(&[2, 24, 24, 24, 1], 1, 20, 6);
    let batch = upload(gpu(), &case.mlp, &case.params());
    let pairs = Pair::numbered(&(0..10).map(|n| (n, n + 10)).collect::<Vec<_>>());
    for method in [Method::WeightMatching, Method::Signed] {
        let mut last: Vec<f64> = vec![f64::MAX; 10];
        for max_sweeps in 1..=6 {
            let settings = AlignSettings { method, max_sweeps, ..Default::default() };
            let got = block_on(align(&batch, &batch, &pairs, &settings)).unwrap();
            for (last, now) in last.iter_mut().zip(&got) {
                assert!(now.after.squared_distance <= *last * (1.0 + 1e-6), "{method:?}");
                assert!(now.after.squared_distance <= now.before.squared_distance);
                *last = now.after.squared_distance;
            }
        }
    }
}

#[test]
fn wide_layers_are_aligned_on_the_cpu() {
    let mlp = Case::new(&[2, 160, 1], 1, 1, 0).mlp;
    let (a, b) = planted(&mlp, 2, 1, 0.0, true);
    let settings = AlignSettings { method: Method::Signed, ..Default::default() };
    for got in block_on(align(&a, &b, &one_to_one(2), &settings)).unwrap() {
        assert!(got.after.squared_distance < 1e-8, "{:?}", got.after);
    }
    assert!(Matcher::new(gpu(), &mlp, 1).is_err());
}

#[test]
fn mistakes_are_named() {
    let case = Case::new(&[2, 8, 8, 1], 1, 3, 0);
    let mut params = case.params();
    let settings = AlignSettings::default();
    let error = |params: &[f32], pairs: &[(usize, usize)], settings: &AlignSettings| {
        let batch = upload(gpu(), &case.mlp, params);
        let pairs = Pair::numbered(pairs);
        block_on(align(&batch, &batch, &pairs, settings)).unwrap_err().to_string()
    };
    let range = error(&params, &[(0, 3)], &settings);
    assert!(range.contains("net 3 is out of range"), "{range}");
    params[0] = 1e30;
    params[case.mlp.param_count()] = 1e30;
    let overflow = error(&params, &[(2, 2), (0, 1)], &settings);
    assert!(overflow.contains("nets 0 and 1") && overflow.contains("layer 0"), "{overflow}");
    params[case.mlp.param_count() - 1] = f32::INFINITY;
    let infinite = error(&params, &[(1, 2)], &settings);
    assert!(infinite.contains("net 0, layer 2: the bias entry 0"), "{infinite}");

    let mut relu = case.mlp.clone();
    relu.activation = Activation::Relu;
    let batch = upload(gpu(), &relu, &case.params());
    let signed = AlignSettings { method: Method::Signed, ..Default::default() };
    let unsuitable = block_on(align(&batch, &batch, &one_to_one(3), &signed)).unwrap_err();
    assert!(unsuitable.to_string().contains("sine"), "{unsuitable}");
    let other = upload(gpu(), &case.mlp, &case.params());
    let mixed = block_on(align(&batch, &other, &one_to_one(3), &settings)).unwrap_err();
    assert!(mixed.to_string().contains("must be the same"), "{mixed}");
    let lambda = Lambda::Constant(1.5).values(&one_to_one(2), 0).unwrap_err().to_string();
    assert!(lambda.contains("lambda = 1.5") && lambda.contains("0 to 1"), "{lambda}");
}

fn mixed(set: &Set, a: &str, b: &str, moves: &[Move], lambda: f64) -> Vec<f32> {
    let mlp = set.mlp(a);
    let a = upload(gpu(), &mlp, &f32s(&set.net(a)));
    let b = upload(gpu(), &mlp, &f32s(&set.net(b)));
    let out = NetBatch::empty(gpu(), &mlp, 1).unwrap();
    let moves = gpu().upload("moves", moves).unwrap();
    mix::record(&a, &b, &one_to_one(1), &moves, &[lambda as f32], &out).unwrap();
    block_on(out.read()).unwrap()
}

#[test]
fn golden_mixtures() {
    let set = Set::open("mixup");
    let mut seen = 0;
    for (case, of) in set.cases() {
        let Some(lambda) = of["lam"].as_f64() else { continue };
        let (family, variant) = case.split_once('.').unwrap();
        let (a, b) = (format!("{family}.a"), format!("{family}.b"));
        let mlp = set.mlp(&a);
        let got = match variant {
            "direct" | "weights_only" => mixed(&set, &a, &b, &moves::identity(&mlp), lambda),
            "random_perm" => {
                // The reference permutes the current item, so the roles are exchanged.
                let p: Vec<_> = (0..mlp.depth() - 1)
                    .map(|l| set.indices(&format!("{case}.draw.perm.{l}")))
                    .collect();
                let moves = moves::from_permutations(&mlp, &p);
                mixed(&set, &b, &a, &moves, 1.0 - lambda)
            }
            "align" => {
                let order = Order::Recorded(vec![orders(&of)]);
                let settings = AlignSettings { order, ..Default::default() };
                let aligned = golden_pair(gpu(), &set, &a, &b, &settings);
                for (l, p) in moves::permutations(&mlp, &aligned.moves).into_iter().enumerate() {
                    assert_eq!(p, set.indices(&format!("{case}.perm.{l}")), "{case}");
                }
                mixed(&set, &a, &b, &aligned.moves, lambda)
            }
            "combine" => combined(&set, &case, &of, &mlp, [&a, &b], lambda),
            other => panic!("unknown variant {other}"),
        };
        let error = set.net_error(&format!("{case}.mixed"), &got);
        assert!(error <= 1.0, "{case}: {error} of the tolerance");
        seen += 1;
    }
    assert!(seen >= 18, "{seen} cases");
}

/// translate, noise, negation on a with recorded draws, then b aligned to it, then mixed.
fn combined(
    set: &Set,
    case: &str,
    of: &serde_json::Value,
    mlp: &Mlp,
    [a, b]: [&String; 2],
    lambda: f64,
) -> Vec<f32> {
    use weightlab_nets::symmetry::{Augmenter, Draws};
    let name = |what: &str| format!("{case}.draw.{what}");
    let offsets = set.f32s(&name("t"));
    let depths = [of["depth"].as_f64().unwrap() as f32];
    let eps = layers(mlp.depth(), |l| {
        let mut all = set.f32s(&name(&format!("eps.w.{l}")));
        all.extend(set.f32s(&name(&format!("eps.b.{l}"))));
        all
    });
    let signs = layers(mlp.depth() - 1, |l| {
        let s = set.f32s(&name(&format!("sign.{l}")));
        s.iter().enumerate().map(|(i, &s)| Move { row: s, column: s, ..Move::from(i) }).collect()
    });
    let mut now = upload(gpu(), mlp, &f32s(&set.net(a)));
    let mut augmenter = Augmenter::new(gpu(), mlp, 1).unwrap();
    let draws = [
        Draws::Translation { offsets: &offsets, depths: &depths },
        Draws::Elements(&eps),
        Draws::Moves(&signs),
    ];
    for (op, draws) in Op::combine().iter().zip(draws) {
        let next = NetBatch::empty(gpu(), mlp, 1).unwrap();
        let mut recording = gpu().record();
        augmenter.record(&mut recording, op, draws, &now, &next).unwrap();
        recording.submit().unwrap();
        now = next;
    }
    let b = upload(gpu(), mlp, &f32s(&set.net(b)));
    let order = Order::Recorded(vec![orders(of)]);
    let settings = AlignSettings { order, ..Default::default() };
    let aligned = block_on(align(&now, &b, &one_to_one(1), &settings)).unwrap().remove(0);
    let out = NetBatch::empty(gpu(), mlp, 1).unwrap();
    let moves = gpu().upload("moves", &aligned.moves).unwrap();
    mix::record(&now, &b, &one_to_one(1), &moves, &[lambda as f32], &out).unwrap();
    block_on(out.read()).unwrap()
}

#[test]
fn mixtures_end_at_both_nets() {
    let mlp = Case::new(&[2, 32, 32, 1], 1, 1, 0).mlp;
    let (a, b) = planted(&mlp, 5, 2, 0.3, true);
    let pairs = one_to_one(5);
    let run = |how, lambda| {
        let (out, _) = block_on(mix(&a, &b, &pairs, how, &lambda, 7)).unwrap();
        block_on(out.read()).unwrap()
    };
    let first = block_on(a.read()).unwrap();
    let second = block_on(b.read()).unwrap();
    for how in [Mix::Direct, Mix::Random, Mix::Aligned, Mix::Signed] {
        assert_eq!(run(how, Lambda::Constant(1.0)), first, "{how:?}");
        let end = run(how, Lambda::Constant(0.0));
        assert_eq!(end == second, how == Mix::Direct, "{how:?}");
        // The far end is b in another guise: the same size up to phases, and never farther from a if aligned.
        let middle = run(how, Lambda::Constant(0.5));
        for ((m, x), y) in middle.iter().zip(&first).zip(&end) {
            assert!((m - 0.5 * (x + y)).abs() < 1e-6);
        }
    }
    let lambdas = Lambda::Uniform.values(&pairs, 1).unwrap();
    assert_eq!(Lambda::Uniform.values(&pairs[2..], 1).unwrap(), lambdas[2..]);
    assert_ne!(lambdas[0], lambdas[1]);
    let each = run(Mix::Signed, Lambda::Each(vec![1.0, 0.5, 1.0, 0.0, 1.0]));
    let count = mlp.param_count();
    assert_eq!(each[..count], first[..count]);
    assert_ne!(each[count..2 * count], first[count..2 * count]);
}
