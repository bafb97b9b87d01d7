//! What lies between two networks: the images of the mixtures on the straight line from one to the other, as the second is
//! or after it was brought nearer.
//!
//! Averaging the weights of two networks is not averaging what they draw: each has its neurons in an order and with signs of its
//! own. Moves of the neurons that leave its function alone bring the second nearer to the first; how
//! much of the bump along the line that takes away is what the picture shows.

mod sheet;

use crate::derive::NetReader;
use crate::error::LabError;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use weightlab_data::{Shard, Store, Targets, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::align::{AlignSettings, Order, Pair, align, host};
use weightlab_nets::mix::{Mix, Mixer};
use weightlab_nets::symmetry::Move;
use weightlab_nets::{Mlp, NetBatch, evaluate, image_grid};

/// Resolution of networks that do not say what they were fitted to.
const DEFAULT_SIDE: usize = 64;
/// Most steps: a strip of more has no room.
const MOST_STEPS: usize = 101;

/// Which line to follow.
#[derive(Clone, Debug)]
pub struct PathOptions {
    /// Positions of the network it begins at, which stays as it is, and of the one it ends at.
    pub pair: (u64, u64),
    /// Mixtures, both ends included.
    pub steps: usize,
    /// What is done to the second network.
    pub methods: Vec<Mix>,
    /// Key of random permutations and orders.
    pub seed: u64,
}

/// One mixture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathPoint {
    /// Share of the second network.
    pub t: f64,
    /// Mean squared error against the average of both images with the same shares, pixel by pixel.
    pub mse_blend: f64,
    /// Mean squared error against the first image.
    pub mse_first: f64,
    /// Mean squared error against the second image.
    pub mse_second: f64,
}

impl PathPoint {
    /// Mean squared error against the nearer of both images.
    pub fn mse_nearer(&self) -> f64 {
        self.mse_first.min(self.mse_second)
    }
}

/// The line under one method.
#[derive(Clone, Debug)]
pub struct Strip {
    /// What was done to the second network; `None` for no networks at all, but the averages of both images.
    pub method: Option<Mix>,
    /// Squared distance of the two networks' weights.
    pub squared_distance: Option<f64>,
    /// The mixtures.
    pub points: Vec<PathPoint>,
    /// What they draw, `[steps, height, width, channels]`, output units.
    pub images: Vec<f32>,
}

impl Strip {
    /// `pixels`, `direct`, `random`, `aligned` or `signed`.
    pub fn name(&self) -> &'static str {
        self.method.map_or("pixels", Mix::name)
    }
}

/// A line between two networks.
#[derive(Clone, Debug)]
pub struct Path {
    /// Positions of the networks.
    pub pair: (u64, u64),
    /// What is known of each: `#3 Sneaker`.
    pub titles: [String; 2],
    /// The architecture.
    pub mlp: Mlp,
    /// `[height, width, channels]` of the images.
    pub shape: [usize; 3],
    /// Whether errors are against the images that were fitted, rather than what the networks themselves draw.
    pub against_images: bool,
    /// First the averages of the images, then a strip per method.
    pub strips: Vec<Strip>,
}

impl Path {
    /// A line per method and step.
    pub fn csv(&self) -> String {
        let mut text =
            String::from("method,t,mse_blend,mse_nearer,mse_first,mse_second,psnr_blend_db\n");
        for strip in &self.strips {
            for p in &strip.points {
                let row = [p.t, p.mse_blend, p.mse_nearer(), p.mse_first, p.mse_second];
                text += strip.name();
                for x in row {
                    // A String takes everything.
                    let _infallible = write!(text, ",{x}");
                }
                let _infallible = writeln!(text, ",{}", self.mlp.psnr(p.mse_blend));
            }
        }
        text
    }

    /// The strips below each other, with the errors along them.
    ///
    /// # Errors
    /// The picture cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>, LabError> {
        sheet::draw(self)
    }
}

