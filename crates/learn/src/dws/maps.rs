//! The maps of one layer, fused: which columns go through which matrix product, and what is summed where.

use super::arena::{Arena, Stack};
use super::attention::Attention;
use super::combine::{Combine, From, Strides, Target, Term};
use super::config::DwsConfig;
use super::entries::Step;
use super::fuse::Builder;
use super::layout::{Columns, Layout, Slot};
use super::linear::{Block, Linear, Segment};
use super::params::Param;
use super::topology::{Part, Place, Source, SubLayer, sub_layers};
use std::collections::BTreeMap;

/// Where the output of one map can be found: for comparisons with the published code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Piece {
    /// The group of positions; 0 for pooled maps, which belong to none.
    pub group: usize,
    pub from: (From, Columns),
    pub scale: f32,
    pub place: Place,
    /// Positions of the map's input, if it has any.
    pub positions: usize,
}

/// All maps over the sets of one number of positions.
#[derive(Clone, Debug)]
pub(crate) struct GroupMaps {
    /// State to Q, K, V of all set maps and to the direct maps.
    pub first: Linear,
    pub first_quads: usize,
    pub attention: Attention,
    /// Attended values to what is added to them after a ReLU.
    pub mix: Linear,
    pub attended_quads: usize,
    /// Later steps of the direct maps; the first reads the columns of `first`.
    pub direct: Vec<Linear>,
    pub direct_quads: usize,
    pub combine: Combine,
    pub extra_quads: usize,
    /// State to state, before everything is added.
    pub skip: Linear,
}

/// An inner weight matrix.
#[derive(Clone, Debug)]
pub(crate) struct InnerMaps {
    pub steps: Vec<Step>,
    /// Group and columns of the terms of rows, and of those of columns.
    pub terms: [(usize, Columns); 2],
    pub skip: Option<Step>,
}

/// One layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerMaps {
    pub input: Layout,
    pub output: Layout,
    pub groups: Vec<GroupMaps>,
    /// Descriptors to the pooled maps' outputs in one step.
    pub pooled: Linear,
    pub pooled_quads: usize,
    /// Maps of descriptors in several steps, the last into the same columns as `pooled`.
    pub pooled_chain: Vec<Linear>,
    pub pooled_chain_quads: usize,
    /// W_1 .. W_{L-1}
    pub inner: Vec<InnerMaps>,
    /// b_L, from pooled maps, in the descriptors' matrix.
    pub last_bias: Combine,
    pub last_bias_skip: Linear,
    /// Maps by name.
    pub pieces: BTreeMap<String, Vec<Piece>>,
}

