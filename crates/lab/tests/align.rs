//! The alignment job: what it writes, and that networks draw what they drew.

mod common;

use common::{gpu, zoo};
use pollster::block_on;
use safetensors::SafeTensors;
use weightlab_data::{MemStore, Shard, Store, Zoo, ZooManifest};
use weightlab_gpu::Gpu;
use weightlab_lab::align::{ALIGNMENT_FILE, Finished};
use weightlab_lab::derive::PairList;
use weightlab_lab::{AlignJob, AlignOptions, Job, Message};
use weightlab_nets::align::{AlignSettings, Method, Order, Pair, host};
use weightlab_nets::symmetry::moves;
use weightlab_nets::{Activation, Convention, Mlp, evaluate, image_grid};

fn options(pairs: &[(u64, u64)], method: Method) -> AlignOptions {
    AlignOptions { pairs: PairList(pairs.to_vec()), method, ascending: false, seed: 3 }
}

fn run(gpu: &Gpu, zoo: &Zoo<MemStore>, options: AlignOptions) -> (Zoo<MemStore>, Finished) {
    let store = MemStore::new();
    let mut job = block_on(AlignJob::new(gpu, zoo, options, store.clone())).expect("a job");
    let mut last = None;
    while let Some(message) = block_on(job.next()) {
        last = Some(message);
    }
    drop(job);
    let Some(Message::Finished(finished)) = last else { panic!("{last:?}") };
    let zoo = block_on(Zoo::open(store)).unwrap();
    block_on(zoo.verify()).unwrap();
    (zoo, finished)
}

fn whole(tensors: &SafeTensors<'_>, name: &str) -> Vec<i64> {
    let data = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    data.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()
}

fn real(tensors: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    whole(tensors, name).into_iter().map(|x| f64::from_bits(x as u64)).collect()
}

/// More pairs than one batch of a software renderer, so that batches are seen not to matter.
fn pairs() -> Vec<(u64, u64)> {
    (0..20).map(|i| (i % 14, (5 * i + 3) % 14)).collect()
}

#[test]
fn every_second_network_is_moved_as_the_oracle_moves_it() {
    let (gpu, zoo) = (gpu(), zoo());
    let (mlp, all) = (zoo.manifest().mlp.clone(), block_on(zoo.load_all()).unwrap());
    let net = |i: u64| all.net(i as usize).iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    for method in [Method::WeightMatching, Method::Signed] {
        let (new, finished) = run(&gpu, &zoo, options(&pairs(), method));
        let back = block_on(new.load_all()).unwrap();
        let file = block_on(new.read_beside(ALIGNMENT_FILE)).unwrap().expect("the file of moves");
        let tensors = SafeTensors::deserialize(&file).unwrap();
        let sources = [0, 1].map(|l| whole(&tensors, &format!("source.{l}")));
        let objectives = ["before", "after"].map(|w| real(&tensors, &format!("objective_{w}")));
        let order = Order::Random { seed: 3 };
        let settings = AlignSettings { method, order, ..AlignSettings::default() };
        for (i, &(a, b)) in pairs().iter().enumerate() {
            let pair = Pair { a: 0, b: 0, stream: [i as u32, 0] };
            let (found, _, _) =
                host::align_pair(&mlp, &net(a), &net(b), &settings, 0, &pair).unwrap();
            let expected = moves::apply(&mlp, &net(b), &found);
            // Shifts are f32 in both; nothing else rounds.
            for (x, y) in back.net(i).iter().zip(&expected) {
                assert!((f64::from(*x) - y).abs() < 1e-6, "pair {i}: {x} {y}");
            }
            let permutations = moves::permutations(&mlp, &found);
            for (source, expected) in sources.iter().zip(&permutations) {
                let expected: Vec<i64> = expected.iter().map(|&s| s as i64).collect();
                assert_eq!(source[8 * i..8 * (i + 1)], expected, "pair {i}");
            }
            // f32 sums of a hundred products below 0.1.
            let before = host::objective(&mlp, &net(a), &net(b), &moves::identity(&mlp)).inner;
            let after = host::objective(&mlp, &net(a), &net(b), &found).inner;
            assert!((objectives[0][i] - before).abs() < 1e-5);
            assert!((objectives[1][i] - after).abs() < 1e-5);
            if method == Method::WeightMatching {
                assert!(after >= before);
            }
            assert_eq!(back.objects[i], all.objects[b as usize]);
        }
        assert_eq!(tensors.tensor("row.0").is_ok(), method == Method::Signed);
        assert_eq!((finished.pairs, finished.converged), (20, 20));
        let grid = image_grid(7, 5);
        let draw = |p: &[f32]| block_on(evaluate(&gpu, &mlp, p, p.len() / all.net(0).len(), &grid));
        let (now, before) = (draw(&back.params).unwrap(), draw(&all.params).unwrap());
        for (i, &(_, b)) in pairs().iter().enumerate() {
            let (now, before) = (&now[35 * i..][..35], &before[35 * b as usize..][..35]);
            // The law of what preserves the function.
            assert!(now.iter().zip(before).all(|(x, y)| (x - y).abs() < 1e-5), "pair {i}");
        }
        let derived = new.manifest().derived.as_ref().unwrap();
        assert_eq!((derived.operation.as_str(), derived.nets), ("align", 20));
        assert_eq!(derived.parameters["method"], method.name());
    }
}

