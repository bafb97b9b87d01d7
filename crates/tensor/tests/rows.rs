//! Operations over the last axis and losses against plain f64.

mod common;

use common::{Nd, Random, Tolerance, check};
use weightlab_tensor::{Graph, ParamSet, Pass, Program};

const SHAPES: [&[usize]; 6] = [&[3, 5], &[2, 3, 16], &[4, 1], &[7], &[0, 4], &[2, 150]];

/// exp and log of software renderers are good to a few 1e-6.
const LOOSE: Tolerance = Tolerance { forward: 4e-6, backward: 2e-5 };

fn softmax(z: &[f64]) -> Vec<f64> {
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|x| (x - top).exp()).sum();
    z.iter().map(|x| (x - top).exp() / sum).collect()
}

fn layer_norm(x: &[f64], eps: f64) -> Vec<f64> {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let var = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    x.iter().map(|v| (v - mean) / (var + eps).sqrt()).collect()
}

#[test]
fn softmax_and_its_logarithm() {
    for (i, shape) in SHAPES.iter().enumerate() {
        let wide = |x: f32| 4.0 * x;
        check(
            "softmax",
            &[shape],
            i as u32,
            wide,
            LOOSE,
            |g, x| g.softmax(x[0]),
            |x| x[0].lines(softmax),
        );
        check(
            "log softmax",
            &[shape],
            i as u32,
            wide,
            LOOSE,
            |g, x| g.log_softmax(x[0]),
            |x| x[0].lines(|l| softmax(l).iter().map(|p| p.ln()).collect()),
        );
    }
    // Rows of a view, written back through it.
    let turned = |g: &mut Graph, x| {
        let t = g.permute(x, &[1, 2, 0]);
        let t = g.slice(t, 0, 1..3);
        g.softmax(t)
    };
    check(
        "softmax of a view",
        &[&[6, 4, 2]],
        9,
        |x| x,
        LOOSE,
        |g, x| turned(g, x[0]),
        |x| x[0].permute(&[1, 2, 0]).slice(0, 1..3).lines(softmax),
    );
}

#[test]
fn layer_norm_with_its_parameters() {
    for (i, shape) in [&[3, 5][..], &[2, 3, 16], &[2, 150], &[0, 4]].iter().enumerate() {
        let width = [*shape.last().unwrap()];
        check(
            "layer norm",
            &[shape, &width, &width],
            i as u32,
            |x| x,
            LOOSE,
            |g, x| g.layer_norm(x[0], x[1], x[2], 1e-5),
            |x| {
                let z = x[0].lines(|l| layer_norm(l, 1e-5));
                z.with(&x[1], |a, b| a * b).with(&x[2], |a, b| a + b)
            },
        );
    }
}

#[test]
fn vectors_of_length_one() {
    for shape in [&[3, 5][..], &[2, 100], &[4, 1]] {
        check(
            "normalise",
            &[shape],
            4,
            |x| x,
            LOOSE,
            |g, x| g.l2_normalize(x[0]),
            |x| {
                x[0].lines(|l| {
                    let norm = l.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
                    l.iter().map(|v| v / norm).collect()
                })
            },
        );
    }
}

fn cross_entropy(z: &Nd, t: &Nd) -> Nd {
    let (rows, width) = (z.shape[0], z.shape[1]);
    let loss: f64 = (0..rows)
        .map(|r| {
            let z = &z.data[r * width..(r + 1) * width];
            let t = &t.data[r * width..(r + 1) * width];
            softmax(z).iter().zip(t).map(|(p, t)| -t * p.ln()).sum::<f64>()
        })
        .sum();
    Nd::new(&[], vec![loss / rows as f64])
}

#[test]
fn cross_entropy_of_probabilities() {
    for (rows, classes) in [(5, 10), (1, 1), (70, 3), (2, 130)] {
        let mut random = Random::new(rows as u32);
        let targets: Vec<f32> = random.numbers(rows * classes).iter().map(|x| x.abs()).collect();
        let exact = Nd::new(&[rows, classes], targets.iter().map(|&x| f64::from(x)).collect());
        check(
            "cross entropy",
            &[&[rows, classes]],
            1,
            |x| 3.0 * x,
            LOOSE,
            |g, x| {
                let t = g.constant("targets", &[rows, classes], &targets);
                g.cross_entropy(x[0], t)
            },
            |x| cross_entropy(&x[0], &exact),
        );
    }
}

#[test]
fn cross_entropy_of_large_logits_is_finite() {
    for target in common::targets() {
        let mut g = Graph::new(&ParamSet::new(), &target);
        let z = g.input_with_gradient("logits", &[1, 3]);
        let t = g.constant("targets", &[1, 3], &[0.0, 1.0, 0.0]);
        let loss = g.cross_entropy(z, t);
        g.backward(loss);
        let (dz, loss) = (g.gradient(z).unwrap(), g.keep(loss));
        let mut p = Program::new(common::gpu(), g.plan().unwrap(), &common::no_params()).unwrap();
        p.write(z, &[1000.0, -1000.0, 0.0]).unwrap();
        p.run(&Pass::default()).unwrap();
        assert_eq!(pollster::block_on(p.read(loss)).unwrap(), [2000.0]);
        assert_eq!(pollster::block_on(p.read(dz)).unwrap(), [1.0, -1.0, 0.0]);
    }
}

#[test]
fn nt_xent_of_pairs() {
    for (pairs, width, temperature) in [(3, 4, 0.5), (6, 16, 0.1), (1, 3, 0.2), (40, 2, 0.7)] {
        check(
            "NT-Xent",
            &[&[2 * pairs, width]],
            pairs as u32,
            |x| x,
            // Divided by the temperature, rounding of cosines grows.
            Tolerance { forward: 1e-5, backward: 5e-5 },
            |g, x| g.nt_xent(x[0], temperature),
            |x| {
                let n = 2 * pairs;
                let z = x[0].lines(|l| {
                    let norm = l.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
                    l.iter().map(|v| v / norm).collect()
                });
                let s = z.matmul(&z.t()).map(|v| v / f64::from(temperature));
                let loss: f64 = (0..n)
                    .map(|i| {
                        let others: f64 =
                            (0..n).filter(|&k| k != i).map(|k| s.at(&[i, k]).exp()).sum();
                        others.ln() - s.at(&[i, (i + pairs) % n])
                    })
                    .sum();
                Nd::new(&[], vec![loss / n as f64])
            },
        );
    }
}

#[test]
fn hits_are_counted_and_nan_is_none() {
    for target in common::targets() {
        let mut g = Graph::new(&ParamSet::new(), &target);
        let z = g.input("logits", &[4, 3]);
        let t = g.input("targets", &[4, 3]);
        let hits = g.hits(z, t);
        let hits = g.keep(hits);
        let mut p = Program::new(common::gpu(), g.plan().unwrap(), &common::no_params()).unwrap();
        let nan = f32::NAN;
        p.write(z, &[0.0, 2.0, 1.0, 5.0, 5.0, 0.0, nan, 1.0, 0.0, -1.0, -3.0, -2.0]).unwrap();
        p.write(t, &[0.1, 0.7, 0.2, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
        p.run(&Pass::default()).unwrap();
        assert_eq!(pollster::block_on(p.read(hits)).unwrap(), [2.0]);
    }
}
