//! Which maps a DWS layer consists of.
//!
//! A layer maps the weights W_0 .. W_L and biases b_0 .. b_L of a net, each entry with f features, to the
//! same with h features. For each ordered pair of tensors there is one map, whose form depends on how near
//! the two are: neighbours share an axis of neurons and exchange values neuron by neuron, others only know
//! pooled values of each other. Output j is the sum over all i, divided by the number of tensors.
//!
//! W_i has shape `[d_i, d_{i+1}, f]` (the transpose of the layout in files), b_i `[d_{i+1}, f]`. The inputs'
//! and outputs' units are not permuted, so W_0 is a set of d_1 positions with d_0 f features, W_L one of d_L
//! positions with d_M f features, and b_L is one vector of d_M f features; such features are position-major.

use super::config::{DwsConfig, SetLayer, Shared};

/// A tensor of the net that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// W_i.
    Weight(usize),
    /// b_i.
    Bias(usize),
}

/// From which kind of tensor to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Weights to weights.
    WeightToWeight,
    /// Biases to biases.
    BiasToBias,
    /// Biases to weights.
    BiasToWeight,
    /// Weights to biases.
    WeightToBias,
}

impl Block {
    /// All four, in the order of the published code.
    pub const ALL: [Block; 4] =
        [Block::WeightToWeight, Block::BiasToBias, Block::BiasToWeight, Block::WeightToBias];

    /// Name in parameter names.
    pub fn name(self) -> &'static str {
        match self {
            Block::WeightToWeight => "weight_to_weight",
            Block::BiasToBias => "bias_to_bias",
            Block::BiasToWeight => "bias_to_weight",
            Block::WeightToBias => "weight_to_bias",
        }
    }
}

/// What a map reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The tensor by positions: W_0, W_L or b_i with i < L.
    Positions(Part),
    /// W_i pooled over its rows: d_{i+1} positions.
    OverRows(usize),
    /// W_i pooled over its columns: d_i positions.
    OverColumns(usize),
    /// The tensor's descriptor: pooled over all neurons.
    Pooled(Part),
    /// All entries of an inner W_i.
    Entries(usize),
}

/// A map on features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// On a set of positions.
    Set,
    /// A chain of so many affine maps, on one vector.
    Affine(usize),
    /// The equivariant map of a matrix: of each entry, of the means of its column and row, of all.
    Entries,
}

/// Where a map's output goes in its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Position by position, with all features of a position.
    Positions,
    /// One vector of h features for each row of a matrix.
    Rows,
    /// One vector of h features for each column of a matrix.
    Columns,
    /// The same everywhere: h features, or those of one position of W_0, W_L or b_L.
    Everywhere,
    /// Entry by entry.
    Entries,
}

/// One map of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubLayer {
    /// Between which kinds of tensors.
    pub block: Block,
    /// From tensor i.
    pub i: usize,
    /// To tensor j.
    pub j: usize,
    /// What it reads.
    pub source: Source,
    /// What it does.
    pub map: Map,
    /// Features of its input.
    pub inputs: usize,
    /// Features of its output.
    pub outputs: usize,
    /// Where its output goes.
    pub place: Place,
}

/// An affine map among the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affine {
    /// Name without `.weight` and `.bias`.
    pub name: String,
    /// Fan-in.
    pub inputs: usize,
    /// Fan-out.
    pub outputs: usize,
    /// Whether it has a bias.
    pub bias: bool,
}

/// Parts of the equivariant map of a matrix, in the order of the published code: entries, means over rows,
/// means over columns, mean of all.
pub const ENTRY_MAPS: [&str; 4] = ["lin_all", "lin_n", "lin_m", "lin_both"];

impl SubLayer {
    /// Name below its layer.
    pub fn name(&self) -> String {
        format!("{}.layers.{}_{}", self.block.name(), self.i, self.j)
    }

    /// What it adds to.
    pub fn target(&self) -> Part {
        match self.block {
            Block::WeightToWeight | Block::BiasToWeight => Part::Weight(self.j),
            Block::BiasToBias | Block::WeightToBias => Part::Bias(self.j),
        }
    }

