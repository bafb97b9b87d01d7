//! Attention, batch norm, dropout, concat and gather.

mod common;

use common::{Nd, Random, Tolerance, check, gpu, targets};
use weightlab_tensor::{BatchNorm, Graph, Optimizer, ParamSet, ParamStore, Pass, Program};

const LOOSE: Tolerance = Tolerance { forward: 4e-6, backward: 2e-5 };

/// `[b, n, y]` each.
fn attention(q: &Nd, k: &Nd, v: &Nd, heads: usize, scale: f64) -> Nd {
    let (n, m, d) = (q.shape[1], k.shape[1], q.shape[2] / heads);
    Nd::from_fn(&q.shape, |i| {
        let head = i[2] / d * d;
        let score = |j: usize| {
            (0..d).map(|c| q.at(&[i[0], i[1], head + c]) * k.at(&[i[0], j, head + c])).sum::<f64>()
                * scale
        };
        assert!(i[1] < n);
        let sum: f64 = (0..m).map(|j| score(j).exp()).sum();
        (0..m).map(|j| score(j).exp() / sum * v.at(&[i[0], j, i[2]])).sum()
    })
}

#[test]
fn attention_of_a_packed_product() {
    // (batch, n, heads, channels of a head): fused where the last is a multiple of four, else by products.
    for (b, n, heads, width) in
        [(2, 5, 3, 4), (1, 9, 2, 8), (3, 1, 1, 4), (2, 4, 2, 3), (1, 6, 8, 1), (0, 3, 2, 4)]
    {
        let y = heads * width;
        check(
            "attention",
            &[&[b, n, 3 * y]],
            (n * y) as u32,
            |x| 2.0 * x,
            LOOSE,
            |g, x| {
                let [q, k, v] = [0, 1, 2].map(|i| g.slice(x[0], 2, i * y..(i + 1) * y));
                g.attention(q, k, v, heads, 0.7)
            },
            |x| {
                let [q, k, v] = [0, 1, 2].map(|i| x[0].slice(2, i * y..(i + 1) * y));
                attention(&q, &k, &v, heads, f64::from(0.7f32))
            },
        );
    }
}

#[test]
fn attention_of_anything() {
    let run = |what: &str, shapes: &[&[usize]], pick: [usize; 3]| {
        check(
            what,
            shapes,
            3,
            |x| 2.0 * x,
            LOOSE,
            |g, x| g.attention(x[pick[0]], x[pick[1]], x[pick[2]], 2, 0.5),
            |x| attention(&x[pick[0]], &x[pick[1]], &x[pick[2]], 2, 0.5),
        );
    };
    run("apart", &[&[2, 3, 8], &[2, 6, 8], &[2, 6, 8]], [0, 1, 2]);
    run("keys are values", &[&[2, 3, 8], &[2, 6, 8]], [0, 1, 1]);
    run("all the same", &[&[2, 5, 8]], [0, 0, 0]);
    check(
        "overlapping slices, repeated queries",
        &[&[1, 3, 8], &[2, 6, 12]],
        4,
        |x| x,
        LOOSE,
        |g, x| {
            let q = g.broadcast_to(x[0], &[2, 3, 8]);
            let k = g.slice(x[1], 2, 0..8);
            let v = g.slice(x[1], 2, 4..12);
            g.attention(q, k, v, 2, 1.0)
        },
        |x| {
            let q = Nd::from_fn(&[2, 3, 8], |i| x[0].at(&[0, i[1], i[2]]));
            attention(&q, &x[1].slice(2, 0..8), &x[1].slice(2, 4..12), 2, 1.0)
        },
    );
}

#[test]
fn attention_of_wide_heads_and_many_rows() {
    // 32 channels are eight quads; 40 are by products; 70 rows are several threads and workgroups.
    for (n, width) in [(3, 32), (3, 40), (70, 4)] {
        check(
            "wide",
            &[&[1, n, 3 * width]],
            width as u32,
            |x| x,
            LOOSE,
            |g, x| {
                let [q, k, v] = [0, 1, 2].map(|i| g.slice(x[0], 2, i * width..(i + 1) * width));
                g.attention(q, k, v, 1, 0.3)
            },
            |x| {
                let [q, k, v] = [0, 1, 2].map(|i| x[0].slice(2, i * width..(i + 1) * width));
                attention(&q, &k, &v, 1, f64::from(0.3f32))
            },
        );
    }
}

