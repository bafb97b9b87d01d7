//! A training without a folder, as the page has it: it learns what the job learns, survives its device, and reads networks.

mod common;

use common::{gpu, zoo};
use pollster::block_on;
use weightlab_data::{MemStore, Zoo};
use weightlab_lab::train::{Classifier, Epoch, Training, evaluate_run, most_confused};
use weightlab_lab::{Job, Message, TrainJob, TrainOptions};
use weightlab_learn::train::TrainConfig;
use weightlab_learn::{DwsConfig, ModelConfig};

/// Nobody is held out, so every epoch is tested; networks of seven images in batches of four are three steps an epoch.
fn config() -> TrainConfig {
    TrainConfig {
        epochs: 3,
        batch: 4,
        validation_share: 0.0,
        augment: "siren-negation+mixup-aligned".parse().unwrap(),
        model: ModelConfig::Dws(DwsConfig { hidden: 8, hidden_layers: 1, ..DwsConfig::default() }),
        ..TrainConfig::default()
    }
}

/// The networks of other images than those of [`zoo`].
fn others() -> Zoo<MemStore> {
    let mut manifest = zoo().manifest().clone();
    (manifest.shards, manifest.plan, manifest.targets) = (Vec::new(), None, None);
    manifest.nets_per_shard = 14;
    let mut others = block_on(Zoo::create(MemStore::new(), manifest)).unwrap();
    let mut nets = block_on(zoo().load_all()).unwrap();
    nets.params.iter_mut().for_each(|x| *x += 0.01);
    nets.objects.iter_mut().for_each(|object| *object += 100);
    block_on(others.append(&nets)).unwrap();
    others
}

fn training() -> Training {
    block_on(Training::new(&gpu(), &zoo(), Some(&others()), config())).unwrap()
}

fn plain(history: &[Epoch]) -> Vec<Epoch> {
    history.iter().map(|e| Epoch { samples_per_s: None, ..e.clone() }).collect()
}

fn finish(training: &mut Training) {
    while let Some(advance) = block_on(training.advance()).unwrap() {
        assert!(!advance.metrics.is_empty());
        assert_eq!(advance.learning.step, training.steps().0);
    }
    assert!(training.is_over());
}

#[test]
fn it_learns_what_the_job_learns_and_its_model_reads_networks() {
    let mut training = training();
    assert_eq!((training.started().train, training.started().test), (14, 7));
    finish(&mut training);

    let options = TrainOptions { config: config(), resume: false, init: None };
    let out = MemStore::new();
    let job = block_on(TrainJob::new(&gpu(), &zoo(), Some(&others()), options, out));
    let mut job = job.unwrap();
    let mut epochs = Vec::new();
    while let Some(message) = block_on(job.next()) {
        match message {
            Message::Epoch(epoch) => epochs.push(epoch),
            Message::Failed(failed) => panic!("{failed:?}"),
            _ => {}
        }
    }
    assert_eq!(plain(training.history()), plain(&epochs));
    assert!(epochs.iter().all(|e| e.best && e.test_accuracy.is_some()), "{epochs:?}");

    // The copy of the model, the model in the folder, and the training itself say the same of the test networks.
    let nets = block_on(others().load_all()).unwrap();
    let first: Vec<f32> = (0..14).step_by(2).flat_map(|i| nets.net(i)).copied().collect();
    let own = block_on(training.classifier()).unwrap();
    let read = block_on(Classifier::read(job.run(), None)).unwrap();
    assert_eq!(own.info(), read.info());
    let [own, read] = [own, read].map(|c| block_on(c.probabilities(&gpu(), &first)).unwrap());
    assert_eq!(own, read);
    let predictions = training.test_predictions();
    let said: Vec<_> = predictions.iter().map(|p| p.probabilities.clone()).collect();
    assert_eq!(said, own);
    assert_eq!(predictions.iter().map(|p| p.net).collect::<Vec<_>>(), [0, 2, 4, 6, 8, 10, 12]);
    let wrong = most_confused(&predictions, 100).len() as u64;
    let score = training.tested().unwrap();
    assert_eq!(wrong, score.nets - score.correct);
    let first_view = |_: i64, view: i64| view == 0;
    let run = job.run();
    let evaluation =
        block_on(weightlab_lab::train::evaluate_where(&gpu(), run, &others(), first_view, None));
    assert_eq!(evaluation.unwrap().predictions, predictions);
    assert!(block_on(evaluate_run(&gpu(), run, &others(), None, None)).is_ok());
}

#[test]
fn it_goes_on_bit_for_bit_on_another_device() {
    let mut whole = training();
    finish(&mut whole);
    let device = gpu();
    let mut broken = block_on(Training::new(&device, &zoo(), Some(&others()), config())).unwrap();
    // In the middle of the second epoch: one step at a time.
    broken.set_slice(0.0);
    for _ in 0..5 {
        block_on(broken.advance()).unwrap();
    }
    let saved = block_on(broken.checkpoint()).unwrap();
    assert_eq!(saved.steps(), broken.steps().0);
    assert!(saved.steps() > 3 && !broken.is_over());
    block_on(broken.advance()).unwrap();
    device.destroy();
    assert!(block_on(broken.advance()).is_err());
    broken.resume_on(&gpu(), Some(&saved)).unwrap();
    assert_eq!(broken.steps().0, saved.steps());
    // What was known of the test networks is known still.
    assert_eq!(broken.test_predictions().len(), 7);
    finish(&mut broken);
    assert_eq!(plain(broken.history()), plain(whole.history()));
    assert_eq!(broken.test_predictions(), whole.test_predictions());
    // Without a checkpoint it begins again.
    broken.resume_on(&gpu(), None).unwrap();
    assert_eq!((broken.steps().0, broken.history().len()), (0, 0));
}
