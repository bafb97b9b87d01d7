//! Alignment and mixing against the CPU twin, the golden values, and the laws they must keep.

mod common;

use common::golden::{Set, golden_pair, orders};
use common::nets::{f64s, numbers, one_to_one, planted, upload};
use common::{Case, gpu, small_gpu};
use pollster::block_on;
use weightlab_gpu::Gpu;
use weightlab_nets::align::{
    AlignSettings, Matcher, Method, Order, Pair, Shape, align, host, solve_assignments,
};
use weightlab_nets::symmetry::moves;
use weightlab_nets::{Activation, Mlp};

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
                // On a software renderer one thread per pair, elsewhere never; both by hand.
                assert_eq!(shape.alone(), software && hidden == 32);
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
}
