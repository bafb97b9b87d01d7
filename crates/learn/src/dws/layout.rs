//! How a state, the features of all weights and biases of a batch of nets, lies in buffers.
//!
//! Everything that is a set of positions of the same number is in one matrix, position by position, so that all maps of all
//! these sets are one matrix product: W_0 by the rows of the file's layout, W_L, the biases, and the inner weights
//! pooled over rows and over columns. The features of each entry begin at a quad. All descriptors are in one more matrix, a row per net: what the columns of the former
//! pool to, and b_L. The inner weights themselves are tensors of their own.

use super::arena::quads;
use super::topology::{Part, Source};

/// Columns of a matrix, in quads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub at: usize,
    pub quads: usize,
}

/// Columns that hold one set of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub source: Source,
    pub columns: Columns,
}

/// All sets of one number of positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub positions: usize,
    pub slots: Vec<Slot>,
    pub quads: usize,
    /// Where its pooled columns begin among the descriptors.
    pub pooled: usize,
}

/// A state's layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub dims: Vec<usize>,
    /// Quads of the features of one entry.
    pub features: usize,
    pub groups: Vec<Group>,
    /// b_L among the descriptors.
    pub last_bias: Columns,
    /// Quads of all descriptors.
    pub descriptors: usize,
}

impl Layout {
    /// The layout for entries of `features` numbers.
    pub fn new(dims: &[usize], features: usize) -> Layout {
        let last = dims.len() - 2;
        let mut groups: Vec<Group> = Vec::new();
        for k in 1..=last {
            let mut sources = Vec::new();
            if k == 1 {
                sources.push((Source::Positions(Part::Weight(0)), dims[0]));
            }
            if k == last {
                sources.push((Source::Positions(Part::Weight(last)), dims[last + 1]));
            }
            sources.push((Source::Positions(Part::Bias(k - 1)), 1));
            if k > 1 {
                sources.push((Source::OverRows(k - 1), 1));
            }
            if k < last {
                sources.push((Source::OverColumns(k), 1));
            }
            let g = groups.iter().position(|g| g.positions == dims[k]).unwrap_or_else(|| {
                groups.push(Group { positions: dims[k], slots: Vec::new(), quads: 0, pooled: 0 });
                groups.len() - 1
            });
            let group = &mut groups[g];
            for (source, entries) in sources {
                let columns = Columns { at: group.quads, quads: entries * quads(features) };
                group.quads += columns.quads;
                group.slots.push(Slot { source, columns });
            }
        }
        let mut at = 0;
        for group in &mut groups {
            group.pooled = at;
            at += group.quads;
        }
        let last_bias = Columns { at, quads: dims[last + 1] * quads(features) };
        Layout {
            dims: dims.to_vec(),
            features: quads(features),
            groups,
            last_bias,
            descriptors: at + last_bias.quads,
        }
    }

    /// Index of the last layer of the nets.
    pub fn last(&self) -> usize {
        self.dims.len() - 2
    }

    /// Group and columns of a set of positions.
    ///
    /// # Panics
    /// If it is none: a mistake in the model's code.
    pub fn set(&self, source: Source) -> (usize, Columns) {
        for (g, group) in self.groups.iter().enumerate() {
            if let Some(slot) = group.slots.iter().find(|s| s.source == source) {
                return (g, slot.columns);
            }
        }
        panic!("{source:?} is no set of positions");
    }

    /// A descriptor's columns.
    pub fn descriptor(&self, part: Part) -> Columns {
        let last = self.last();
        let source = match part {
            Part::Bias(i) if i == last => return self.last_bias,
            Part::Weight(i) if i > 0 && i < last => Source::OverRows(i),
            part => Source::Positions(part),
        };
        self.pooled_set(source)
    }

    /// What a set of positions pools to, among the descriptors.
    pub fn pooled_set(&self, source: Source) -> Columns {
        let (g, columns) = self.set(source);
        Columns { at: self.groups[g].pooled + columns.at, quads: columns.quads }
    }
}
