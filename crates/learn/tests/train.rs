//! Steps of training: what they compute, what they ask of the device, and that they can be repeated.

mod common;

use common::{Lcg, gpu, gpu_with_twins, open};
use pollster::block_on;
use weightlab_gpu::Gpu;
use weightlab_learn::dws::reference::{Mode, Model, State};
use weightlab_learn::network::ModelConfig;
use weightlab_learn::train::{Examples, Session, Statistics, TrainConfig, TrainError, epoch_order};
use weightlab_learn::{DwsConfig, Network};
use weightlab_nets::{Convention, Mlp, NetId};

const CLASSES: usize = 3;

/// Networks whose class shows in their parameters, as a shift of the last bias.
struct Zoo {
    mlp: Mlp,
    params: Vec<f32>,
    ids: Vec<NetId>,
    labels: Vec<u32>,
    all: Vec<u32>,
}

fn zoo(dims: &[usize], nets: usize) -> Zoo {
    let mlp = Mlp::new(dims, Convention::Dwsnets).unwrap();
    let mut random = Lcg(8);
    let labels: Vec<u32> = (0..nets).map(|_| random.below(CLASSES) as u32).collect();
    let mut params = Vec::new();
    for &label in &labels {
        let mut net: Vec<f32> = (0..mlp.param_count()).map(|_| random.normal() as f32).collect();
        *net.last_mut().unwrap() += 3.0 * label as f32;
        params.extend(net);
    }
    let ids = (0..nets as u32).map(|object| NetId { object, view: 0 }).collect();
    Zoo { mlp, params, ids, labels, all: (0..nets as u32).collect() }
}

fn config(augment: &str) -> TrainConfig {
    TrainConfig {
        seed: 3,
        batch: 12,
        augment: augment.parse().unwrap(),
        model: ModelConfig::Dws(DwsConfig { hidden: 8, hidden_layers: 1, ..DwsConfig::default() }),
        ..TrainConfig::default()
    }
}

fn session(zoo: &Zoo, config: &TrainConfig) -> Result<Session, TrainError> {
    session_on(gpu(), zoo, config)
}

fn session_on(gpu: &Gpu, zoo: &Zoo, config: &TrainConfig) -> Result<Session, TrainError> {
    let network = Network::new(&config.model, &zoo.mlp.dims, CLASSES).unwrap();
    let statistics = Statistics::per_entry(&zoo.params, zoo.mlp.param_count(), &zoo.all);
    let examples = Examples {
        mlp: &zoo.mlp,
        params: &zoo.params,
        ids: &zoo.ids,
        labels: &zoo.labels,
        classes: CLASSES,
        train: &zoo.all,
        pool: &zoo.all,
    };
    Session::new(gpu, config, network, statistics, &examples)
}

/// Loss and accuracy of the first step are those of the f64 reference on the first networks of the epoch.
#[test]
fn the_first_loss_is_that_of_the_reference() {
    let (zoo, config) = (zoo(&[2, 7, 5, 1], 31), config("none"));
    let mut session = session(&zoo, &config).unwrap();
    let start = block_on(session.snapshot()).unwrap();
    session.step().unwrap();
    let got = block_on(session.metrics()).unwrap();
    assert_eq!(got.len(), 1);

    let ModelConfig::Dws(dws) = &config.model else { unreachable!() };
    let values = session
        .network()
        .unpack(&start.params)
        .into_iter()
        .map(|t| (t.name, t.values.iter().map(|&x| f64::from(x)).collect()))
        .collect();
    let model = Model {
        config: DwsConfig { classes: CLASSES, ..dws.clone() },
        dims: zoo.mlp.dims.clone(),
        values,
    };
    let (shift, factor) = (&session.statistics().shift, &session.statistics().factor);
    let items = &epoch_order(config.seed, 0, 31)[..12];
    let p = zoo.mlp.param_count();
    let nets: Vec<f64> = items
        .iter()
        .flat_map(|&i| &zoo.params[i as usize * p..][..p])
        .enumerate()
        .map(|(k, &x)| (f64::from(x) - f64::from(shift[k % p])) * f64::from(factor[k % p]))
        .collect();
    let logits = model.forward(&State::of_nets(&zoo.mlp.dims, &nets), Mode::Train).logits;
    let (mut loss, mut hits) = (0.0, 0);
    for (row, &i) in logits.chunks_exact(CLASSES).zip(items) {
        let label = zoo.labels[i as usize] as usize;
        loss += (row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[label]) / 12.0;
        hits += usize::from(row.iter().all(|x| *x <= row[label]));
    }
    println!("{loss} {hits}: {got:?}");
    // Logits to 1e-5 and better, see the tests of the model.
    assert!((f64::from(got[0].loss) - loss).abs() < 1e-5, "{loss}, {got:?}");
    assert_eq!((got[0].accuracy * 12.0).round() as usize, hits);
}

