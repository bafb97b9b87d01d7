//! What a model computed on the way, as the published code has it.

use super::arena::quads;
use super::combine::From;
use super::layout::{Columns, Layout};
use super::maps::{LayerMaps, Piece};
use super::model::Dws;
use super::recorded::{Recorded, State};
use super::reference::{Tensor, spread};
use super::topology::{Map, Part, Place, Source, sub_layers};
use crate::calls::Temp;
use std::collections::BTreeMap;

/// Buffers read back.
pub type Contents = BTreeMap<Temp, Vec<f32>>;

impl Dws {
    /// The buffers that [`Dws::outputs`] needs, of a model made by [`Dws::unmerged`].
    pub fn inspected(&self, recorded: &Recorded) -> Vec<Temp> {
        let mut all = Vec::new();
        for saved in &recorded.trace.saved {
            all.push(saved.pooled);
            all.extend(&saved.first);
            all.extend(saved.attended.iter().chain(&saved.mixed).flatten());
            all.extend(saved.direct.iter().flatten());
            all.extend(&saved.inner_alone);
        }
        let raw = recorded.trace.saved.iter().filter_map(|s| s.norms.as_ref()).map(|n| &n.raw);
        for state in recorded.trace.states[1..].iter().chain(raw) {
            all.extend(&state.groups);
            all.push(state.descriptors);
            all.extend(&state.inner);
        }
        all
    }

    /// Outputs of every map, block and module under the names that the golden sets have: `sub.layers.layers.0.weight_to_weight.layers.0_1` is
    /// one map, spread over its target, `block.layers.layers.0.weight_to_weight.1` the sum over i. `relu.layers.layers.0.w.1` is the state
    /// after the ReLU that follows that module, `layer.layers.layers.0.w.1` that before a normalisation.
    ///
    /// # Panics
    /// If a buffer is missing, or the model was not made by [`Dws::unmerged`].
    pub fn outputs(&self, recorded: &Recorded, read: &Contents) -> BTreeMap<String, Tensor> {
        let mut all = BTreeMap::new();
        for (l, maps) in self.layers.iter().enumerate() {
            let name = format!("layers.layers.{}", self.config().module(l));
            let batch = recorded.calls.temps()[recorded.nets.index()].words / self.net_len();
            for sub in sub_layers(self.config(), self.dims(), l) {
                let d = |i: usize| self.dims()[i];
                let h = self.config().hidden;
                let shape = match sub.target() {
                    Part::Weight(j) => vec![batch, d(j), d(j + 1), h],
                    Part::Bias(j) => vec![batch, d(j + 1), h],
                };
                let mut sum = Tensor::zeros(&shape);
                let mut add = |place: Place, tensor: &Tensor| {
                    let outputs = *tensor.shape.last().expect("a tensor");
                    let part = super::topology::SubLayer { place, outputs, ..sub };
                    sum.add(&spread(tensor, &part, &shape));
                };
                for piece in &maps.pieces[&sub.name()] {
                    add(piece.place, &self.piece(recorded, read, l, maps, piece, batch));
                }
                if sub.map == Map::Entries {
                    let temp = recorded.trace.saved[l].inner_alone[sub.i - 1];
                    let data = read[&temp].iter().map(|&x| f64::from(x) * self.divisor());
                    add(Place::Entries, &Tensor { shape: shape.clone(), data: data.collect() });
                }
                let block = format!("block.{name}.{}.{}", sub.block.name(), sub.j);
                all.entry(block).or_insert_with(|| Tensor::zeros(&shape)).add(&sum);
                all.insert(format!("sub.{name}.{}", sub.name()), sum);
            }
            let module = self.config().module(l);
            let mut state = |what: &str, module: usize, state: &State| {
                for i in 0..self.dims().len() - 1 {
                    for (kind, part) in [("w", Part::Weight(i)), ("b", Part::Bias(i))] {
                        let tensor = self.part(read, &maps.output, state, part, batch);
                        all.insert(format!("{what}.layers.layers.{module}.{kind}.{i}"), tensor);
                    }
                }
            };
            let after = &recorded.trace.states[l + 1];
            match &recorded.trace.saved[l].norms {
                Some(norms) => {
                    state("layer", module, &norms.raw);
                    state("relu", module + 1, after);
                }
                None => state("relu", module, after),
            }
        }
        all
    }

    /// What all sums are divided by.
    fn divisor(&self) -> f64 {
        2.0 * (self.dims().len() - 1) as f64
    }

