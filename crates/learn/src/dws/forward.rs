//! The calls of a DWS model's forward pass.

use super::arena::quads;
use super::combine::{Finish, Sources};
use super::config::Pooling;
use super::entries::{At, Output, Step};
use super::layout::Layout;
use super::linear::{Ends, Linear};
use super::maps::{GroupMaps, LayerMaps, is_position};
use super::model::Dws;
use super::norm::{Norm, View};
use super::pool::{self, Axis, Origin};
use super::recorded::{Norms, Recorded, Saved, State, Trace, Wanted, matrices, positions};
use super::topology::{Part, Source};
use crate::calls::{Calls, Operand, Temp, threads, word};
use bytemuck::{Pod, Zeroable};
use weightlab_kernels::{self as kernels, philox::Purpose};

/// Ends of a linear map between matrices of the model.
pub(super) fn ends(rows: usize, x: Temp, x_stride: usize, y_stride: usize) -> Ends {
    Ends { rows, x: x.into(), x_stride, y_stride }
}

impl Dws {
    /// Records the model for a batch.
    pub fn record(&self, wanted: &Wanted) -> Recorded {
        let mut calls = Calls::new(wanted.kind);
        let nets = calls.temp("nets", wanted.nets * self.net_len());
        let stride = 4 * quads(self.config().classes);
        let mut trace = self.forward(&mut calls, wanted, nets);
        let logits = *trace.head.last().expect("a classifier");
        let forward = calls.take();
        let d_logits = calls.temp("d logits", wanted.nets * stride);
        let mut backward = Vec::new();
        if wanted.backward {
            self.backward(&mut calls, wanted, &mut trace, d_logits);
            backward = calls.take();
        }
        Recorded {
            calls,
            forward,
            backward,
            nets,
            logits,
            d_logits,
            logits_stride: stride,
            classes: self.config().classes,
            trace,
        }
    }

    fn forward(&self, calls: &mut Calls, wanted: &Wanted, nets: Temp) -> Trace {
        let n = wanted.nets;
        let mut states = vec![self.embed(calls, n, nets)];
        let mut saved = Vec::new();
        for (l, maps) in self.layers.iter().enumerate() {
            let out = State::new(calls, &maps.output, n, &format!("state {}", l + 1));
            let norms = self.norms.get(l + 1).filter(|v| !v.is_empty());
            // Without normalisation the sums go through the ReLU at once.
            let raw = match norms {
                Some(_) => State::new(calls, &maps.output, n, &format!("raw state {}", l + 1)),
                None => out.clone(),
            };
            let model_skip = self.skip.as_ref().filter(|_| l + 1 == self.layers.len());
            if let Some(skip) = model_skip {
                let from = (&states[0], &self.layers[0].input);
                let skip = SkipMaps::of_model(skip, raw.inner.len());
                fill(calls, n, from, (&raw, &maps.output), skip, false);
            }
            let how =
                How { relu: norms.is_none(), given: model_skip.is_some(), alone: !self.merged };
            calls.set_scope(format!("layer {}: ", l + 1));
            let mut kept = layer(calls, n, maps, &states[l], &raw, how);
            kept.norms =
                norms.map(|views| normalise(calls, wanted, views, &maps.output, &raw, &out));
            if self.config().dropout > 0.0 && (wanted.train || self.config().dropout_in_eval) {
                self.drop_out(calls, &maps.output, n, l, &out);
            }
            self.pools(calls, &maps.output, n, &out);
            calls.set_scope(String::new());
            states.push(out);
            saved.push(kept);
        }
        let last = states.last().expect("one more than layers");
        let width = self.layers.last().expect("a layer").output.descriptors;
        let mut head: Vec<Temp> = Vec::new();
        for linear in &self.head {
            let stride = 4 * quads(self.config().classes);
            let y = calls.temp("logits", n * stride);
            let (x, width) = head.last().map_or((last.descriptors, width), |&x| (x, stride / 4));
            linear.forward(calls, &ends(n, x, width, stride / 4), y.into(), false);
            head.push(y);
        }
        Trace { states, saved, head, d_input: None }
    }

