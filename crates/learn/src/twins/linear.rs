//! Twins of `shaders/learn/linear*_software.wgsl`.

use super::tile::{self, COLUMNS, Panel, ROWS, Tile};
use bytemuck::{Pod, Zeroable};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use weightlab_tensor::TwinCall;

/// `Block` of `shaders/learn/parts/linear.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Block {
    rows: u32,
    x_stride: u32,
    y_stride: u32,
    accumulate: u32,
    span: u32,
    partial_stride: u32,
    base: u32,
    tiles: u32,
}

/// Sixteen columns that are made, and what they are sums of.
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
    let block: Block = call.block();
    let (table, x, params) = (call.read_words(0), call.read(1), call.read(2));
    let (table, x, params) = (&*table, &*x, &*params);
    let mut panels = Vec::new();
    let target = |tile: usize| {
        let [at, columns, row, first] = quads(&table, 2 * tile);
        let columns = 4 * columns;
        let mut target =
            Target { at: 4 * at, columns, start: [0.0; COLUMNS], segments: Vec::new() };
        for s in 0..quads(&table, 2 * tile + 1)[0] {
            let [from, n, weight, stride] = quads(&table, first + 2 * s);
            let bias = quads(&table, first + 2 * s + 1)[0];
            if bias > 0 {
                let values = &params[4 * (bias - 1) + row..][..columns];
                target.start.iter_mut().zip(values).for_each(|(sum, b)| *sum += b);
            }
            target.segments.push(Segment { from: 4 * from, n: 4 * n, panel: panels.len() });
            let first = 4 * (weight + row * stride);
            tile::gather(&mut panels, &params, first, (4 * n, 1), (columns, 4 * stride));
        }
        target
    };
    let targets = (0..call.groups[0] as usize).map(target).collect();
    let product = Product {
        rows: block.rows as usize,
        targets,
        panels,
        from: (&x, 4 * block.x_stride as usize),
        relu: call.constant("RELU") == 1,
        accumulate: block.accumulate == 1,
        mask: None,
    };
    product.run(&mut call.write(3), 4 * block.y_stride as usize);
}

/// Of `linear_input_software.wgsl`.
pub(super) fn input(call: &TwinCall<'_>) {
    let block: Block = call.block();
    let (table, x, dy, params) = (call.read_words(0), call.read(1), call.read(2), call.read(3));
    let (table, x, dy, params) = (&*table, &*x, &*dy, &*params);
    let mut panels = Vec::new();
    let target = |tile: usize| {
        let [at, columns, column, first] = quads(&table, 2 * tile);
        let columns = 4 * columns;
        let mut target =
            Target { at: 4 * at, columns, start: [0.0; COLUMNS], segments: Vec::new() };
        for s in 0..quads(&table, 2 * tile + 1)[0] {
            let [from, n, weight, stride] = quads(&table, first + s);
            target.segments.push(Segment { from: 4 * from, n: 4 * n, panel: panels.len() });
            let first = 4 * (weight + column);
            tile::gather(&mut panels, &params, first, (4 * n, 4 * stride), (columns, 1));
        }
        target
    };
    let targets = (0..call.groups[0] as usize).map(target).collect();
    let stride = 4 * block.x_stride as usize;
    let product = Product {
        rows: block.rows as usize,
        targets,
        panels,
        from: (&dy, 4 * block.y_stride as usize),
        relu: false,
        accumulate: block.accumulate == 1,
        mask: (call.constant("RELU") == 1).then_some(&*x),
    };
    product.run(&mut call.write(4), stride);
}

/// Sixteen outputs by sixteen inputs of a gradient, and the biases of the outputs.
struct Piece {
    sums: [Tile; 2],
    bias: [f32; COLUMNS],
}

