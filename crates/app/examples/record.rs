//! Makes the recordings that the page shows before its GPU is ready, and in lessons where there is none:
//! `web/recorded/*.webp`.
//!
//! Run it from the repository's root after a change of what the bench usually does.

use std::error::Error;
use webp::{Encoder, WebPConfig};
use weightlab_app::recorded::{CLOTHES, STEPS, file};
use weightlab_app::state::{ClassifySpec, FitSpec, Many, MixSpec, Picture};
use weightlab_data::{DirStore, ImageSet, MemStore, SourceOptions, Split};
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_lab::FitJob;
use weightlab_lab::builtin::{PICTURES, fashion_mnist, picture, zoo};
use weightlab_lab::path::{PathOptions, path};
use weightlab_lab::picture::to_pixels;
use weightlab_lab::train::{Classifier, Training};
use weightlab_lab::view::{Window, draw};
use weightlab_nets::mix::Mix;
use weightlab_nets::symmetry::{Op, augment};
use weightlab_nets::{Mlp, NetBatch, NetId};

/// Side of a frame, in pixels: two and a half times as fine as clothes are.
const SIDE: usize = 70;

/// Of the encoding, of 100: noise, of which early frames are full, is what packs worst.
const QUALITY: f32 = 30.0;

fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(async {
        let gpu = Gpu::open(&OpenOptions::default()).await?;
        for number in CLOTHES {
            record(&gpu, Picture::Fashion(number), fashion_mnist()?).await?;
        }
        for which in 0..PICTURES.len() {
            record(&gpu, Picture::Named(which), picture(which, &SourceOptions::default())?).await?;
        }
        lesson_learning(&gpu).await?;
        lesson_many(&gpu).await?;
        lesson_symmetry(&gpu).await?;
        lesson_mix(&gpu).await?;
        lesson_training(&gpu).await?;
        lesson_reading(&gpu).await
    })
}

/// Fits as the bench does and keeps what the network draws along the way.
async fn record(gpu: &Gpu, what: Picture, images: ImageSet) -> Result<(), Box<dyn Error>> {
    let spec = FitSpec { picture: what, ..FitSpec::default() };
    let (h, w, channels) = (images.height, images.width, images.channels);
    let mlp = spec.mlp(channels)?;
    let options = spec.options();
    let target = images.image(options.offset as usize).to_vec();
    let mut frames = vec![enlarged(&target, [h, w, channels])];
    let grid = Window::WHOLE.grid((h, w), (SIDE, SIDE));
    let mut job = FitJob::new(gpu, images, &mlp, options, MemStore::new()).await?;
    for step in STEPS {
        while job.steps_now().is_none_or(|now| now < step) {
            let left = step - job.steps_now().unwrap_or(0);
            job.limit_steps(Some(left));
            if job.next().await.is_none() {
                break;
            }
        }
        let params = job.params(0..1).await?;
        frames.push(draw(gpu, &mlp, &params, &grid).await?);
    }
    save(&file(what).ok_or("a picture without a recording")?, &frames, channels, frames.len())
}

/// Frames of `SIDE x SIDE` pixels as a WebP file, half the size of a JPEG; so many in a row.
fn save(
    file: &str,
    frames: &[Vec<u8>],
    channels: usize,
    across: usize,
) -> Result<(), Box<dyn Error>> {
    let line = SIDE * channels;
    let mut pixels = Vec::new();
    for row in frames.chunks(across) {
        for y in 0..SIDE {
            row.iter().for_each(|frame| pixels.extend_from_slice(&frame[y * line..(y + 1) * line]));
        }
    }
    if channels == 1 {
        pixels = pixels.into_iter().flat_map(|grey| [grey; 3]).collect();
    }
    let (width, height) = (SIDE * across, SIDE * frames.len().div_ceil(across));
    let mut config = WebPConfig::new().map_err(|()| "this libwebp is of another version")?;
    (config.quality, config.method) = (QUALITY, 6);
    let encoded = Encoder::from_rgb(&pixels, width as u32, height as u32)
        .encode_advanced(&config)
        .map_err(|e| format!("{file}: {e:?}"))?;
    println!("web/{file}: {} bytes", encoded.len());
    std::fs::write(format!("web/{file}"), &*encoded)?;
    Ok(())
}

