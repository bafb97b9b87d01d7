//! The fit job on a real device: what it makes must not depend on how the work is cut.

mod common;

use common::{gpu, images, mlp};
use weightlab_data::{MemStore, Part, Shard, Store, Zoo, merge};
use weightlab_gpu::Gpu;
use weightlab_lab::message::Finished;
use weightlab_lab::{FitJob, FitOptions, Message};
use weightlab_nets::{Convention, FitSettings, Mlp};

fn options() -> FitOptions {
    FitOptions {
        settings: FitSettings { max_steps: 30, until_psnr: Some(14.0), ..FitSettings::default() },
        views: 2,
        seed: 5,
        nets_per_shard: Some(4),
        ..FitOptions::default()
    }
}

fn job<S: Store>(gpu: &Gpu, options: FitOptions, store: S) -> FitJob<S> {
    pollster::block_on(FitJob::new(gpu, images(7), &mlp(), options, store)).expect("a job")
}

/// All messages to the end.
fn run<S: Store>(job: &mut FitJob<S>) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(message) = pollster::block_on(job.next()) {
        messages.push(message);
    }
    messages
}

fn finished(messages: &[Message]) -> &Finished {
    match messages.last() {
        Some(Message::Finished(finished)) => finished,
        other => panic!("the job ended with {other:?}"),
    }
}

/// Every file's bytes.
fn files<S: Store>(store: &S) -> Vec<(String, Vec<u8>)> {
    pollster::block_on(async {
        let mut out = Vec::new();
        for name in store.list().await.unwrap() {
            out.push((name.clone(), store.read(&name).await.unwrap()));
        }
        out
    })
}

fn load<S: Store + Clone>(store: &S) -> Shard {
    pollster::block_on(async { Zoo::open(store.clone()).await.unwrap().load_all().await.unwrap() })
}

fn whole(gpu: &Gpu, options: FitOptions) -> MemStore {
    let store = MemStore::new();
    finished(&run(&mut job(gpu, options, store.clone())));
    store
}

#[test]
fn the_stream_tells_the_whole_story() {
    let gpu = gpu();
    let store = MemStore::new();
    let mut fit = job(&gpu, FitOptions { curves: true, previews: 2, ..options() }, store.clone());
    let messages = run(&mut fit);
    assert!(pollster::block_on(fit.next()).is_none(), "nothing after the last message");

    let Message::Started(started) = &messages[0] else { panic!("{:?}", messages[0]) };
    assert_eq!((started.nets, started.nets_before, started.steps), (14, 0, 30));
    assert_eq!((started.nets_per_shard, started.points), (4, 35));
    assert!(started.bytes > 0 && !started.adapter.is_empty() && !started.kernel.is_empty());

    let end = finished(&messages);
    assert_eq!((end.nets, end.nets_fitted), (14, 14));
    assert!(end.diverged.is_empty());
    let zoo = load(&store);
    assert_eq!(zoo.len(), 14);
    assert_eq!(end.steps, zoo.steps.iter().sum::<i64>() as u64);
    assert_eq!(end.reached_target, zoo.psnr.iter().filter(|&&x| x >= 14.0).count() as u64);
    assert!(
        end.reached_target > 0 && end.reached_target < 14,
        "{}: not a test of both",
        end.reached_target
    );

    let checkpoints: Vec<(String, u64)> = messages
        .iter()
        .filter_map(|m| match m {
            Message::Checkpoint(c) => Some((c.shard.clone(), c.nets_done)),
            _ => None,
        })
        .collect();
    let expected: Vec<(String, u64)> = [4, 8, 12, 14]
        .iter()
        .enumerate()
        .map(|(i, &n)| (format!("nets-0000{i}.safetensors"), n))
        .collect();
    assert_eq!(checkpoints, expected);

    // Before the first step there is silence, which is explained; no longer after it.
    let compiling: Vec<bool> = messages
        .iter()
        .filter_map(|m| match m {
            Message::Progress(p) => Some(p.compiling),
            _ => None,
        })
        .collect();
    assert!(compiling[0] && !compiling[1..].contains(&true), "{compiling:?}");

    // Progress only grows and ends whole; metrics have a value per network; previews are pictures.
    let mut last = 0.0;
    let (mut metrics, mut previews) = (0, 0);
    for message in &messages {
        match message {
            Message::Progress(p) => {
                assert!(p.fraction >= 0.0 && p.fraction <= 1.0 && p.steps as f64 >= last);
                assert!(p.nets_done <= p.nets);
                last = p.steps as f64;
            }
            Message::Metric(m) => {
                metrics += 1;
                assert!(m.nets.as_ref().unwrap().len() <= 4);
                assert!(m.psnr.median.is_some() && m.step <= 30);
            }
            Message::Preview(p) => {
                previews += 1;
                assert_eq!(p.pixels.len(), p.nets.len() * p.height * p.width * p.channels);
            }
            _ => {}
        }
    }
    // How many slices a fast device needs is its affair; each of the four shards ends with a metric.
    assert!(metrics >= 4 && metrics == previews, "{metrics} metrics, {previews} previews");
    let progress = messages.iter().rev().find_map(|m| match m {
        Message::Progress(p) => Some(p),
        _ => None,
    });
    assert_eq!(progress.map(|p| (p.nets_done, p.fraction, p.eta_s)), Some((14, 1.0, Some(0.0))));
}