#[test]
fn it_learns() {
    let zoo = zoo(&[2, 6, 6, 1], 96);
    for augment in ["none", "mixup-aligned"] {
        let mut session = session(&zoo, &config(augment)).unwrap();
        let mut evaluator = session.evaluator(&zoo.params).unwrap();
        let mut accuracy = || {
            let logits = block_on(evaluator.logits()).unwrap();
            let right = logits.chunks_exact(CLASSES).zip(&zoo.labels).filter(|(row, label)| {
                let own = row[**label as usize];
                row.iter().all(|x| *x <= own)
            });
            right.count() as f64 / 96.0
        };
        let before = accuracy();
        for _ in 0..60 {
            session.step().unwrap();
        }
        let after = accuracy();
        println!("{augment}: {before:.2} before, {after:.2} after");
        assert!(before < 0.6 && after > 0.8, "{augment}: {before} before, {after} after");
    }
}

/// The paper's model on the paper's networks with the dearest augmentation.
#[test]
fn a_step_is_few_dispatches_and_nothing_else() {
    let zoo = zoo(&[2, 32, 32, 1], 24);
    let config = TrainConfig {
        batch: 8,
        augment: "combine-signed".parse().unwrap(),
        model: ModelConfig::default(),
        ..config("none")
    };
    // Of its own: others count on theirs at the same time.
    let gpu = &open(false);
    let live = gpu.live_bytes();
    let mut session = session_on(gpu, &zoo, &config).unwrap();
    session.step().unwrap();
    let held = gpu.live_bytes() - live;
    let before = gpu.counts();
    session.step().unwrap();
    let asked = gpu.counts() - before;
    println!("{asked:?}, {held} bytes, {:?}", session.memory());
    assert_eq!([asked.buffers, asked.pipelines, asked.bytes_read], [0; 3]);
    // Seed, step and row of the pass, and the settings of the update.
    assert!(asked.bytes_written <= 80, "{asked:?}");
    assert_eq!(asked.dispatches, session.dispatches());
    // Measured: 175.
    assert!(session.dispatches() <= 200, "{}", session.dispatches());
    let predicted = session.memory().total() as f64;
    let error = (predicted / held as f64 - 1.0).abs();
    assert!(error < 0.1, "{predicted} predicted, {held} held");
}

/// What only twins use has no buffer on the GPU; both sides together are what was predicted.
#[test]
fn the_memory_of_twins_is_predicted_and_not_taken_twice() {
    let zoo = zoo(&[2, 32, 32, 1], 24);
    let config = TrainConfig { batch: 8, model: ModelConfig::default(), ..config("none") };
    let taken = |twins: bool| {
        let gpu = &open(twins);
        let live = gpu.live_bytes();
        let mut session = session_on(gpu, &zoo, &config).unwrap();
        session.step().unwrap();
        let (held, native) = (gpu.live_bytes() - live, session.native_bytes());
        println!("{held} and {native} of {:?}", session.memory());
        assert_eq!(native > 0, gpu.runs_twins());
        let predicted = session.memory().total() as f64;
        let error = (predicted / (held + native) as f64 - 1.0).abs();
        assert!(error < 0.01, "{predicted} predicted, {held} and {native} held");
        // The search for what is not finite has kernels do what twins did.
        assert_eq!(block_on(session.first_non_finite(0)).unwrap(), None);
        held + native
    };
    let [kernels, twins] = [false, true].map(taken);
    // Twins need the parameters and their gradients once more, 2 x 2.2 of some 35 MB, and what is handed to and fro.
    assert!(twins as f64 <= 1.25 * kernels as f64, "{kernels} with kernels, {twins} with twins");
}

