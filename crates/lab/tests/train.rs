//! The training job: what it learns, writes, refuses, and that it goes on bit for bit.

mod common;

use common::{gpu, mlp};
use pollster::block_on;
use std::collections::BTreeMap;
use weightlab_data::{MemStore, Shard, SourceInfo, SourceKind, Store, Zoo, ZooManifest};
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_kernels::philox;
use weightlab_lab::message::Message;
use weightlab_lab::train::{
    CHECKPOINT_FILE, CONFIG_FILE, CONFUSION_FILE, CURVES_FILE, EVENTS_FILE, Epoch, Finished,
    METRICS_FILE, MODEL_FILE, RUN_FILE, RunInfo, TrainProblem, evaluate_run, read_config,
    read_state,
};
use weightlab_lab::{Job, LabError, TrainJob, TrainOptions};
use weightlab_learn::plain::{MlpConfig, TransformerConfig};
use weightlab_learn::train::TrainConfig;
use weightlab_learn::{DwsConfig, ModelConfig};
use weightlab_nets::{Convention, Mlp};

type Job_ = TrainJob<MemStore>;

/// How a zoo for training is made.
struct Make {
    mlp: Mlp,
    nets: u32,
    label: fn(u32) -> i64,
    /// Which network's numbers it has: others' are copies.
    numbers: fn(u32) -> u32,
    key: u32,
    change: fn(&mut ZooManifest),
}

impl Default for Make {
    fn default() -> Make {
        let label = |net: u32| i64::from(net % 3);
        Make { mlp: mlp(), nets: 60, label, numbers: |net| net, key: 1, change: |_| {} }
    }
}

impl Make {
    /// Random networks, whose class shows in their last bias.
    fn zoo(&self) -> Zoo<MemStore> {
        let mut manifest = ZooManifest::new(self.mlp.clone(), 5);
        manifest.nets_per_shard = 32;
        (self.change)(&mut manifest);
        let mut zoo = block_on(Zoo::create(MemStore::new(), manifest)).unwrap();
        for first in (0..self.nets).step_by(32) {
            let mut shard = Shard::default();
            for net in first..self.nets.min(first + 32) {
                let numbers = (self.numbers)(net);
                let word = |p: usize| {
                    let counter = [p as u32, numbers, 0, 0];
                    philox::symmetric(philox::philox4x32(counter, [self.key, 2])[0])
                };
                let label = (self.label)(net);
                let mut params: Vec<f32> = (0..self.mlp.param_count()).map(word).collect();
                *params.last_mut().unwrap() += 2.0 * label as f32;
                shard.params.extend(params);
                shard.labels.push(label);
                shard.objects.push(i64::from(net));
                shard.views.push(0);
                shard.psnr.push(f32::NAN);
                shard.steps.push(0);
            }
            block_on(zoo.append(&shard)).unwrap();
        }
        zoo
    }
}

fn config(epochs: u32) -> TrainConfig {
    TrainConfig {
        epochs,
        batch: 12,
        validation_share: 0.2,
        augment: "siren-negation+mixup-aligned".parse().unwrap(),
        model: ModelConfig::Dws(DwsConfig { hidden: 8, hidden_layers: 1, ..DwsConfig::default() }),
        ..TrainConfig::default()
    }
}

fn job(
    zoo: &Zoo<MemStore>,
    test: Option<&Zoo<MemStore>>,
    config: TrainConfig,
    resume: bool,
    out: MemStore,
) -> Result<Job_, LabError> {
    let options = TrainOptions { config, resume, init: None };
    block_on(TrainJob::new(&gpu(), zoo, test, options, out))
}

fn refused(zoo: &Zoo<MemStore>, test: Option<&Zoo<MemStore>>, config: TrainConfig) -> TrainProblem {
    match job(zoo, test, config, false, MemStore::new()).map(drop) {
        Err(LabError::Train(problem)) => *problem,
        other => panic!("{other:?}"),
    }
}

fn pull(job: &mut Job_) -> (Vec<Epoch>, Option<Finished>) {
    let (mut epochs, mut end) = (Vec::new(), None);
    while let Some(message) = block_on(job.next()) {
        match message {
            Message::Epoch(epoch) => epochs.push(epoch),
            Message::Finished(finished) => end = Some(finished),
            Message::Failed(failed) => panic!("{failed:?}"),
            _ => {}
        }
    }
    (epochs, end)
}

fn file(store: &MemStore, name: &str) -> Vec<u8> {
    block_on(store.read(name)).unwrap()
}