#[test]
fn networks_lie_by_object_and_view_with_their_labels() {
    let gpu = gpu();
    let zoo = load(&whole(&gpu, FitOptions { offset: 2, limit: Some(3), ..options() }));
    assert_eq!(zoo.objects, [2, 2, 3, 3, 4, 4]);
    assert_eq!(zoo.views, [0, 1, 0, 1, 0, 1]);
    assert_eq!(zoo.labels, [2, 2, 0, 0, 1, 1]);
    assert_ne!(zoo.net(0), zoo.net(1), "views start differently");
}

#[test]
fn parts_merged_equal_the_whole() {
    let gpu = gpu();
    let all = whole(&gpu, options());
    // Five parts of seven objects: of unequal size, and shards that begin elsewhere.
    let parts: Vec<MemStore> = (0..5)
        .map(|i| whole(&gpu, FitOptions { part: Some(Part::new(i, 5).unwrap()), ..options() }))
        .collect();
    let merged = MemStore::new();
    pollster::block_on(async {
        let mut zoos = Vec::new();
        for part in &parts {
            zoos.push(Zoo::open(part.clone()).await.unwrap());
        }
        let (_, report) = merge(&zoos, merged.clone()).await.unwrap();
        assert!(report.is_complete());
    });
    assert_eq!(files(&merged), files(&all));
    // And the comparison can fail.
    assert_ne!(files(&whole(&gpu, FitOptions { seed: 6, ..options() })), files(&all));
}

#[test]
fn results_do_not_depend_on_the_shard_size() {
    let gpu = gpu();
    let all = load(&whole(&gpu, options()));
    for size in [1, 5, 100] {
        let other = load(&whole(&gpu, FitOptions { nets_per_shard: Some(size), ..options() }));
        assert_eq!(all, other, "shards of {size}");
    }
}

#[test]
fn resumed_equals_uninterrupted() {
    let gpu = gpu();
    let all = files(&whole(&gpu, options()));
    // Dropped after every possible number of messages, up to the middle of the job.
    for pulls in [0, 1, 2, 5, 9, 17, 30, 45] {
        let store = MemStore::new();
        let mut first = job(&gpu, options(), store.clone());
        for _ in 0..pulls {
            pollster::block_on(first.next());
        }
        drop(first);
        let before = pollster::block_on(Zoo::open(store.clone())).unwrap().nets();
        let mut second = job(&gpu, FitOptions { resume: true, ..options() }, store.clone());
        let messages = run(&mut second);
        let Message::Started(started) = &messages[0] else { panic!("{:?}", messages[0]) };
        assert_eq!(started.nets_before, before);
        assert_eq!(finished(&messages).nets_fitted, 14 - before);
        // The summary is of the whole zoo either way.
        assert_eq!(finished(&messages).psnr.count, 14);
        assert_eq!(files(&store), all, "after {pulls} messages");
    }
}

#[test]
fn a_shard_without_an_entry_is_done_again() {
    let gpu = gpu();
    let all = files(&whole(&gpu, options()));
    let store = MemStore::new();
    let mut first = job(&gpu, options(), store.clone());
    while let Some(message) = pollster::block_on(first.next()) {
        if matches!(message, Message::Checkpoint(_)) {
            break;
        }
    }
    drop(first);
    // As after a kill between the writing of the shard and that of the manifest.
    pollster::block_on(store.write("nets-00001.safetensors", b"half of a shard")).unwrap();
    let messages = run(&mut job(&gpu, FitOptions { resume: true, ..options() }, store.clone()));
    finished(&messages);
    assert_eq!(files(&store), all);
}