    /// The first state, from nets in the layout of files.
    fn embed(&self, calls: &mut Calls, n: usize, nets: Temp) -> State {
        let layout = &self.layers[0].input;
        let state = State::new(calls, layout, n, "state 0");
        let dims = self.dims();
        let last = layout.last();
        // First number of weight and bias of every layer of a net.
        let mut starts = Vec::new();
        let mut at = 0;
        for d in dims.windows(2) {
            starts.push((at, at + d[0] * d[1]));
            at += d[1] * (d[0] + 1);
        }
        for (group, &temp) in layout.groups.iter().zip(&state.groups) {
            let mut origins: Vec<Origin> = vec![None; 4 * group.quads];
            for slot in &group.slots {
                let at = 4 * slot.columns.at;
                match slot.source {
                    // Files have (out, in): a row of W_0 is a position.
                    Source::Positions(Part::Weight(0)) => {
                        for e in 0..dims[0] {
                            origins[at + 4 * e] = Some((starts[0].0 + e, dims[0]));
                        }
                    }
                    Source::Positions(Part::Weight(_)) => {
                        for e in 0..dims[last + 1] {
                            origins[at + 4 * e] = Some((starts[last].0 + e * dims[last], 1));
                        }
                    }
                    Source::Positions(Part::Bias(i)) => origins[at] = Some((starts[i].1, 1)),
                    _ => {}
                }
            }
            pool::embed(calls, (n, group.positions, self.net_len()), &origins, nets, temp);
        }
        let mut origins: Vec<Origin> = vec![None; 4 * layout.descriptors];
        for e in 0..dims[last + 1] {
            origins[4 * (layout.last_bias.at + e)] = Some((starts[last].1 + e, 0));
        }
        pool::embed(calls, (n, 1, self.net_len()), &origins, nets, state.descriptors);
        for (i, &temp) in (1..last).zip(&state.inner) {
            // Row r of W_i is column r of the file's matrix.
            let origins: Vec<Origin> = (0..4 * dims[i + 1])
                .map(|k| (k % 4 == 0).then_some((starts[i].0 + k / 4 * dims[i], 1)))
                .collect();
            pool::embed(calls, (n, dims[i], self.net_len()), &origins, nets, temp);
        }
        self.pools(calls, layout, n, &state);
        state
    }

    /// Dropout of everything that is not pooled; what is pooled is written afterwards.
    fn drop_out(&self, calls: &mut Calls, layout: &Layout, n: usize, layer: usize, state: &State) {
        let rate = self.config().dropout;
        let mut site = layer << 8;
        let mut drop = |temp: Temp, quads: usize| {
            dropout(calls, rate, site, quads, temp);
            site += 1;
        };
        for (group, &temp) in layout.groups.iter().zip(&state.groups) {
            drop(temp, n * group.positions * group.quads);
        }
        drop(state.descriptors, n * layout.descriptors);
        for (k, &temp) in state.inner.iter().enumerate() {
            drop(temp, matrices(layout, n, k + 1).entries() * layout.features);
        }
    }

    /// Everything of a state that is pooled from other parts of it.
    fn pools(&self, calls: &mut Calls, layout: &Layout, n: usize, state: &State) {
        let how = self.config().pooling;
        let places =
            |calls: &mut Calls, best| if how == Pooling::Max { best } else { calls.unused() };
        for (k, (&temp, &best)) in state.inner.iter().zip(&state.inner_best).enumerate() {
            let i = k + 1;
            let shape = matrices(layout, n, i);
            for (axis, source, best_at) in [
                (Axis::Columns, Source::OverColumns(i), 0),
                (Axis::Rows, Source::OverRows(i), n * shape.rows * shape.quads),
            ] {
                let (g, columns) = layout.set(source);
                let out = (state.groups[g], layout.groups[g].quads, columns);
                let best = places(calls, best);
                pool::entries(calls, how, &shape, axis, temp, out, (best, best_at));
            }
        }
        for (g, &temp) in state.groups.iter().enumerate() {
            let of = positions(layout, n, g);
            let best = places(calls, state.best[g]);
            of.forward(calls, how, temp, state.descriptors, best);
        }
    }
}

/// Maps that are added entrywise.
pub(super) struct SkipMaps<'a> {
    pub groups: Vec<&'a Linear>,
    pub inner: Vec<Step>,
    pub last_bias: &'a Linear,
}

