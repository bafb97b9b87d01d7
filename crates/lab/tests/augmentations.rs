//! The figure of all augmentations: its rows against plain f64 and against what they promise.

mod common;

use common::{gpu, images, mlp, zoo};
use pollster::block_on;
use weightlab_data::{MemStore, Zoo, ZooManifest};
use weightlab_lab::experiment::augmentations::{Figure, Group, augmentations, one_of_each_class};
use weightlab_nets::{Activation, Convention, Mlp, image_grid, reference};

fn row<'a>(figure: &'a Figure, op: &str) -> &'a weightlab_lab::experiment::augmentations::Row {
    figure.rows.iter().find(|r| r.op == op).unwrap_or_else(|| panic!("no row {op}"))
}

#[test]
fn rows_do_what_they_say() {
    let (gpu, zoo) = (gpu(), zoo());
    let figure = block_on(augmentations(&gpu, &zoo, 3)).unwrap();
    let (all, mlp) = (block_on(zoo.load_all()).unwrap(), mlp());
    assert_eq!((figure.shape, figure.titles.len()), ([7, 5, 1], 14));
    let grid: Vec<f64> = image_grid(7, 5).into_iter().map(f64::from).collect();
    let exact = |i: usize| all.net(i).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let is = |images: &[f32], net: usize, params: &[f64]| {
        let expected = reference::forward(&mlp, params, &grid);
        for (x, y) in images[35 * net..][..35].iter().zip(expected) {
            // f32, phases of up to some 20 rad.
            assert!((f64::from(*x) - y).abs() < 2e-5, "network {net}: {x} {y}");
        }
    };
    let network = &figure.rows[1];
    let direct = row(&figure, "mix:lambda=0.5,method=direct");
    for net in 0..14 {
        is(&network.images, net, &exact(net));
        let next = exact((net + 1) % 14);
        let half: Vec<f64> = exact(net).iter().zip(next).map(|(x, y)| 0.5 * (x + y)).collect();
        is(&direct.images, net, &half);
    }
    // The images that were fitted, two networks each.
    let pixels = images(7).pixels;
    for (x, p) in figure.rows[0].images[35 * 2..][..35].iter().zip(&pixels[35..]) {
        assert!((x - f32::from(*p) / 255.0).abs() < 1e-6);
    }
    let mut seen = 0;
    for row in &figure.rows[2..] {
        let (max, share) = (row.change.max.unwrap(), row.change.of_range.unwrap());
        match row.group {
            // The law of what preserves the function.
            Group::Same => assert!(share < 1e-5, "{}: {share}", row.op),
            _ => assert!(max > 1e-3, "{}: {max}", row.op),
        }
        seen += usize::from(row.group == Group::Same);
    }
    assert_eq!(seen, 3, "negation, bias and permutation");
    let other = block_on(augmentations(&gpu, &zoo, 4)).unwrap();
    let noise = "gaussian-noise:level=0.32";
    assert!(row(&other, noise).images != row(&figure, noise).images);
    assert!(other.rows[1].images == network.images);
}

#[test]
fn the_page_stands_alone_and_shows_everything() {
    let figure = block_on(augmentations(&gpu(), &zoo(), 0)).unwrap();
    let html = figure.html("weightlab experiment augmentations --zoo 'a & b'").unwrap();
    assert_eq!(html.matches("<img ").count(), 14 * figure.rows.len());
    assert_eq!(html.matches("data:image/png;base64,").count(), 14 * figure.rows.len());
    assert!(html.contains("--zoo 'a &amp; b' --out DIR"));
    assert!(!html.contains("<script") && !html.contains("http"));
    for row in &figure.rows {
        assert!(html.contains(&row.name) && html.contains(&row.op), "{}", row.name);
    }
    let png = figure.png().unwrap();
    let mut changed = figure.clone();
    let last = changed.rows.last_mut().unwrap().images.last_mut().unwrap();
    *last = if *last > 0.5 { 0.0 } else { 1.0 };
    assert!(png.starts_with(b"\x89PNG") && png != changed.png().unwrap());
}

#[test]
fn other_networks() {
    let gpu = gpu();
    let mut relu = Mlp::new(&[2, 4, 3], Convention::Dwsnets).unwrap();
    relu.activation = Activation::Relu;
    let mut zoo =
        block_on(Zoo::create(MemStore::new(), ZooManifest::new(relu.clone(), 0))).unwrap();
    let error = block_on(augmentations(&gpu, &zoo, 0)).unwrap_err().to_string();
    assert!(error.contains("networks 0"), "{error}");
    let shard = weightlab_data::Shard {
        params: (0..relu.param_count()).map(|i| (i as f32).sin()).collect(),
        labels: vec![-1],
        objects: vec![0],
        views: vec![0],
        psnr: vec![f32::NAN],
        steps: vec![0],
    };
    block_on(zoo.append(&shard)).unwrap();
    let figure = block_on(augmentations(&gpu, &zoo, 0)).unwrap();
    let names: Vec<&str> = figure.rows.iter().map(|r| r.name.as_str()).collect();
    assert!(names.contains(&"relu-scaling") && !names.contains(&"siren-bias"), "{names:?}");
    assert!(!names.contains(&"mix signed") && !names.contains(&"image"), "{names:?}");
    figure.png().unwrap();

    let solid = Mlp::new(&[3, 4, 1], Convention::Dwsnets).unwrap();
    let solid = block_on(Zoo::create(MemStore::new(), ZooManifest::new(solid, 0))).unwrap();
    let error = block_on(augmentations(&gpu, &solid, 0)).unwrap_err().to_string();
    assert!(error.contains("3-4-1"), "{error}");
}

#[test]
fn columns_are_of_different_classes() {
    let all = images(7);
    let some = one_of_each_class(&all, 4);
    assert_eq!(some.labels, Some(vec![0, 1, 2, 0]));
    assert_eq!(some.image(3), all.image(3));
    assert_eq!(one_of_each_class(&all, 99).len(), 7);
}
