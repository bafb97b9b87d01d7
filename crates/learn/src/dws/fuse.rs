//! Puts the maps of a layer together: parameters below each other, columns side by side.

use super::arena::{Arena, Stack, quads};
use super::attention::{Attention, Unit};
use super::combine::{Combine, From, Strides};
use super::config::{DwsConfig, SetLayer};
use super::entries::Step;
use super::layout::{Columns, Layout};
use super::linear::{Block, Linear, Segment};
use super::maps::{GroupMaps, InnerMaps, Piece, entrywise, is_position};
use super::params::{Param, layer_skip};
use super::topology::{Affine, ENTRY_MAPS, Map, Part, Place, Source, SubLayer};
use std::collections::BTreeMap;

/// A map of descriptors.
pub(super) struct Pooled {
    affine: Vec<Affine>,
    source: Columns,
    outputs: usize,
    scale: f32,
    sub: SubLayer,
    place: Place,
    /// Positions that were pooled, of a map of sets.
    positions: usize,
}

/// Places the parameters of one layer.
pub(super) struct Builder<'a> {
    pub config: &'a DwsConfig,
    /// Of the names of all parameters.
    pub prefix: String,
    pub arena: &'a mut Arena,
    pub named: &'a BTreeMap<String, Param>,
    /// Factor of all sums.
    pub scale: f32,
    /// Features of an entry of the layer's input.
    pub features: usize,
}

/// Maps of descriptors.
pub(super) struct Chain {
    pub single: Linear,
    pub quads: usize,
    pub steps: Vec<Linear>,
    pub step_quads: usize,
}