    /// Its affine maps, named from its layer on.
    pub fn affine(&self, config: &DwsConfig) -> Vec<Affine> {
        let name = self.name();
        match (self.map, config.set_layer) {
            (Map::Set, kind) => {
                let within =
                    if self.block == Block::WeightToWeight { "set_layer" } else { "layer" };
                let name = format!("{name}.{within}.set_layer");
                if kind == SetLayer::Ds {
                    let mut all = self.chain(&format!("{name}.Gamma"), config.map_depth, true);
                    all.extend(self.chain(&format!("{name}.Lambda"), config.map_depth, false));
                    return all;
                }
                ["fc_q", "fc_k", "fc_v", "fc_o"]
                    .map(|part| Affine {
                        name: format!("{name}.mab.{part}"),
                        inputs: if part == "fc_o" { self.outputs } else { self.inputs },
                        outputs: self.outputs,
                        bias: true,
                    })
                    .to_vec()
            }
            (Map::Affine(depth), _) => self.chain(&format!("{name}.layer"), depth, true),
            (Map::Entries, _) => ENTRY_MAPS
                .iter()
                .flat_map(|part| self.chain(&format!("{name}.{part}"), config.map_depth, true))
                .collect(),
        }
    }

    fn chain(&self, name: &str, depth: usize, bias: bool) -> Vec<Affine> {
        chain(name, self.inputs, self.outputs, depth, bias)
    }
}

/// A chain of affine maps; ReLUs between them count in the names.
pub(super) fn chain(
    name: &str,
    inputs: usize,
    outputs: usize,
    depth: usize,
    bias: bool,
) -> Vec<Affine> {
    (0..depth)
        .map(|k| Affine {
            name: format!("{name}.{}", 2 * k),
            inputs: if k == 0 { inputs } else { outputs },
            outputs,
            bias,
        })
        .collect()
}

/// Everything about a layer from f to h features on nets of widths `dims`.
#[derive(Clone, Copy, Debug)]
struct Layer<'a> {
    config: &'a DwsConfig,
    dims: &'a [usize],
    f: usize,
    h: usize,
    last: usize,
}

/// All maps of layer `layer`, block by block.
pub fn sub_layers(config: &DwsConfig, dims: &[usize], layer: usize) -> Vec<SubLayer> {
    let of = Layer {
        config,
        dims,
        f: config.features_in(layer),
        h: config.hidden,
        last: dims.len() - 2,
    };
    let mut all = Vec::new();
    for block in Block::ALL {
        for i in 0..=of.last {
            for j in 0..=of.last {
                if !config.diagonal || near(block, i, j) {
                    all.push(of.sub_layer(block, i, j));
                }
            }
        }
    }
    all
}

/// Whether tensors i and j share an axis of neurons or are the same.
fn near(block: Block, i: usize, j: usize) -> bool {
    match block {
        Block::WeightToWeight => i.abs_diff(j) <= 1,
        Block::BiasToBias => i == j,
        Block::BiasToWeight => i == j || i + 1 == j,
        Block::WeightToBias => i == j || i == j + 1,
    }
}