fn wide(width: usize, nan: bool) -> Zoo<MemStore> {
    let mlp = Mlp::new(&[2, width, 1], Convention::Dwsnets).unwrap();
    let count = mlp.param_count();
    let mut zoo = block_on(Zoo::create(MemStore::new(), ZooManifest::new(mlp.clone(), 0))).unwrap();
    let mut params: Vec<f32> = (0..2 * count).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
    if nan {
        params[count + mlp.layers()[1].bias] = f32::INFINITY;
    }
    let (labels, zeros) = (vec![0; 2], vec![0; 2]);
    let shard = Shard {
        params,
        labels,
        objects: vec![0, 1],
        views: zeros.clone(),
        psnr: vec![f32::NAN; 2],
        steps: zeros,
    };
    block_on(zoo.append(&shard)).unwrap();
    zoo
}

#[test]
fn wide_layers_are_matched_too() {
    let gpu = gpu();
    let (new, finished) =
        run(&gpu, &wide(140, false), options(&[(0, 1), (0, 0)], Method::WeightMatching));
    assert!(finished.objective_after.min > finished.objective_before.min);
    assert_eq!(new.nets(), 2);
}

#[test]
fn what_cannot_be_aligned_is_told() {
    let (gpu, zoo) = (gpu(), zoo());
    let store = MemStore::new();
    let refused = |zoo: &Zoo<MemStore>, options: AlignOptions| {
        let error = block_on(AlignJob::new(&gpu, zoo, options, store.clone())).unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert_eq!(block_on(store.list()).unwrap(), Vec::<String>::new());
        error.to_string()
    };
    let beyond = refused(&zoo, options(&[(0, 14)], Method::Signed));
    assert!(beyond.contains("network 14") && beyond.contains("holds 14"), "{beyond}");
    let mut mlp = Mlp::new(&[1, 4, 1], Convention::Dwsnets).unwrap();
    mlp.activation = Activation::Relu;
    let relu = block_on(Zoo::create(MemStore::new(), ZooManifest::new(mlp, 0))).unwrap();
    assert!(refused(&relu, options(&[], Method::Signed)).contains("sine"));

    let bad = wide(4, true);
    let mut job =
        block_on(AlignJob::new(&gpu, &bad, options(&[(0, 1)], Method::Signed), MemStore::new()))
            .unwrap();
    let mut what = String::new();
    while let Some(message) = block_on(job.next()) {
        if let Message::Failed(failed) = message {
            what = failed.what;
        }
    }
    assert!(what.contains("network 1, layer 1: entry 0 of the bias"), "{what}");
    assert!(!job.zoo().manifest().is_complete());
}
