//! Makes the recordings that the page shows before its GPU is ready: `web/recorded/*.jpg`.
//!
//! Run it from the repository's root after a change of what the bench usually does.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::error::Error;
use weightlab_app::recorded::{CLOTHES, STEPS, file};
use weightlab_app::state::{FitSpec, Picture};
use weightlab_data::{ImageSet, MemStore, SourceOptions};
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_lab::FitJob;
use weightlab_lab::builtin::{PHOTOS, fashion_mnist, photo};
use weightlab_lab::view::{Window, draw};

/// Side of a picture of grey clothes, in pixels: three times as fine as what was fitted.
const SIDE: usize = 84;

/// Of the JPEG encoding, of 100: noise, of which early frames are full, is what packs worst.
const QUALITY: u8 = 75;

fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(async {
        let gpu = Gpu::open(&OpenOptions::default()).await?;
        for number in CLOTHES {
            record(&gpu, Picture::Fashion(number), fashion_mnist()?).await?;
        }
        for which in 0..PHOTOS.len() {
            record(&gpu, Picture::Photo(which), photo(which, &SourceOptions::default())?).await?;
        }
        Ok(())
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
    let mut strip = Vec::new();
    for row in 0..SIDE {
        for frame in &frames {
            strip.extend_from_slice(&frame[row * SIDE * channels..(row + 1) * SIDE * channels]);
        }
    }
    let mut jpeg = Vec::new();
    let colour = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let size = (SIDE * frames.len()) as u32;
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).write_image(
        &strip,
        size,
        SIDE as u32,
        colour,
    )?;
    let path = format!("web/{}", file(what).ok_or("a picture without a recording")?);
    println!("{path}: {} bytes", jpeg.len());
    std::fs::write(path, jpeg)?;
    Ok(())
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