impl Layer<'_> {
    fn sub_layer(&self, block: Block, i: usize, j: usize) -> SubLayer {
        let (source, map, outputs, place) = if near(block, i, j) {
            match block {
                Block::WeightToWeight => self.weight_to_weight(i, j),
                Block::BiasToBias => self.bias_to_bias(i),
                Block::BiasToWeight => self.bias_to_weight(i, j),
                Block::WeightToBias => self.weight_to_bias(i, j),
            }
        } else {
            self.far(block, i, j)
        };
        let inputs = match source {
            Source::Positions(part) | Source::Pooled(part) => self.width(part, self.f),
            Source::OverRows(_) | Source::OverColumns(_) | Source::Entries(_) => self.f,
        };
        SubLayer { block, i, j, source, map, inputs, outputs, place }
    }

    /// Features of one position, or of the descriptor, of a tensor with `per` features an entry.
    fn width(&self, part: Part, per: usize) -> usize {
        match part {
            Part::Weight(0) => self.dims[0] * per,
            Part::Weight(i) | Part::Bias(i) if i == self.last => self.dims[self.last + 1] * per,
            _ => per,
        }
    }

    fn weight_to_weight(&self, i: usize, j: usize) -> (Source, Map, usize, Place) {
        let (last, h) = (self.last, self.h);
        // Towards a neighbour: W_i by the positions of the shared axis.
        let source = match i {
            0 => Source::Positions(Part::Weight(0)),
            i if i == last => Source::Positions(Part::Weight(last)),
            i if i == j => Source::Entries(i),
            i if i < j => Source::OverRows(i),
            i => Source::OverColumns(i),
        };
        if i == j {
            return match source {
                Source::Entries(_) => (source, Map::Entries, h, Place::Entries),
                _ => (source, Map::Set, self.width(Part::Weight(i), h), Place::Positions),
            };
        }
        let (outputs, place) = match j {
            0 => (self.width(Part::Weight(0), h), Place::Positions),
            j if j == last && self.config.last_neighbour == Shared::PerOutput => {
                (self.width(Part::Weight(last), h), Place::Positions)
            }
            // The shared axis is that of the rows of W_j if i is below it.
            _ => (h, if i < j { Place::Rows } else { Place::Columns }),
        };
        (source, Map::Set, outputs, place)
    }

    fn bias_to_bias(&self, i: usize) -> (Source, Map, usize, Place) {
        let part = Part::Bias(i);
        if i == self.last {
            let map = Map::Affine(self.config.map_depth);
            return (Source::Pooled(part), map, self.width(part, self.h), Place::Everywhere);
        }
        (Source::Positions(part), Map::Set, self.h, Place::Positions)
    }

    fn bias_to_weight(&self, i: usize, j: usize) -> (Source, Map, usize, Place) {
        let part = Part::Bias(i);
        if i == self.last {
            let map = Map::Affine(self.config.map_depth);
            return (Source::Pooled(part), map, self.width(part, self.h), Place::Everywhere);
        }
        let width = self.width(Part::Weight(j), self.h);
        let (outputs, place) = match j {
            0 => (width, Place::Positions),
            j if j == self.last => (width, Place::Positions),
            j => (self.h, if i == j { Place::Columns } else { Place::Rows }),
        };
        (Source::Positions(part), Map::Set, outputs, place)
    }

    fn weight_to_bias(&self, i: usize, j: usize) -> (Source, Map, usize, Place) {
        let part = Part::Weight(i);
        let source = match i {
            i if j == self.last => {
                let map = Map::Affine(self.config.map_depth);
                let outputs = self.width(Part::Bias(j), self.h);
                return (Source::Pooled(Part::Weight(i)), map, outputs, Place::Everywhere);
            }
            0 => Source::Positions(part),
            i if i == self.last => Source::Positions(part),
            i if i == j => Source::OverRows(i),
            i => Source::OverColumns(i),
        };
        (source, Map::Set, self.h, Place::Positions)
    }

    fn far(&self, block: Block, i: usize, j: usize) -> (Source, Map, usize, Place) {
        let (from, to) = match block {
            Block::WeightToWeight => (Part::Weight(i), Part::Weight(j)),
            Block::BiasToBias => (Part::Bias(i), Part::Bias(j)),
            Block::BiasToWeight => (Part::Bias(i), Part::Weight(j)),
            Block::WeightToBias => (Part::Weight(i), Part::Bias(j)),
        };
        let shared = block == Block::BiasToWeight
            && j == self.last
            && self.config.far_bias_to_last == Shared::Shared;
        let outputs = if shared { self.h } else { self.width(to, self.h) };
        // As the published code, whatever the depth of the other maps.
        let mixed = matches!(block, Block::BiasToWeight | Block::WeightToBias);
        let map = Map::Affine(if mixed { 1 } else { self.config.map_depth });
        (Source::Pooled(from), map, outputs, Place::Everywhere)
    }
}
