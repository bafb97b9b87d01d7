//! Reading networks by position, and zoos made from zoos.

mod common;

use common::{gpu, images, zoo};
use pollster::block_on;
use serde_json::json;
use weightlab_data::{MemStore, Shard, Store, Zoo, merge};
use weightlab_lab::LabError;
use weightlab_lab::derive::{Derivation, DerivedZoo, NetReader};
use weightlab_nets::{image_grid, reference};

fn derivation(nets: u64) -> Derivation {
    Derivation {
        operation: "copy",
        parameters: json!({"how": "as it is"}),
        seed: 9,
        nets,
        keep_targets: true,
    }
}

fn nets(zoo: &Zoo<MemStore>, positions: &[u64]) -> Shard {
    block_on(NetReader::new(zoo).unwrap().read(positions)).unwrap()
}

#[test]
fn networks_come_in_the_order_asked_for() {
    let zoo = zoo();
    let all = block_on(zoo.load_all()).unwrap();
    let some = [13, 0, 5, 5, 8, 1];
    let read = nets(&zoo, &some);
    for (i, &p) in some.iter().enumerate() {
        let p = p as usize;
        assert_eq!(read.net(i), all.net(p));
        assert_eq!((read.labels[i], read.objects[i]), (all.labels[p], all.objects[p]));
        assert_eq!((read.views[i], read.steps[i]), (all.views[p], all.steps[p]));
    }
    let error = block_on(NetReader::new(&zoo).unwrap().read(&[2, 14])).unwrap_err();
    assert!(matches!(error, LabError::NoSuchNet { index: 14, nets: 14, .. }), "{error}");
    assert!(error.is_usage());
}

#[test]
fn a_copy_has_the_same_networks_and_says_where_it_is_from() {
    let gpu = gpu();
    let zoo = zoo();
    let all = block_on(zoo.load_all()).unwrap();
    let mut copy =
        block_on(DerivedZoo::create(&gpu, MemStore::new(), &[&zoo], derivation(14))).unwrap();
    let mut checkpoints = 0;
    for chunk in [0..3u64, 3..11, 11..14] {
        let chunk = nets(&zoo, &chunk.collect::<Vec<_>>());
        checkpoints += block_on(copy.push(chunk)).unwrap().checkpoints.len();
    }
    assert_eq!(checkpoints, 4, "shards of four");
    let store = copy.zoo().store().clone();
    let copy = block_on(Zoo::open(store)).unwrap();
    let back = block_on(copy.load_all()).unwrap();
    assert_eq!(back.params, all.params);
    assert_eq!((&back.labels, &back.objects, &back.views), (&all.labels, &all.objects, &all.views));
    let mlp = &copy.manifest().mlp;
    let (images, grid) = (images(7), image_grid(7, 5));
    for (i, measured) in back.psnr.iter().enumerate() {
        let params: Vec<f64> = all.net(i).iter().map(|&p| f64::from(p)).collect();
        let target = images.target(all.objects[i] as usize, mlp.target_range);
        let error = |(x, y): (&[f32], &f32)| {
            let x = [f64::from(x[0]), f64::from(x[1])];
            (reference::forward(mlp, &params, &x)[0] - f64::from(*y)).powi(2)
        };
        let sum: f64 = grid.chunks_exact(2).zip(&target).map(error).sum();
        let expected = mlp.psnr(sum / target.len() as f64);
        // f32 against f64: some 1e-6 of outputs whose error is 0.3.
        assert!((f64::from(*measured) - expected).abs() < 1e-3, "{measured} for {expected}");
    }
    assert_eq!(block_on(copy.read_targets()).unwrap(), block_on(zoo.read_targets()).unwrap());
    let derived = copy.manifest().derived.as_ref().unwrap();
    assert_eq!((derived.operation.as_str(), derived.seed), ("copy", 9));
    assert_eq!(derived.from.len(), 1);
    let hash = weightlab_data::blake3_hex(&block_on(zoo.store().read("zoo.json")).unwrap());
    assert_eq!(derived.from[0].blake3, hash);
    assert!(copy.manifest().is_complete());

    // A copy of the copy knows both.
    let mut second =
        block_on(DerivedZoo::create(&gpu, MemStore::new(), &[&copy], derivation(2))).unwrap();
    block_on(second.push(nets(&copy, &[4, 7]))).unwrap();
    let origin = second.zoo().manifest().derived.as_ref().unwrap();
    assert_eq!(origin.from[0].derived.as_ref(), Some(derived));
}

