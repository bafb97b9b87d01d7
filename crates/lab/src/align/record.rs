//! What is known of every aligned pair, in memory and as a file.

use crate::derive::SideFile;
use crate::error::LabError;
use weightlab_nets::Mlp;
use weightlab_nets::align::{Aligned, Method};
use weightlab_nets::symmetry::Move;

/// One entry per pair.
#[derive(Debug)]
pub(super) struct Record {
    widths: Vec<usize>,
    signed: bool,
    pair: Vec<i64>,
    /// `[pairs, hidden neurons]`.
    moves: Vec<Move>,
    /// Inner products, before and after.
    pub(super) objective: [Vec<f64>; 2],
    /// Squared distances, before and after.
    pub(super) distance: [Vec<f64>; 2],
    pub(super) sweeps: Vec<i64>,
    /// 0 or 1.
    pub(super) converged: Vec<i64>,
}

impl Record {
    pub(super) fn new(mlp: &Mlp, method: Method) -> Record {
        Record {
            widths: mlp.dims[1..mlp.depth()].to_vec(),
            signed: method == Method::Signed,
            pair: Vec::new(),
            moves: Vec::new(),
            objective: Default::default(),
            distance: Default::default(),
            sweeps: Vec::new(),
            converged: Vec::new(),
        }
    }

    /// Takes the pairs of positions `a` and `b`.
    pub(super) fn extend(&mut self, a: &[u64], b: &[u64], aligned: &[Aligned]) {
        self.pair.extend(a.iter().zip(b).flat_map(|(&a, &b)| [a as i64, b as i64]));
        for one in aligned {
            self.moves.extend(&one.moves);
            for (i, objective) in [one.before, one.after].into_iter().enumerate() {
                self.objective[i].push(objective.inner);
                self.distance[i].push(objective.squared_distance);
            }
            self.sweeps.push(i64::from(one.sweeps));
            self.converged.push(i64::from(one.converged));
        }
    }

    /// The file [`super::ALIGNMENT_FILE`].
    pub(super) fn bytes(&self, mlp: &Mlp) -> Result<Vec<u8>, LabError> {
        let pairs = self.sweeps.len();
        let mut file = SideFile::default();
        file.i64("pair", vec![pairs, 2], &self.pair);
        let neurons: usize = self.widths.iter().sum();
        let mut start = 0;
        for (l, &width) in self.widths.iter().enumerate() {
            let layer =
                || self.moves.chunks_exact(neurons).flat_map(move |net| &net[start..start + width]);
            let shape = || vec![pairs, width];
            let source: Vec<i64> = layer().map(|m| i64::from(m.source)).collect();
            file.i64(format!("source.{l}"), shape(), &source);
            if self.signed {
                let mut part = |name: &str, of: fn(&Move) -> f32| {
                    let values: Vec<f32> = layer().map(of).collect();
                    file.f32(format!("{name}.{l}"), shape(), &values);
                };
                part("row", |m| m.row);
                part("shift", |m| m.shift);
                part("column", |m| m.column);
            }
            start += width;
        }
        for (i, when) in ["before", "after"].into_iter().enumerate() {
            file.f64(format!("objective_{when}"), &self.objective[i]);
            file.f64(format!("squared_distance_{when}"), &self.distance[i]);
        }
        file.i64("sweeps", vec![pairs], &self.sweeps);
        file.i64("converged", vec![pairs], &self.converged);
        file.bytes(&format!(
            "Moves that align networks {}. pair: positions of networks; the second is aligned to the first. source.L: neuron i of \
             hidden layer L (from 0) of the aligned network was neuron source[i]. Where signs were matched: its incoming weights \
             and bias are multiplied by row, shift is added to its bias, and its outgoing weights are multiplied by column.",
            mlp.dims_text()
        ))
    }
}