impl<'a> SkipMaps<'a> {
    /// Of the model, for nets of so many inner matrices.
    pub fn of_model(skip: &'a super::model::ModelSkip, inner: usize) -> SkipMaps<'a> {
        SkipMaps {
            groups: skip.groups.iter().collect(),
            inner: vec![skip.inner; inner],
            last_bias: &skip.last_bias,
        }
    }

    /// Of a layer, if it has any.
    pub fn of_layer(maps: &'a LayerMaps) -> Option<SkipMaps<'a>> {
        (!maps.last_bias_skip.is_empty()).then(|| SkipMaps {
            groups: maps.groups.iter().map(|g| &g.skip).collect(),
            inner: maps.inner.iter().filter_map(|m| m.skip).collect(),
            last_bias: &maps.last_bias_skip,
        })
    }
}

/// Writes (or adds) what skips carry from one state to another.
fn fill(
    calls: &mut Calls,
    n: usize,
    (input, from): (&State, &Layout),
    (output, to): (&State, &Layout),
    skip: SkipMaps<'_>,
    accumulate: bool,
) {
    for (g, linear) in skip.groups.iter().enumerate() {
        let (a, b) = (&from.groups[g], &to.groups[g]);
        let ends = ends(n * a.positions, input.groups[g], a.quads, b.quads);
        linear.forward(calls, &ends, output.groups[g].into(), accumulate);
    }
    let ends = ends(n, input.descriptors, from.descriptors, to.descriptors);
    skip.last_bias.forward(calls, &ends, output.descriptors.into(), accumulate);
    for (k, step) in skip.inner.iter().enumerate() {
        let shape = matrices(from, n, k + 1);
        let to = Output { out: output.inner[k], relu: false, accumulate };
        step.forward(calls, &shape, input.inner[k], None, &to);
    }
}

/// How a layer is made.
#[derive(Clone, Copy, Debug)]
struct How {
    /// ReLU on the output.
    relu: bool,
    /// There is something in the output that is added.
    given: bool,
    /// Leave the output of matrices' own maps for inspection.
    alone: bool,
}

/// One layer, without normalisation.
fn layer(
    calls: &mut Calls,
    n: usize,
    maps: &LayerMaps,
    state: &State,
    out: &State,
    How { relu, mut given, alone }: How,
) -> Saved {
    if let Some(skip) = SkipMaps::of_layer(maps) {
        fill(calls, n, (state, &maps.input), (out, &maps.output), skip, given);
        given = true;
    }
    let mut saved = Saved {
        first: Vec::new(),
        attended: Vec::new(),
        mixed: Vec::new(),
        direct: Vec::new(),
        pooled: calls.temp("pooled maps", 4 * n * maps.pooled_quads),
        pooled_chain: Vec::new(),
        extra: Vec::new(),
        inner_steps: Vec::new(),
        inner_alone: Vec::new(),
        norms: None,
    };
    let width = maps.input.descriptors;
    let single = ends(n, state.descriptors, width, maps.pooled_quads);
    maps.pooled.forward(calls, &single, saved.pooled.into(), false);
    let mut x = (state.descriptors, width);
    for (k, step) in maps.pooled_chain.iter().enumerate() {
        let last = k + 1 == maps.pooled_chain.len();
        let y = if last {
            (saved.pooled, maps.pooled_quads)
        } else {
            let quads = maps.pooled_chain_quads;
            let temp = calls.temp("steps of pooled maps", 4 * n * quads);
            saved.pooled_chain.push(temp);
            (temp, quads)
        };
        step.forward(calls, &ends(n, x.0, x.1, y.1), y.0.into(), false);
        x = y;
    }
    let finish = Finish { relu, accumulate: given, factor: 1.0 };
    for (g, group) in maps.groups.iter().enumerate() {
        positions_maps(calls, n, group, &maps.input, g, state, &mut saved);
        let from = Sources {
            attended: saved.attended[g],
            mixed: saved.mixed[g],
            direct: saved.direct[g].last().copied().or(Some(saved.first[g])),
            pooled: saved.pooled,
        };
        let extra = match group.extra_quads {
            0 => calls.unused(),
            quads => calls.temp("terms", 4 * n * group.combine.positions * quads),
        };
        saved.extra.push(extra);
        group.combine.forward(calls, n, &from, out.groups[g], extra, &finish);
    }
    let unused = calls.unused();
    let from = Sources { attended: None, mixed: None, direct: None, pooled: saved.pooled };
    maps.last_bias.forward(calls, n, &from, out.descriptors, unused, &finish);
    for (k, inner) in maps.inner.iter().enumerate() {
        let shape = matrices(&maps.output, n, k + 1);
        let terms = inner.terms.map(|(g, columns)| At {
            temp: saved.extra[g],
            stride: maps.groups[g].extra_quads,
            columns,
        });
        let mut x = state.inner[k];
        let mut steps = Vec::new();
        for (s, step) in inner.steps.iter().enumerate() {
            if s + 1 == inner.steps.len() {
                if alone {
                    let y = calls.temp("a matrix's map alone", 4 * shape.entries() * step.outputs);
                    step.forward(calls, &shape, x, None, &Output::plain(y));
                    saved.inner_alone.push(y);
                }
                let to = Output { out: out.inner[k], relu, accumulate: given };
                step.forward(calls, &shape, x, Some(terms), &to);
            } else {
                let y = calls.temp("steps of a matrix", 4 * shape.entries() * step.outputs);
                step.forward(calls, &shape, x, None, &Output::plain(y));
                steps.push(y);
                x = y;
            }
        }
        saved.inner_steps.push(steps);
    }
    saved
}

/// Maps of one group of positions, up to what is summed.
fn positions_maps(
    calls: &mut Calls,
    n: usize,
    group: &GroupMaps,
    layout: &Layout,
    g: usize,
    state: &State,
    saved: &mut Saved,
) {
    let rows = n * group.combine.positions;
    let first = calls.temp("first maps", 4 * rows * group.first_quads);
    let input = ends(rows, state.groups[g], layout.groups[g].quads, group.first_quads);
    group.first.forward(calls, &input, first.into(), false);
    saved.first.push(first);
    let (mut attended, mut mixed) = (None, None);
    if group.attended_quads > 0 {
        let quads = group.attended_quads;
        let o = calls.temp("attended", 4 * rows * quads);
        group.attention.forward(calls, n, first.into(), o.into());
        let z = calls.temp("mixed", 4 * rows * quads);
        group.mix.forward(calls, &ends(rows, o, quads, quads), z.into(), false);
        (attended, mixed) = (Some(o), Some(z));
    }
    saved.attended.push(attended);
    saved.mixed.push(mixed);
    let mut steps = Vec::new();
    let mut x = (first, group.first_quads);
    for step in &group.direct {
        let y = calls.temp("direct maps", 4 * rows * group.direct_quads);
        step.forward(calls, &ends(rows, x.0, x.1, group.direct_quads), y.into(), false);
        steps.push(y);
        x = (y, group.direct_quads);
    }
    saved.direct.push(steps);
}

/// Normalisation and ReLU of all tensors of a state.
fn normalise(
    calls: &mut Calls,
    wanted: &Wanted,
    views: &[View],
    layout: &Layout,
    raw: &State,
    out: &State,
) -> Norms {
    let n = wanted.nets;
    let (weights, biases) = views.split_at(views.len() / 2);
    let h = layout.features;
    let of = |part: Part| match part {
        Part::Weight(i) => weights[i],
        Part::Bias(i) => biases[i],
    };
    let mut run = |norm: Norm, x: Temp, y: Temp| {
        let normed = norm.forward(calls, x, y, !wanted.train);
        (norm, normed)
    };
    let groups = layout
        .groups
        .iter()
        .enumerate()
        .map(|(g, group)| {
            let views = group
                .slots
                .iter()
                .filter(|s| is_position(s))
                .map(|slot| {
                    let Source::Positions(part) = slot.source else { unreachable!("filtered") };
                    View { columns: slot.columns, ..of(part) }
                })
                .collect();
            let rows = n * group.positions;
            run(
                Norm { rows, stride: group.quads, features: h, views },
                raw.groups[g],
                out.groups[g],
            )
        })
        .collect();
    let view = View { columns: layout.last_bias, ..of(Part::Bias(layout.last())) };
    let norm = Norm { rows: n, stride: layout.descriptors, features: h, views: vec![view] };
    let last_bias = run(norm, raw.descriptors, out.descriptors);
    let inner = (1..layout.last())
        .map(|i| {
            let columns = super::layout::Columns { at: 0, quads: h };
            let view = View { columns, ..of(Part::Weight(i)) };
            let rows = matrices(layout, n, i).entries();
            let norm = Norm { rows, stride: h, features: h, views: vec![view] };
            run(norm, raw.inner[i - 1], out.inner[i - 1])
        })
        .collect();
    Norms { raw: raw.clone(), groups, last_bias, inner }
}

fn dropout(calls: &mut Calls, rate: f32, site: usize, quads: usize, temp: Temp) {
    #[repr(C)]
    #[derive(Clone, Copy, Pod, Zeroable)]
    struct Uniform {
        quads: u32,
        below: u32,
        factor: f32,
        site: u32,
        purpose: u32,
    }
    let uniform = Uniform {
        quads: word(quads),
        below: ((1.0 - f64::from(rate)) * 2f64.powi(32)) as u32,
        factor: 1.0 / (1.0 - rate),
        site: word(site),
        purpose: Purpose::Dropout as u32,
    };
    let operands = [Operand::Step, temp.into()];
    calls.call(&kernels::LEARN_DROPOUT, &[], &uniform, &operands, threads(quads));
}