#[test]
fn halves_made_apart_merge() {
    let gpu = gpu();
    let zoo = zoo();
    let half = |positions: &[u64]| {
        let mut half =
            block_on(DerivedZoo::create(&gpu, MemStore::new(), &[&zoo], derivation(7))).unwrap();
        block_on(half.push(nets(&zoo, positions))).unwrap();
        block_on(Zoo::open(half.zoo().store().clone())).unwrap()
    };
    let halves = [half(&[0, 1, 2, 3, 4, 5, 6]), half(&[7, 8, 9, 10, 11, 12, 13])];
    let (merged, _) = block_on(merge(&halves, MemStore::new())).unwrap();
    assert!(merged.manifest().is_complete());
    assert_eq!(
        block_on(merged.load_all()).unwrap().params,
        block_on(zoo.load_all()).unwrap().params
    );
    let error = block_on(merge(&[zoo, merged], MemStore::new())).unwrap_err().to_string();
    assert!(error.contains("derived: none in memory"), "{error}");
}

#[test]
fn an_ended_run_leaves_a_zoo_that_says_so() {
    let gpu = gpu();
    let zoo = zoo();
    let store = MemStore::new();
    let mut copy =
        block_on(DerivedZoo::create(&gpu, store.clone(), &[&zoo], derivation(14))).unwrap();
    block_on(copy.push(nets(&zoo, &[0, 1, 2, 3, 4, 5]))).unwrap();
    drop(copy);
    let left = block_on(Zoo::open(store.clone())).unwrap();
    assert_eq!((left.nets(), left.manifest().is_complete()), (4, false));
    let reading = NetReader::new(&left).unwrap_err();
    let text = reading.to_string();
    assert!(text.contains("4 of the 14") && text.contains("copy"), "{text}");
    assert!(text.contains("run that command again"), "{text}");
    // Another command leaves it alone; the same one begins anew.
    let another = Derivation { operation: "another", ..derivation(14) };
    let error = block_on(DerivedZoo::create(&gpu, store.clone(), &[&zoo], another)).unwrap_err();
    assert!(error.to_string().contains("4 of the 14"), "{error}");
    let again = block_on(DerivedZoo::create(&gpu, store, &[&zoo], derivation(14))).unwrap();
    assert_eq!(again.zoo().nets(), 0);
    let other = block_on(DerivedZoo::create(&gpu, zoo.store().clone(), &[&zoo], derivation(14)));
    assert!(other.is_err_and(|e| e.is_usage() && e.to_string().contains("already holds a zoo")));
}

#[test]
fn an_infinite_parameter_is_named() {
    let gpu = gpu();
    let zoo = zoo();
    let mut bad = nets(&zoo, &[0, 1, 2]);
    let stride = bad.params.len() / 3;
    let layers = zoo.manifest().mlp.layers();
    bad.params[stride + layers[1].bias + 2] = f32::INFINITY;
    let mut copy =
        block_on(DerivedZoo::create(&gpu, MemStore::new(), &[&zoo], derivation(3))).unwrap();
    block_on(copy.push(bad)).unwrap();
    let error = block_on(NetReader::new(copy.zoo()).unwrap().read(&[0, 1])).unwrap_err();
    assert!(
        matches!(error, LabError::NotFinite { net: 1, layer: 1, tensor: "bias", entry: 2, .. }),
        "{error}"
    );
}
