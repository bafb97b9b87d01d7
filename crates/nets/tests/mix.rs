//! Mixing against the golden values, the laws of its random numbers, and what a step of a training loop takes.

mod common;

use common::golden::{Set, golden_pair, layers, orders};
use common::nets::{f32s, ids, numbers, one_to_one, planted, upload};
use common::{Case, gpu, open_gpu};
use pollster::block_on;
use weightlab_gpu::Counts;
use weightlab_nets::align::{AlignSettings, Order, Pair, align};
use weightlab_nets::mix::{Labels, Lambda, Mix, Mixer, Partners, mix};
use weightlab_nets::symmetry::{Augmenter, Draws, Move, Op, moves};
use weightlab_nets::{Mlp, NetBatch};

/// The mixture of one pair under given moves.
fn mixed_batches(a: &NetBatch, b: &NetBatch, moves: &[Move], lambda: f64) -> Vec<f32> {
    let mut mixer = Mixer::new(gpu(), a.mlp(), 1).unwrap();
    mixer.set_pairs(&one_to_one(1)).unwrap();
    mixer.set_moves(moves).unwrap();
    mixer.set_lambdas(&[lambda as f32]).unwrap();
    let out = NetBatch::empty(gpu(), a.mlp(), 1).unwrap();
    let mut recording = gpu().record();
    mixer.record_nets(&mut recording, a, b, &out).unwrap();
    recording.submit().unwrap();
    block_on(out.read()).unwrap()
}

fn mixed(set: &Set, a: &str, b: &str, moves: &[Move], lambda: f64) -> Vec<f32> {
    let mlp = set.mlp(a);
    let a = upload(gpu(), &mlp, &f32s(&set.net(a)));
    let b = upload(gpu(), &mlp, &f32s(&set.net(b)));
    mixed_batches(&a, &b, moves, lambda)
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
    mixed_batches(&now, &b, &aligned.moves, lambda)
}

#[test]
fn mixtures_end_at_both_nets() {
    let mlp = Case::new(&[2, 32, 32, 1], 1, 1, 0).mlp;
    let (a, b) = planted(&mlp, 5, 2, 0.3, true);
    let pairs = one_to_one(5);
    let run = |how, lambda| {
        let (out, _) = block_on(mix(&a, &b, &pairs, how, Lambda::Constant(lambda), 7)).unwrap();
        block_on(out.read()).unwrap()
    };
    let first = block_on(a.read()).unwrap();
    let second = block_on(b.read()).unwrap();
    for how in Mix::ALL {
        assert_eq!(run(how, 1.0), first, "{how:?}");
        let end = run(how, 0.0);
        assert_eq!(end == second, how == Mix::Direct, "{how:?}");
        if let Some(method) = how.method() {
            let settings =
                AlignSettings { method, order: Order::Random { seed: 7 }, ..Default::default() };
            let aligned = block_on(align(&a, &b, &pairs, &settings)).unwrap();
            let moved: Vec<f32> = second
                .chunks_exact(mlp.param_count())
                .zip(&aligned)
                .flat_map(|(b, by)| f32s(&moves::apply(&mlp, &common::nets::f64s(b), &by.moves)))
                .collect();
            assert!(moved.iter().zip(&end).all(|(x, y)| (x - y).abs() <= 1e-6 * x.abs()));
        }
        let middle = run(how, 0.5);
        for ((m, x), y) in middle.iter().zip(&first).zip(&end) {
            assert!((m - 0.5 * (x + y)).abs() < 1e-6);
        }
    }
    let beyond = block_on(mix(&a, &b, &pairs, Mix::Direct, Lambda::Constant(1.5), 0)).unwrap_err();
    assert!(beyond.to_string().contains("lambda = 1.5"), "{beyond}");
}

/// ln Gamma(x), Lanczos' approximation with g = 7.
fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let t = x + 6.5;
    let sum: f64 = C[0] + (1..9).map(|i| C[i] / (x - 1.0 + i as f64)).sum::<f64>();
    (2.0 * std::f64::consts::PI).sqrt().ln() + (x - 0.5) * t.ln() - t + sum.ln()
}