#[test]
fn it_learns_writes_and_is_evaluated() {
    let (zoo, test) = (Make::default().zoo(), Make { key: 9, ..Make::default() }.zoo());
    let out = MemStore::new();
    let mut job = job(&zoo, Some(&test), config(16), false, out).unwrap();
    let (epochs, end) = pull(&mut job);
    let end = end.unwrap();
    let score = end.test.clone().unwrap();
    println!("{:?}\n{score:?}", epochs.last());
    assert_eq!(epochs.len(), 16);
    assert!(score.accuracy > 0.6 && score.nets == 60, "{score:?}");
    // The best epoch is the last of those with the best accuracy on validation networks.
    let top = epochs.iter().filter_map(|e| e.validation_accuracy).fold(0.0, f64::max);
    let latest = epochs.iter().rev().find(|e| e.validation_accuracy == Some(top)).unwrap();
    assert_eq!((end.best_epoch, end.validation_accuracy), (latest.epoch, Some(top)));
    assert_eq!(latest.test_accuracy, Some(score.accuracy));

    let run = job.run();
    let text = String::from_utf8(file(run, CONFIG_FILE)).unwrap();
    // What was asked for, with the zoo's classes.
    let mut resolved = config(16);
    let ModelConfig::Dws(dws) = &mut resolved.model else { panic!("DWS") };
    dws.classes = 3;
    assert_eq!(read_config(&text, "config").unwrap(), resolved);
    let lines: Vec<Epoch> = String::from_utf8(file(run, METRICS_FILE))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, epochs);
    for name in [CONFUSION_FILE, CURVES_FILE] {
        assert!(file(run, name).starts_with(b"\x89PNG"), "{name}");
    }
    assert!(file(run, EVENTS_FILE).windows(13).any(|w| w == b"accuracy/test"));
    // Evaluated from the folder, the best model scores the same, network by network.
    let again = block_on(evaluate_run(&gpu(), run, &test, None, None)).unwrap();
    assert_eq!(again.score.unwrap(), score);
    assert_eq!(again.predictions.len(), 60);
    let right = again.predictions.iter().filter(|p| p.predicted as i64 == p.label).count();
    assert_eq!(right as u64, score.correct);
    // Its parameters have the published names, and other parameters give another score.
    let mut state = read_state(&file(run, MODEL_FILE), MODEL_FILE).unwrap();
    let name = state.keys().find(|k| k.starts_with("clf.")).unwrap().clone();
    state.get_mut(&name).unwrap().1.iter_mut().for_each(|x| *x = -*x);
    let other = block_on(evaluate_run(&gpu(), run, &test, None, Some((&state, "other")))).unwrap();
    assert!(other.score.unwrap().loss != score.loss);
    state.remove(&name);
    let error = block_on(evaluate_run(&gpu(), run, &test, None, Some((&state, "other"))));
    assert!(error.unwrap_err().to_string().contains(&name));
    // Networks of another architecture are refused.
    let wide =
        Make { mlp: Mlp::new(&[2, 9, 8, 1], Convention::Dwsnets).unwrap(), ..Make::default() };
    let error = block_on(evaluate_run(&gpu(), run, &wide.zoo(), None, None)).unwrap_err();
    assert!(error.to_string().contains("2-9-8-1") && error.to_string().contains("2-8-8-1"));
}

/// A run that is dropped in the middle of an epoch and resumed ends with the same bits.
#[test]
fn a_run_goes_on_bit_for_bit() {
    let zoo = Make::default().zoo();
    let mut whole = job(&zoo, None, config(3), false, MemStore::new()).unwrap();
    let (epochs, _) = pull(&mut whole);

    let store = MemStore::new();
    let mut first = job(&zoo, None, config(2), false, store.clone()).unwrap();
    assert_eq!(pull(&mut first).0.len(), 2);
    drop(first);
    // More epochs than at first may be asked for, but nothing else.
    let other = TrainConfig { seed: 3, ..config(3) };
    let error = job(&zoo, None, other, true, store.clone()).unwrap_err().to_string();
    assert!(error.contains("seed = 0") && error.contains('3'), "{error}");
    let error = job(&zoo, None, config(3), false, store.clone()).unwrap_err().to_string();
    assert!(error.contains("--resume"), "{error}");
    let error =
        job(&Make { key: 2, ..Make::default() }.zoo(), None, config(3), true, store.clone());
    assert!(
        matches!(error, Err(LabError::Train(p)) if matches!(*p, TrainProblem::OtherData { .. }))
    );
    let mut second = job(&zoo, None, config(3), true, store.clone()).unwrap();
    assert_eq!(pull(&mut second).0.len(), 1);

    let plain = |e: &Epoch| Epoch { samples_per_s: None, ..e.clone() };
    let lines = String::from_utf8(file(&store, METRICS_FILE)).unwrap();
    let resumed: Vec<Epoch> =
        lines.lines().map(|l| plain(&serde_json::from_str(l).unwrap())).collect();
    assert_eq!(resumed, epochs.iter().map(plain).collect::<Vec<_>>());
    assert!(file(&store, MODEL_FILE) == file(whole.run(), MODEL_FILE));
    let numbers = |store: &MemStore| read_state(&file(store, CHECKPOINT_FILE), "last").unwrap();
    assert!(numbers(&store) == numbers(whole.run()));

    // A damaged checkpoint is named.
    block_on(store.write(CHECKPOINT_FILE, b"damaged")).unwrap();
    let error = job(&zoo, None, config(4), true, store).unwrap_err().to_string();
    assert!(error.contains(CHECKPOINT_FILE), "{error}");
}

