//! Products and linear layers against plain f64: every layout of operands, sizes off the tiles, epilogues.

mod common;

use common::{Nd, Random, Tolerance, check};
use weightlab_tensor::{Act, Epilogue};

/// m, k, n: ones, zeros, quads and not, around the tiles of 16 and 64.
const SIZES: [[usize; 3]; 10] = [
    [1, 1, 1],
    [4, 8, 12],
    [5, 7, 3],
    [17, 4, 20],
    [16, 16, 16],
    [33, 5, 18],
    [0, 3, 4],
    [3, 0, 4],
    [2, 20, 0],
    [68, 12, 8],
];

#[test]
fn all_layouts() {
    for (i, [m, k, n]) in SIZES.into_iter().enumerate() {
        // a and b as they are or transposed.
        for turn in 0..4 {
            let (ta, tb) = (turn & 1 == 1, turn & 2 == 2);
            let a = if ta { [k, m] } else { [m, k] };
            let b = if tb { [n, k] } else { [k, n] };
            check(
                &format!("matmul {ta} {tb}"),
                &[&a, &b],
                i as u32,
                |x| x,
                Tolerance::default(),
                |g, x| {
                    let a = if ta { g.permute(x[0], &[1, 0]) } else { x[0] };
                    let b = if tb { g.permute(x[1], &[1, 0]) } else { x[1] };
                    g.matmul(a, b)
                },
                |x| {
                    let a = if ta { x[0].t() } else { x[0].clone() };
                    let b = if tb { x[1].t() } else { x[1].clone() };
                    a.matmul(&b)
                },
            );
        }
    }
}

#[test]
fn batches_broadcast() {
    let shapes: [[&[usize]; 2]; 6] = [
        [&[3, 4, 8], &[3, 8, 4]],
        [&[2, 3, 5, 4], &[3, 4, 4]],
        [&[1, 5, 4], &[3, 4, 8]],
        [&[2, 1, 3, 4], &[1, 3, 4, 4]],
        [&[5, 4], &[2, 4, 3]],
        [&[2, 3, 2, 4], &[4, 3]],
    ];
    for (i, shapes) in shapes.iter().enumerate() {
        check(
            "batched",
            shapes,
            i as u32,
            |x| x,
            Tolerance::default(),
            |g, x| g.matmul(x[0], x[1]),
            |x| x[0].matmul(&x[1]),
        );
    }
}

#[test]
fn heads_are_views() {
    // Q K^T per head of [b, n, h d].
    let heads = |x: &Nd| x.reshape(&[2, 5, 3, 4]).permute(&[0, 2, 1, 3]);
    check(
        "heads",
        &[&[2, 5, 12], &[2, 5, 12]],
        1,
        |x| x,
        Tolerance::default(),
        |g, x| {
            let mut heads = |x| {
                let x = g.reshape(x, &[2, 5, 3, 4]);
                g.permute(x, &[0, 2, 1, 3])
            };
            let (q, k) = (heads(x[0]), heads(x[1]));
            let k = g.permute(k, &[0, 1, 3, 2]);
            g.matmul(q, k)
        },
        |x| heads(&x[0]).matmul(&heads(&x[1]).t()),
    );
}

fn linear(x: &Nd, w: &Nd, b: &Nd) -> Nd {
    x.matmul(&w.t()).with(b, |a, b| a + b)
}

#[test]
fn linear_layers_of_many_rows() {
    // 600 rows are cut into segments for the gradient of the weight.
    for (rows, inputs, outputs) in [(600, 8, 12), (600, 3, 5), (40, 20, 10), (7, 1, 8), (1, 4, 4)] {
        check(
            "linear",
            &[&[rows, inputs], &[outputs, inputs], &[outputs]],
            rows as u32,
            |x| x,
            Tolerance { backward: 1e-5, ..Tolerance::default() },
            |g, x| g.linear(x[0], x[1], Some(x[2])),
            |x| linear(&x[0], &x[1], &x[2]),
        );
    }
    check(
        "no rows axis",
        &[&[8], &[4, 8], &[4]],
        3,
        |x| x,
        Tolerance::default(),
        |g, x| g.linear(x[0], x[1], Some(x[2])),
        |x| linear(&x[0].reshape(&[1, 8]), &x[1], &x[2]).reshape(&[4]),
    );
}

#[test]
fn linear_layers_take_views() {
    for order in [[1, 0, 2, 3], [2, 0, 1, 3], [2, 1, 0, 3]] {
        check(
            "linear of a view",
            &[&[2, 3, 5, 8], &[8, 4], &[4]],
            2,
            |x| x,
            Tolerance::default(),
            |g, x| {
                let v = g.permute(x[0], &order);
                // Half of the features; the weight lies the other way.
                let v = g.slice(v, 3, 4..8);
                let w = g.permute(x[1], &[1, 0]);
                let w = g.slice(w, 1, 0..4);
                g.linear(v, w, Some(x[2]))
            },
            |x| {
                let v = x[0].permute(&order).slice(3, 4..8);
                linear(&v, &x[1].t().slice(1, 0..4), &x[2])
            },
        );
    }
}

#[test]
fn epilogues() {
    let shapes: [&[usize]; 5] = [&[2, 3, 5, 4], &[8, 4], &[8], &[2, 3, 1, 8], &[5, 8]];
    for activation in [Act::None, Act::Relu, Act::Gelu, Act::Tanh, Act::Sigmoid] {
        // The others are dispatches of their own.
        let most = if matches!(activation, Act::None | Act::Relu) { 2 } else { 0 };
        for addends in 0..=most {
            check(
                &format!("{activation:?} {addends}"),
                &shapes[..3 + addends],
                3,
                |x| x,
                Tolerance { forward: 4e-6, backward: 1e-5 },
                |g, x| {
                    let epilogue = Epilogue { scale: 0.3, addends: &x[3..], activation };
                    g.linear_with(x[0], x[1], Some(x[2]), &epilogue)
                },
                |x| {
                    let z = x[3..]
                        .iter()
                        .fold(linear(&x[0], &x[1], &x[2]), |z, t| z.with(t, |a, b| a + b));
                    z.map(|z| match activation {
                        Act::None => 0.3 * z,
                        Act::Relu => (0.3 * z).max(0.0),
                        Act::Gelu => {
                            // The logistic form is not the same; see elementwise.rs for the erf.
                            let x = 0.3 * z;
                            0.5 * x * (1.0 + common::erf(x / 2f64.sqrt()))
                        }
                        Act::Tanh => (0.3 * z).tanh(),
                        Act::Sigmoid => 1.0 / (1.0 + (-0.3 * z).exp()),
                    })
                },
            );
        }
    }
}

#[test]
fn random_shapes() {
    for seed in 0..20 {
        let mut random = Random::new(300 + seed);
        let mut size = || random.pick(&[1, 2, 3, 4, 6, 8, 12, 15, 16, 17, 20]);
        let (m, k, n) = (size(), size(), size());
        check(
            "random",
            &[&[m, k], &[n, k], &[n]],
            seed,
            |x| x,
            Tolerance::default(),
            |g, x| g.linear(x[0], x[1], Some(x[2])),
            |x| linear(&x[0], &x[1], &x[2]),
        );
    }
}
