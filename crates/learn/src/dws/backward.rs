//! The calls of a DWS model's backward pass.

use super::combine::{Finish, Given};
use super::entries::{At, Back, Pools, Step};
use super::forward::{SkipMaps, ends};
use super::layout::Layout;
use super::linear::{Block, Linear, Segment};
use super::maps::{GroupMaps, LayerMaps};
use super::model::Dws;
use super::pool::{self, Axis};
use super::recorded::{State, Trace, Wanted, matrices, positions};
use super::topology::Source;
use crate::calls::{Calls, Temp, threads, word};
use crate::dws::config::Pooling;
use bytemuck::{Pod, Zeroable};
use weightlab_kernels as kernels;

/// How a layer's output was finished.
#[derive(Clone, Copy, Debug)]
struct Through {
    /// A ReLU whose mask the layer applies to its output's gradient.
    relu: bool,
    factor: f32,
}

impl Dws {
    /// Records gradients of all parameters from those of the logits.
    pub(super) fn backward(
        &self,
        calls: &mut Calls,
        wanted: &Wanted,
        trace: &mut Trace,
        d_logits: Temp,
    ) {
        let n = wanted.nets;
        let factor = 1.0 / (1.0 - self.config().dropout);
        let layers = self.layers.len();
        let output = &self.layers[layers - 1].output;
        let mut d = State::new(calls, output, n, "d state");
        self.head_backward(calls, n, trace, d_logits, d.descriptors);
        let top = (output, &trace.states[layers], &d);
        self.pools_backward(calls, n, top, None, Some(factor));
        let mut d_last = None;
        for (l, maps) in self.layers.iter().enumerate().rev() {
            calls.set_scope(format!("gradients of layer {}: ", l + 1));
            let mut through = Through { relu: true, factor };
            if let Some(norms) = &trace.saved[l].norms {
                for ((norm, of), &d) in norms.groups.iter().zip(&d.groups) {
                    norm.backward(calls, of, d, factor);
                }
                norms.last_bias.0.backward(calls, &norms.last_bias.1, d.descriptors, factor);
                for ((norm, of), &d) in norms.inner.iter().zip(&d.inner) {
                    norm.backward(calls, of, d, factor);
                }
                through.relu = false;
            }
            let model_skip = self.skip.as_ref().filter(|_| l + 1 == layers);
            let layer_skip = SkipMaps::of_layer(maps);
            if model_skip.is_some() || layer_skip.is_some() {
                // Skips want the gradient of the sums themselves.
                if through.relu {
                    let state = &trace.states[l + 1];
                    for ((&y, &d), group) in state.groups.iter().zip(&d.groups).zip(&output.groups)
                    {
                        mask(calls, n * group.positions * group.quads, y, d, factor);
                    }
                    mask(calls, n * output.descriptors, state.descriptors, d.descriptors, factor);
                    through.relu = false;
                }
            }
            let descend = l > 0 || wanted.input_gradient;
            let d_in = State::new(calls, &maps.input, n, "d state");
            self.layer_backward(calls, n, (l, trace), (&d, &d_in), through, descend);
            if let Some(skip) = &layer_skip {
                let from = (&trace.states[l], &maps.input);
                skip_weights(calls, n, skip, from, (&d, &maps.output));
            }
            if let Some(skip) = model_skip {
                let skip = SkipMaps::of_model(skip, d.inner.len());
                let from = (&trace.states[0], &self.layers[0].input);
                skip_weights(calls, n, &skip, from, (&d, &maps.output));
                d_last = Some(d.clone());
            }
            if descend {
                if let Some(skip) = &layer_skip {
                    let from = (&trace.states[l], &d_in, &maps.input);
                    skip_inputs(calls, n, skip, from, (&d, &maps.output), false);
                }
                // Its inner matrices carry the skip's gradient before the pools add theirs.
                let normed = l > 0 && trace.saved[l - 1].norms.is_some();
                let through = (l > 0 && !normed).then_some(factor);
                let inner = Some((maps, &trace.saved[l].inner_steps[..], &d, layer_skip.is_some()));
                let of = (&maps.input, &trace.states[l], &d_in);
                self.pools_backward(calls, n, of, inner, through);
            }
            d = d_in;
        }
        if wanted.input_gradient {
            if let (Some(skip), Some(d_last)) = (&self.skip, d_last) {
                let layout = &self.layers[0].input;
                let skip = SkipMaps::of_model(skip, d.inner.len());
                let from = (&trace.states[0], &d, layout);
                skip_inputs(calls, n, &skip, from, (&d_last, output), true);
            }
            trace.d_input = Some(d);
        }
    }

