//! Twins of `shaders/learn/linear*_software.wgsl`.

use super::tile::{self, COLUMNS, Panel, ROWS, Tile};
use crate::dws::linear::Uniform;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use weightlab_tensor::TwinCall;

/// Up to sixteen columns that are made, and what they are sums of.
struct Target {
    /// First column and number of columns, in numbers.
    at: usize,
    columns: usize,
    /// Sum of biases.
    start: [f32; COLUMNS],
    segments: Vec<Segment>,
}

struct Segment {
    /// First column that is read.
    from: usize,
    /// Columns that are read.
    n: usize,
    /// Where its `[n][16]` weights begin among the panels.
    panel: usize,
}

/// The product of eight rows with all targets.
struct Rows<'a> {
    targets: &'a [Target],
    panels: &'a [f32],
    x: &'a [f32],
    x_stride: usize,
    /// The first of the eight, and how many rows there are.
    row: (usize, usize),
    relu: bool,
    /// Rows from the first of the eight on, `[..][y_stride]`.
    y: &'a mut [f32],
    y_stride: usize,
    accumulate: bool,
    /// Results count only where this, of the shape of y, is positive.
    mask: Option<&'a [f32]>,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut turned = Vec::new();
        tile::turn(&mut turned, self.x, self.x_stride, self.x_stride, self.row, self.relu);
        for target in self.targets {
            let mut sums: Tile = [target.start; ROWS];
            for s in &target.segments {
                let a = Panel { at: &turned[s.from * ROWS..], stride: ROWS };
                let b = Panel { at: &self.panels[s.panel..], stride: COLUMNS };
                tile::accumulate(simd, &mut sums, a, b, s.n);
            }
            for (i, y) in self.y.chunks_exact_mut(self.y_stride).enumerate() {
                let to = &mut y[target.at..target.at + target.columns];
                let mut values = sums[i];
                if let Some(mask) = self.mask {
                    let mask = &mask[i * self.y_stride + target.at..][..target.columns];
                    for (value, &x) in values.iter_mut().zip(mask) {
                        *value = if x > 0.0 { *value } else { 0.0 };
                    }
                }
                if self.accumulate {
                    for (to, &value) in to.iter_mut().zip(&values) {
                        *to += value;
                    }
                } else {
                    to.copy_from_slice(&values[..target.columns]);
                }
            }
        }
    }
}

/// Four words of a table.
fn quads(table: &[u32], at: usize) -> [usize; 4] {
    [0, 1, 2, 3].map(|i| table[4 * at + i] as usize)
}

/// `to = targets of from`, all rows.
struct Product<'a> {
    rows: usize,
    targets: Vec<Target>,
    panels: Vec<f32>,
    from: (&'a [f32], usize),
    relu: bool,
    accumulate: bool,
    mask: Option<&'a [f32]>,
}

impl Product<'_> {
    fn run(&self, to: &mut [f32], stride: usize) {
        let arch = Arch::new();
        let (x, x_stride) = self.from;
        let block = ROWS * stride;
        to[..self.rows * stride].par_chunks_mut(block).enumerate().for_each(|(i, y)| {
            arch.dispatch(Rows {
                targets: &self.targets,
                panels: &self.panels,
                x,
                x_stride,
                row: (i * ROWS, self.rows),
                relu: self.relu,
                mask: self.mask.map(|m| &m[i * block..][..y.len()]),
                y,
                y_stride: stride,
                accumulate: self.accumulate,
            });
        });
    }
}

/// Of `linear_software.wgsl`.
pub(super) fn forward(call: &TwinCall<'_>) {
    let block: Uniform = call.block();
    let (table, x, params) = (call.read_words(0), call.read(1), call.read(2));
    let (table, x, params) = (&*table, &*x, &*params);
    let mut panels = Vec::new();
    let target = |tile: usize| {
        let [at, columns, row, first] = quads(table, 2 * tile);
        let columns = 4 * columns;
        let mut target =
            Target { at: 4 * at, columns, start: [0.0; COLUMNS], segments: Vec::new() };
        for s in 0..quads(table, 2 * tile + 1)[0] {
            let [from, n, weight, stride] = quads(table, first + 2 * s);
            let bias = quads(table, first + 2 * s + 1)[0];
            if bias > 0 {
                let values = &params[4 * (bias - 1) + row..][..columns];
                target.start.iter_mut().zip(values).for_each(|(sum, b)| *sum += b);
            }
            target.segments.push(Segment { from: 4 * from, n: 4 * n, panel: panels.len() });
            let first = 4 * (weight + row * stride);
            tile::gather(&mut panels, params, first, (4 * n, 1), (columns, 4 * stride));
        }
        target
    };
    let targets = (0..call.groups[0] as usize).map(target).collect();
    let product = Product {
        rows: block.rows as usize,
        targets,
        panels,
        from: (x, 4 * block.x_stride as usize),
        relu: call.constant("RELU") == 1,
        accumulate: block.accumulate == 1,
        mask: None,
    };
    product.run(&mut call.write(3), 4 * block.y_stride as usize);
}