impl LayerMaps {
    /// The maps of layer `layer`, whose parameters are placed in `arena`. With `merge`, maps of descriptors that end in the same
    /// sum are summed by the matrix product; without, each has an output of its own.
    pub fn new(
        config: &DwsConfig,
        dims: &[usize],
        layer: usize,
        arena: &mut Arena,
        named: &BTreeMap<String, Param>,
        merge: bool,
    ) -> LayerMaps {
        let input = Layout::new(dims, config.features_in(layer));
        let output = Layout::new(dims, config.hidden);
        let subs = sub_layers(config, dims, layer);
        let mut builder = Builder {
            config,
            prefix: format!("layers.layers.{}.", config.module(layer)),
            arena,
            named,
            scale: 1.0 / (2 * (dims.len() - 1)) as f32,
            features: config.features_in(layer),
        };
        let mut pieces: BTreeMap<String, Vec<Piece>> = BTreeMap::new();
        let mut pooled = Vec::new();
        let heads = config.heads_of(layer);
        let mut groups: Vec<GroupMaps> = (0..input.groups.len())
            .map(|g| builder.group(&input, g, &subs, heads, &mut pieces))
            .collect();
        for sub in &subs {
            builder.pooled_maps(&input, sub, &mut pooled);
        }
        let chain = builder.pooled(&pooled, &output, merge, &mut pieces);
        let last = input.last();
        let mut extra = vec![0; groups.len()];
        let mut inner = Vec::new();
        for i in 1..last {
            inner.push(builder.inner(&input, &output, i, &subs, &mut extra));
        }
        // Sums: every piece into its target.
        let mut last_bias_terms = Vec::new();
        for sub in &subs {
            for piece in &pieces[&sub.name()] {
                let Some((g, target)) = targets(&output, &inner, sub, piece) else { continue };
                let term = Term { target, from: piece.from, scale: piece.scale };
                match g {
                    Some(g) => groups[g].combine.terms.push(term),
                    None => last_bias_terms.push(term),
                }
            }
        }
        for (g, group) in groups.iter_mut().enumerate() {
            group.extra_quads = extra[g];
            let of = &output.groups[g];
            // A normalisation writes to another matrix; what it reads then has zeros where others have pooled columns.
            let own = of.slots.iter().filter(|s| is_position(s) || config.batch_norm);
            group.combine.targets = own.map(|s| (Target::State, s.columns)).collect();
            if extra[g] > 0 {
                let all = Columns { at: 0, quads: extra[g] };
                group.combine.targets.push((Target::Extra, all));
            }
            group.combine.strides.state = of.quads;
            group.combine.strides.extra = extra[g];
            group.combine.strides.pooled = chain.quads;
        }
        let last_bias = Combine {
            positions: 1,
            terms: last_bias_terms,
            targets: vec![(
                Target::State,
                if config.batch_norm {
                    Columns { at: 0, quads: output.descriptors }
                } else {
                    output.last_bias
                },
            )],
            sources: Vec::new(),
            strides: Strides {
                state: output.descriptors,
                pooled: chain.quads,
                ..Strides::default()
            },
        };
        let last_bias_skip = builder.skip(&input, &output, layer, &mut groups, &mut inner);
        LayerMaps {
            input,
            output,
            groups,
            pooled: chain.single,
            pooled_quads: chain.quads,
            pooled_chain: chain.steps,
            pooled_chain_quads: chain.step_quads,
            inner,
            last_bias,
            last_bias_skip,
            pieces,
        }
    }
}

/// Whether a slot holds weights or biases themselves, not pooled ones.
pub(crate) fn is_position(slot: &Slot) -> bool {
    matches!(slot.source, Source::Positions(_))
}

/// Where a piece goes: the group (`None` for b_L) and the target.
fn targets(
    output: &Layout,
    inner: &[InnerMaps],
    sub: &SubLayer,
    piece: &Piece,
) -> Option<(Option<usize>, (Target, Columns))> {
    let last = output.last();
    let target = sub.target();
    let is_inner = matches!(target, Part::Weight(j) if j > 0 && j < last);
    Some(match (target, piece.place) {
        (_, Place::Entries) => return None,
        (Part::Weight(j), place) if is_inner => {
            let terms = &inner[j - 1].terms;
            let (g, columns) = terms[usize::from(place == Place::Columns)];
            (Some(g), (Target::Extra, columns))
        }
        (Part::Bias(j), _) if j == last => (None, (Target::State, output.last_bias)),
        (part, _) => {
            let (g, columns) = output.set(Source::Positions(part));
            (Some(g), (Target::State, columns))
        }
    })
}

/// The same map for every entry of a position.
pub(crate) fn entrywise(
    into: &mut Linear,
    input: &Layout,
    output: &Layout,
    from: Columns,
    to: Columns,
    stack: &Stack,
) {
    let h = output.features;
    for e in 0..to.quads / h {
        into.blocks.push(Block {
            y: to.at + e * h,
            n: h,
            segments: vec![Segment {
                x: from.at + e * input.features,
                k: input.features,
                weight: stack.weight,
                stride: stack.stride,
                bias: stack.bias,
            }],
        });
    }
}