/// Kernels and their native twins round differently: whoever goes on with the others is told, and the run keeps both.
#[test]
fn a_run_says_on_what_it_was_computed() {
    let (zoo, store) = (Make::default().zoo(), MemStore::new());
    let device = |twins| {
        block_on(Gpu::open(&OpenOptions { twins, ..OpenOptions::default() })).expect("an adapter")
    };
    let on = |gpu: &Gpu, epochs| {
        let options = TrainOptions { config: config(epochs), resume: epochs > 1, init: None };
        let test = None::<&Zoo<MemStore>>;
        let mut job = block_on(TrainJob::new(gpu, &zoo, test, options, store.clone())).unwrap();
        let mut warnings = Vec::new();
        while let Some(message) = block_on(job.next()) {
            match message {
                Message::Warning(warning) => warnings.push(warning.what),
                Message::Failed(failed) => panic!("{failed:?}"),
                _ => {}
            }
        }
        let info: RunInfo = serde_json::from_slice(&file(&store, RUN_FILE)).unwrap();
        (warnings, info.computed_on.iter().map(|on| on.kernel.clone()).collect::<Vec<_>>())
    };
    let (kernels, twins) = (device(false), device(true));
    assert_eq!(on(&kernels, 1), (vec![], vec!["WGSL".to_owned()]));
    assert_eq!(on(&kernels, 2), (vec![], vec!["WGSL".to_owned()]));
    let (warnings, computed_on) = on(&twins, 3);
    if twins.runs_twins() {
        assert_eq!(computed_on, ["WGSL", "native twins where there are some"]);
        let [warning] = warnings.try_into().expect("one warning");
        assert!(warning.contains("kernel: WGSL), and goes on on"), "{warning}");
    } else {
        assert_eq!((warnings.len(), computed_on.len()), (0, 1), "the same device");
    }
}

