//! All weights of a network in one drawing.
//!
//! The matrices stand at right angles in turn, so that neurons meet: the first has a column for each neuron of the first hidden layer,
//! and so has the second, below it, whose rows are the neurons of the next layer; the third, to its right, has the same
//! rows; and so on, down and right in stairs. The biases of a layer lie between the matrix that makes it and the one that
//! reads it. What is done to a neuron is thus seen in one line across two matrices.

use crate::palette;
use weightlab_nets::{Layer, Mlp};

/// Cells between two matrices.
const GAP: usize = 1;
/// Share of a tensor's numbers that the colours tell apart; the few beyond have the strongest colour.
const SHARE: f64 = 0.98;

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Portrait {
    /// Height and width in cells.
    pub size: [usize; 2],
    /// Row and column of every parameter.
    places: Vec<[usize; 2]>,
    layers: Vec<Layer>,
}

impl Portrait {
    /// Of networks of an architecture.
    pub fn new(mlp: &Mlp) -> Portrait {
        let layers = mlp.layers();
        let mut places = vec![[0; 2]; mlp.param_count()];
        let mut size = [0; 2];
        // The upper left corner of the next matrix.
        let mut corner = [0, 0];
        for (l, layer) in layers.iter().enumerate() {
            // Which way the layer's neurons run: along the columns first, then along the rows, in turn.
            let (across, down) = if l % 2 == 0 { (1, 0) } else { (0, 1) };
            let mut place = |at: usize, neuron: usize, depth: usize| {
                let mut cell = corner;
                cell[across] += neuron;
                cell[down] += depth;
                places[at] = cell;
                size = [size[0].max(cell[0] + 1), size[1].max(cell[1] + 1)];
            };
            for o in 0..layer.outputs {
                for i in 0..layer.inputs {
                    place(layer.weight + o * layer.inputs + i, o, i);
                }
                place(layer.bias + o, o, layer.inputs + GAP);
            }
            corner[down] += layer.inputs + 2 * GAP + 1;
        }
        Portrait { size, places, layers }
    }

    /// What the strongest colour of each tensor means: weights and biases, layer by layer.
    pub fn scales(&self, params: &[f32]) -> Vec<f32> {
        let scale = |range: std::ops::Range<usize>| {
            // Sizes are in the order of their bits, and sorting whole numbers is in the program anyway.
            let mut sizes: Vec<usize> =
                params[range].iter().map(|x| x.abs().to_bits() as usize).collect();
            sizes.sort_unstable();
            let at = ((sizes.len() - 1) as f64 * SHARE).ceil() as usize;
            // All zero is a scale too.
            f32::from_bits(sizes[at] as u32).max(1e-6)
        };
        let tensors = |l: &Layer| [l.weight..l.bias, l.bias..l.bias + l.outputs];
        self.layers.iter().flat_map(tensors).map(scale).collect()
    }

    /// The parameters as RGBA, a pixel each, transparent between the matrices.
    pub fn draw(&self, params: &[f32], scales: &[f32], table: &[[u8; 3]; 256]) -> Vec<u8> {
        let [height, width] = self.size;
        let mut out = vec![0; height * width * 4];
        for (layer, scales) in self.layers.iter().zip(scales.chunks_exact(2)) {
            for at in layer.weight..layer.bias + layer.outputs {
                let scale = scales[usize::from(at >= layer.bias)];
                let [row, column] = self.places[at];
                let cell = (row * width + column) * 4;
                let rgba = palette::colour([params[at] / scale], table);
                out[cell..cell + 4].copy_from_slice(&rgba);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Palette;
    use std::collections::HashSet;
    use weightlab_nets::Convention;

    #[test]
    fn every_parameter_has_a_place_of_its_own_and_neurons_meet() {
        for dims in [&[2, 5, 4, 1][..], &[2, 3, 1], &[3, 4, 6, 2, 7, 3]] {
            let mlp = Mlp::new(dims, Convention::Dwsnets).unwrap();
            let portrait = Portrait::new(&mlp);
            let places: HashSet<_> = portrait.places.iter().collect();
            assert_eq!(places.len(), mlp.param_count());
            let layers = mlp.layers();
            for (l, pair) in layers.windows(2).enumerate() {
                let (made, reads) = (pair[0], pair[1]);
                // In which coordinate the neurons between the two run.
                let along = if l % 2 == 0 { 1 } else { 0 };
                for n in 0..made.outputs {
                    let line = portrait.places[made.bias + n][along];
                    for i in 0..made.inputs {
                        assert_eq!(portrait.places[made.weight + n * made.inputs + i][along], line);
                    }
                    for o in 0..reads.outputs {
                        assert_eq!(
                            portrait.places[reads.weight + o * reads.inputs + n][along],
                            line
                        );
                    }
                }
            }
        }
        let mlp = Mlp::new(&[2, 32, 32, 1], Convention::Dwsnets).unwrap();
        // Downwards: two inputs, a gap, the bias, a gap; 32 neurons, a gap and the last bias. To the right: 32 neurons, a gap, the bias,
        // a gap, and the output.
        assert_eq!(Portrait::new(&mlp).size, [2 + 1 + 1 + 1 + 32 + 1 + 1, 32 + 1 + 1 + 1 + 1]);
    }

    #[test]
    fn colours_are_relative_to_each_tensor() {
        let mlp = Mlp::new(&[1, 2, 1], Convention::Dwsnets).unwrap();
        let portrait = Portrait::new(&mlp);
        // Weights 0.1 and -0.1, biases 3 and 0; then weights 5 and 0, bias 0.
        let params = [0.1, -0.1, 3.0, 0.0, 5.0, 0.0, 0.0];
        let scales = portrait.scales(&params);
        assert_eq!(scales, [0.1, 3.0, 5.0, 1e-6]);
        let table = palette::table(Palette::BlueOrange, false);
        let rgba = portrait.draw(&params, &scales, &table);
        assert_eq!(rgba.len(), portrait.size[0] * portrait.size[1] * 4);
        let at = |p: usize| {
            let [row, column] = portrait.places[p];
            let cell = (row * portrait.size[1] + column) * 4;
            [rgba[cell], rgba[cell + 1], rgba[cell + 2]]
        };
        let [low, middle, high] = [0, 128, 255].map(|i| table[i]);
        let expected = [high, low, high, middle, high, middle, middle];
        assert_eq!(std::array::from_fn(at), expected);
        let seen = rgba.chunks_exact(4).filter(|p| p[3] == 255).count();
        assert_eq!(seen, params.len());
    }
}
