//! Sums, means and maxima over axes against plain f64.

mod common;

use common::{Nd, Random, Tolerance, check};

fn subsets(rank: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..1 << rank).map(move |bits: usize| (0..rank).filter(|a| bits >> a & 1 == 1).collect())
}

fn largest(x: &[f64]) -> f64 {
    x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn every_choice_of_axes() {
    for (i, shape) in [&[2, 3, 4][..], &[3, 1, 8], &[5], &[2, 3, 2, 4], &[1]].iter().enumerate() {
        for axes in subsets(shape.len()) {
            let seed = i as u32;
            let what = format!("{axes:?}");
            check(
                &what,
                &[shape],
                seed,
                |x| x,
                Tolerance::default(),
                |g, x| g.sum(x[0], &axes, false),
                |x| x[0].fold(&axes, |l| l.iter().sum()),
            );
            check(
                &what,
                &[shape],
                seed,
                |x| x,
                Tolerance::default(),
                |g, x| g.mean(x[0], &axes, false),
                |x| x[0].fold(&axes, |l| l.iter().sum::<f64>() / l.len() as f64),
            );
            check(
                &what,
                &[shape],
                seed,
                |x| x,
                Tolerance::default(),
                |g, x| g.max(x[0], &axes, false),
                |x| x[0].fold(&axes, largest),
            );
        }
    }
}

#[test]
fn nothing_to_sum_is_zero() {
    check(
        "empty",
        &[&[3, 0, 2]],
        1,
        |x| x,
        Tolerance::default(),
        |g, x| g.sum(x[0], &[1], false),
        |_| Nd::new(&[3, 2], vec![0.0; 6]),
    );
    check(
        "no outputs",
        &[&[0, 3]],
        1,
        |x| x,
        Tolerance::default(),
        |g, x| g.max(x[0], &[1], false),
        |_| Nd::new(&[0], vec![]),
    );
}

#[test]
fn long_axes_are_cut_into_segments() {
    for shape in [&[700, 4][..], &[9000, 1], &[513, 3]] {
        check(
            "long",
            &[shape],
            4,
            |x| x,
            Tolerance::default(),
            |g, x| g.mean(x[0], &[0], true),
            |x| x[0].fold(&[0], |l| l.iter().sum::<f64>() / l.len() as f64).reshape(&[1, shape[1]]),
        );
        // Only the forward pass would be affordable in finite differences of 9000 numbers; maxima move one.
        if shape[0] < 1000 {
            check(
                "long",
                &[shape],
                5,
                |x| x,
                Tolerance::default(),
                |g, x| g.max(x[0], &[0], true),
                |x| x[0].fold(&[0], largest).reshape(&[1, shape[1]]),
            );
        }
    }
}

#[test]
fn kept_axes_broadcast_back() {
    check(
        "centred",
        &[&[3, 5, 4]],
        6,
        |x| x,
        Tolerance::default(),
        |g, x| {
            let m = g.mean(x[0], &[0, 2], true);
            let top = g.max(x[0], &[1], true);
            let c = g.sub(x[0], m);
            g.mul(c, top)
        },
        |x| {
            let m =
                x[0].fold(&[0, 2], |l| l.iter().sum::<f64>() / l.len() as f64).reshape(&[1, 5, 1]);
            let top = x[0].fold(&[1], largest).reshape(&[3, 1, 4]);
            x[0].with(&m, |a, b| a - b).with(&top, |a, b| a * b)
        },
    );
}

#[test]
fn views_and_repeats() {
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let order = random.pick(&[[2, 0, 1, 3], [3, 1, 0, 2], [1, 2, 3, 0]]);
        let axes = random.pick(&[&[0usize, 2][..], &[1], &[0, 1, 3], &[3]]);
        let check = |max: bool| {
            check(
                &format!("{order:?} {axes:?} {max}"),
                &[&[2, 3, 4, 5]],
                seed,
                |x| x,
                Tolerance::default(),
                |g, x| {
                    let v = g.permute(x[0], &order);
                    let v = g.slice(v, 1, 0..2);
                    if max { g.max(v, axes, false) } else { g.sum(v, axes, false) }
                },
                |x| {
                    let v = x[0].permute(&order).slice(1, 0..2);
                    v.fold(axes, |l| if max { largest(l) } else { l.iter().sum() })
                },
            );
        };
        check(true);
        check(false);
    }
    check(
        "repeated",
        &[&[3, 1]],
        9,
        |x| x,
        Tolerance::default(),
        |g, x| {
            let v = g.broadcast_to(x[0], &[2, 3, 4]);
            g.max(v, &[1], false)
        },
        |x| Nd::from_fn(&[2, 4], |_| largest(&x[0].data)),
    );
}

#[test]
fn the_first_maximum_gets_the_gradient() {
    use weightlab_tensor::{Graph, ParamSet, Pass, Program};
    for target in common::targets() {
        let mut g = Graph::new(&ParamSet::new(), &target);
        let x = g.input_with_gradient("x", &[2, 4]);
        let y = g.max(x, &[1], false);
        let loss = g.sum(y, &[0], false);
        g.backward(loss);
        let dx = g.gradient(x).unwrap();
        let y = g.keep(y);
        let mut p = Program::new(common::gpu(), g.plan().unwrap(), &common::no_params()).unwrap();
        p.write(x, &[1.0, 3.0, 3.0, 2.0, 5.0, f32::NAN, 7.0, 0.0]).unwrap();
        p.run(&Pass::default()).unwrap();
        let dx = pollster::block_on(p.read(dx)).unwrap();
        let y = pollster::block_on(p.read(y)).unwrap();
        assert_eq!(dx, [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert!(y[0] == 3.0 && y[1].is_nan(), "a NaN is hidden: {y:?}");
    }
}