/// Of `linear_input_software.wgsl`.
pub(super) fn input(call: &TwinCall<'_>) {
    let block: Uniform = call.block();
    let (table, x, dy, params) = (call.read_words(0), call.read(1), call.read(2), call.read(3));
    let (table, x, dy, params) = (&*table, &*x, &*dy, &*params);
    let mut panels = Vec::new();
    let target = |tile: usize| {
        let [at, columns, column, first] = quads(table, 2 * tile);
        let columns = 4 * columns;
        let mut target =
            Target { at: 4 * at, columns, start: [0.0; COLUMNS], segments: Vec::new() };
        for s in 0..quads(table, 2 * tile + 1)[0] {
            let [from, n, weight, stride] = quads(table, first + s);
            target.segments.push(Segment { from: 4 * from, n: 4 * n, panel: panels.len() });
            let first = 4 * (weight + column);
            tile::gather(&mut panels, params, first, (4 * n, 4 * stride), (columns, 1));
        }
        target
    };
    let targets = (0..call.groups[0] as usize).map(target).collect();
    let stride = 4 * block.x_stride as usize;
    let product = Product {
        rows: block.rows as usize,
        targets,
        panels,
        from: (dy, 4 * block.y_stride as usize),
        relu: false,
        accumulate: block.accumulate == 1,
        mask: (call.constant("RELU") == 1).then_some(x),
    };
    product.run(&mut call.write(4), stride);
}

/// Sixteen outputs by sixteen inputs of a gradient, and the biases of the outputs.
struct Piece {
    sums: [Tile; 2],
    bias: [f32; COLUMNS],
}

impl Piece {
    fn add(&mut self, other: &Piece) {
        let sums = self.sums.as_flattened_mut().as_flattened_mut();
        let others = other.sums.as_flattened().as_flattened();
        sums.iter_mut().zip(others).for_each(|(sum, x)| *sum += x);
        self.bias.iter_mut().zip(&other.bias).for_each(|(sum, x)| *sum += x);
    }
}

/// Rows that are summed at once: their panels stay in the cache.
const AT_ONCE: usize = 256;

/// One piece of some rows, of which the columns of dy and of x lie in panels `[rows][16]`.
struct Pairs<'a, I> {
    pairs: I,
    panels: [&'a [f32]; 2],
    rows: usize,
    bias: bool,
}

impl<I: Iterator<Item = (usize, usize)>> WithSimd for Pairs<'_, I> {
    type Output = Piece;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Piece {
        let mut piece = Piece { sums: [[[0.0; COLUMNS]; ROWS]; 2], bias: [0.0; COLUMNS] };
        let n = self.rows;
        let size = n * COLUMNS;
        for (y, x) in self.pairs {
            let dy = &self.panels[0][y * size..][..size];
            let b = Panel { at: &self.panels[1][x * size..][..size], stride: COLUMNS };
            for (half, sums) in piece.sums.iter_mut().enumerate() {
                let a = Panel { at: &dy[half * ROWS..], stride: COLUMNS };
                tile::accumulate(simd, sums, a, b, n);
            }
            if self.bias {
                for row in dy.chunks_exact(COLUMNS) {
                    piece.bias.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
                }
            }
        }
        piece
    }
}

/// Columns of a matrix that are summed over rows: first of each panel, and how many.
type Columns = BTreeMap<usize, usize>;

/// Rows `rows` of some columns as panels `[rows][16]`, one after the other: read row by row where they lie, they would be a page apart.
fn pack(
    out: &mut Vec<f32>,
    columns: &Columns,
    (x, stride): (&[f32], usize),
    rows: Range<usize>,
    relu: bool,
) {
    out.clear();
    out.resize(columns.len() * rows.len() * COLUMNS, 0.0);
    let panels = out.chunks_exact_mut(rows.len() * COLUMNS);
    for ((&at, &width), panel) in columns.iter().zip(panels) {
        let from = x[rows.start * stride..].chunks(stride);
        for (to, row) in panel.chunks_exact_mut(COLUMNS).zip(from) {
            for (to, &value) in to.iter_mut().zip(&row[at..at + width]) {
                *to = if relu { tile::relu(value) } else { value };
            }
        }
    }
}

/// A line of the table of `linear_weight.wgsl`.
struct Job {
    corner: usize,
    outputs: usize,
    inputs: usize,
    stride: usize,
    /// Of the first output, plus one; 0: none here.
    bias: usize,
    scale: f32,
    /// Columns of dy and of x.
    pairs: Vec<(usize, usize)>,
}

