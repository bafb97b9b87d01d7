//! Looking into a fit while it runs, and going on after the device was lost.

mod common;

use common::{gpu, images, mlp};
use pollster::block_on;
use weightlab_data::{MemStore, Zoo};
use weightlab_gpu::Gpu;
use weightlab_lab::view::{Window, difference, draw};
use weightlab_lab::{FitJob, FitOptions, Message, picture};
use weightlab_nets::{Device, FitSettings};

fn job(gpu: &Gpu, store: MemStore) -> FitJob<MemStore> {
    let settings = FitSettings { max_steps: 40, until_psnr: Some(20.0), ..FitSettings::default() };
    // Two shards, so that stored, waiting and unborn networks occur.
    let options = FitOptions { settings, nets_per_shard: Some(3), seed: 5, ..Default::default() };
    block_on(FitJob::new(gpu, images(5), &mlp(), options, store)).expect("a job")
}

/// Pulls until the batch has had `step` updates.
fn advance(job: &mut FitJob<MemStore>, step: u32) {
    job.limit_steps(Some(1));
    while job.steps_now().unwrap_or(0) < step || !job.is_even() {
        assert!(block_on(job.next()).is_some(), "the job ended before step {step}");
    }
}

fn finish(job: &mut FitJob<MemStore>) -> Message {
    let mut last = None;
    while let Some(message) = block_on(job.next()) {
        last = Some(message);
    }
    last.expect("a message")
}

#[test]
fn a_fit_can_be_looked_into_at_any_time() {
    let gpu = gpu();
    let mut job = job(&gpu, MemStore::new());
    let count = mlp().param_count();
    let begun = block_on(job.params(0..5)).unwrap();
    assert_eq!(begun.len(), 5 * count);
    block_on(job.prepare()).unwrap();
    assert_eq!(block_on(job.params(0..5)).unwrap(), begun, "prepared is not begun");

    advance(&mut job, 7);
    assert_eq!(job.steps_now(), Some(7), "one step at a time");
    let now = block_on(job.params(1..5)).unwrap();
    assert_eq!(now.len(), 4 * count);
    // Those of the first shard have moved, those of the second wait.
    assert_ne!(now[..2 * count], begun[count..3 * count]);
    assert_eq!(now[2 * count..], begun[3 * count..]);

    job.limit_steps(None);
    assert!(matches!(finish(&mut job), Message::Finished(_)));
    let end = block_on(job.params(0..5)).unwrap();
    let (zoo, _) = job.into_parts();
    assert_eq!(end, block_on(zoo.load_all()).unwrap().params);
}

#[test]
fn a_fit_goes_on_where_a_lost_device_left_it() {
    let first = gpu();
    let whole = MemStore::new();
    finish(&mut job(&first, whole.clone()));

    let store = MemStore::new();
    let mut fit = job(&first, store.clone());
    advance(&mut fit, 11);
    let saved = block_on(fit.checkpoint()).unwrap().expect("even networks");
    assert_eq!(saved.steps(), 11);
    advance(&mut fit, 17);
    fit.limit_steps(None);
    assert_eq!(first.lost(), None);
    first.destroy();
    let Message::Failed(failed) = finish(&mut fit) else { panic!("no device, but no failure") };
    assert!(failed.what.contains("lost"), "{failed:?}");
    assert!(first.lost().is_some());

    let second = gpu();
    fit.resume_on(&second, Some(&saved)).unwrap();
    assert_eq!(fit.steps_now(), Some(11));
    assert!(matches!(finish(&mut fit), Message::Finished(_)));
    let load =
        |store| block_on(async { Zoo::open(store).await.unwrap().load_all().await.unwrap() });
    assert_eq!(load(store).params, load(whole.clone()).params, "not the same bits");

    // Without a checkpoint the batch begins anew, and ends the same.
    let again = MemStore::new();
    let mut fit = job(&second, again.clone());
    advance(&mut fit, 5);
    fit.resume_on(&gpu(), None).unwrap();
    fit.limit_steps(None);
    assert!(matches!(finish(&mut fit), Message::Finished(_)));
    assert_eq!(load(again).params, load(whole).params);
}

/// From a GPU that goes away to the processor, and to the next GPU: a network is the same wherever it is.
#[test]
fn a_fit_goes_on_without_a_gpu() {
    let load =
        |store| block_on(async { Zoo::open(store).await.unwrap().load_all().await.unwrap() });
    let gpu = gpu();
    let whole = MemStore::new();
    finish(&mut job(&gpu, whole.clone()));

    let store = MemStore::new();
    let mut fit = job(&gpu, store.clone());
    advance(&mut fit, 11);
    let saved = block_on(fit.checkpoint()).unwrap();
    fit.resume_on(Device::Host, saved.as_ref()).unwrap();
    let started = fit.started();
    assert_eq!((started.adapter.as_str(), started.bytes), ("the processor", 0));
    advance(&mut fit, 19);
    let saved = block_on(fit.checkpoint()).unwrap();
    fit.resume_on(&gpu, saved.as_ref()).unwrap();
    advance(&mut fit, 23);
    let saved = block_on(fit.checkpoint()).unwrap();
    fit.resume_on(Device::Host, saved.as_ref()).unwrap();
    fit.limit_steps(None);
    assert!(matches!(finish(&mut fit), Message::Finished(_)));
    let (got, expected) = (load(store.clone()), load(whole));
    assert_eq!(got.steps, expected.steps);
    for (a, b) in got.psnr.iter().zip(&expected.psnr) {
        // f32 rounding in 40 steps of Adam, of which the first is as long for the smallest gradient as for the largest.
        assert!((a - b).abs() < 0.05, "{a} {b}");
    }
    let zoo = block_on(Zoo::open(store)).unwrap();
    let on: Vec<_> = zoo.manifest().computed_on.iter().map(|d| d.adapter.as_str()).collect();
    assert_eq!(on, ["the processor"], "where both shards were finished");
}

#[test]
fn views_agree_with_what_the_fit_says() {
    let gpu = gpu();
    let mut job = job(&gpu, MemStore::new());
    finish(&mut job);
    let params = block_on(job.params(2..3)).unwrap();
    let (h, w) = (job.images().height, job.images().width);
    let target = job.images().target(2, mlp().target_range);
    let grid = Window::WHOLE.grid((h, w), (h, w));
    let seen = block_on(difference(&gpu, &mlp(), &params, &grid, &target)).unwrap();
    let zoo = block_on(job.zoo().load_all()).unwrap();
    // The fit's loss is summed in f32 and on another kernel.
    assert!((seen.psnr - f64::from(zoo.psnr[2])).abs() < 1e-3, "{} {}", seen.psnr, zoo.psnr[2]);

    // Pixels are target plus difference.
    let pixels = block_on(draw(&gpu, &mlp(), &params, &grid)).unwrap();
    let sum: Vec<f32> = seen.error.iter().zip(&target).map(|(e, t)| e + t).collect();
    let expected = picture::to_pixels(&sum, [0.0, 1.0]);
    assert!(pixels.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1));
    // Finer pictures go through the same points.
    let fine = Window::WHOLE.grid((h, w), (3 * h, 3 * w));
    let fine = block_on(draw(&gpu, &mlp(), &params, &fine)).unwrap();
    for r in 0..h {
        for c in 0..w {
            assert!(fine[(3 * r + 1) * 3 * w + 3 * c + 1].abs_diff(pixels[r * w + c]) <= 1);
        }
    }
}
