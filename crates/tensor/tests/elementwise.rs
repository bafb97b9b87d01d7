//! Sums, products and functions against plain f64, with broadcasting and views.

mod common;

use common::{Nd, Random, Tolerance, check, erf};
use weightlab_tensor::{Act, Graph, Var};

fn act(kind: Act, x: f64) -> f64 {
    match kind {
        Act::None => x,
        Act::Relu => x.max(0.0),
        Act::Gelu => 0.5 * x * (1.0 + erf(x / 2f64.sqrt())),
        Act::Tanh => x.tanh(),
        Act::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}

/// Pairs that broadcast; odd sizes, quads, ones and zeros.
const PAIRS: [[&[usize]; 2]; 9] = [
    [&[7], &[7]],
    [&[3, 8], &[8]],
    [&[2, 3, 4], &[3, 1]],
    [&[2, 1, 12], &[5, 1]],
    [&[], &[3, 2]],
    [&[2, 0, 3], &[1, 3]],
    [&[1], &[1, 1]],
    [&[2, 2, 3, 1, 4], &[3, 2, 1]],
    [&[65, 4], &[65, 4]],
];

#[test]
fn binary_operations_broadcast() {
    for (i, pair) in PAIRS.iter().enumerate() {
        let away = |x: f32| if x < 0.0 { x - 0.5 } else { x + 0.5 };
        let run =
            |name: &str, build: fn(&mut Graph, Var, Var) -> Var, reference: fn(f64, f64) -> f64| {
                check(
                    name,
                    pair,
                    i as u32,
                    away,
                    Tolerance::default(),
                    |g, x| build(g, x[0], x[1]),
                    |x| x[0].with(&x[1], reference),
                );
            };
        run("add", |g, a, b| g.add(a, b), |a, b| a + b);
        run("sub", |g, a, b| g.sub(a, b), |a, b| a - b);
        run("mul", |g, a, b| g.mul(a, b), |a, b| a * b);
        run("div", |g, a, b| g.div(a, b), |a, b| a / b);
    }
}

#[test]
fn functions_and_their_slopes() {
    // exp, log and their like are promised to a few units in the last place by WGSL, more by software renderers.
    let tolerance = Tolerance { forward: 4e-6, backward: 1e-5 };
    for shape in [&[5][..], &[3, 4], &[0], &[]] {
        let positive = |x: f32| x.abs() + 0.3;
        // ReLU is not smooth at 0.
        let wide = |x: f32| if x.abs() < 0.01 { 0.1 } else { 3.0 * x };
        let run = |name: &str,
                   prepare: &dyn Fn(f32) -> f32,
                   build: &dyn Fn(&mut Graph, Var) -> Var,
                   reference: &dyn Fn(f64) -> f64| {
            check(
                name,
                &[shape],
                3,
                prepare,
                tolerance,
                |g, x| build(g, x[0]),
                |x| x[0].map(reference),
            );
        };
        run("exp", &wide, &|g, x| g.exp(x), &f64::exp);
        run("log", &positive, &|g, x| g.log(x), &f64::ln);
        run("sqrt", &positive, &|g, x| g.sqrt(x), &f64::sqrt);
        run("square", &wide, &|g, x| g.square(x), &|x| x * x);
        run("reciprocal", &positive, &|g, x| g.reciprocal(x), &|x| 1.0 / x);
        run("neg", &wide, &|g, x| g.neg(x), &|x| -x);
        run("affine", &wide, &|g, x| g.affine(x, 0.3, -2.0), &|x| 0.3 * x - 2.0);
        for kind in [Act::None, Act::Relu, Act::Gelu, Act::Tanh, Act::Sigmoid] {
            run("act", &wide, &|g, x| g.activate(x, kind), &|x| act(kind, x));
        }
    }
}

#[test]
fn activations_of_large_numbers_are_finite() {
    let tolerance = Tolerance { forward: 4e-6, backward: 1e-5 };
    for kind in [Act::Relu, Act::Gelu, Act::Tanh, Act::Sigmoid] {
        check(
            "large",
            &[&[9, 4]],
            5,
            |x| 100.0 * x,
            tolerance,
            |g, x| g.activate(x[0], kind),
            |x| x[0].map(|x| act(kind, x)),
        );
    }
}

#[test]
fn sums_of_many_terms() {
    for act_of in [Act::None, Act::Relu, Act::Gelu, Act::Tanh] {
        // Nine terms take two dispatches.
        let shapes: Vec<&[usize]> =
            vec![&[2, 3, 4], &[4], &[3, 1], &[2, 1, 1], &[1, 3, 4], &[1], &[], &[2, 3, 4], &[4]];
        let tolerance = Tolerance { forward: 4e-6, backward: 1e-5 };
        check(
            "sum of",
            &shapes,
            7,
            |x| x,
            tolerance,
            |g, x| g.sum_of(x, 0.5, act_of),
            |x| {
                let sum = x[1..].iter().fold(x[0].clone(), |s, t| s.with(t, |a, b| a + b));
                sum.map(|v| act(act_of, 0.5 * v))
            },
        );
    }
}

#[test]
fn views_are_read_and_written_through() {
    check(
        "views",
        &[&[4, 6, 8]],
        11,
        |x| x,
        Tolerance::default(),
        |g, x| {
            let t = g.permute(x[0], &[2, 0, 1]);
            let a = g.slice(t, 2, 1..4);
            let b = g.slice(x[0], 1, 3..6);
            let b = g.permute(b, &[2, 0, 1]);
            let ab = g.mul(a, b);
            let flat = g.reshape(ab, &[32, 3]);
            let whole = g.reshape(x[0], &[8, 24]);
            let part = g.slice(whole, 1, 0..3);
            let again = g.broadcast_to(part, &[4, 8, 3]);
            let again = g.reshape(again, &[32, 3]);
            g.add(flat, again)
        },
        |x| {
            let a = x[0].permute(&[2, 0, 1]).slice(2, 1..4);
            let b = x[0].slice(1, 3..6).permute(&[2, 0, 1]);
            let ab = a.with(&b, |a, b| a * b).reshape(&[32, 3]);
            let part = x[0].reshape(&[8, 24]).slice(1, 0..3);
            let again = Nd::from_fn(&[4, 8, 3], |i| part.at(&i[1..])).reshape(&[32, 3]);
            ab.with(&again, |a, b| a + b)
        },
    );
}

#[test]
fn random_chains() {
    for seed in 0..12 {
        let mut random = Random::new(1000 + seed);
        let sizes: Vec<usize> = (0..4).map(|_| random.pick(&[1, 2, 3, 4, 5, 8])).collect();
        let order = random.pick(&[[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]]);
        let part = random.below(sizes[order[1]]);
        let ones = [1, sizes[order[1]] - part, 1, sizes[order[3]]];
        check(
            "chain",
            &[&sizes, &ones],
            seed,
            |x| x,
            Tolerance::default(),
            |g, x| {
                let t = g.permute(x[0], &order);
                let n = t.shape()[1];
                let t = g.slice(t, 1, part..n);
                let y = g.mul(t, x[1]);
                let z = g.sub(y, t);
                let s = g.square(z);
                g.sum_of(&[s, t, x[1]], 0.7, Act::Tanh)
            },
            |x| {
                let t = x[0].permute(&order);
                let n = t.shape[1];
                let t = t.slice(1, part..n);
                let z = t.with(&x[1], |a, b| a * b).with(&t, |a, b| a - b);
                let s = z.map(|v| v * v);
                s.with(&t, |a, b| a + b).with(&x[1], |a, b| (0.7 * (a + b)).tanh())
            },
        );
    }
}
