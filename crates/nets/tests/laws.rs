//! Laws over random architectures: what preserves the function does so, every operation is what the plain reference
//! says, on either way through a batch, sweeps of an alignment only gain, and mixtures end at both nets.

mod common;

use common::nets::{f32s, one_to_one};
use common::{Case, gpu, gpu_like, worst};
use pollster::block_on;
use proptest::prelude::*;
use weightlab_gpu::Gpu;
use weightlab_nets::align::{AlignSettings, Method, Order, align};
use weightlab_nets::mix::{Lambda, Mix, mix};
use weightlab_nets::symmetry::{Depth, Effect, Op, Per, augment, moves};
use weightlab_nets::{Activation, Convention, Mlp, NetBatch, NetId, reference, symmetry};

/// Networks of a case.
const NETS: usize = 3;

fn ids() -> Vec<NetId> {
    (0..NETS as u32).map(|n| NetId { object: 77 * n + 5, view: n }).collect()
}

fn to_f64(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Every operation that the architecture has.
fn ops(mlp: &Mlp, number: f32) -> Vec<Op> {
    let all = [
        Op::Translate { range: number, depth: Depth::Random },
        Op::Translate { range: number, depth: Depth::First },
        Op::Rotate { degrees: 180.0 * number },
        Op::RotateAxis { axis: [1.0, number, -0.5], degrees: 180.0 * number },
        Op::RotateRandom,
        Op::Scale { low: 0.5, high: 0.5 + number },
        Op::SirenNegation { probability: number, per: Per::Neuron },
        Op::SirenNegation { probability: number, per: Per::Layer },
        Op::SirenBias { k_max: 1 + (number * 7.0) as u32 },
        Op::ReluScaling { range: 0.9 * number },
        Op::Masking { probability: 0.9 * number, rescale: true },
        Op::Masking { probability: 0.9 * number, rescale: false },
        Op::QuantileMasking { level: number },
        Op::GaussianNoise { level: number },
        Op::Permutation,
    ];
    all.into_iter().filter(|op| op.validate(mlp).is_ok()).collect()
}

fn augmented(gpu: &Gpu, mlp: &Mlp, params: &[f32], op: Op, seed: u64) -> Vec<f32> {
    let batch = NetBatch::upload(gpu, mlp, params, &ids()).unwrap();
    block_on(augment(&batch, &[op], seed).unwrap().read()).unwrap()
}

fn case(hidden: &[usize], inputs: usize, outputs: usize, relu: bool, seed: u64) -> Case {
    let mut dims = vec![inputs];
    dims.extend(hidden);
    dims.push(outputs);
    let mut case = Case::new(&dims, 100, NETS, seed);
    let convention = Convention::ALL[(seed % 2) as usize];
    case.mlp = Mlp::new(&dims, convention).unwrap();
    if relu {
        case.mlp.activation = Activation::Relu;
    }
    case
}

/// The nets of a case, and others of the same architecture.
fn two_batches(case: &Case, seed: u64) -> [NetBatch; 2] {
    [case.params(), Case::new(&case.mlp.dims, 1, NETS, !seed).params()]
        .map(|params| NetBatch::upload(gpu(), &case.mlp, &params, &ids()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..Default::default() })]

    /// Evaluated in f64, so that what is measured is the operation and not the evaluation.
    #[test]
    fn what_preserves_the_function_does(
        hidden in prop::collection::vec(1usize..=48, 1..=6),
        inputs in 1usize..=3,
        outputs in 1usize..=3,
        relu in any::<bool>(),
        number in 0.05f32..1.0,
        seed in any::<u64>(),
    ) {
        let case = case(&hidden, inputs, outputs, relu, seed);
        let (mlp, params) = (&case.mlp, case.params());
        let before = case.reference_outputs(&params);
        let range = before.iter().fold(f64::MIN, |m, &y| m.max(y))
            - before.iter().fold(f64::MAX, |m, &y| m.min(y));
        let preserving = ops(mlp, number).into_iter();
        for op in preserving.filter(|op| op.effect() == Effect::PreservesFunction) {
            let after = augmented(gpu(), mlp, &params, op, seed);
            let after = case.reference_outputs(&after);
            let change = after.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            // The law. What there is comes from rounding new biases and weights to f32.
            prop_assert!(change < 1e-5 * range, "{op} on {}: {change} of {range}", mlp.dims_text());
        }
    }

    /// On software renderers and GPUs batches are walked through in different ways.
    #[test]
    fn both_ways_through_a_batch_agree_with_the_reference(
        hidden in prop::collection::vec(1usize..=48, 1..=7),
        inputs in 1usize..=5,
        outputs in 1usize..=4,
        relu in any::<bool>(),
        number in 0.05f32..1.0,
        seed in any::<u64>(),
    ) {
        let case = case(&hidden, inputs, outputs, relu, seed);
        let (mlp, params) = (&case.mlp, case.params());
        for op in ops(mlp, number) {
            let got = augmented(gpu(), mlp, &params, op, seed);
            let like = augmented(gpu_like(), mlp, &params, op, seed);
            let count = mlp.param_count();
            for (n, id) in ids().into_iter().enumerate() {
                let range = n * count..(n + 1) * count;
                let drawn = symmetry::reference::draw(mlp, &op, id, seed, 0);
                let net = to_f64(&params[range.clone()]);
                let expected = symmetry::reference::apply(mlp, &net, &op, &drawn);
                // A translation goes through up to 7 layers, whose sums of up to 48 products grow; beside it
                // there is the logarithm of normal numbers, and all else is one or two roundings.
                let largest = expected.iter().fold(1.0, |most, x| f64::max(most, x.abs()));
                for (kind, got) in [("software", &got), ("GPU", &like)] {
                    let error = worst(&got[range.clone()], &expected, largest);
                    prop_assert!(error < 5e-6, "{op} on {}, {kind}: {error}", mlp.dims_text());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..Default::default() })]

    /// Each sweep more brings the nets nearer, by the kernel's moves and the distance in f64.
    #[test]
    fn the_objective_of_an_alignment_never_falls(
        hidden in prop::collection::vec(1usize..=40, 1..=6),
        inputs in 1usize..=3,
        outputs in 1usize..=3,
        seed in any::<u64>(),
    ) {
        let case = case(&hidden, inputs, outputs, false, seed);
        let [a, b] = two_batches(&case, seed);
        for method in [Method::WeightMatching, Method::Signed] {
            let mut last = [f64::MAX; NETS];
            for max_sweeps in 1..=6 {
                let order = Order::Random { seed };
                let settings = AlignSettings { method, max_sweeps, order };
                let got = block_on(align(&a, &b, &one_to_one(NETS), &settings)).unwrap();
                for (last, now) in last.iter_mut().zip(&got) {
                    let [before, after] = [now.before, now.after].map(|o| o.squared_distance);
                    prop_assert!(
                        after <= before && after <= *last * (1.0 + 1e-6),
                        "{method:?} on {}: from {before} and {last} to {after}", case.mlp.dims_text()
                    );
                    *last = after;
                }
            }
        }
    }

    /// To the last bit, also where the second net is aligned first.
    #[test]
    fn mixtures_end_at_both_nets(
        hidden in prop::collection::vec(1usize..=40, 1..=6),
        inputs in 1usize..=3,
        outputs in 1usize..=3,
        seed in any::<u64>(),
    ) {
        let case = case(&hidden, inputs, outputs, false, seed);
        let [a, b] = two_batches(&case, seed);
        let (count, pairs) = (case.mlp.param_count(), one_to_one(NETS));
        let [first, second] = [&a, &b].map(|batch| block_on(batch.read()).unwrap());
        for how in Mix::ALL {
            let run = |lambda| {
                let lambda = Lambda::Constant(lambda);
                let (out, _) = block_on(mix(&a, &b, &pairs, how, lambda, seed)).unwrap();
                block_on(out.read()).unwrap()
            };
            prop_assert_eq!(run(1.0), first.clone(), "{:?}", how);
            let partner = match how.method() {
                None if how == Mix::Direct => second.clone(),
                // Another permutation: the same numbers.
                None => {
                    let sorted = |mut x: Vec<f32>| { x.sort_by(f32::total_cmp); x };
                    prop_assert_eq!(sorted(run(0.0)), sorted(second.clone()));
                    continue;
                }
                Some(method) => {
                    let order = Order::Random { seed };
                    let settings = AlignSettings { method, order, ..Default::default() };
                    let aligned = block_on(align(&a, &b, &pairs, &settings)).unwrap();
                    let nets = second.chunks_exact(count).zip(&aligned);
                    nets.flat_map(|(net, by)| f32s(&moves::apply(&case.mlp, &to_f64(net), &by.moves)))
                        .collect()
                }
            };
            // A shifted bias is rounded once or twice.
            let error = worst(&run(0.0), &to_f64(&partner), 1.0);
            prop_assert!(error < 1e-6, "{how:?} on {}: {error}", case.mlp.dims_text());
        }
    }
}

/// A law that is broken is seen: a sign that only the row gets.
#[test]
fn a_broken_symmetry_is_seen() {
    let case = case(&[12, 9], 2, 1, false, 3);
    let mlp = &case.mlp;
    let params = case.params();
    let mut moves = symmetry::moves::identity(mlp);
    moves[4].row = -1.0;
    let net = to_f64(&params[..mlp.param_count()]);
    let before = reference::forward(mlp, &net, &case.coords_f64());
    let moved = symmetry::moves::apply(mlp, &net, &moves);
    let after = reference::forward(mlp, &moved, &case.coords_f64());
    let change = after.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(change > 1e-3, "{change}");
}
