//! What networks look like: their pictures at any resolution and place, where they differ from their
//! targets, and the waves of which they are made.
//!
//! A network has no pixels. A [`Window`] says which part of the plane to look at, in units of the picture
//! it was fitted to, and how finely; so one can go between the pixels and beyond the frame.

use crate::error::LabError;
use crate::picture;
use serde::{Deserialize, Serialize};
use weightlab_nets::{Activation, Device, Mlp, evaluate};

/// A part of the plane, in units of the picture: (0, 0) is its upper left corner and (1, 1) its lower right
/// one, counted at the edges of its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width; the height is the same share of the picture's.
    pub size: f64,
}

impl Window {
    /// The picture, no more and no less.
    pub const WHOLE: Window = Window { x: 0.0, y: 0.0, size: 1.0 };

    /// Coordinates `[rows * columns, 2]` of the centres of `rows x columns` cells that divide the window,
    /// for networks that were fitted to a picture of `height x width` pixels.
    ///
    /// The grid of a fit puts the *centres* of the outermost pixels at -1 and 1
    /// ([`image_grid`](weightlab_nets::image_grid)), so the picture's edges lie half a pixel beyond.
    /// [`Window::WHOLE`] with the picture's own rows and columns is that grid.
    pub fn grid(
        &self,
        (height, width): (usize, usize),
        (rows, columns): (usize, usize),
    ) -> Vec<f32> {
        let line = |start: f64, pixels: usize, cells: usize| -> Vec<f32> {
            let last = pixels.saturating_sub(1).max(1) as f64;
            let at = |i: usize| {
                let share = start + self.size * (i as f64 + 0.5) / cells as f64;
                // In pixels from the centre of the first one, then -1 to 1.
                let pixel = share * pixels as f64 - 0.5;
                if pixels == 1 { 0.0 } else { (-1.0 + 2.0 * pixel / last) as f32 }
            };
            (0..cells).map(at).collect()
        };
        let xs = line(self.x, width, columns);
        let ys = line(self.y, height, rows);
        ys.iter().flat_map(|&y| xs.iter().flat_map(move |&x| [x, y])).collect()
    }
}

/// Pixels of networks on a grid: `[nets, points, outputs]`, black to white over the target range.
///
/// # Errors
/// Lengths that do not fit, or the GPU.
pub async fn draw(
    device: impl Into<Device>,
    mlp: &Mlp,
    params: &[f32],
    grid: &[f32],
) -> Result<Vec<u8>, LabError> {
    let nets = params.len() / mlp.param_count();
    let outputs = evaluate(device, mlp, params, nets, grid).await?;
    Ok(picture::to_pixels(&outputs, mlp.target_range))
}

/// What one network draws on the grid of its own picture, and its error there.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `[points]`: network minus target, mean over the outputs, as a share of the target range.
    pub error: Vec<f32>,
    /// PSNR, dB.
    pub psnr: f64,
}

/// Where a network differs from `target` (`[points, outputs]`, output units) on `grid`.
///
/// # Errors
/// As [`draw`].
pub async fn difference(
    device: impl Into<Device>,
    mlp: &Mlp,
    params: &[f32],
    grid: &[f32],
    target: &[f32],
) -> Result<Difference, LabError> {
    let outputs = evaluate(device, mlp, params, 1, grid).await?;
    let channels = mlp.outputs();
    let peak = mlp.target_range[1] - mlp.target_range[0];
    let mean = |(got, wanted): (&[f32], &[f32])| {
        got.iter().zip(wanted).map(|(a, b)| a - b).sum::<f32>() / (channels as f32 * peak)
    };
    let error =
        outputs.chunks_exact(channels).zip(target.chunks_exact(channels)).map(mean).collect();
    let squares = outputs.iter().zip(target).map(|(a, b)| f64::from(a - b).powi(2));
    let psnr = mlp.psnr(squares.sum::<f64>() / target.len().max(1) as f64);
    Ok(Difference { error, psnr })
}

/// A neuron of the first layer is a plane wave: `activation(omega_0 (w . x + b))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// omega_0 w, radians per unit of the coordinates (half a picture), right and down.
    pub frequency: [f32; 2],
    /// omega_0 b, radians.
    pub phase: f32,
}

