//! The augmentation job: what it writes, and what it measures.

mod common;

use common::{gpu, zoo};
use pollster::block_on;
use weightlab_data::{MemStore, Shard, Store, Zoo, ZooManifest};
use weightlab_gpu::Gpu;
use weightlab_lab::augment::{Finished, Started, trial};
use weightlab_lab::derive::ids;
use weightlab_lab::{AugmentJob, AugmentOptions, Job, Message};
use weightlab_nets::symmetry::{Op, augment};
use weightlab_nets::{Activation, Convention, Mlp, NetBatch};

fn options(texts: &[&str]) -> AugmentOptions {
    AugmentOptions { ops: texts.iter().flat_map(|t| Op::parse(t).unwrap()).collect(), seed: 4 }
}

/// The new zoo, and the first and the last message.
fn run(gpu: &Gpu, zoo: &Zoo<MemStore>, texts: &[&str]) -> (Zoo<MemStore>, Started, Finished) {
    let store = MemStore::new();
    let mut job =
        block_on(AugmentJob::new(gpu, zoo, options(texts), store.clone())).expect("a job");
    let mut messages = Vec::new();
    while let Some(message) = block_on(job.next()) {
        messages.push(message);
    }
    let shards = messages.iter().filter(|m| matches!(m, Message::Checkpoint(_))).count();
    assert_eq!(shards, zoo.manifest().shards.len());
    match (messages.remove(0), messages.pop()) {
        (Message::Started(started), Some(Message::Finished(finished))) => {
            (block_on(Zoo::open(store)).unwrap(), started, finished)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_zoo_is_augmented_as_one_batch_would_be() {
    let (gpu, zoo) = (gpu(), zoo());
    let texts = ["combine", "rotate", "siren-bias", "permutation"];
    let (new, started, finished) = run(&gpu, &zoo, &texts);
    assert_eq!((started.nets, started.ops.len(), finished.nets), (14, 6, 14));
    let all = block_on(zoo.load_all()).unwrap();
    let batch = NetBatch::upload(&gpu, &zoo.manifest().mlp, &all.params, &ids(&all)).unwrap();
    let expected = augment(&batch, &options(&texts).ops, 4).unwrap();
    let back = block_on(new.load_all()).unwrap();
    assert_eq!(back.params, block_on(expected.read()).unwrap());
    assert_ne!(back.params, all.params);
    assert_eq!((back.labels, back.objects, back.views), (all.labels, all.objects, all.views));
    let derived = new.manifest().derived.as_ref().unwrap();
    let ops = derived.parameters["ops"].as_array().unwrap();
    assert_eq!(ops[0], "translate:range=0.25,depth=random");
    assert_eq!((derived.operation.as_str(), derived.seed, ops.len()), ("augment", 4, 6));
}

#[test]
fn what_is_measured_tells_the_operations_apart() {
    let (gpu, zoo) = (gpu(), zoo());
    let texts = ["siren-negation", "siren-bias", "permutation"];
    let (_, _, exact) = run(&gpu, &zoo, &texts);
    for change in exact.ops.iter().chain([&exact.overall]) {
        // The law: rounding only.
        assert!(change.of_range.unwrap() < 1e-5, "{change:?}");
        assert_eq!(change.effect, "preserves the function");
        assert_eq!(change.max_on_moved_input, None);
    }
    let (_, _, moved) = run(&gpu, &zoo, &["translate:depth=first", "rotate", "scale"]);
    for change in &moved.ops {
        assert!(change.of_range.unwrap() > 0.01, "{change:?}");
        // f32 phases of some tens, omega_0 w x: 1e-6 each, through the layers.
        assert!(change.max_on_moved_input.unwrap() < 1e-4, "{change:?}");
        assert!(change.nets_on_moved_input > 0);
    }
    let (_, _, noisy) = run(&gpu, &zoo, &["gaussian-noise"]);
    assert!(noisy.ops[0].of_range.unwrap() > 0.01 && noisy.ops[0].max_on_moved_input.is_none());
    assert_eq!(noisy.ops[0].max, noisy.overall.max);
    let [low, high] = noisy.output_range;
    assert!(low.unwrap() < high.unwrap());
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_written() {
    let (gpu, zoo) = (gpu(), zoo());
    let refused = |zoo: &Zoo<MemStore>, options: AugmentOptions| {
        let store = MemStore::new();
        let error = block_on(AugmentJob::new(&gpu, zoo, options, store.clone())).unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert_eq!(block_on(store.list()).unwrap(), Vec::<String>::new());
        error.to_string()
    };
    assert!(refused(&zoo, options(&[])).contains("--op"));
    let axis = refused(&zoo, options(&["permutation", "rotate-axis"]));
    assert!(axis.contains("2-8-8-1") && axis.contains("3-D input"), "{axis}");
    assert!(refused(&zoo, options(&["relu-scaling"])).contains("ReLU"));
    assert!(refused(&zoo, options(&["masking:probability=1"])).contains("below 1"));

    let mut mlp = Mlp::new(&[1, 4, 1], Convention::Dwsnets).unwrap();
    mlp.activation = Activation::Relu;
    let empty = block_on(Zoo::create(MemStore::new(), ZooManifest::new(mlp, 0))).unwrap();
    let bias = refused(&empty, options(&["siren-bias"]));
    assert!(bias.contains("sine") && bias.contains("ReLU"), "{bias}");
    // An empty zoo gives an empty zoo.
    let (new, _, finished) = run(&gpu, &empty, &["permutation"]);
    assert_eq!((new.nets(), finished.nets, finished.overall.max), (0, 0, None));
    assert!(new.manifest().is_complete());
}

#[test]
fn what_is_not_finite_is_named() {
    let (gpu, zoo) = (gpu(), zoo());
    let failed = |zoo: &Zoo<MemStore>, text: &str| {
        let store = MemStore::new();
        let mut job = block_on(AugmentJob::new(&gpu, zoo, options(&[text, text]), store)).unwrap();
        loop {
            match block_on(job.next()) {
                Some(Message::Failed(failed)) => return failed.what,
                Some(Message::Finished(f)) => panic!("{f:?}"),
                None => panic!("no end"),
                _ => {}
            }
        }
    };
    // Once is finite, twice is not.
    let what = failed(&zoo, "scale:low=1e38,high=3e38");
    assert!(what.contains("scale:low=") && what.contains("layer 0 of network 0"), "{what}");

    let mlp = zoo.manifest().mlp.clone();
    let mut bad = block_on(Zoo::create(MemStore::new(), ZooManifest::new(mlp.clone(), 0))).unwrap();
    let mut params = vec![0.1; 3 * mlp.param_count()];
    params[2 * mlp.param_count() + mlp.layers()[2].bias] = f32::NAN;
    let shard = Shard {
        params,
        labels: vec![0; 3],
        objects: vec![0, 1, 2],
        views: vec![0; 3],
        psnr: vec![f32::NAN; 3],
        steps: vec![0; 3],
    };
    block_on(bad.append(&shard)).unwrap();
    let what = failed(&bad, "permutation");
    assert!(what.contains("network 2, layer 2: entry 0 of the bias"), "{what}");
}

#[test]
fn a_job_that_is_dropped_leaves_a_zoo_that_says_so() {
    let (gpu, zoo) = (gpu(), zoo());
    let store = MemStore::new();
    let job = block_on(AugmentJob::new(&gpu, &zoo, options(&["scale"]), store.clone())).unwrap();
    drop(job);
    let left = block_on(Zoo::open(store.clone())).unwrap();
    assert!(!left.manifest().is_complete());
    let error =
        block_on(AugmentJob::new(&gpu, &left, options(&["scale"]), MemStore::new())).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("0 of the 14 networks that `augment` was to write"), "{text}");
    // Run again, it begins anew.
    let mut again =
        block_on(AugmentJob::new(&gpu, &zoo, options(&["scale"]), store.clone())).unwrap();
    while block_on(again.next()).is_some() {}
    drop(again);
    assert!(block_on(Zoo::open(store)).unwrap().manifest().is_complete());
}

#[test]
fn a_trial_is_what_the_job_does_to_that_network() {
    let (gpu, zoo) = (gpu(), zoo());
    let all = block_on(zoo.load_all()).unwrap();
    for (texts, words) in [
        (vec!["siren-negation", "rotate:degrees=20"], [" neurons are affected", "an angle of "]),
        (vec!["masking", "translate:depth=first"], [" numbers become 0", "bias of layer 1"]),
    ] {
        let (new, started, _) = run(&gpu, &zoo, &texts);
        let back = block_on(new.load_all()).unwrap();
        let net = 5;
        let trial =
            block_on(trial(&gpu, zoo.manifest(), all.net(net), ids(&all)[net], &options(&texts)))
                .unwrap();
        assert_eq!(trial.params, back.net(net));
        let changed = trial.params.iter().zip(all.net(net)).filter(|(x, y)| x != y).count();
        assert_eq!((trial.changed, trial.points as u64), (changed, started.points));
        assert!(trial.ops[0].max.is_some() && trial.overall.max.is_some());
        assert!(trial.ops[1].max_on_moved_input.unwrap() < 1e-4, "{:?}", trial.ops);
        for (said, words) in trial.draws.iter().zip(words) {
            assert!(said.contains(words), "{said}");
        }
    }
    let none = block_on(trial(&gpu, zoo.manifest(), all.net(0), ids(&all)[0], &options(&[])));
    assert!(none.unwrap_err().is_usage());
}
