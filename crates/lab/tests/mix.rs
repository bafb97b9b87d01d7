//! The mixing job: what it writes.

mod common;

use common::{gpu, zoo, zoo_of};
use pollster::block_on;
use safetensors::SafeTensors;
use weightlab_data::{MemStore, Store, Zoo};
use weightlab_lab::derive::PairList;
use weightlab_lab::mix::MIXTURES_FILE;
use weightlab_lab::{Job, Message, MixJob, MixOptions};
use weightlab_nets::mix::{Lambda, Mix};

fn pairs() -> PairList {
    PairList((0..20).map(|i| (i % 14, (5 * i + 3) % 14)).collect())
}

fn run(method: Mix, lambda: Lambda) -> (Zoo<MemStore>, Zoo<MemStore>) {
    let (gpu, zoo, store) = (gpu(), zoo(), MemStore::new());
    let options = MixOptions { pairs: pairs(), method, lambda, seed: 3 };
    let mut job = block_on(MixJob::new(&gpu, &zoo, options, store.clone())).expect("a job");
    let mut last = None;
    while let Some(message) = block_on(job.next()) {
        last = Some(message);
    }
    drop(job);
    let Some(Message::Finished(finished)) = last else { panic!("{last:?}") };
    assert_eq!((finished.pairs, finished.classes), (20, 3));
    let new = block_on(Zoo::open(store)).unwrap();
    block_on(new.verify()).unwrap();
    assert!(new.manifest().is_complete() && new.manifest().splits.is_none());
    (zoo, new)
}

#[test]
fn parameters_and_labels_are_mixed_alike() {
    let (zoo, new) = run(Mix::Direct, Lambda::Uniform);
    let [old, back] = [&zoo, &new].map(|z| block_on(z.load_all()).unwrap());
    let file = block_on(new.read_beside(MIXTURES_FILE)).unwrap().expect("the mixtures");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let floats = |name: &str| -> Vec<f32> {
        let bytes = tensors.tensor(name).unwrap();
        bytes.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    let (lambdas, probabilities) = (floats("lambda"), floats("probabilities"));
    for (i, &(a, b)) in pairs().0.iter().enumerate() {
        let (a, b) = (a as usize, b as usize);
        let l = f64::from(lambdas[i]);
        // Drawn by the position in the job, whatever the batches; f32 steps of 2^-24.
        assert!((l - Lambda::Uniform.reference([i as u32, 0], 3)).abs() < 1e-6);
        for ((x, y), z) in old.net(a).iter().zip(old.net(b)).zip(back.net(i)) {
            let expected = l * f64::from(*x) + (1.0 - l) * f64::from(*y);
            // Parameters below 0.3 in f32.
            assert!((f64::from(*z) - expected).abs() < 1e-6, "pair {i}");
        }
        let mut expected = [0.0; 3];
        expected[old.labels[a] as usize] += l;
        expected[old.labels[b] as usize] += 1.0 - l;
        for (p, e) in probabilities[3 * i..][..3].iter().zip(expected) {
            assert!((f64::from(*p) - e).abs() < 1e-6, "pair {i}");
        }
        assert_eq!(back.labels[i], old.labels[if l >= 0.5 { a } else { b }]);
        assert_eq!((back.objects[i], back.steps[i]), (i as i64, 0));
    }
}

#[test]
fn all_of_the_first_is_the_first() {
    for method in [Mix::Random, Mix::Aligned, Mix::Signed] {
        let (zoo, new) = run(method, Lambda::Constant(1.0));
        let [old, back] = [&zoo, &new].map(|z| block_on(z.load_all()).unwrap());
        for (i, &(a, _)) in pairs().0.iter().enumerate() {
            assert_eq!(back.net(i), old.net(a as usize), "{method:?}, pair {i}");
        }
    }
}

#[test]
fn impossible_shares_and_positions_are_refused() {
    let (gpu, zoo, store) = (gpu(), zoo(), MemStore::new());
    for (pairs, lambda, word) in [
        (pairs(), 1.5, "lambda = 1.5"),
        (pairs(), f32::NAN, "lambda = NaN"),
        (PairList(vec![(0, 99)]), 0.5, "network 99"),
    ] {
        let options =
            MixOptions { pairs, method: Mix::Direct, lambda: Lambda::Constant(lambda), seed: 0 };
        let error = block_on(MixJob::new(&gpu, &zoo, options, store.clone())).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(word), "{error}");
    }
    assert_eq!(block_on(store.list()).unwrap(), Vec::<String>::new());
}

/// Classes of the zoo, warnings, and the probabilities of one mixture.
fn mixed(zoo: &Zoo<MemStore>, pair: (u64, u64)) -> (u64, Vec<String>, Vec<f32>, Zoo<MemStore>) {
    let (gpu, store) = (gpu(), MemStore::new());
    let options = MixOptions {
        pairs: PairList(vec![pair]),
        method: Mix::Direct,
        lambda: Lambda::Constant(0.25),
        seed: 0,
    };
    let mut job = block_on(MixJob::new(&gpu, zoo, options, store.clone())).expect("a job");
    let (mut classes, mut warnings) = (0, Vec::new());
    while let Some(message) = block_on(job.next()) {
        match message {
            Message::Warning(warning) => warnings.push(warning.what),
            Message::Finished(finished) => classes = finished.classes,
            Message::Failed(failed) => panic!("{failed:?}"),
            _ => {}
        }
    }
    drop(job);
    let new = block_on(Zoo::open(store)).unwrap();
    let file = block_on(new.read_beside(MIXTURES_FILE)).unwrap().expect("the mixtures");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let bytes = tensors.tensor("probabilities").unwrap().data().to_vec();
    let shares = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    (classes, warnings, shares.collect(), new)
}

/// Parts of a job agree on the classes, whatever pairs they have.
#[test]
fn classes_are_those_of_the_whole_zoo() {
    let zoo = zoo_of(|net| i64::from(net % 4));
    let (classes, warnings, shares, mixtures) = mixed(&zoo, (0, 1));
    assert_eq!((classes, warnings, shares), (4, vec![], vec![0.25, 0.75, 0.0, 0.0]));
    // Mixed once more, the shares are gone, and that is said.
    let (_, warnings, shares, _) = mixed(&mixtures, (0, 0));
    assert!(warnings.len() == 1 && warnings[0].contains("mixtures"), "{warnings:?}");
    assert_eq!(shares, [0.0, 1.0]);
}

#[test]
fn labels_that_are_none_are_told() {
    let zoo = zoo_of(|net| i64::from(net) - 1);
    let (classes, warnings, shares, _) = mixed(&zoo, (0, 1));
    assert!(warnings.len() == 1 && warnings[0].contains("1 of 1 pairs"), "{warnings:?}");
    assert!(classes == 13 && shares.iter().all(|p| p.is_nan()), "{classes} {shares:?}");
    let zoo = zoo_of(|net| if net == 9 { 10_000_000_000 } else { 0 });
    let options = MixOptions {
        pairs: PairList(vec![(0, 1)]),
        method: Mix::Direct,
        lambda: Lambda::Uniform,
        seed: 0,
    };
    let store = MemStore::new();
    let error = block_on(MixJob::new(&gpu(), &zoo, options, store.clone())).unwrap_err();
    let words = error.to_string();
    assert!(words.contains("network 9") && words.contains("10000000000"), "{words}");
    assert_eq!(block_on(store.list()).unwrap(), Vec::<String>::new());
}
