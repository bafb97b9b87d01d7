//! Moves of hidden neurons: permutations, sign flips, phase shifts and positive scalings as one thing.

use super::block::{hidden_count, neuron_starts};
use crate::Mlp;

/// What becomes of position `i` of a hidden layer: `Move` of the shaders.
///
/// With the move `(source, row, shift, column)` of position i, row i of the layer's weight becomes
/// `row` times row `source`, its bias `row * b[source] + shift`, and the next layer reads neuron
/// `source` through `column`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Move {
    /// Old position within the layer.
    pub source: u32,
    /// Factor of the incoming weights and the bias.
    pub row: f32,
    /// Added to the bias.
    pub shift: f32,
    /// Factor of the outgoing weights.
    pub column: f32,
}

impl Move {
    /// Neuron `source` as it is.
    pub fn from(source: usize) -> Move {
        Move { source: source as u32, row: 1.0, shift: 0.0, column: 1.0 }
    }
}

/// The moves of one net that leave everything in place, `[hidden neurons]`.
pub fn identity(mlp: &Mlp) -> Vec<Move> {
    mlp.dims[1..mlp.depth()].iter().flat_map(|&width| (0..width).map(Move::from)).collect()
}

/// Moves of one net from one permutation per hidden layer: position i takes neuron `p[i]`.
///
/// # Panics
/// If there is not one permutation per hidden layer.
pub fn from_permutations(mlp: &Mlp, permutations: &[Vec<usize>]) -> Vec<Move> {
    assert_eq!(permutations.len(), mlp.depth() - 1, "one permutation per hidden layer");
    permutations.iter().flatten().map(|&p| Move::from(p)).collect()
}

/// The permutation of every hidden layer in the moves of one net.
pub fn permutations(mlp: &Mlp, moves: &[Move]) -> Vec<Vec<usize>> {
    neuron_starts(mlp)
        .windows(2)
        .map(|w| moves[w[0]..w[1]].iter().map(|m| m.source as usize).collect())
        .collect()
}

/// One net after its moves: the plain twin of `shaders/symmetry/parts/moved.wgsl`.
///
/// # Panics
/// If `moves` has not one entry per hidden neuron.
pub fn apply(mlp: &Mlp, params: &[f64], moves: &[Move]) -> Vec<f64> {
    assert_eq!(moves.len(), hidden_count(mlp), "one move per hidden neuron");
    let starts = neuron_starts(mlp);
    let layers = mlp.layers();
    let mut out = vec![0.0; params.len()];
    for (l, layer) in layers.iter().enumerate() {
        for i in 0..layer.outputs {
            let up = if l + 1 < layers.len() { moves[starts[l] + i] } else { Move::from(i) };
            let [row, shift] = [up.row, up.shift].map(f64::from);
            out[layer.bias + i] = row * params[layer.bias + up.source as usize] + shift;
            for c in 0..layer.inputs {
                let down = if l > 0 { moves[starts[l - 1] + c] } else { Move::from(c) };
                let from = layer.weight + up.source as usize * layer.inputs + down.source as usize;
                out[layer.weight + i * layer.inputs + c] =
                    row * f64::from(down.column) * params[from];
            }
        }
    }
    out
}