/// What networks draw, as frames.
async fn frames(gpu: &Gpu, mlp: &Mlp, params: &[f32]) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let grid = Window::WHOLE.grid((28, 28), (SIDE, SIDE));
    let pixels = draw(gpu, mlp, params, &grid).await?;
    Ok(pixels.chunks_exact(SIDE * SIDE).map(<[u8]>::to_vec).collect())
}

/// A corner of the usual picture, its pixels beside what the network draws there; and the same picture by networks of very low,
/// usual and very high frequencies.
async fn lesson_learning(gpu: &Gpu) -> Result<(), Box<dyn Error>> {
    let corner = Window { x: 0.35, y: 0.1, size: 0.25 };
    let mut by_omega = Vec::new();
    for omega in [5.0, FitSpec::default().omega, 80.0] {
        let spec = FitSpec { omega, steps: 500, ..FitSpec::default() };
        let (mlp, options, images) = (spec.mlp(1)?, spec.options(), fashion_mnist()?);
        let target = images.image(options.offset as usize).to_vec();
        let mut job = FitJob::new(gpu, images, &mlp, options, MemStore::new()).await?;
        while job.next().await.is_some() {}
        let params = job.params(0..1).await?;
        if omega == FitSpec::default().omega {
            let pixel = |x: usize, y: usize| {
                let at = |i: usize, from: f64| {
                    (28.0 * (from + corner.size * (i as f64 + 0.5) / SIDE as f64)) as usize
                };
                target[at(y, corner.y) * 28 + at(x, corner.x)]
            };
            let pixels = (0..SIDE * SIDE).map(|i| pixel(i % SIDE, i / SIDE)).collect();
            let grid = corner.grid((28, 28), (SIDE, SIDE));
            let drawn = draw(gpu, &mlp, &params, &grid).await?;
            save("recorded/lesson-corner.webp", &[pixels, drawn], 1, 2)?;
        }
        by_omega.push(draw(gpu, &mlp, &params, &Window::WHOLE.grid((28, 28), (SIDE, SIDE))).await?);
    }
    save("recorded/lesson-omega.webp", &by_omega, 1, 3)
}

/// Networks of one picture, each from another start.
async fn lesson_many(gpu: &Gpu) -> Result<(), Box<dyn Error>> {
    let spec = FitSpec { many: Many::Views(8), steps: 400, ..FitSpec::default() };
    let mlp = spec.mlp(1)?;
    let mut job = FitJob::new(gpu, fashion_mnist()?, &mlp, spec.options(), MemStore::new()).await?;
    while job.next().await.is_some() {}
    let nets = job.zoo().load_all().await?;
    save("recorded/lesson-many.webp", &frames(gpu, &mlp, &nets.params).await?, 1, 8)
}

/// A network as it is, shuffled, with other signs, and with noise.
async fn lesson_symmetry(gpu: &Gpu) -> Result<(), Box<dyn Error>> {
    let zoo = zoo(Split::Test).await?;
    let nets = zoo.load_all().await?;
    let (mlp, id) = (&zoo.manifest().mlp, NetId { object: 0, view: 0 });
    let net = NetBatch::upload(gpu, mlp, nets.net(0), &[id])?;
    let mut params = nets.net(0).to_vec();
    for op in ["permutation", "siren-negation", "gaussian-noise:level=0.1"] {
        params.extend(augment(&net, &Op::parse(op)?, 0)?.read().await?);
    }
    save("recorded/lesson-symmetry.webp", &frames(gpu, mlp, &params).await?, 1, 4)
}