/// One piece, of rows `rows`.
struct Pairs<'a> {
    x: (&'a [f32], usize),
    dy: (&'a [f32], usize),
    /// Columns of dy and of x.
    pairs: &'a [(usize, usize)],
    /// How many of them.
    size: (usize, usize),
    rows: std::ops::Range<usize>,
    bias: bool,
}

impl WithSimd for Pairs<'_> {
    type Output = Piece;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Piece {
        let mut piece = Piece { sums: [[[0.0; COLUMNS]; ROWS]; 2], bias: [0.0; COLUMNS] };
        let (outputs, inputs) = self.size;
        let n = self.rows.len();
        let ((x, x_stride), (dy, y_stride)) = (self.x, self.dy);
        let (mut own_x, mut own_dy) = (Vec::new(), Vec::new());
        for &(y_at, x_at) in self.pairs {
            let from = |at: usize, stride: usize| self.rows.start * stride + at;
            let mut b = Panel { at: &x[from(x_at, x_stride)..], stride: x_stride };
            let mut a = Panel { at: &dy[from(y_at, y_stride)..], stride: y_stride };
            // What lies beside a narrower piece may end with the buffer.
            if inputs < COLUMNS {
                own_x.clear();
                tile::gather(&mut own_x, b.at, 0, (n, x_stride), (inputs, 1));
                b = Panel { at: &own_x, stride: COLUMNS };
            }
            if outputs < COLUMNS {
                own_dy.clear();
                tile::gather(&mut own_dy, a.at, 0, (n, y_stride), (outputs, 1));
                a = Panel { at: &own_dy, stride: COLUMNS };
            }
            tile::accumulate(simd, &mut piece.sums[0], a, b, n);
            if outputs > ROWS {
                let a = Panel { at: &a.at[ROWS..], stride: a.stride };
                tile::accumulate(simd, &mut piece.sums[1], a, b, n);
            }
            if self.bias {
                for row in a.at.chunks(a.stride).take(n) {
                    piece.bias.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
                }
            }
        }
        piece
    }
}

/// Of `linear_weight_software.wgsl`.
pub(super) fn weight(call: &TwinCall<'_>) {
    let block: Block = call.block();
    let (table, x, dy) = (call.read_words(0), call.read(1), call.read(2));
    let (table, x, dy) = (&*table, &*x, &*dy);
    let [rows, x_stride, y_stride] =
        [block.rows, 4 * block.x_stride, 4 * block.y_stride].map(|n| n as usize);
    let positive: Vec<f32>;
    let x = if call.constant("RELU") == 1 {
        positive = x[..rows * x_stride].par_iter().map(|x| x.max(0.0)).collect();
        &positive
    } else {
        &x[..rows * x_stride]
    };
    let dy = &dy[..rows * y_stride];
    let arch = Arch::new();
    let tiles = block.tiles as usize;
    let spans = rows.div_ceil(block.span as usize);
    let pieces: Vec<Piece> = (0..spans * tiles)
        .into_par_iter()
        .map(|at| {
            let (span, tile) = (at / tiles, at % tiles);
            let [_, outputs, inputs, _] = quads(&table, 3 * tile);
            let [bias, first, count, _] = quads(&table, 3 * tile + 1);
            let [o, k, ..] = quads(&table, 3 * tile + 2);
            let pair = |p: usize| {
                let [y, x, ..] = quads(&table, first + p);
                (4 * (y + o), 4 * (x + k))
            };
            let pairs: Vec<_> = (0..count).map(pair).collect();
            let start = span * block.span as usize;
            arch.dispatch(Pairs {
                x: (x, x_stride),
                dy: (dy, y_stride),
                pairs: &pairs,
                size: (4 * outputs, 4 * inputs),
                rows: start..(start + block.span as usize).min(rows),
                bias: bias > 0 && k == 0,
            })
        })
        .collect();
    let mut out = call.write(3);
    let mut put = |at: usize, scale: f32, values: &[f32]| {
        for (to, value) in out[at..at + values.len()].iter_mut().zip(values) {
            let before = if block.accumulate == 1 { *to } else { 0.0 };
            *to = before + scale * value;
        }
    };
    for (at, piece) in pieces.iter().enumerate() {
        let (span, tile) = (at / tiles, at % tiles);
        let [corner, outputs, inputs, stride] = quads(&table, 3 * tile);
        let bias = quads(&table, 3 * tile + 1)[0];
        let scale = f32::from_bits(table[4 * (3 * tile + 1) + 3]);
        let [o, k, ..] = quads(&table, 3 * tile + 2);
        let base = span * block.partial_stride as usize;
        for row in 0..4 * outputs {
            let values = &piece.sums[row / ROWS][row % ROWS][..4 * inputs];
            put(4 * (base + corner - block.base as usize + row * stride), scale, values);
        }
        if bias > 0 && k == 0 {
            let at = 4 * (base + bias - 1 - block.base as usize + o);
            put(at, scale, &piece.bias[..4 * outputs]);
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