    fn head_backward(
        &self,
        calls: &mut Calls,
        n: usize,
        trace: &Trace,
        d_logits: Temp,
        d_descriptors: Temp,
    ) {
        let state = trace.states.last().expect("one more than layers");
        let width = self.layers[self.layers.len() - 1].output.descriptors;
        let stride = self.head[0].blocks[0].n;
        let mut dy = d_logits;
        for (k, linear) in self.head.iter().enumerate().rev() {
            let (x, x_stride) =
                if k == 0 { (state.descriptors, width) } else { (trace.head[k - 1], stride) };
            let ends = ends(n, x, x_stride, stride);
            linear.weight_gradient(calls, &ends, dy.into(), 1.0, false);
            let dx = if k == 0 { d_descriptors } else { calls.temp("d head", 4 * n * stride) };
            let columns: Vec<(usize, usize)> = if k == 0 {
                // Every column, also those that the classifier does not read.
                columns_of(&self.layers[self.layers.len() - 1].output)
            } else {
                vec![(0, stride)]
            };
            linear.input_gradient(calls, &ends, dy.into(), dx.into(), &columns, false);
            dy = dx;
        }
    }

    /// From the gradients of descriptors to those of positions, and of these to those of the inner matrices. `inner`: the
    /// layer that reads the state, with the gradients of its output, if there is one; its maps' gradients of positions
    /// are already there, and so are those of inner matrices through a skip if it has one.
    fn pools_backward(
        &self,
        calls: &mut Calls,
        n: usize,
        (layout, state, d): (&Layout, &State, &State),
        inner: Option<(&LayerMaps, &[Vec<Temp>], &State, bool)>,
        through_relu: Option<f32>,
    ) {
        let how = self.config().pooling;
        for (g, &dx) in d.groups.iter().enumerate() {
            let of = positions(layout, n, g);
            of.backward(calls, how, d.descriptors, state.best[g], dx, inner.is_some());
        }
        for k in 0..state.inner.len() {
            let i = k + 1;
            let shape = matrices(layout, n, i);
            let gradients = [Source::OverColumns(i), Source::OverRows(i)].map(|source| {
                let (g, columns) = layout.set(source);
                At { temp: d.groups[g], stride: layout.groups[g].quads, columns }
            });
            let pools = Pools { pooling: how, gradients, best: state.inner_best[k] };
            let mut back = Back {
                x: state.inner[k],
                dy: state.inner[k],
                dx: d.inner[k],
                pools: Some(pools),
                through_relu,
                accumulate: false,
            };
            let none = Step {
                stack: None,
                inputs: layout.features,
                outputs: layout.features,
                scale: 1.0,
                relu_in: false,
            };
            let Some((maps, steps, d_out, skip)) = inner else {
                none.input_gradient(calls, &shape, &back);
                continue;
            };
            let chain = &maps.inner[k].steps;
            // Through the later steps first.
            let mut dy = d_out.inner[k];
            for (s, step) in chain.iter().enumerate().skip(1).rev() {
                let x = steps[k][s - 1];
                let dx = calls.temp("d steps of a matrix", 4 * shape.entries() * step.inputs);
                let later = Back { x, dy, dx, pools: None, through_relu: None, accumulate: false };
                step.input_gradient(calls, &shape, &later);
                dy = dx;
            }
            back.dy = dy;
            back.accumulate = skip;
            chain[0].input_gradient(calls, &shape, &back);
        }
    }