#[test]
fn concat_and_gather() {
    check(
        "concat",
        &[&[2, 3, 4], &[2, 1, 4], &[2, 0, 4]],
        1,
        |x| x,
        Tolerance::default(),
        |g, x| {
            let c = g.concat(&[x[0], x[1], x[2], x[0]], 1);
            g.square(c)
        },
        |x| {
            Nd::from_fn(&[2, 7, 4], |i| {
                let v = match i[1] {
                    j @ 0..3 => x[0].at(&[i[0], j, i[2]]),
                    3 => x[1].at(&[i[0], 0, i[2]]),
                    j => x[0].at(&[i[0], j - 4, i[2]]),
                };
                v * v
            })
        },
    );
    // Rows come several times and not at all.
    let rows = [2u32, 0, 2, 2, 4];
    for target in targets() {
        let mut g = Graph::new(&ParamSet::new(), &target);
        let table = g.input_with_gradient("table", &[5, 3]);
        let index = g.indices("rows", &[5]);
        let picked = g.gather_rows(table, index);
        let kept = g.keep(picked);
        let squares = g.square(picked);
        let loss = g.sum(squares, &[0, 1], false);
        g.backward(loss);
        let dt = g.gradient(table).unwrap();
        let mut p = Program::new(gpu(), g.plan().unwrap(), &common::no_params()).unwrap();
        let data = Random::new(6).numbers(15);
        p.write(table, &data).unwrap();
        p.write_indices(index, &rows).unwrap();
        p.run(&Pass::default()).unwrap();
        let got = pollster::block_on(p.read(kept)).unwrap();
        let expected: Vec<f32> =
            rows.iter().flat_map(|&r| data[3 * r as usize..][..3].to_vec()).collect();
        assert_eq!(got, expected);
        let dt = pollster::block_on(p.read(dt)).unwrap();
        let times = [1.0, 0.0, 3.0, 0.0, 1.0];
        for (i, (d, x)) in dt.iter().zip(&data).enumerate() {
            assert!((d - 2.0 * x * times[i / 3]).abs() < 1e-6, "row {}: {d}", i / 3);
        }
        p.write_indices(index, &[0, 5, 0, 0, u32::MAX]).unwrap();
        p.run(&Pass::default()).unwrap();
        let got = pollster::block_on(p.read(kept)).unwrap();
        assert!(got[3..6].iter().chain(&got[12..]).all(|x| x.is_nan()), "{got:?}");
    }
}

fn batch_norm(x: &Nd, gamma: &Nd, beta: &Nd, eps: f64) -> Nd {
    let c = x.shape[x.shape.len() - 1];
    let rows = x.data.len() / c;
    let column = |j: usize| (0..rows).map(move |r| x.data[r * c + j]);
    let stats: Vec<(f64, f64)> = (0..c)
        .map(|j| {
            let mean = column(j).sum::<f64>() / rows as f64;
            (mean, column(j).map(|v| (v - mean) * (v - mean)).sum::<f64>() / rows as f64)
        })
        .collect();
    Nd::from_fn(&x.shape, |i| {
        let j = i[i.len() - 1];
        (x.at(i) - stats[j].0) / (stats[j].1 + eps).sqrt() * gamma.data[j] + beta.data[j]
    })
}