/// Follows the line between two networks of a zoo.
///
/// # Errors
/// Networks that are no pictures, a position that is not there, too few or too many steps, weights that are not finite, a
/// method that the architecture does not have, or the GPU.
pub async fn path<S: Store>(
    gpu: &Gpu,
    zoo: &Zoo<S>,
    options: &PathOptions,
) -> Result<Path, LabError> {
    let manifest = zoo.manifest();
    let mlp = &manifest.mlp;
    crate::contact_sheet::check_pictures(mlp)?;
    if !(2..=MOST_STEPS).contains(&options.steps) {
        return Err(LabError::Steps { steps: options.steps, most: MOST_STEPS });
    }
    for how in &options.methods {
        if let Some(method) = how.method() {
            method.validate(mlp)?;
        }
    }
    let (a, b) = options.pair;
    let mut reader = NetReader::new(zoo)?;
    let [first, second] = [reader.read(&[a]).await?, reader.read(&[b]).await?];
    let targets = zoo.read_targets().await?;
    let side = (DEFAULT_SIDE, DEFAULT_SIDE);
    let (height, width) = manifest.image_shape.map_or(side, |[h, w, _]| (h, w));
    let shape = [height, width, mlp.outputs()];
    let grid = image_grid(height, width);
    let nets = [reader.upload(gpu, &first)?, reader.upload(gpu, &second)?];
    let weights = [&first, &second].map(|n| n.params.iter().map(|&x| f64::from(x)).collect());
    let weights: [Vec<f64>; 2] = weights;

    let image = |shard: &Shard| target(mlp, targets.as_ref(), shard.objects[0], shape);
    let known = image(&first).zip(image(&second));
    let against_images = known.is_some();
    let ends = match known {
        Some((x, y)) => [x, y],
        None => [
            evaluate(gpu, mlp, &first.params, 1, &grid).await?,
            evaluate(gpu, mlp, &second.params, 1, &grid).await?,
        ],
    };
    let shares: Vec<f64> =
        (0..options.steps).map(|i| i as f64 / (options.steps - 1) as f64).collect();
    let mut blends = Vec::new();
    for &t in &shares {
        blends.extend(blend(&ends, t));
    }
    let mut strips = vec![strip(None, None, &shares, &ends, blends)];
    for &how in &options.methods {
        let moves = moves(&nets, how, options.seed).await?;
        let distance = host::objective(mlp, &weights[0], &weights[1], &moves).squared_distance;
        let params = mixtures(&nets, &moves, &shares).await?;
        let images = evaluate(gpu, mlp, &params, shares.len(), &grid).await?;
        strips.push(strip(Some(how), Some(distance), &shares, &ends, images));
    }
    let title = |position: u64, shard: &Shard| {
        let class = usize::try_from(shard.labels[0]).ok();
        let name = class.and_then(|c| manifest.class_names.get(c));
        name.map_or(format!("#{position}"), |name| format!("#{position} {name}"))
    };
    Ok(Path {
        pair: options.pair,
        titles: [title(a, &first), title(b, &second)],
        mlp: mlp.clone(),
        shape,
        against_images,
        strips,
    })
}

/// The image that a network was fitted to, in output units.
fn target(
    mlp: &Mlp,
    targets: Option<&Targets>,
    object: i64,
    shape: [usize; 3],
) -> Option<Vec<f32>> {
    let targets = targets?;
    if [targets.height, targets.width, targets.channels] != shape {
        return None;
    }
    let [lo, hi] = mlp.target_range;
    let pixels = targets.find(object)?;
    Some(pixels.iter().map(|&p| lo + (hi - lo) * f32::from(p) / 255.0).collect())
}

fn blend(ends: &[Vec<f32>; 2], t: f64) -> Vec<f32> {
    let mix = |(x, y): (&f32, &f32)| ((1.0 - t) * f64::from(*x) + t * f64::from(*y)) as f32;
    ends[0].iter().zip(&ends[1]).map(mix).collect()
}

/// Mean squared difference.
pub(crate) fn mse(x: &[f32], y: &[f32]) -> f64 {
    let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
    x.iter().zip(y).map(square).sum::<f64>() / x.len() as f64
}

fn strip(
    method: Option<Mix>,
    squared_distance: Option<f64>,
    shares: &[f64],
    ends: &[Vec<f32>; 2],
    images: Vec<f32>,
) -> Strip {
    let points = shares
        .iter()
        .zip(images.chunks_exact(ends[0].len()))
        .map(|(&t, image)| PathPoint {
            t,
            mse_blend: mse(image, &blend(ends, t)),
            mse_first: mse(image, &ends[0]),
            mse_second: mse(image, &ends[1]),
        })
        .collect();
    Strip { method, squared_distance, points, images }
}

/// The moves of the second of two nets.
async fn moves([a, b]: &[NetBatch; 2], how: Mix, seed: u64) -> Result<Vec<Move>, LabError> {
    let pair = Pair::numbered(&[(0, 0)]);
    if let Some(method) = how.method() {
        let order = Order::Random { seed };
        let settings = AlignSettings { method, order, ..AlignSettings::default() };
        return Ok(align(a, b, &pair, &settings).await?.remove(0).moves);
    }
    let mut mixer = Mixer::new(a.gpu(), a.mlp(), 1)?;
    mixer.set_pairs(&pair)?;
    let mut recording = a.gpu().record();
    mixer.record_moves(&mut recording, how, seed, a, b)?;
    recording.submit()?;
    Ok(mixer.moves().await?)
}

/// Mixtures with these shares of b, `[shares, P]`.
async fn mixtures(
    [a, b]: &[NetBatch; 2],
    moves: &[Move],
    shares: &[f64],
) -> Result<Vec<f32>, LabError> {
    let mut mixer = Mixer::new(a.gpu(), a.mlp(), shares.len())?;
    mixer.set_pairs(&Pair::numbered(&vec![(0, 0); shares.len()]))?;
    mixer.set_moves(&moves.repeat(shares.len()))?;
    mixer.set_lambdas(&shares.iter().map(|t| (1.0 - t) as f32).collect::<Vec<_>>())?;
    let out = NetBatch::empty(a.gpu(), a.mlp(), shares.len())?;
    let mut recording = a.gpu().record();
    mixer.record_nets(&mut recording, a, b, &out)?;
    recording.submit()?;
    Ok(out.read().await?)
}