impl Wave {
    /// Its value at a point.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        (self.frequency[0] * x + self.frequency[1] * y + self.phase).sin()
    }

    /// Crests over the width of the picture (2 units), along the direction in which the wave runs.
    pub fn crests(&self) -> f32 {
        let [x, y] = self.frequency;
        x.hypot(y) * 2.0 / std::f32::consts::TAU
    }

    /// Direction in which it runs, degrees from right, upwards positive, 0 to 180: a wave that runs the
    /// other way is the same picture.
    pub fn degrees(&self) -> f32 {
        let [x, y] = self.frequency;
        (-y).atan2(x).to_degrees().rem_euclid(180.0)
    }
}

/// The first layer of a sine network on two coordinates, neuron by neuron; empty for any other.
pub fn first_layer(mlp: &Mlp, params: &[f32]) -> Vec<Wave> {
    let (Activation::Sine { omega_0 }, 2, Some(layer)) =
        (mlp.activation, mlp.inputs(), mlp.layers().first().copied())
    else {
        return Vec::new();
    };
    let wave = |neuron: usize| {
        let w = &params[layer.weight + 2 * neuron..];
        Wave {
            frequency: [omega_0 * w[0], omega_0 * w[1]],
            phase: omega_0 * params[layer.bias + neuron],
        }
    };
    (0..layer.outputs).map(wave).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weightlab_nets::{Convention, image_grid, reference};

    #[test]
    fn the_whole_window_at_the_pictures_own_size_is_the_grid_of_the_fit() {
        for (height, width) in [(28, 28), (2, 7), (1, 3)] {
            let grid = Window::WHOLE.grid((height, width), (height, width));
            let fit = image_grid(height, width);
            assert_eq!(grid.len(), fit.len());
            for (a, b) in grid.iter().zip(&fit) {
                // The same formula in another order: rounding of numbers up to 1.
                assert!((a - b).abs() <= 2.0 * f32::EPSILON, "{a} {b}");
            }
        }
    }

    #[test]
    fn finer_cells_lie_within_their_pixel() {
        // Two cells per pixel: their mean is the pixel's centre.
        let pixels = Window::WHOLE.grid((1, 4), (1, 4));
        let cells = Window::WHOLE.grid((1, 4), (1, 8));
        for p in 0..4 {
            let mean = f32::midpoint(cells[4 * p], cells[4 * p + 2]);
            assert!((mean - pixels[2 * p]).abs() < 1e-6);
        }
        // The right half, seen alone.
        let half = Window { x: 0.5, y: 0.0, size: 0.5 }.grid((4, 4), (2, 2));
        let whole = Window::WHOLE.grid((4, 4), (4, 4));
        assert_eq!(half[..4], whole[4..8]);
    }

    #[test]
    fn waves_are_what_the_first_layer_computes() {
        let mlp = Mlp::new(&[2, 5, 1], Convention::Sitzmann).unwrap();
        let id = weightlab_nets::NetId { object: 1, view: 0 };
        let params = weightlab_nets::init::init_reference(&mlp, id, 3);
        let waves = first_layer(&mlp, &params);
        assert_eq!(waves.len(), 5);
        // The network's output is a weighted sum of its waves.
        let (x, y) = (0.3f32, -0.7f32);
        let last = &params[15..];
        let sum: f32 = waves.iter().zip(last).map(|(wave, w)| w * wave.at(x, y)).sum();
        let wide: Vec<f64> = params.iter().map(|&p| f64::from(p)).collect();
        let expected = reference::forward(&mlp, &wide, &[f64::from(x), f64::from(y)])[0];
        let got = f64::from(sum + last[5] + mlp.output_offset);
        assert!((got - expected).abs() < 1e-5, "{got} {expected}");
    }

    #[test]
    fn a_wave_is_described_as_it_looks() {
        let wave = Wave { frequency: [0.0, -std::f32::consts::TAU], phase: 0.0 };
        // One period per unit, so two over the picture's height, running upwards.
        assert!((wave.crests() - 2.0).abs() < 1e-6 && (wave.degrees() - 90.0).abs() < 1e-4);
        let wave = Wave { frequency: [-3.0, 0.0], phase: 1.0 };
        assert!(wave.degrees().abs() < 1e-4);
    }
}