fn run(session: &mut Session, steps: usize) -> Vec<f32> {
    (0..steps).for_each(|_| session.step().unwrap());
    block_on(session.snapshot()).unwrap().params
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn it_goes_on_bit_for_bit() {
    let zoo = zoo(&[2, 6, 6, 1], 40);
    let mut config = config("combine");
    if let ModelConfig::Dws(dws) = &mut config.model {
        (dws.dropout, dws.batch_norm) = (0.1, true);
    }
    // Across the end of an epoch, which has three steps.
    let whole = run(&mut session(&zoo, &config).unwrap(), 5);
    let mut first = session(&zoo, &config).unwrap();
    run(&mut first, 2);
    let snapshot = block_on(first.snapshot()).unwrap();
    let mut second = session(&zoo, &config).unwrap();
    // Something else was done before.
    run(&mut second, 1);
    second.restore(&snapshot).unwrap();
    assert!(run(&mut second, 3) == whole);
    assert!(block_on(second.metrics()).unwrap().iter().all(|m| m.loss.is_finite()));
    let other = TrainConfig { seed: 4, ..config };
    assert!(run(&mut session(&zoo, &other).unwrap(), 5) != whole);
}

/// Native twins take the place of kernels. With dropout and normalisation, which have none, a step changes sides some ten times.
#[test]
fn native_twins_do_what_kernels_do() {
    let gpus = [gpu(), gpu_with_twins()];
    assert_eq!(gpus.map(Gpu::runs_twins), [false, gpu().is_cpu()]);
    let zoo = zoo(&[2, 16, 16, 1], 48);
    let mut config = config("none");
    // As in the test below.
    config.optimizer.kind = weightlab_learn::train::OptimizerKind::Sgd;
    for mixed in [false, true] {
        if let ModelConfig::Dws(dws) = &mut config.model {
            // Heads of four channels, as in the default model.
            dws.hidden = 32;
            (dws.dropout, dws.batch_norm) = (if mixed { 0.1 } else { 0.0 }, mixed);
        }
        let start = session(&zoo, &config).unwrap();
        let before = block_on(start.snapshot()).unwrap().params;
        let [kernels, twins, again] = [gpus[0], gpus[1], gpus[1]].map(|gpu| {
            let mut session = session_on(gpu, &zoo, &config).unwrap();
            let params = run(&mut session, 5);
            println!("{mixed}: {} dispatches", session.dispatches());
            params
        });
        let (way, apart) = (distance(&before, &kernels), distance(&kernels, &twins));
        println!("{mixed}: {way} gone, {apart} apart");
        // Both are f32: rounding of other orders of sums. Maxima that change places would show as more.
        assert!(way > 1e-3 && apart < 1e-4 * way, "{way} gone, {apart} apart");
        assert!(twins == again, "the same twins twice");
    }
}

/// Parts of a batch add up to the batch.
#[test]
fn a_batch_in_parts_gives_the_same() {
    let zoo = zoo(&[2, 16, 16, 1], 48);
    let mut config = TrainConfig { batch: 48, ..config("siren-negation+mixup") };
    // Plain steps: Adam would turn the rounding of gradients near zero into steps of full length.
    config.optimizer.kind = weightlab_learn::train::OptimizerKind::Sgd;
    let mut whole = session(&zoo, &config).unwrap();
    let least = TrainConfig { memory_mib: Some(0), ..config.clone() };
    let error = session(&zoo, &least).unwrap_err();
    assert!(matches!(error, TrainError::Memory { limit: 0, .. }), "{error}");
    // Half of what the activations take, in MiB.
    let memory = whole.memory();
    let some = (memory.total() - memory.activations / 2) >> 20;
    let mut parts = session(&zoo, &TrainConfig { memory_mib: Some(some), ..config }).unwrap();
    println!("{} of {} at once, {:?}", parts.micro_batch(), parts.batch(), parts.memory());
    assert!(parts.micro_batch() < parts.batch() && parts.memory().total() <= some << 20);
    let start = run(&mut whole, 0);
    let (a, b) = (run(&mut whole, 4), run(&mut parts, 4));
    let (way, apart) = (distance(&start, &a), distance(&a, &b));
    println!("moved {way:.2e}, apart {apart:.2e}");
    // Sums of f32 in another order, through four steps.
    assert!(way > 0.0 && apart < 1e-4 * way, "{way} {apart}");
    let (a, b) = (block_on(whole.metrics()).unwrap(), block_on(parts.metrics()).unwrap());
    for (a, b) in a.iter().zip(&b) {
        assert!((a.loss - b.loss).abs() < 1e-5 && a.accuracy == b.accuracy, "{a:?} {b:?}");
    }
}

#[test]
fn what_is_not_finite_is_named() {
    let mut zoo = zoo(&[2, 6, 6, 1], 24);
    let config = config("none");
    // The last network of the second batch.
    let bad = epoch_order(config.seed, 0, 24)[23] as usize;
    let count = zoo.mlp.param_count();
    zoo.params[bad * count] = 3e38;
    let examples = Examples {
        mlp: &zoo.mlp,
        params: &zoo.params,
        ids: &zoo.ids,
        labels: &zoo.labels,
        classes: CLASSES,
        train: &zoo.all,
        pool: &zoo.all,
    };
    for gpu in [gpu(), gpu_with_twins()] {
        let network = Network::new(&config.model, &zoo.mlp.dims, CLASSES).unwrap();
        let statistics = Statistics::none(count);
        let mut session = Session::new(gpu, &config, network, statistics, &examples).unwrap();
        session.step().unwrap();
        assert!(block_on(session.updated()).unwrap());
        let before = block_on(session.snapshot()).unwrap().params;
        session.step().unwrap();
        let metrics = block_on(session.metrics()).unwrap();
        assert!(metrics[0].loss.is_finite(), "{metrics:?}");
        assert!(
            !block_on(session.updated()).unwrap() || !metrics[1].loss.is_finite(),
            "{metrics:?}"
        );
        assert!(block_on(session.snapshot()).unwrap().params == before, "the update was not made");
        let name = block_on(session.first_non_finite(1)).unwrap().unwrap();
        println!("{name}: {metrics:?}");
        assert_eq!(block_on(session.first_non_finite(0)).unwrap(), None);
    }
}
