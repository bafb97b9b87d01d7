//! The fused DWS model: its parameters' places and its maps, for nets of one architecture and any number of them.

use super::arena::{Arena, Stack, quads};
use super::config::{DwsConfig, DwsError};
use super::entries::Step;
use super::layout::{Columns, Layout};
use super::linear::{Block, Linear, Segment};
use super::maps::{LayerMaps, entrywise, is_position};
use super::norm::View;
use super::params::{Param, classifier, model_skip, norms, parameters, state};
use super::topology::Part;
use std::collections::BTreeMap;

/// A DWS model. Parameters have the names of the published code; [`Dws::arena`] says where they are.
#[derive(Clone, Debug)]
pub struct Dws {
    config: DwsConfig,
    dims: Vec<usize>,
    arena: Arena,
    pub(super) merged: bool,
    pub(super) layers: Vec<LayerMaps>,
    /// Normalisations before each layer, weights first.
    pub(super) norms: Vec<Vec<View>>,
    pub(super) head: Vec<Linear>,
    pub(super) skip: Option<ModelSkip>,
}

/// The map of the raw weights that is added to the trunk's output.
#[derive(Clone, Debug)]
pub(super) struct ModelSkip {
    pub groups: Vec<Linear>,
    pub inner: Step,
    pub last_bias: Linear,
}

impl Dws {
    /// The model for nets of widths `dims`.
    ///
    /// # Errors
    /// An option out of range, or nets that DWS cannot read.
    pub fn new(config: &DwsConfig, dims: &[usize]) -> Result<Dws, DwsError> {
        Dws::build(config, dims, true)
    }

    /// The same function, but no two maps are summed within one matrix product, so that the output of each can be
    /// read. Slower.
    ///
    /// # Errors
    /// As [`Dws::new`].
    pub fn unmerged(config: &DwsConfig, dims: &[usize]) -> Result<Dws, DwsError> {
        Dws::build(config, dims, false)
    }

    fn build(config: &DwsConfig, dims: &[usize], merge: bool) -> Result<Dws, DwsError> {
        config.validate(dims)?;
        let named: BTreeMap<String, Param> =
            parameters(config, dims).into_iter().map(|p| (p.name.clone(), p)).collect();
        let mut arena = Arena::default();
        let (mut layers, mut views) = (Vec::new(), Vec::new());
        let mut index = 0;
        for layer in 0..config.layers() {
            let names = norms(config, dims, layer);
            let of_layer = names.iter().map(|name| {
                index += 1;
                View::new(&mut arena, &named, name, index - 1, quads(config.hidden))
            });
            views.push(of_layer.collect());
            layers.push(LayerMaps::new(config, dims, layer, &mut arena, &named, merge));
        }
        let output = Layout::new(dims, config.hidden);
        let skip = model_skip(config).map(|affine| {
            let stack = arena.stack(&[affine], 1, &named);
            ModelSkip::new(&Layout::new(dims, 1), &output, &stack)
        });
        let head = head(config, dims, &output, &mut arena, &named);
        debug_assert_eq!(arena.entries().len(), named.len());
        Ok(Dws {
            config: config.clone(),
            dims: dims.to_vec(),
            arena,
            merged: merge,
            layers,
            norms: views,
            head,
            skip,
        })
    }

    /// The options.
    pub fn config(&self) -> &DwsConfig {
        &self.config
    }

    /// Widths of the nets that are read.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Where the parameters are.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Fresh running statistics.
    pub fn fresh_state(&self) -> Vec<f32> {
        state(&self.config, &self.dims)
            .into_iter()
            .flat_map(|(_, len, start)| vec![start; len])
            .collect()
    }

    /// Numbers in the parameter vector of a net that is read.
    pub fn net_len(&self) -> usize {
        self.dims.windows(2).map(|d| d[1] * (d[0] + 1)).sum()
    }
}

impl ModelSkip {
    fn new(input: &Layout, output: &Layout, stack: &Stack) -> ModelSkip {
        let groups = output
            .groups
            .iter()
            .map(|group| {
                let mut linear = Linear::default();
                for slot in group.slots.iter().filter(|s| is_position(s)) {
                    let (_, from) = input.set(slot.source);
                    entrywise(&mut linear, input, output, from, slot.columns, stack);
                }
                linear
            })
            .collect();
        let mut last_bias = Linear::default();
        entrywise(&mut last_bias, input, output, input.last_bias, output.last_bias, stack);
        let inner = Step {
            stack: Some(*stack),
            inputs: input.features,
            outputs: output.features,
            scale: 1.0,
            relu_in: false,
        };
        ModelSkip { groups, inner, last_bias }
    }
}

/// The classifier: descriptors in the published order to logits.
fn head(
    config: &DwsConfig,
    dims: &[usize],
    layout: &Layout,
    arena: &mut Arena,
    named: &BTreeMap<String, Param>,
) -> Vec<Linear> {
    let last = layout.last();
    let order: Vec<Columns> = (1..last)
        .chain([0, last])
        .map(Part::Weight)
        .chain((0..=last).map(Part::Bias))
        .map(|part| layout.descriptor(part))
        .collect();
    classifier(config, dims)
        .into_iter()
        .enumerate()
        .map(|(k, affine)| {
            let n = quads(affine.outputs);
            let stack = arena.stack(std::slice::from_ref(&affine), 4, named);
            let whole = [Columns { at: 0, quads: quads(affine.inputs) }];
            let sources: &[Columns] = if k == 0 { &order } else { &whole };
            let mut at = stack.weight;
            let mut segments = Vec::new();
            for (i, c) in sources.iter().enumerate() {
                segments.push(Segment {
                    x: c.at,
                    k: c.quads,
                    weight: at,
                    stride: stack.stride,
                    bias: stack.bias.filter(|_| i == 0),
                });
                at += c.quads;
            }
            Linear { blocks: vec![Block { y: 0, n, segments }], relu: k > 0 }
        })
        .collect()
}
