//! The line between two networks: its images and errors against plain f64.

mod common;

use common::{gpu, zoo};
use pollster::block_on;
use weightlab_data::{MemStore, Zoo, ZooManifest};
use weightlab_lab::path::{Path, PathOptions, path};
use weightlab_nets::align::{AlignSettings, Order, Pair, host};
use weightlab_nets::mix::Mix;
use weightlab_nets::symmetry::moves;
use weightlab_nets::{Convention, Mlp, image_grid, reference};

fn options(pair: (u64, u64)) -> PathOptions {
    PathOptions { pair, steps: 5, methods: Mix::ALL.to_vec(), seed: 3 }
}

fn mse(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / x.len() as f64
}

/// What the strip of a method whose moves are known should be.
fn check(zoo: &Zoo<MemStore>, path: &Path, how: Mix, b_moved: &[f64]) {
    let (all, mlp) = (block_on(zoo.load_all()).unwrap(), &zoo.manifest().mlp);
    let exact = |i: usize| all.net(i).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let (a, grid) = (exact(2), image_grid(7, 5));
    let grid: Vec<f64> = grid.into_iter().map(f64::from).collect();
    let targets = block_on(zoo.read_targets()).unwrap().unwrap();
    let image = |object: i64| -> Vec<f64> {
        targets.find(object).unwrap().iter().map(|&p| f64::from(p) / 255.0).collect()
    };
    let ends = [image(all.objects[2]), image(all.objects[9])];
    let strip = path.strips.iter().find(|s| s.method == Some(how)).expect("the strip");
    assert_eq!(strip.points.len(), 5);
    for (k, (point, drawn)) in strip.points.iter().zip(strip.images.chunks_exact(35)).enumerate() {
        let t = k as f64 / 4.0;
        let between = |x: &[f64], y: &[f64]| -> Vec<f64> {
            x.iter().zip(y).map(|(x, y)| (1.0 - t) * x + t * y).collect()
        };
        let output = reference::forward(mlp, &between(&a, b_moved), &grid);
        for (x, y) in drawn.iter().zip(&output) {
            // f32 weights, and phases of up to some 20 rad.
            assert!((f64::from(*x) - y).abs() < 2e-5, "{how:?}, t = {t}: {x} {y}");
        }
        let expected = [
            mse(&output, &between(&ends[0], &ends[1])),
            mse(&output, &ends[0]),
            mse(&output, &ends[1]),
        ];
        for (got, expected) in
            [point.mse_blend, point.mse_first, point.mse_second].iter().zip(expected)
        {
            assert!((got - expected).abs() < 1e-4 * expected, "{how:?}, t = {t}: {got} {expected}");
        }
        assert_eq!((point.t, point.mse_nearer()), (t, point.mse_first.min(point.mse_second)));
    }
    let distance = strip.squared_distance.unwrap();
    let expected = a.len() as f64 * mse(&a, b_moved);
    assert!((distance - expected).abs() < 1e-6 * expected, "{distance} {expected}");
}

#[test]
fn strips_are_what_plain_arithmetic_says() {
    let (gpu, zoo) = (gpu(), zoo());
    let path = block_on(path(&gpu, &zoo, &options((2, 9)))).unwrap();
    assert!(path.against_images);
    assert_eq!(
        path.strips.iter().map(|s| s.name()).collect::<Vec<_>>(),
        ["pixels", "direct", "random", "aligned", "signed"]
    );
    let (all, mlp) = (block_on(zoo.load_all()).unwrap(), &zoo.manifest().mlp);
    let exact = |i: usize| all.net(i).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let (a, b) = (exact(2), exact(9));
    check(&zoo, &path, Mix::Direct, &b);
    let pair = Pair { a: 0, b: 0, stream: [0, 0] };
    for how in [Mix::Aligned, Mix::Signed] {
        let settings = AlignSettings {
            method: how.method().unwrap(),
            order: Order::Random { seed: 3 },
            ..AlignSettings::default()
        };
        let (found, _, _) = host::align_pair(mlp, &a, &b, &settings, 0, &pair).unwrap();
        check(&zoo, &path, how, &moves::apply(mlp, &b, &found));
    }
    // A random permutation leaves both ends alone and is not the identity.
    let [direct, random] = [1, 2].map(|i| &path.strips[i]);
    for end in [0, 4] {
        let difference = (direct.points[end].mse_first - random.points[end].mse_first).abs();
        assert!(difference < 1e-5 * direct.points[end].mse_first.max(1e-3), "{difference}");
    }
    assert!((direct.points[2].mse_first - random.points[2].mse_first).abs() > 1e-6);
    // Averages of images are the averages of images.
    assert!(path.strips[0].points.iter().all(|p| p.mse_blend == 0.0));
    assert!(
        path.strips[0].points[0].mse_first == 0.0 && path.strips[0].points[4].mse_second == 0.0
    );
}

#[test]
fn table_and_picture_say_the_same() {
    let (gpu, zoo) = (gpu(), zoo());
    let path = block_on(path(&gpu, &zoo, &options((0, 13)))).unwrap();
    let csv = path.csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + 5 * 5);
    assert_eq!(lines[0], "method,t,mse_blend,mse_nearer,mse_first,mse_second,psnr_blend_db");
    let signed: Vec<&str> = lines[21].split(',').collect();
    assert_eq!(signed[..2], ["signed", "0"]);
    assert_eq!(signed[2].parse::<f64>().unwrap(), path.strips[4].points[0].mse_blend);
    let db: f64 = signed[6].parse().unwrap();
    assert!((db + 10.0 * path.strips[4].points[0].mse_blend.log10()).abs() < 1e-6, "{db}");
    let png = path.png().unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    let png = |p: &Path| p.png().unwrap();
    let mut other = path.clone();
    other.strips[4].points[2].mse_blend *= 3.0;
    assert!(png(&path) != png(&other), "the chart does not show the errors");
    let mut other = path.clone();
    let pixel = &mut other.strips[4].images[2 * 35 + 17];
    *pixel = if *pixel > 0.5 { 0.0 } else { 1.0 };
    assert!(png(&path) != png(&other), "the strip does not show the images");
}

#[test]
fn impossible_lines_are_refused() {
    let (gpu, zoo) = (gpu(), zoo());
    let refused = |zoo: &Zoo<MemStore>, options: PathOptions| {
        let error = block_on(path(&gpu, zoo, &options)).unwrap_err();
        assert!(error.is_usage(), "{error}");
        error.to_string()
    };
    assert!(refused(&zoo, options((0, 14))).contains("no network 14"));
    for steps in [0, 1, 102] {
        let told = refused(&zoo, PathOptions { steps, ..options((0, 1)) });
        assert!(told.contains(&format!("--steps {steps}")), "{told}");
    }
    let mlp = Mlp::new(&[3, 4, 1], Convention::Dwsnets).unwrap();
    let solid = block_on(Zoo::create(MemStore::new(), ZooManifest::new(mlp, 0))).unwrap();
    let error = block_on(path(&gpu, &solid, &options((0, 1)))).unwrap_err().to_string();
    assert!(error.contains("3-4-1") && error.contains("picture"), "{error}");
}