/// Batch norm over inputs needs a state, so it has a run of its own here: values, gradients, and how the state moves.
#[test]
fn batch_norm_in_training_and_evaluation() {
    for (shape, c) in [(&[6, 4][..], 4usize), (&[2, 5, 3], 3), (&[700, 1], 1), (&[3, 70, 8], 8)] {
        for target in targets() {
            let mut random = Random::new(c as u32);
            let len: usize = shape.iter().product();
            // Far from zero: a variance from sums of squares would lose its digits.
            let x: Vec<f32> = random.numbers(len).iter().map(|v| v + 30.0).collect();
            let (gamma, beta, w) = (random.numbers(c), random.numbers(c), random.numbers(len));
            let state: Vec<f32> = (0..c).map(|_| 0.5).chain((0..c).map(|_| 2.0)).collect();
            let mut set = ParamSet::new();
            let ids = [set.add("gamma", &[c]), set.add("beta", &[c])];
            let running = [set.add_state("mean", &[c]), set.add_state("variance", &[c])];
            let values = [gamma.clone(), beta.clone()].concat();
            let exact = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let nd = Nd::new(shape, exact(&x));
            let (g64, b64) = (Nd::new(&[c], exact(&gamma)), Nd::new(&[c], exact(&beta)));
            let rows = (len / c) as f64;
            for mode in [
                BatchNorm::Train { epsilon: 1e-5, momentum: 0.1 },
                BatchNorm::Eval { epsilon: 1e-5 },
            ] {
                let store =
                    ParamStore::new(gpu(), &set, &values, &state, &Optimizer::adam()).unwrap();
                let mut g = Graph::new(&set, &target);
                let input = g.input_with_gradient("x", shape);
                let [gm, bt] = ids.map(|id| g.param(id));
                let y = g.batch_norm(input, gm, bt, running[0], running[1], mode);
                let kept = g.keep(y);
                let weights = g.constant("w", shape, &w);
                let product = g.mul(y, weights);
                let axes: Vec<usize> = (0..shape.len()).collect();
                let loss = g.sum(product, &axes, false);
                g.backward(loss);
                let dx = g.gradient(input).unwrap();
                let mut p = Program::new(gpu(), g.plan().unwrap(), &store).unwrap();
                p.write(input, &x).unwrap();
                p.run(&Pass::default()).unwrap();
                let got = pollster::block_on(p.read(kept)).unwrap();
                let dx = pollster::block_on(p.read(dx)).unwrap();
                let dparams = pollster::block_on(store.gradients()).unwrap();
                let moved = pollster::block_on(store.state()).unwrap();

                let train = matches!(mode, BatchNorm::Train { .. });
                let reference = |x: &Nd, g: &Nd, b: &Nd| {
                    if train {
                        return batch_norm(x, g, b, 1e-5);
                    }
                    Nd::from_fn(&x.shape, |i| {
                        let j = i[i.len() - 1];
                        (x.at(i) - 0.5) / (2.0f64 + 1e-5).sqrt() * g.data[j] + b.data[j]
                    })
                };
                let objective = |x: &Nd, g: &Nd, b: &Nd| -> f64 {
                    reference(x, g, b).data.iter().zip(&w).map(|(y, &w)| y * f64::from(w)).sum()
                };
                let slope = |of: &dyn Fn(f64) -> f64| (of(1e-5) - of(-1e-5)) / 2e-5;
                // Numbers around 30 have 2e-6 of their own.
                assert!(common::worst(&got, &reference(&nd, &g64, &b64).data) < 1e-5);
                for i in (0..len).step_by(1 + len / 20) {
                    let expected = slope(&|h| {
                        let mut moved = nd.clone();
                        moved.data[i] += h;
                        objective(&moved, &g64, &b64)
                    });
                    assert!(
                        (f64::from(dx[i]) - expected).abs() < 1e-5,
                        "dx[{i}] {} {expected}",
                        dx[i]
                    );
                }
                for j in 0..c {
                    let at = |v: &Nd, h: f64| {
                        let mut v = v.clone();
                        v.data[j] += h;
                        v
                    };
                    let dg = slope(&|h| objective(&nd, &at(&g64, h), &b64));
                    let db = slope(&|h| objective(&nd, &g64, &at(&b64, h)));
                    let scale = dg.abs().max(db.abs()).max(1.0);
                    assert!((f64::from(dparams[j]) - dg).abs() < 2e-5 * scale, "dgamma");
                    assert!((f64::from(dparams[c + j]) - db).abs() < 2e-5 * scale, "dbeta");
                    let column: Vec<f64> = nd.data.iter().skip(j).step_by(c).copied().collect();
                    let mean = column.iter().sum::<f64>() / rows;
                    let var = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (rows - 1.0);
                    let expected = if train {
                        [0.5 + 0.1 * (mean - 0.5), 2.0 + 0.1 * (var - 2.0)]
                    } else {
                        [0.5, 2.0]
                    };
                    assert!((f64::from(moved[j]) - expected[0]).abs() < 1e-5);
                    assert!((f64::from(moved[c + j]) - expected[1]).abs() < 1e-5);
                }
            }
        }
    }
}

#[test]
fn dropout_keeps_its_share_and_its_gradient_the_same_elements() {
    let n = 4001;
    let mut g = Graph::new(&ParamSet::new(), &targets()[0]);
    let x = g.input_with_gradient("x", &[n]);
    let a = g.dropout(x, 0.25);
    let b = g.dropout(a, 0.5);
    let b = g.keep(b);
    let loss = g.sum(b, &[0], false);
    g.backward(loss);
    let dx = g.gradient(x).unwrap();
    let mut p = Program::new(gpu(), g.plan().unwrap(), &common::no_params()).unwrap();
    p.write(x, &vec![1.0; n]).unwrap();
    let mut run = |seed: u64, step: u32| {
        p.run(&Pass { seed, step, row: 0 }).unwrap();
        (pollster::block_on(p.read(b)).unwrap(), pollster::block_on(p.read(dx)).unwrap())
    };
    let (y, dy) = run(1, 7);
    assert_eq!(y, dy);
    assert!(y.iter().all(|&v| v == 0.0 || (v - 1.0 / (0.75 * 0.5)).abs() < 1e-6));
    let kept = y.iter().filter(|v| **v != 0.0).count() as f64 / n as f64;
    // The standard error of the share is 0.0077.
    assert!((kept - 0.375).abs() < 0.03, "{kept}");
    assert_eq!(run(1, 7).0, y, "the same step draws the same");
    assert_ne!(run(1, 8).0, y);
    assert_ne!(run(2, 7).0, y);
}