impl Builder<'_> {
    /// Maps of the layer's input.
    fn first(&mut self, affine: &[Affine]) -> Stack {
        self.stack(affine, self.features)
    }

    /// Maps of what other maps made.
    fn later(&mut self, affine: &[Affine]) -> Stack {
        self.stack(affine, 4)
    }

    fn stack(&mut self, affine: &[Affine], block: usize) -> Stack {
        let affine: Vec<Affine> = affine
            .iter()
            .map(|a| Affine { name: format!("{}{}", self.prefix, a.name), ..a.clone() })
            .collect();
        self.arena.stack(&affine, block, self.named)
    }

    /// Maps that start at sets of positions.
    pub(super) fn group(
        &mut self,
        input: &Layout,
        g: usize,
        subs: &[SubLayer],
        heads: usize,
        pieces: &mut BTreeMap<String, Vec<Piece>>,
    ) -> GroupMaps {
        let group = &input.groups[g];
        let positions = group.positions;
        let mut first = Linear::default();
        let mut at = 0;
        let mut attending: Vec<(SubLayer, [Columns; 3])> = Vec::new();
        // Affine maps of positions: the piece, its later steps, and its columns.
        let mut direct: Vec<(String, Piece, Vec<Affine>, Columns)> = Vec::new();
        for slot in &group.slots {
            let mut stacked = Vec::new();
            let mut place = |affine: &Affine| {
                let columns = Columns { at, quads: affine.outputs / 4 };
                at += columns.quads;
                stacked.push(affine.clone());
                columns
            };
            for sub in subs {
                let affine = sub.affine(self.config);
                let depth = self.config.map_depth;
                let mut chain = |affine: &[Affine], scale, place_of, columns| {
                    let from = (From::Direct, columns);
                    let piece = Piece { group: g, from, scale, place: place_of, positions };
                    direct.push((sub.name(), piece, affine[1..].to_vec(), columns));
                };
                match (sub.map, self.config.set_layer) {
                    (Map::Set, _) if sub.source != slot.source => {}
                    (Map::Set, SetLayer::Sab) => {
                        attending.push((*sub, [0, 1, 2].map(|k| place(&affine[k]))));
                    }
                    (Map::Set, SetLayer::Ds) => {
                        let gamma = &affine[..depth];
                        chain(gamma, self.scale, sub.place, place(&gamma[0]));
                    }
                    (Map::Entries, _) => {
                        // Pooled over rows there is one vector per column, and the other way round.
                        for (k, source, place_of) in [
                            (1, Source::OverRows(sub.i), Place::Columns),
                            (2, Source::OverColumns(sub.i), Place::Rows),
                        ] {
                            if source == slot.source {
                                let part = &affine[k * depth..(k + 1) * depth];
                                chain(part, self.scale / 4.0, place_of, place(&part[0]));
                            }
                        }
                    }
                    (Map::Affine(_), _) => {}
                }
            }
            if stacked.is_empty() {
                continue;
            }
            let n: usize = stacked.iter().map(|a| a.outputs / 4).sum();
            let stack = self.first(&stacked);
            first.blocks.push(Block {
                y: at - n,
                n,
                segments: vec![segment(slot.columns, &stack)],
            });
        }
        let first_quads = at;
        let (attention, mix, attended) =
            self.attention(&attending, heads, group.positions, g, pieces);
        let attention =
            Attention { y_stride: 4 * first_quads, o_stride: 4 * attended, ..attention };
        let mut sources = Vec::new();
        if attended > 0 {
            sources.push((From::Attended, Columns { at: 0, quads: attended }));
        }
        let (steps, direct_quads) = self.direct(direct, first_quads, pieces, &mut sources);
        GroupMaps {
            first,
            first_quads,
            attention,
            mix,
            attended_quads: attended,
            direct: steps,
            direct_quads,
            combine: Combine {
                positions: group.positions,
                terms: Vec::new(),
                targets: Vec::new(),
                sources,
                strides: Strides { attended, direct: direct_quads, ..Strides::default() },
            },
            extra_quads: 0,
            skip: Linear::default(),
        }
    }

    fn attention(
        &mut self,
        attending: &[(SubLayer, [Columns; 3])],
        heads: usize,
        positions: usize,
        g: usize,
        pieces: &mut BTreeMap<String, Vec<Piece>>,
    ) -> (Attention, Linear, usize) {
        let mut units = Vec::new();
        let mut mix = Linear::default();
        let mut at = 0;
        for (sub, [q, k, v]) in attending {
            let columns = Columns { at, quads: sub.outputs / 4 };
            at += columns.quads;
            let width = sub.outputs / heads;
            for head in 0..heads {
                let of = |c: Columns| 4 * c.at + head * width;
                units.push(Unit {
                    q: of(*q),
                    k: of(*k),
                    v: of(*v),
                    o: of(columns),
                    width,
                    scale: (sub.outputs as f32).sqrt().recip(),
                });
            }
            let stack = self.later(&sub.affine(self.config)[3..4]);
            mix.blocks.push(Block {
                y: columns.at,
                n: columns.quads,
                segments: vec![segment(columns, &stack)],
            });
            pieces.entry(sub.name()).or_default().push(Piece {
                group: g,
                from: (From::Attended, columns),
                scale: self.scale,
                place: sub.place,
                positions,
            });
        }
        (Attention { units, positions, y_stride: 0, o_stride: 0 }, mix, at)
    }

    /// Later steps of affine maps of positions. Returns them and the width of the last one's output.
    fn direct(
        &mut self,
        mut direct: Vec<(String, Piece, Vec<Affine>, Columns)>,
        first_quads: usize,
        pieces: &mut BTreeMap<String, Vec<Piece>>,
        sources: &mut Vec<(From, Columns)>,
    ) -> (Vec<Linear>, usize) {
        let mut width = first_quads;
        let mut steps = Vec::new();
        for step in 0..self.config.map_depth - 1 {
            let mut linear = Linear { relu: true, ..Linear::default() };
            let mut at = 0;
            for (.., affine, columns) in &mut direct {
                let stack = self.later(&affine[step..=step]);
                let next = Columns { at, quads: affine[step].outputs / 4 };
                at += next.quads;
                linear.blocks.push(Block {
                    y: next.at,
                    n: next.quads,
                    segments: vec![segment(*columns, &stack)],
                });
                *columns = next;
            }
            width = at;
            steps.push(linear);
        }
        for (name, piece, _, columns) in direct {
            let from = (From::Direct, columns);
            sources.push(from);
            pieces.entry(name).or_default().push(Piece { from, ..piece });
        }
        (steps, width)
    }

    /// The parts of a map that read descriptors.
    pub(super) fn pooled_maps(&self, input: &Layout, sub: &SubLayer, out: &mut Vec<Pooled>) {
        let affine = sub.affine(self.config);
        let depth = self.config.map_depth;
        let mut push = |affine: &[Affine], source, scale, place, positions| {
            out.push(Pooled {
                affine: affine.to_vec(),
                source,
                outputs: sub.outputs,
                scale,
                sub: *sub,
                place,
                positions,
            });
        };
        match (sub.map, self.config.set_layer, sub.source) {
            (Map::Affine(_), _, Source::Pooled(part)) => {
                push(&affine, input.descriptor(part), self.scale, sub.place, 0);
            }
            (Map::Set, SetLayer::Ds, source) => {
                let positions = input.groups[input.set(source).0].positions;
                let source = input.pooled_set(source);
                push(&affine[depth..], source, -self.scale, sub.place, positions);
            }
            (Map::Entries, ..) => {
                let both = ENTRY_MAPS.len() - 1;
                let source = input.descriptor(Part::Weight(sub.i));
                push(&affine[both * depth..], source, self.scale / 4.0, Place::Everywhere, 0);
            }
            _ => {}
        }
    }

    pub(super) fn pooled(
        &mut self,
        maps: &[Pooled],
        output: &Layout,
        merge: bool,
        pieces: &mut BTreeMap<String, Vec<Piece>>,
    ) -> Chain {
        let deepest = maps.iter().map(|m| m.affine.len()).max().unwrap_or(1);
        let mut chain = Chain {
            single: Linear::default(),
            quads: 0,
            steps: vec![Linear::default(); if deepest > 1 { deepest } else { 0 }],
            step_quads: maps.iter().filter(|m| m.affine.len() > 1).map(|m| m.outputs / 4).sum(),
        };
        // Blocks of sums: those of one target, width and scale.
        let mut blocks: Vec<((Part, usize, u32, Place), usize)> = Vec::new();
        let mut step_at = 0;
        for map in maps {
            let n = map.outputs / 4;
            let key = (map.sub.target(), n, map.scale.to_bits(), map.place);
            let single = map.affine.len() == 1;
            let found = blocks.iter().find(|(k, _)| single && merge && *k == key).map(|(_, b)| *b);
            let columns = match found {
                Some(b) => Columns { at: chain.single.blocks[b].y, quads: n },
                None => {
                    chain.quads += n;
                    Columns { at: chain.quads - n, quads: n }
                }
            };
            if single {
                let stack = self.first(&map.affine);
                let segment = segment(map.source, &stack);
                match found {
                    Some(b) => chain.single.blocks[b].segments.push(segment),
                    None => {
                        blocks.push((key, chain.single.blocks.len()));
                        chain.single.blocks.push(Block {
                            y: columns.at,
                            n,
                            segments: vec![segment],
                        });
                    }
                }
            } else {
                assert_eq!(map.affine.len(), deepest, "all longer chains have one length");
                let mid = Columns { at: step_at, quads: n };
                step_at += n;
                for (k, affine) in map.affine.iter().enumerate() {
                    let affine = std::slice::from_ref(affine);
                    let stack = if k == 0 { self.first(affine) } else { self.later(affine) };
                    let x = if k == 0 { map.source } else { mid };
                    let y = if k + 1 == deepest { columns } else { mid };
                    chain.steps[k].relu = k > 0;
                    chain.steps[k].blocks.push(Block {
                        y: y.at,
                        n,
                        segments: vec![segment(x, &stack)],
                    });
                }
            }
            // A merged block is one piece, of the first of its maps.
            let piece = Piece {
                group: 0,
                from: (From::Pooled, columns),
                scale: map.scale,
                place: map.place,
                positions: map.positions,
            };
            let list = pieces.entry(map.sub.name()).or_default();
            if found.is_none() {
                list.push(piece);
            }
        }
        debug_assert!(output.descriptors > 0);
        chain
    }

    pub(super) fn inner(
        &mut self,
        input: &Layout,
        output: &Layout,
        i: usize,
        subs: &[SubLayer],
        extra: &mut [usize],
    ) -> InnerMaps {
        let sub = subs
            .iter()
            .find(|s| s.map == Map::Entries && s.i == i)
            .expect("every inner matrix has a map to itself");
        let affine = sub.affine(self.config);
        let h = quads(self.config.hidden);
        let depth = self.config.map_depth;
        let steps = (0..depth)
            .map(|k| Step {
                stack: Some(self.stack(&affine[k..=k], if k == 0 { self.features } else { 4 })),
                inputs: if k == 0 { input.features } else { h },
                outputs: h,
                scale: if k + 1 == depth { self.scale / 4.0 } else { 1.0 },
                relu_in: k > 0,
            })
            .collect();
        // Rows of W_i are the columns of W_{i-1}: the neurons of b_{i-1}.
        let terms = [i - 1, i].map(|bias| {
            let (g, _) = output.set(Source::Positions(Part::Bias(bias)));
            extra[g] += h;
            (g, Columns { at: extra[g] - h, quads: h })
        });
        InnerMaps { steps, terms, skip: None }
    }

    /// The entrywise map of the layer's input, the same for all tensors.
    pub(super) fn skip(
        &mut self,
        input: &Layout,
        output: &Layout,
        layer: usize,
        groups: &mut [GroupMaps],
        inner: &mut [InnerMaps],
    ) -> Linear {
        let Some(affine) = layer_skip(self.config, layer) else { return Linear::default() };
        // Its name is complete.
        self.prefix.clear();
        let stack = self.first(&[affine]);
        for (g, group) in groups.iter_mut().enumerate() {
            for slot in output.groups[g].slots.iter().filter(|s| is_position(s)) {
                let (_, from) = input.set(slot.source);
                entrywise(&mut group.skip, input, output, from, slot.columns, &stack);
            }
        }
        for maps in inner {
            maps.skip = Some(Step {
                stack: Some(stack),
                inputs: input.features,
                outputs: output.features,
                scale: 1.0,
                relu_in: false,
            });
        }
        let mut last_bias = Linear::default();
        entrywise(&mut last_bias, input, output, input.last_bias, output.last_bias, &stack);
        last_bias
    }
}

fn segment(from: Columns, stack: &Stack) -> Segment {
    Segment {
        x: from.at,
        k: from.quads,
        weight: stack.weight,
        stride: stack.stride,
        bias: stack.bias,
    }
}
