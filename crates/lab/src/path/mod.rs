//! What lies between two networks: the images of the mixtures on the straight line from one to the other, as the second is
//! or after it was brought nearer.
//!
//! Averaging the weights of two networks is not averaging what they draw: each has its neurons in an order and with signs of its
//! own. Moves of the neurons that leave its function alone bring the second nearer to the first; how
//! much of the bump along the line that takes away is what the picture shows.

mod line;
mod sheet;

use crate::error::LabError;
pub use line::{Costs, Line, Moved, shares};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use weightlab_data::{Store, Zoo};
use weightlab_gpu::Gpu;
use weightlab_nets::Mlp;
use weightlab_nets::mix::Mix;

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
    if !(2..=MOST_STEPS).contains(&options.steps) {
        return Err(LabError::Steps { steps: options.steps, most: MOST_STEPS });
    }
    for method in options.methods.iter().filter_map(|how| how.method()) {
        method.validate(&zoo.manifest().mlp)?;
    }
    let line = Line::new(gpu, zoo, options.pair).await?;
    let shares = shares(options.steps);
    let mut strips = vec![line.pixels(&shares)];
    for &how in &options.methods {
        let moved = line.moved(how, options.seed).await?;
        strips.push(line.strip(&moved, &shares).await?);
    }
    Ok(Path {
        pair: line.pair,
        titles: line.titles.clone(),
        mlp: line.mlp().clone(),
        shape: line.shape,
        against_images: line.against_images,
        strips,
    })
}

/// Mean squared difference.
pub(crate) fn mse(x: &[f32], y: &[f32]) -> f64 {
    let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
    x.iter().zip(y).map(square).sum::<f64>() / x.len() as f64
}