    /// Gradients of a layer's parameters, and of the sets and descriptors that it reads.
    fn layer_backward(
        &self,
        calls: &mut Calls,
        n: usize,
        (l, trace): (usize, &Trace),
        (d, d_in): (&State, &State),
        through: Through,
        descend: bool,
    ) {
        let maps = &self.layers[l];
        let (saved, input, output) = (&trace.saved[l], &trace.states[l], &trace.states[l + 1]);
        let finish = Finish { relu: through.relu, accumulate: false, factor: through.factor };
        // Terms of rows and columns: sums of the matrices' gradients over the other axis.
        let d_extra: Vec<Temp> = maps
            .groups
            .iter()
            .map(|g| match g.extra_quads {
                0 => calls.unused(),
                quads => calls.temp("d terms", 4 * n * g.combine.positions * quads),
            })
            .collect();
        for (k, inner) in maps.inner.iter().enumerate() {
            let shape = matrices(&maps.output, n, k + 1);
            let unused = calls.unused();
            for (axis, (g, columns)) in [Axis::Columns, Axis::Rows].into_iter().zip(inner.terms) {
                let out = (d_extra[g], maps.groups[g].extra_quads, columns);
                pool::entries(calls, Pooling::Sum, &shape, axis, d.inner[k], out, (unused, 0));
            }
        }
        let d_pooled = calls.temp("d pooled maps", 4 * n * maps.pooled_quads);
        for (g, group) in maps.groups.iter().enumerate() {
            let gradients = [d.groups[g], d_extra[g]];
            group.combine.pooled_backward(calls, n, output.groups[g], gradients, d_pooled, &finish);
            let d_first = self.positions_backward(calls, n, (l, g), trace, gradients, &finish);
            let rows = n * group.combine.positions;
            let x = ends(rows, input.groups[g], maps.input.groups[g].quads, group.first_quads);
            group.first.weight_gradient(calls, &x, d_first.into(), 1.0, false);
            if descend {
                let columns: Vec<_> = maps.input.groups[g]
                    .slots
                    .iter()
                    .map(|s| (s.columns.at, s.columns.quads))
                    .collect();
                let dx = d_in.groups[g].into();
                group.first.input_gradient(calls, &x, d_first.into(), dx, &columns, false);
            }
        }
        let gradients = [d.descriptors, d.descriptors];
        maps.last_bias.pooled_backward(calls, n, output.descriptors, gradients, d_pooled, &finish);
        self.pooled_backward(calls, n, (l, trace), d_pooled, d_in, descend);
        for (k, inner) in maps.inner.iter().enumerate() {
            let shape = matrices(&maps.output, n, k + 1);
            let mut dy = d.inner[k];
            for (s, step) in inner.steps.iter().enumerate().rev() {
                let x = if s == 0 { input.inner[k] } else { saved.inner_steps[k][s - 1] };
                let ends = ends(shape.entries(), x, step.inputs, step.outputs);
                as_linear(step).weight_gradient(calls, &ends, dy.into(), step.scale, false);
                if s > 0 {
                    let dx = calls.temp("d steps of a matrix", 4 * shape.entries() * step.inputs);
                    let back =
                        Back { x, dy, dx, pools: None, through_relu: None, accumulate: false };
                    step.input_gradient(calls, &shape, &back);
                    dy = dx;
                }
            }
        }
    }

    /// From gradients of the state and the terms to that of the first maps' outputs; parameters of later ones.
    fn positions_backward(
        &self,
        calls: &mut Calls,
        n: usize,
        (l, g): (usize, usize),
        trace: &Trace,
        gradients: [Temp; 2],
        finish: &Finish,
    ) -> Temp {
        let group: &GroupMaps = &self.layers[l].groups[g];
        let (saved, output) = (&trace.saved[l], &trace.states[l + 1]);
        let rows = n * group.combine.positions;
        let d_first = calls.temp("d first maps", 4 * rows * group.first_quads);
        let o = group.attended_quads;
        let mut attending = |name: &str| match o {
            0 => calls.unused(),
            quads => calls.temp(name, 4 * rows * quads),
        };
        let (d_attended, d_mixed) = (attending("d attended"), attending("d mixed"));
        let steps = group.direct.len();
        let mut d_direct = d_first;
        if steps > 0 {
            d_direct = calls.temp("d direct maps", 4 * rows * group.direct_quads);
        }
        let out = [d_attended, d_mixed, d_direct];
        let mixed = saved.mixed[g];
        let given = Given { state: output.groups[g], gradients, mixed };
        group.combine.backward(calls, n, &given, out, finish);
        for (k, step) in group.direct.iter().enumerate().rev() {
            let (x, stride) = if k == 0 {
                (saved.first[g], group.first_quads)
            } else {
                (saved.direct[g][k - 1], group.direct_quads)
            };
            let ends = ends(rows, x, stride, group.direct_quads);
            step.weight_gradient(calls, &ends, d_direct.into(), 1.0, false);
            let dx = if k == 0 {
                d_first
            } else {
                calls.temp("d direct maps", 4 * rows * group.direct_quads)
            };
            step.input_gradient(calls, &ends, d_direct.into(), dx.into(), &inputs(step), false);
            d_direct = dx;
        }
        if let Some(attended) = saved.attended[g] {
            let ends = ends(rows, attended, o, o);
            group.mix.weight_gradient(calls, &ends, d_mixed.into(), 1.0, false);
            let columns = inputs(&group.mix);
            group.mix.input_gradient(
                calls,
                &ends,
                d_mixed.into(),
                d_attended.into(),
                &columns,
                true,
            );
            let (y, g) = (saved.first[g].into(), d_attended.into());
            group.attention.backward(calls, n, y, g, d_first.into());
        }
        d_first
    }