/// The distribution function of Beta(a, a) by its continued fraction (Abramowitz and Stegun 26.5.8).
fn beta_cdf(a: f64, x: f64) -> f64 {
    if x > 0.5 {
        return 1.0 - beta_cdf(a, 1.0 - x);
    }
    if x <= 0.0 {
        return 0.0;
    }
    let front = (a * (x * (1.0 - x)).ln() + ln_gamma(2.0 * a) - 2.0 * ln_gamma(a)).exp() / a;
    // From the end to the beginning, which needs no guard against zeros.
    let mut fraction = 1.0;
    for i in (1..200).rev() {
        let m = f64::from(i / 2);
        let d = if i % 2 == 0 {
            m * (a - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (2.0 * a + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        fraction = 1.0 + d / fraction;
    }
    front / fraction
}

fn draw(lambda: Lambda, pairs: &[Pair], seed: u64) -> Vec<f32> {
    let mlp = Case::new(&[2, 3, 1], 1, 1, 0).mlp;
    let mut mixer = Mixer::new(gpu(), &mlp, pairs.len()).unwrap();
    mixer.set_pairs(pairs).unwrap();
    let mut recording = gpu().record();
    mixer.record_lambdas(&mut recording, lambda, seed).unwrap();
    recording.submit().unwrap();
    block_on(mixer.lambdas()).unwrap()
}

/// Kolmogorov and Smirnov's distance between draws and a law, below one: there f32 has steps of 2^-24 only, and
/// a law with a small parameter has much of its mass within the last.
fn distance(mut draws: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    draws.sort_unstable_by(f64::total_cmp);
    let n = draws.len() as f64;
    let apart = |(i, &x): (usize, &f64)| {
        let f = cdf(x);
        (f - i as f64 / n).abs().max(((i + 1) as f64 / n - f).abs())
    };
    draws.iter().enumerate().filter(|(_, x)| **x < 1.0 - 1e-6).map(apart).fold(0.0, f64::max)
}

#[test]
fn lambdas_have_their_law() {
    assert!(
        (beta_cdf(1.0, 0.3) - 0.3).abs() < 1e-9 && (beta_cdf(2.0, 0.25) - 0.15625).abs() < 1e-9
    );
    let pairs = Pair::numbered(&vec![(0, 0); 20_000]);
    // Greater with probability 1e-6 only, by Kolmogorov's law: sqrt(-ln(1e-6 / 2) / 2 / n).
    let bound = (-(5e-7f64).ln() / 2.0 / 20_000.0).sqrt();
    for lambda in [
        Lambda::Uniform,
        Lambda::Beta(0.2),
        Lambda::Beta(0.7),
        Lambda::Beta(1.0),
        Lambda::Beta(2.5),
        Lambda::Beta(80.0),
    ] {
        let a = if let Lambda::Beta(a) = lambda { f64::from(a) } else { 1.0 };
        let got = draw(lambda, &pairs, 5);
        assert!(got.iter().all(|l| (0.0..=1.0).contains(l)), "{lambda:?}");
        let draws: Vec<f64> = got.iter().map(|&l| l.into()).collect();
        let apart = distance(draws.clone(), |x| beta_cdf(a, x));
        assert!(apart < bound, "{lambda:?}: {apart}");
        // A parameter off by a quarter is noticed.
        if lambda != Lambda::Uniform {
            assert!(distance(draws, |x| beta_cdf(1.25 * a, x)) > bound, "{lambda:?}");
        }
        // The twin. Rounding may turn a narrow acceptance over, for one draw in a hundred thousand or so.
        let twin = |(pair, &l): (&Pair, &f32)| {
            (lambda.reference(pair.stream, 5) - f64::from(l)).abs() > 2e-5
        };
        let others = pairs.iter().zip(&got).filter(|&x| twin(x)).count();
        assert!(others <= 2, "{lambda:?}: {others} of 20,000 differ from the reference");
        // The same in another batch; another seed is another draw.
        assert_eq!(draw(lambda, &pairs[777..900], 5), got[777..900]);
        assert_ne!(draw(lambda, &pairs[..10], 6), got[..10]);
    }
    // Where f32 would underflow, the ends remain.
    let ends = draw(Lambda::Beta(0.01), &pairs[..1000], 0);
    assert!(ends.iter().all(|l| (0.0..=1.0).contains(l)));
    assert!(ends.iter().filter(|l| !(1e-3..=0.999).contains(*l)).count() > 900);
    assert_eq!(draw(Lambda::Constant(0.3), &pairs[..3], 0), [0.3; 3]);
}

#[test]
fn partners_come_from_the_pool() {
    let mlp = Case::new(&[2, 3, 1], 1, 1, 0).mlp;
    let items: Vec<u32> = (0..3000).map(|i| 5 * i + 2).collect();
    let pool: Vec<u32> = (0..10).map(|i| 7 * i + 1).collect();
    let (item_buffer, pool_buffer) =
        (gpu().upload("items", &items).unwrap(), gpu().upload("pool", &pool).unwrap());
    let mut mixer = Mixer::new(gpu(), &mlp, 3000).unwrap();
    let mut pairs = |first, count, picked, epoch| {
        let partners = Partners {
            items: &item_buffer,
            first,
            count,
            pool: &pool_buffer,
            pool_len: 10,
            picked,
            seed: 3,
            epoch,
        };
        let mut recording = gpu().record();
        mixer.record_pairs(&mut recording, &partners).unwrap();
        recording.submit().unwrap();
        block_on(mixer.pairs()).unwrap()
    };
    let all = pairs(0, 3000, false, 0);
    let mut hits = [0f64; 10];
    for (pair, &item) in all.iter().zip(&items) {
        assert_eq!((pair.a, pair.stream), (item, [item, 0]));
        hits[pool.iter().position(|&p| p == pair.b).unwrap()] += 1.0;
    }
    // Chi-squared with 9 degrees of freedom exceeds 44 once in a million.
    let chi: f64 = hits.iter().map(|h| (h - 300.0).powi(2) / 300.0).sum();
    assert!(chi < 44.0, "{hits:?}");
    // In another batch the partner is the same; in another epoch it is another.
    let part = pairs(100, 50, true, 0);
    for (i, (part, whole)) in part.iter().zip(&all[100..]).enumerate() {
        assert_eq!((part.a, part.b, part.stream), (i as u32, whole.b, whole.stream));
    }
    let next = pairs(0, 3000, false, 1);
    let same = next.iter().zip(&all).filter(|(x, y)| x.b == y.b).count();
    assert!((200..400).contains(&same), "{same}");
}

#[test]
fn labels_are_mixed() {
    let mlp = Case::new(&[2, 3, 1], 1, 1, 0).mlp;
    let mut mixer = Mixer::new(gpu(), &mlp, 3).unwrap();
    mixer.set_pairs(&Pair::numbered(&[(0, 1), (2, 0), (1, 1)])).unwrap();
    mixer.set_lambdas(&[0.25, 0.5, 0.9]).unwrap();
    let labels = gpu().upload("labels", &[1f32, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.25, 0.75]).unwrap();
    let out = gpu().buffer("mixed labels", 4 * 9).unwrap();
    let run = |kind| {
        let mut recording = gpu().record();
        mixer.record_labels(&mut recording, kind, 3, [&labels, &labels], &out).unwrap();
        recording.submit().unwrap();
        block_on(gpu().read::<f32>(&out, 0, 9)).unwrap()
    };
    assert_eq!(run(Labels::Mixed), [0.25, 0.75, 0.0, 0.5, 0.125, 0.375, 0.0, 1.0, 0.0]);
    assert_eq!(run(Labels::Larger), [0.0, 1.0, 0.0, 0.0, 0.25, 0.75, 0.0, 1.0, 0.0]);
}

/// What a step of a training loop asks of the device: pick, augment, pair, align, mix, labels.
#[test]
fn a_step_moves_no_data_and_allocates_nothing() {
    let gpu = open_gpu();
    let case = Case::new(&[2, 32, 32, 1], 1, 24, 3);
    let (mlp, batch) = (&case.mlp, 8);
    let data = NetBatch::upload(&gpu, mlp, &case.params(), &ids(24)).unwrap();
    let order: Vec<u32> = (0..24).rev().collect();
    let items = gpu.upload("items", &order).unwrap();
    let labels = gpu.upload("labels", &numbers(0, 24 * 10)).unwrap();
    let mixed_labels = gpu.buffer("mixed labels", 4 * 8 * 10).unwrap();
    let empty = || NetBatch::empty(&gpu, mlp, batch).unwrap();
    let (now, next, out) = (empty(), empty(), empty());
    let indices = gpu.upload("batch", &order[..batch]).unwrap();
    let mut augmenter = Augmenter::new(&gpu, mlp, batch).unwrap();
    let mut mixer = Mixer::new(&gpu, mlp, batch).unwrap();
    let mut step = |n: usize| {
        let mut recording = gpu.record();
        data.record_pick(&mut recording, &indices, &now).unwrap();
        let draws = Draws::Seeded { seed: 1, position: 0 };
        augmenter.record(&mut recording, &Op::combine()[2], draws, &now, &next).unwrap();
        let partners = Partners {
            items: &items,
            first: batch * (n % 3),
            count: batch,
            pool: &items,
            pool_len: 24,
            picked: false,
            seed: 1,
            epoch: (n / 3) as u32,
        };
        for (how, lambda) in [(Mix::Random, Lambda::Beta(0.3)), (Mix::Signed, Lambda::Uniform)] {
            let picked = how == Mix::Signed;
            let reference = if picked { &next } else { &data };
            mixer.record_pairs(&mut recording, &Partners { picked, ..partners }).unwrap();
            mixer.record_lambdas(&mut recording, lambda, 1).unwrap();
            mixer.record_moves(&mut recording, how, 1, reference, &data).unwrap();
            mixer.record_nets(&mut recording, reference, &data, &out).unwrap();
            let both = [&labels, &labels];
            mixer.record_labels(&mut recording, Labels::Mixed, 10, both, &mixed_labels).unwrap();
        }
        recording.submit().unwrap();
    };
    step(0);
    let before = gpu.counts();
    (1..4).for_each(&mut step);
    let Counts { buffers, pipelines, bytes_written, bytes_read, submissions, dispatches } =
        gpu.counts() - before;
    assert_eq!([buffers, pipelines, bytes_written, bytes_read], [0; 4]);
    assert_eq!(submissions, 3);
    println!("{} dispatches a step", dispatches / 3);
    assert!(block_on(mixer.outcomes()).unwrap().iter().all(|o| o.converged));
    assert!(block_on(out.read()).unwrap().iter().all(|x| x.is_finite()));
    // The counters do count.
    gpu.write(&items, 0, &order[..2]);
    let _one = gpu.buffer("one more", 4).unwrap();
    let after = gpu.counts() - before;
    assert_eq!((after.bytes_written, after.buffers), (8, 1));
    assert!(after.bytes_read > 0);
}