/// A device that is gone ends the run and says what to do; from the checkpoint it goes on with the same bits on another.
#[test]
fn a_run_survives_its_device() {
    let zoo = Make::default().zoo();
    let mut whole = job(&zoo, None, config(3), false, MemStore::new()).unwrap();
    pull(&mut whole);

    let (store, device) = (MemStore::new(), gpu());
    let options = TrainOptions { config: config(3), resume: false, init: None };
    let test = None::<&Zoo<MemStore>>;
    let mut first = block_on(TrainJob::new(&device, &zoo, test, options, store.clone())).unwrap();
    while let Some(message) = block_on(first.next()) {
        if matches!(message, Message::Epoch(_)) {
            break;
        }
    }
    device.destroy();
    let mut failed = None;
    while let Some(message) = block_on(first.next()) {
        match message {
            Message::Failed(f) => failed = Some(f),
            Message::Progress(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let failed = failed.expect("an end");
    println!("{failed:?}");
    assert!(failed.what.contains("lost") && failed.hint.contains("--resume"), "{failed:?}");
    drop(first);

    let mut second = job(&zoo, None, config(3), true, store.clone()).unwrap();
    assert_eq!(pull(&mut second).0.len(), 2);
    let numbers = |store: &MemStore| read_state(&file(store, CHECKPOINT_FILE), "last").unwrap();
    assert!(numbers(&store) == numbers(whole.run()));
}

/// The models to compare with go through the same job.
#[test]
fn plain_models_learn_and_are_evaluated() {
    // To them a network's class is one number among a hundred and more: they need more networks than DWS.
    let zoo = Make { nets: 300, ..Make::default() }.zoo();
    let test = Make { key: 9, ..Make::default() }.zoo();
    let mlp = MlpConfig { hidden: 16, hidden_layers: 1, ..MlpConfig::default() };
    let transformer =
        TransformerConfig { width: 16, layers: 1, heads: 2, ..TransformerConfig::default() };
    for model in [ModelConfig::Mlp(mlp), ModelConfig::Transformer(transformer)] {
        let name = model.name();
        let config = TrainConfig { model, augment: "none".parse().unwrap(), ..config(10) };
        let mut job = job(&zoo, Some(&test), config, false, MemStore::new()).unwrap();
        let score = pull(&mut job).1.unwrap().test.unwrap();
        println!("{name}: {score:?}");
        // Of three classes, so 1/3 is chance; 60 networks: 0.53 is three standard deviations above it.
        assert!(score.accuracy > 0.53, "{name}: {score:?}");
        let again = block_on(evaluate_run(&gpu(), job.run(), &test, None, None)).unwrap();
        assert_eq!(again.score.unwrap(), score, "{name}");
    }
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    let unlabelled = Make { label: |net| if net == 7 { -1 } else { 0 }, ..Make::default() };
    let problem = refused(&unlabelled.zoo(), None, config(1));
    assert!(matches!(problem, TrainProblem::NoLabels { unlabelled: 1, nets: 60, .. }), "{problem}");
    let one = Make { label: |_| 4, ..Make::default() };
    let problem = refused(&one.zoo(), None, config(1));
    assert!(matches!(problem, TrainProblem::OneClass { class: 4, nets: 48, .. }), "{problem}");

    // Splits that share objects.
    let overlap = Make {
        change: |manifest| {
            manifest.splits = Some(BTreeMap::from([
                ("train".to_owned(), vec![[0, 40]]),
                ("test".to_owned(), vec![[39, 60]]),
            ]));
        },
        ..Make::default()
    };
    let problem = refused(&overlap.zoo(), None, config(1));
    assert!(matches!(problem, TrainProblem::Overlap { object: 39, .. }), "{problem}");

    // Splits that share a network under two names.
    for (split, net) in [("test", 57), ("val", 57)] {
        let change: fn(&mut ZooManifest) = match split {
            "test" => |manifest| {
                manifest.splits = Some(BTreeMap::from([
                    ("train".to_owned(), vec![[0, 50]]),
                    ("test".to_owned(), vec![[50, 60]]),
                ]));
            },
            _ => |manifest| {
                manifest.splits = Some(BTreeMap::from([
                    ("train".to_owned(), vec![[0, 50]]),
                    ("val".to_owned(), vec![[50, 60]]),
                ]));
            },
        };
        let copies =
            Make { numbers: |net| if net == 57 { 0 } else { net }, change, ..Make::default() };
        let problem = refused(&copies.zoo(), None, config(1));
        assert!(matches!(problem, TrainProblem::Copy { net: n, .. } if n == net), "{problem}");
    }

    // A number of classes that the zoo does not have.
    let mut seven = config(1);
    let ModelConfig::Dws(dws) = &mut seven.model else { panic!("DWS") };
    dws.classes = 7;
    let error = job(&Make::default().zoo(), None, seven, false, MemStore::new()).unwrap_err();
    assert!(
        error.to_string().contains("`model.classes` is 7; it must be what the networks have, 3")
    );

    // The same images in the zoo for testing; the same networks.
    let source = |manifest: &mut ZooManifest| {
        manifest.source = Some(SourceInfo {
            kind: SourceKind::Images,
            name: "patterns".into(),
            split: Some("train".into()),
            blake3: "the same".into(),
        });
    };
    let (a, b) = (
        Make { change: source, ..Make::default() },
        Make { key: 3, change: source, ..Make::default() },
    );
    let problem = refused(&a.zoo(), Some(&b.zoo()), config(1));
    assert!(matches!(problem, TrainProblem::Leak { object: 0, .. }), "{problem}");
    let same = Make::default();
    let problem = refused(&same.zoo(), Some(&same.zoo()), config(1));
    assert!(matches!(problem, TrainProblem::Copy { .. }), "{problem}");

    let wide = Make {
        mlp: Mlp::new(&[2, 9, 8, 1], Convention::Dwsnets).unwrap(),
        key: 4,
        ..Make::default()
    };
    let problem = refused(&Make::default().zoo(), Some(&wide.zoo()), config(1));
    assert!(matches!(problem, TrainProblem::Architecture { .. }), "{problem}");
}

/// A rate that is far too large ends the run, names step and tensor, and keeps the checkpoint.
#[test]
fn what_is_not_finite_ends_the_run() {
    let zoo = Make::default().zoo();
    let store = MemStore::new();
    let mut fine = config(1);
    fine.augment = "none".parse().unwrap();
    fine.optimizer.learning_rate = 1e30;
    fine.optimizer.warmup_steps = 0;
    let mut job = job(&zoo, None, TrainConfig { epochs: 5, ..fine }, false, store.clone()).unwrap();
    let mut said = None;
    while let Some(message) = block_on(job.next()) {
        if let Message::Failed(failed) = message {
            said = Some(failed.what);
        }
    }
    let said = said.expect("an end");
    println!("{said}");
    assert!(said.starts_with("step 2 (epoch 1): the loss is not finite"), "{said}");
    assert!(said.contains("learning_rate") && !said.contains("not found"), "{said}");
}