/// The way between two networks, under every way of mixing.
async fn lesson_mix(gpu: &Gpu) -> Result<(), Box<dyn Error>> {
    let usual = MixSpec::default();
    let [a, b] = usual.pair.map(u64::from);
    let methods = vec![Mix::Direct, Mix::Random, Mix::Aligned, Mix::Signed];
    let options = PathOptions { pair: (a, b), steps: 7, methods, seed: usual.seed };
    let path = path(gpu, &zoo(Split::Test).await?, &options).await?;
    let mut all = Vec::new();
    for strip in &path.strips[1..] {
        let pixels = to_pixels(&strip.images, path.mlp.target_range);
        all.extend(pixels.chunks_exact(28 * 28).map(|image| enlarged(image, [28, 28, 1])));
    }
    save("recorded/lesson-mix.webp", &all, 1, 7)
}

/// How well the bench's usual classifier reads the networks it learns from, and others, epoch by epoch: two curves from
/// nothing to everything, and the line of guessing. What the lesson says of it is printed.
async fn lesson_training(gpu: &Gpu) -> Result<(), Box<dyn Error>> {
    let (train, test) = (zoo(Split::Train).await?, zoo(Split::Test).await?);
    let config = ClassifySpec::default().config()?;
    let mut training = Training::new(gpu, &train, Some(&test), config).await?;
    let mut curves = [Vec::new(), Vec::new()];
    while let Some(advance) = training.advance().await? {
        if let (Some(epoch), Some(test)) = (advance.epoch, training.tested()) {
            println!(
                "epoch {}: {:.3} learnt, {:.3} test",
                epoch.epoch, epoch.accuracy, test.accuracy
            );
            curves[0].push(epoch.accuracy);
            curves[1].push(test.accuracy);
        }
    }
    let [width, height] = [4 * SIDE, 2 * SIDE];
    let mut image = vec![16u8; width * height];
    let row = |share: f64| ((height - 1) as f64 * (1.0 - share)).round() as usize;
    image[row(0.1) * width..][..width].fill(96);
    for (curve, grey) in curves.iter().zip([255, 160]) {
        let last = (curve.len() - 1) as f64;
        let mut above = row(curve[0]);
        for x in 0..width {
            let at = last * x as f64 / (width - 1) as f64;
            let (i, part) = (at.floor() as usize, at.fract());
            let next = curve[(i + 1).min(curve.len() - 1)];
            let here = row(curve[i] + part * (next - curve[i]));
            for y in above.min(here)..=(above.max(here) + 1).min(height - 1) {
                image[y * width + x] = grey;
            }
            above = here;
        }
    }
    let frame = |column: usize, line: usize| {
        let rows =
            (0..SIDE).flat_map(|y| &image[((line * SIDE + y) * width + column * SIDE)..][..SIDE]);
        rows.copied().collect::<Vec<u8>>()
    };
    let frames: Vec<_> = (0..8).map(|i| frame(i % 4, i / 4)).collect();
    save("recorded/lesson-training.webp", &frames, 1, 4)
}

/// Networks of the test zoo, and what the page's classifier takes them for, which is printed.
async fn lesson_reading(gpu: &Gpu) -> Result<(), Box<dyn Error>> {
    const NETS: usize = 8;
    let zoo = zoo(Split::Test).await?;
    let nets = zoo.load_all().await?;
    let mlp = &zoo.manifest().mlp;
    let params = &nets.params[..NETS * mlp.param_count()];
    let classifier = Classifier::read(&DirStore::new("web/classifier"), None).await?;
    let names = fashion_mnist()?.class_names;
    for (i, shares) in classifier.probabilities(gpu, params).await?.iter().enumerate() {
        let best = (0..shares.len()).max_by(|&a, &b| shares[a].total_cmp(&shares[b]));
        let best = best.ok_or("a classifier without classes")?;
        let (is, said) = (&names[nets.labels[i] as usize], &names[best]);
        println!("{is}: {said} with {:.0} %", 100.0 * shares[best]);
    }
    save("recorded/lesson-reading.webp", &frames(gpu, mlp, params).await?, 1, NETS)
}

/// The target's pixels as squares.
fn enlarged(pixels: &[u8], [h, w, channels]: [usize; 3]) -> Vec<u8> {
    let mut out = Vec::with_capacity(SIDE * SIDE * channels);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let at = (y * h / SIDE * w + x * w / SIDE) * channels;
            out.extend_from_slice(&pixels[at..at + channels]);
        }
    }
    out
}
