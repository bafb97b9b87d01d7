//! The midpoint experiment, against plain f64.

mod common;

use common::{gpu, mlp, zoo};
use pollster::block_on;
use std::collections::BTreeSet;
use weightlab_data::{MemStore, Zoo, ZooManifest};
use weightlab_lab::experiment::midpoints::{Finished, Kin, MidpointJob, MidpointOptions};
use weightlab_lab::{Job, LabError, Message};
use weightlab_nets::align::{AlignSettings, Order, Pair, host};
use weightlab_nets::mix::Mix;
use weightlab_nets::symmetry::moves;
use weightlab_nets::{image_grid, reference};

fn options(pairs: usize, kin: Kin) -> MidpointOptions {
    MidpointOptions { pairs, kin, seed: 3 }
}

fn run(zoo: &Zoo<MemStore>, options: MidpointOptions) -> (Finished, String) {
    let gpu = gpu();
    let mut job = block_on(MidpointJob::new(&gpu, zoo, options)).expect("a job");
    loop {
        match block_on(job.next()).expect("a message") {
            Message::Finished(finished) => return (finished, job.csv()),
            Message::Failed(failed) => panic!("{failed:?}"),
            _ => {}
        }
    }
}

fn mse(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / x.len() as f64
}

/// What is left of y once a x + b is taken away, by trying.
fn shape(x: &[f64], y: &[f64]) -> f64 {
    let error = |a: f64, b: f64| mse(&x.iter().map(|x| a * x + b).collect::<Vec<_>>(), y);
    let (mut best, mut at, mut step) = (error(0.0, 0.0), (0.0, 0.0), 1.0);
    while step > 1e-7 {
        let tries = [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)];
        match tries.map(|(a, b)| (at.0 + a, at.1 + b)).into_iter().find(|p| error(p.0, p.1) < best)
        {
            Some(better) => (best, at) = (error(better.0, better.1), better),
            None => step *= 0.5,
        }
    }
    best
}

#[test]
fn every_figure_is_what_plain_arithmetic_says() {
    let zoo = zoo();
    let (all, mlp) = (block_on(zoo.load_all()).unwrap(), mlp());
    let (finished, csv) = run(&zoo, options(9, Kin::Class));
    let grid: Vec<f64> = image_grid(7, 5).into_iter().map(f64::from).collect();
    let targets = block_on(zoo.read_targets()).unwrap().unwrap();
    let image = |object: i64| -> Vec<f64> {
        targets.find(object).unwrap().iter().map(|&p| f64::from(p) / 255.0).collect()
    };
    let rows: Vec<Vec<&str>> = csv.lines().skip(1).map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 9 * 4);
    let mut seen = BTreeSet::new();
    let mut sums = [0.0; 4];
    for (n, pair) in rows.chunks_exact(4).enumerate() {
        let [i, j] = [0, 1].map(|c| pair[0][c].parse::<usize>().unwrap());
        assert!(seen.insert((i.min(j), i.max(j))), "{i}, {j} twice");
        assert!(all.labels[i] == all.labels[j] && all.objects[i] != all.objects[j], "{i}, {j}");
        let [a, b] = [i, j].map(|i| all.net(i).iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        let [x, y] = [i, j].map(|i| image(all.objects[i]));
        let blend: Vec<f64> = x.iter().zip(&y).map(|(x, y)| 0.5 * (x + y)).collect();
        for (m, (how, row)) in Mix::ALL.iter().zip(pair).enumerate() {
            assert_eq!(row[2], how.name());
            let got: Vec<f64> = row[3..].iter().map(|x| x.parse().unwrap()).collect();
            sums[m] += got[0];
            let moved = match how.method() {
                Some(method) => {
                    let settings = AlignSettings {
                        method,
                        order: Order::Random { seed: 3 },
                        ..AlignSettings::default()
                    };
                    let key = Pair { a: 0, b: 0, stream: [n as u32, 0] };
                    let found = host::align_pair(&mlp, &a, &b, &settings, 0, &key).unwrap().0;
                    moves::apply(&mlp, &b, &found)
                }
                None if *how == Mix::Direct => b.clone(),
                // The permutation is the library's to draw; what it is good for is tested there.
                None => continue,
            };
            let middle: Vec<f64> = a.iter().zip(&moved).map(|(a, b)| 0.5 * (a + b)).collect();
            let output = reference::forward(&mlp, &middle, &grid);
            // omega_0 = 30; the first layer is 8 x 2 with its bias behind.
            let phases = grid.chunks_exact(2).flat_map(|p| {
                let (a, moved) = (&a, &moved);
                (0..8).map(move |k| {
                    let d = |at: usize| a[at] - moved[at];
                    30.0 * (d(2 * k) * p[0] + d(2 * k + 1) * p[1] + d(16 + k))
                })
            });
            let phases: Vec<f64> = phases.collect();
            let expected = [
                mse(&output, &blend),
                mse(&output, &x).min(mse(&output, &y)),
                a.len() as f64 * mse(&a, &moved),
                shape(&output, &blend),
                mse(&phases, &vec![0.0; phases.len()]).sqrt(),
            ];
            for (c, (got, expected)) in got.iter().zip(expected).enumerate() {
                // f32 outputs, whose phases reach some 20 rad.
                assert!((got - expected).abs() < 2e-4 * expected, "{how:?}, {c}: {got} {expected}");
            }
        }
    }
    for (row, sum) in finished.rows.iter().zip(sums) {
        assert!((row.mse_blend.mean - sum / 9.0).abs() < 1e-12);
        let more = (sum - sums[3]) / 9.0;
        assert!((row.more_than_signed.mean - more).abs() < 1e-12);
    }
    assert_eq!(finished.rows[3].signed_better, 0.0);
}

#[test]
fn networks_of_one_image() {
    let zoo = zoo();
    let all = block_on(zoo.load_all()).unwrap();
    let (finished, csv) = run(&zoo, options(7, Kin::Image));
    for row in csv.lines().skip(1) {
        let [i, j] = [0, 1].map(|c| row.split(',').nth(c).unwrap().parse::<usize>().unwrap());
        assert!(i != j && all.objects[i] == all.objects[j]);
    }
    // Both images are the same one.
    assert_eq!(finished.one_image.mean, 0.0);
    assert_eq!(finished.rows[0].mse_blend, finished.rows[0].mse_nearer);
    // The same seed, the same pairs.
    assert_eq!(run(&zoo, options(7, Kin::Image)).1, csv);
}

#[test]
fn what_cannot_be_answered_is_told() {
    let (gpu, full) = (gpu(), zoo());
    let refused = |zoo: &Zoo<MemStore>, options: MidpointOptions| -> LabError {
        block_on(MidpointJob::new(&gpu, zoo, options)).unwrap_err()
    };
    // Seven images with two networks each: seven pairs of one image.
    let error = refused(&full, options(8, Kin::Image));
    assert!(error.is_usage() && error.to_string().contains("7 of 8"), "{error}");
    assert!(refused(&full, options(0, Kin::Class)).to_string().contains("--pairs 0"));
    let empty = block_on(Zoo::create(MemStore::new(), ZooManifest::new(mlp(), 0))).unwrap();
    let error = refused(&empty, options(1, Kin::Class)).to_string();
    assert!(error.contains("images"), "{error}");
}