#[test]
fn a_diverged_network_is_reported_and_stored_as_such() {
    let gpu = gpu();
    let store = MemStore::new();
    let mut wild = options();
    wild.settings.learning_rate = 1e30;
    let messages = run(&mut job(&gpu, wild, store.clone()));
    let end = finished(&messages);
    let zoo = load(&store);
    assert!(!end.diverged.is_empty(), "a learning rate of 1e30 must blow up");
    let warned =
        messages.iter().filter(|m| matches!(m, Message::Warning(w) if w.diverged.is_some()));
    assert_eq!(warned.count(), end.diverged.len());
    for d in &end.diverged {
        let i = (0..zoo.len())
            .find(|&i| (zoo.objects[i], zoo.views[i]) == (d.object, d.view))
            .expect("in the zoo");
        assert!(zoo.psnr[i].is_nan());
        assert_eq!(zoo.steps[i], d.step);
    }
    assert_eq!(end.psnr.nan as usize, end.diverged.len());
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_written() {
    let gpu = gpu();
    let attempt = |options: FitOptions, dims: &[usize], store: MemStore| {
        let mlp = Mlp::new(dims, Convention::Dwsnets).unwrap();
        pollster::block_on(FitJob::new(&gpu, images(3), &mlp, options, store))
            .map(|_| ())
            .expect_err("an error")
            .to_string()
    };
    let clean = MemStore::new();
    let dims: [usize; 4] = [2, 8, 8, 1];
    let text = attempt(options(), &[2, 8, 8, 3], clean.clone());
    assert!(text.contains("grey (1 per pixel)") && text.contains("--dims 2,8,8,1"), "{text}");
    let text = attempt(options(), &[3, 8, 1], clean.clone());
    assert!(text.contains("first width 3") && text.contains("--dims 2,8,1"), "{text}");
    let text = attempt(FitOptions { offset: 3, ..options() }, &dims, clean.clone());
    assert!(text.contains("--offset 3") && text.contains("at most 2"), "{text}");
    let text = attempt(FitOptions { views: 0, ..options() }, &dims, clean.clone());
    assert!(text.contains("--views 0"), "{text}");
    let mut bad = options();
    bad.settings.learning_rate = f32::NAN;
    let text = attempt(bad, &dims, clean.clone());
    assert!(text.contains("learning rate"), "{text}");
    assert!(files(&clean).is_empty());

    let foreign = MemStore::new();
    pollster::block_on(foreign.write("holiday.jpg", b"")).unwrap();
    let text = attempt(options(), &dims, foreign.clone());
    assert!(text.contains("holiday.jpg"), "{text}");
    assert_eq!(files(&foreign).len(), 1);
}

#[test]
fn another_job_is_not_continued() {
    let gpu = gpu();
    let store = whole(&gpu, options());
    let again = |options: FitOptions| {
        pollster::block_on(FitJob::new(&gpu, images(7), &mlp(), options, store.clone())).map(|_| ())
    };
    let text = again(options()).unwrap_err().to_string();
    assert!(text.contains("--resume"), "{text}");
    let text = again(FitOptions { seed: 9, resume: true, ..options() }).unwrap_err().to_string();
    assert!(text.contains("seed was 5, now 9"), "{text}");
    // The shard size need not be repeated.
    again(FitOptions { nets_per_shard: None, resume: true, ..options() }).unwrap();
}

/// What is damaged or gone is fitted anew, and nothing else; the zoo is then what it was, bit for bit.
#[test]
fn damaged_and_missing_files_are_made_anew() {
    let gpu = gpu();
    let store = MemStore::new();
    finished(&run(&mut job(&gpu, options(), store.clone())));
    let whole = files(&store);
    let name = "nets-00001.safetensors";
    let mut bytes = pollster::block_on(store.read(name)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    pollster::block_on(store.write(name, &bytes)).unwrap();
    for gone in ["nets-00003.safetensors", "targets.safetensors"] {
        pollster::block_on(store.remove(gone)).unwrap();
    }
    // Who only reads is told how to go on.
    let error = pollster::block_on(Zoo::open(store.clone())).unwrap_err().to_string();
    assert!(error.contains("--resume to compute this file anew"), "{error}");

    let messages = run(&mut job(&gpu, FitOptions { resume: true, ..options() }, store.clone()));
    assert_eq!(files(&store), whole);
    let end = finished(&messages);
    // Shards of 4, 4, 4 and 2.
    assert_eq!((end.nets, end.nets_fitted, end.psnr.count), (14, 6, 14));
    let Message::Started(started) = &messages[0] else { panic!("{:?}", messages[0]) };
    assert_eq!(started.nets_before, 8);
    let told: Vec<&str> = messages
        .iter()
        .filter_map(|m| match m {
            Message::Warning(w) => Some(w.what.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("nets-00001.safetensors: damaged; its 4 networks"), "{told:?}");
    assert!(told[1].contains("nets-00003.safetensors: gone; its 2 networks"), "{told:?}");
    assert!(told[2].contains("targets.safetensors"), "{told:?}");
    let stored: Vec<(&str, u64)> = messages
        .iter()
        .filter_map(|m| match m {
            Message::Checkpoint(c) => Some((c.shard.as_str(), c.nets_done)),
            _ => None,
        })
        .collect();
    assert_eq!(stored, [(name, 12), ("nets-00003.safetensors", 14)]);
}

#[test]
fn a_part_without_objects_is_an_empty_zoo() {
    let gpu = gpu();
    let store = MemStore::new();
    let none = FitOptions { limit: Some(2), part: Some(Part::new(0, 3).unwrap()), ..options() };
    let messages = run(&mut job(&gpu, none, store.clone()));
    assert_eq!(finished(&messages).nets, 0);
    assert_eq!(finished(&messages).psnr_median, None);
    assert_eq!(load(&store).len(), 0);
}