impl Job {
    fn read(table: &[u32], tile: usize) -> Job {
        let [corner, outputs, inputs, stride] = quads(table, 3 * tile);
        let [bias, first, count, scale] = quads(table, 3 * tile + 1);
        let [o, k, ..] = quads(table, 3 * tile + 2);
        let pair = |p: usize| {
            let [y, x, ..] = quads(table, first + p);
            (4 * (y + o), 4 * (x + k))
        };
        Job {
            corner,
            outputs: 4 * outputs,
            inputs: 4 * inputs,
            stride,
            bias: if bias > 0 && k == 0 { bias + o } else { 0 },
            scale: f32::from_bits(scale as u32),
            pairs: (0..count).map(pair).collect(),
        }
    }
}

/// Of `linear_weight_software.wgsl`.
pub(super) fn weight(call: &TwinCall<'_>) {
    let block: Uniform = call.block();
    let (table, x, dy) = (call.read_words(0), call.read(1), call.read(2));
    let (table, x, dy) = (&*table, &*x, &*dy);
    let [rows, x_stride, y_stride, span] =
        [block.rows, 4 * block.x_stride, 4 * block.y_stride, block.span].map(|n| n as usize);
    let jobs: Vec<Job> = (0..block.tiles as usize).map(|t| Job::read(table, t)).collect();
    let (mut x_columns, mut y_columns) = (BTreeMap::new(), BTreeMap::new());
    for job in &jobs {
        for &(y, x) in &job.pairs {
            // Two maps may read a column in pieces of different widths.
            let width = x_columns.entry(x).or_insert(0);
            *width = job.inputs.max(*width);
            let width = y_columns.entry(y).or_insert(0);
            *width = job.outputs.max(*width);
        }
    }
    let place = |columns: &Columns, at: usize| columns.range(..at).count();
    let pairs: Vec<Vec<(usize, usize)>> = jobs
        .iter()
        .map(|j| {
            j.pairs.iter().map(|&(y, x)| (place(&y_columns, y), place(&x_columns, x))).collect()
        })
        .collect();
    let relu = call.constant("RELU") == 1;
    let arch = Arch::new();
    // Work is cut the same way on any number of cores, so that sums are the same.
    let blocks: Vec<Range<usize>> = (0..rows)
        .step_by(span)
        .flat_map(|first| {
            let last = (first + span).min(rows);
            (first..last).step_by(AT_ONCE).map(move |at| at..(at + AT_ONCE).min(last))
        })
        .collect();
    let of_block = |(dys, xs): &mut (Vec<f32>, Vec<f32>), rows: &Range<usize>| -> Vec<Piece> {
        pack(dys, &y_columns, (dy, y_stride), rows.clone(), false);
        pack(xs, &x_columns, (x, x_stride), rows.clone(), relu);
        let piece = |(job, pairs): (&Job, &Vec<(usize, usize)>)| {
            arch.dispatch(Pairs {
                pairs: pairs.iter().copied(),
                panels: [dys, xs],
                rows: rows.len(),
                bias: job.bias > 0,
            })
        };
        jobs.iter().zip(&pairs).map(piece).collect()
    };
    let made: Vec<Vec<Piece>> = blocks.par_iter().map_init(Default::default, of_block).collect();
    let mut pieces: Vec<Piece> = Vec::new();
    for (rows, made) in blocks.iter().zip(made) {
        if rows.start % span == 0 {
            pieces.extend(made);
        } else {
            let first = pieces.len() - jobs.len();
            pieces[first..].iter_mut().zip(&made).for_each(|(sum, piece)| sum.add(piece));
        }
    }
    let mut out = call.write(3);
    let mut put = |at: usize, scale: f32, values: &[f32]| {
        for (to, value) in out[at..at + values.len()].iter_mut().zip(values) {
            let before = if block.accumulate == 1 { *to } else { 0.0 };
            *to = before + scale * value;
        }
    };
    for (at, piece) in pieces.iter().enumerate() {
        let job = &jobs[at % jobs.len()];
        let base = at / jobs.len() * block.partial_stride as usize;
        let place = |quad: usize| 4 * (base + quad - block.base as usize);
        for row in 0..job.outputs {
            let values = &piece.sums[row / ROWS][row % ROWS][..job.inputs];
            put(place(job.corner + row * job.stride), job.scale, values);
        }
        if job.bias > 0 {
            put(place(job.bias - 1), job.scale, &piece.bias[..job.outputs]);
        }
    }
}

/// Of `linear_reduce.wgsl`.
pub(super) fn reduce(call: &TwinCall<'_>) {
    let [quads, spans, base, accumulate]: [u32; 4] = call.block();
    let (quads, spans, base) = (4 * quads as usize, spans as usize, 4 * base as usize);
    let (partial, mut out) = (call.read(0), call.write(1));
    for (i, to) in out[base..base + quads].iter_mut().enumerate() {
        let sum: f32 = (0..spans).map(|s| partial[s * quads + i]).sum();
        *to = if accumulate == 1 { *to + sum } else { sum };
    }
}