    fn pooled_backward(
        &self,
        calls: &mut Calls,
        n: usize,
        (l, trace): (usize, &Trace),
        d_pooled: Temp,
        d_in: &State,
        descend: bool,
    ) {
        let maps = &self.layers[l];
        let (saved, input) = (&trace.saved[l], &trace.states[l]);
        let width = maps.input.descriptors;
        let single = ends(n, input.descriptors, width, maps.pooled_quads);
        maps.pooled.weight_gradient(calls, &single, d_pooled.into(), 1.0, false);
        if descend {
            let columns = columns_of(&maps.input);
            let dx = d_in.descriptors.into();
            maps.pooled.input_gradient(calls, &single, d_pooled.into(), dx, &columns, false);
        }
        let mut dy = (d_pooled, maps.pooled_quads);
        for (k, step) in maps.pooled_chain.iter().enumerate().rev() {
            let x = if k == 0 {
                (input.descriptors, width)
            } else {
                (saved.pooled_chain[k - 1], maps.pooled_chain_quads)
            };
            let ends = ends(n, x.0, x.1, dy.1);
            step.weight_gradient(calls, &ends, dy.0.into(), 1.0, false);
            if k > 0 {
                let dx = calls.temp("d steps of pooled maps", 4 * n * maps.pooled_chain_quads);
                step.input_gradient(calls, &ends, dy.0.into(), dx.into(), &inputs(step), false);
                dy = (dx, maps.pooled_chain_quads);
            } else if descend {
                let dx = d_in.descriptors.into();
                step.input_gradient(calls, &ends, dy.0.into(), dx, &inputs(step), true);
            }
        }
    }
}

/// All columns of the descriptors, as the maps read them.
fn columns_of(layout: &Layout) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for group in &layout.groups {
        all.extend(group.slots.iter().map(|s| (group.pooled + s.columns.at, s.columns.quads)));
    }
    all.push((layout.last_bias.at, layout.last_bias.quads));
    all
}

/// The columns that a map reads, each once.
fn inputs(linear: &Linear) -> Vec<(usize, usize)> {
    let mut all: Vec<(usize, usize)> =
        linear.blocks.iter().flat_map(|b| &b.segments).map(|s| (s.x, s.k)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A matrix's step, as a map between two matrices of entries.
fn as_linear(step: &Step) -> Linear {
    let stack = step.stack.expect("a step with parameters");
    let segment = Segment {
        x: 0,
        k: step.inputs,
        weight: stack.weight,
        stride: stack.stride,
        bias: stack.bias,
    };
    Linear {
        blocks: vec![Block { y: 0, n: step.outputs, segments: vec![segment] }],
        relu: step.relu_in,
    }
}

/// Gradients of a skip's weights, which all tensors share.
fn skip_weights(
    calls: &mut Calls,
    n: usize,
    skip: &SkipMaps<'_>,
    (input, from): (&State, &Layout),
    (d, to): (&State, &Layout),
) {
    let end = ends(n, input.descriptors, from.descriptors, to.descriptors);
    skip.last_bias.weight_gradient(calls, &end, d.descriptors.into(), 1.0, false);
    for (g, linear) in skip.groups.iter().enumerate() {
        let rows = n * from.groups[g].positions;
        let end = ends(rows, input.groups[g], from.groups[g].quads, to.groups[g].quads);
        linear.weight_gradient(calls, &end, d.groups[g].into(), 1.0, true);
    }
    for (k, step) in skip.inner.iter().enumerate() {
        let end = ends(matrices(to, n, k + 1).entries(), input.inner[k], step.inputs, step.outputs);
        as_linear(step).weight_gradient(calls, &end, d.inner[k].into(), 1.0, true);
    }
}

/// Adds what comes through a skip to the gradients of its input; those of inner matrices are overwritten unless
/// `add_inner`.
fn skip_inputs(
    calls: &mut Calls,
    n: usize,
    skip: &SkipMaps<'_>,
    (input, d_in, from): (&State, &State, &Layout),
    (d, to): (&State, &Layout),
    add_inner: bool,
) {
    let end = ends(n, input.descriptors, from.descriptors, to.descriptors);
    let (dy, dx) = (d.descriptors.into(), d_in.descriptors.into());
    skip.last_bias.input_gradient(calls, &end, dy, dx, &inputs(skip.last_bias), true);
    for (g, linear) in skip.groups.iter().enumerate() {
        let rows = n * from.groups[g].positions;
        let end = ends(rows, input.groups[g], from.groups[g].quads, to.groups[g].quads);
        let (dy, dx) = (d.groups[g].into(), d_in.groups[g].into());
        linear.input_gradient(calls, &end, dy, dx, &inputs(linear), true);
    }
    for (k, step) in skip.inner.iter().enumerate() {
        let back = Back {
            x: input.inner[k],
            dy: d.inner[k],
            dx: d_in.inner[k],
            pools: None,
            through_relu: None,
            accumulate: add_inner,
        };
        step.input_gradient(calls, &matrices(from, n, k + 1), &back);
    }
}

fn mask(calls: &mut Calls, quads: usize, y: Temp, d: Temp, factor: f32) {
    #[repr(C)]
    #[derive(Clone, Copy, Pod, Zeroable)]
    struct Uniform {
        quads: u32,
        factor: f32,
    }
    let uniform = Uniform { quads: word(quads), factor };
    calls.call(&kernels::LEARN_MASK, &[], &uniform, &[y.into(), d.into()], threads(quads));
}