    fn piece(
        &self,
        recorded: &Recorded,
        read: &Contents,
        l: usize,
        maps: &LayerMaps,
        piece: &Piece,
        batch: usize,
    ) -> Tensor {
        let saved = &recorded.trace.saved[l];
        let (from, columns) = piece.from;
        let g = piece.group;
        let group = &maps.groups[g];
        let positions = group.combine.positions;
        let scale = f64::from(piece.scale) * self.divisor();
        let take = |temp: Temp, stride: usize, rows: usize| -> Vec<f64> {
            columns_of(&read[&temp], stride, columns, rows)
        };
        let rows = batch * positions;
        let (mut data, shape) = match from {
            From::Attended => {
                let quads = group.attended_quads;
                let o = take(saved.attended[g].expect("attention"), quads, rows);
                let z = take(saved.mixed[g].expect("attention"), quads, rows);
                let sum = o.iter().zip(z).map(|(o, z)| o + z.max(0.0)).collect();
                (sum, vec![batch, positions])
            }
            From::Direct => {
                let temp = saved.direct[g].last().copied().unwrap_or(saved.first[g]);
                (take(temp, group.direct_quads, rows), vec![batch, positions])
            }
            From::Pooled => (take(saved.pooled, maps.pooled_quads, batch), vec![batch]),
        };
        data.iter_mut().for_each(|x| *x *= scale);
        let mut shape: Vec<usize> = shape;
        shape.push(4 * columns.quads);
        // A pooled vector of a map of sets is the same for all positions.
        if from == From::Pooled && piece.place != Place::Everywhere {
            let width = 4 * columns.quads;
            let data =
                data.chunks_exact(width).flat_map(|row| row.repeat(piece.positions)).collect();
            return Tensor { shape: vec![batch, piece.positions, width], data };
        }
        Tensor { shape, data }
    }

    fn part(
        &self,
        read: &Contents,
        layout: &Layout,
        state: &State,
        part: Part,
        batch: usize,
    ) -> Tensor {
        let (last, h) = (layout.last(), self.config().hidden);
        let d = |i: usize| self.dims()[i];
        match part {
            Part::Weight(i) if i > 0 && i < last => {
                let temp = state.inner[i - 1];
                let data = read[&temp].iter().map(|&x| f64::from(x)).collect();
                Tensor { shape: vec![batch, d(i), d(i + 1), h], data }
            }
            Part::Bias(i) if i == last => {
                let temp = state.descriptors;
                let data = columns_of(&read[&temp], layout.descriptors, layout.last_bias, batch);
                Tensor { shape: vec![batch, d(last + 1), h], data }
            }
            part => {
                let (g, columns) = layout.set(Source::Positions(part));
                let group = &layout.groups[g];
                let rows = batch * group.positions;
                let data = columns_of(&read[&state.groups[g]], group.quads, columns, rows);
                match part {
                    Part::Weight(0) => Tensor { shape: vec![batch, d(1), d(0), h], data }.swap(),
                    Part::Weight(i) => Tensor { shape: vec![batch, d(i), d(i + 1), h], data },
                    Part::Bias(i) => Tensor { shape: vec![batch, d(i + 1), h], data },
                }
            }
        }
    }

    /// Gradients by the nets `[nets, P]`, in the layout of files, of a model recorded with them.
    pub fn input_gradient(&self, recorded: &Recorded, read: &Contents) -> Option<Vec<f32>> {
        let state = recorded.trace.d_input.as_ref()?;
        let layout = &self.layers[0].input;
        let batch = recorded.calls.temps()[recorded.nets.index()].words / self.net_len();
        let last = layout.last();
        let mut out = Vec::new();
        for b in 0..batch {
            for i in 0..=last {
                let (m, n) = (self.dims()[i], self.dims()[i + 1]);
                for c in 0..n {
                    for r in 0..m {
                        out.push(match i {
                            0 => entry(read, layout, state, Part::Weight(0), b * n + c, r),
                            i if i == last => {
                                entry(read, layout, state, Part::Weight(i), b * m + r, c)
                            }
                            i => {
                                let at = ((b * m + r) * n + c) * 4 * quads(1);
                                read[&state.inner[i - 1]][at]
                            }
                        });
                    }
                }
                for c in 0..n {
                    out.push(if i == last {
                        let at = b * layout.descriptors + layout.last_bias.at + c;
                        read[&state.descriptors][4 * at]
                    } else {
                        entry(read, layout, state, Part::Bias(i), b * n + c, 0)
                    });
                }
            }
        }
        Some(out)
    }

    /// The buffers that [`Dws::input_gradient`] needs.
    pub fn inspected_input(&self, recorded: &Recorded) -> Vec<Temp> {
        let state = recorded.trace.d_input.iter();
        state
            .flat_map(|s| s.groups.iter().chain(&s.inner).chain(std::iter::once(&s.descriptors)))
            .copied()
            .collect()
    }
}

/// Entry `e` of a row of a set of positions of the first state.
fn entry(read: &Contents, layout: &Layout, state: &State, part: Part, row: usize, e: usize) -> f32 {
    let (g, columns) = layout.set(Source::Positions(part));
    read[&state.groups[g]][4 * (row * layout.groups[g].quads + columns.at + e)]
}

fn columns_of(data: &[f32], stride: usize, columns: Columns, rows: usize) -> Vec<f64> {
    (0..rows)
        .flat_map(|r| &data[4 * (r * stride + columns.at)..][..4 * columns.quads])
        .map(|&x| f64::from(x))
        .collect()
}
