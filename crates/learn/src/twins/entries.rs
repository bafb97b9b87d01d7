//! Twins of `shaders/learn/entries*_software.wgsl`.

use super::tile::{self, COLUMNS, Panel, ROWS, Tile};
use crate::dws::entries::Uniform;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use weightlab_tensor::TwinCall;

impl Uniform {
    fn count(&self) -> usize {
        (self.nets * self.rows * self.columns) as usize
    }

    /// Where an entry's numbers begin among those by rows and by columns.
    fn terms(&self, entry: usize) -> (usize, usize) {
        let [rows, columns] = [self.rows, self.columns].map(|n| n as usize);
        let row = entry / columns;
        let column = row / rows * columns + entry % columns;
        (
            4 * (row * self.row_stride as usize + self.row_at as usize),
            4 * (column * self.column_stride as usize + self.column_at as usize),
        )
    }
}

/// Eight entries times W, plus a start: `products[i][..outputs]`.
struct Product<'a> {
    x: &'a [f32],
    stride: usize,
    inputs: usize,
    relu: bool,
    row: (usize, usize),
    panels: &'a [f32],
    start: &'a [f32],
    /// `[8][outputs]`, outputs rounded up to sixteen.
    products: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut turned = Vec::new();
        tile::turn(&mut turned, self.x, self.stride, self.inputs, self.row, self.relu);
        let width = self.products.len() / ROWS;
        for (t, at) in (0..width).step_by(COLUMNS).enumerate() {
            let mut start = [0.0; COLUMNS];
            start.iter_mut().zip(&self.start[at..]).for_each(|(to, b)| *to = *b);
            let mut sums: Tile = [start; ROWS];
            let a = Panel { at: &turned, stride: ROWS };
            let b = Panel { at: &self.panels[t * self.inputs * COLUMNS..], stride: COLUMNS };
            tile::accumulate(simd, &mut sums, a, b, self.inputs);
            for (i, row) in self.products.chunks_exact_mut(width).enumerate() {
                row[at..at + COLUMNS].copy_from_slice(&sums[i]);
            }
        }
    }
}

/// Goes through all entries, eight at a time: `finish(entry, products of the entry, numbers of the entry in out)`.
fn each_entry(
    block: &Uniform,
    (x, relu, product): (&[f32], bool, bool),
    (panels, start): (&[f32], &[f32]),
    out: &mut [f32],
    finish: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) {
    let arch = Arch::new();
    let count = block.count();
    let [stride, outputs] = [block.inputs, block.outputs].map(|n| 4 * n as usize);
    let inputs = if product { stride } else { 0 };
    let width = outputs.next_multiple_of(COLUMNS);
    out[..count * outputs].par_chunks_mut(ROWS * outputs).enumerate().for_each_init(
        || vec![0.0; ROWS * width],
        |products, (i, out)| {
            let row = (i * ROWS, count);
            arch.dispatch(Product { x, stride, inputs, relu, row, panels, start, products });
            for (j, out) in out.chunks_exact_mut(outputs).enumerate() {
                finish(i * ROWS + j, &mut products[j * width..][..outputs], out);
            }
        },
    );
}

/// W as panels of sixteen outputs, `first`, `step` of k and `across` of outputs in numbers.
fn panels(
    params: &[f32],
    first: usize,
    n: usize,
    outputs: usize,
    step: usize,
    across: usize,
) -> Vec<f32> {
    let mut all = Vec::new();
    for at in (0..outputs).step_by(COLUMNS) {
        let columns = (outputs - at).min(COLUMNS);
        tile::gather(&mut all, params, first + at * across, (n, step), (columns, across));
    }
    all
}

/// Of `entries_software.wgsl`.
pub(super) fn forward(call: &TwinCall<'_>) {
    let block: Uniform = call.block();
    let (x, params, by_row, by_column) = (call.read(0), call.read(1), call.read(2), call.read(3));
    let (x, params, by_row, by_column) = (&*x, &*params, &*by_row, &*by_column);
    let mut out = call.write(4);
    let [inputs, outputs, stride, weight] =
        [block.inputs, block.outputs, block.weight_stride, block.weight].map(|n| 4 * n as usize);
    let product = call.constant("PRODUCT") == 1;
    let n = if product { inputs } else { 0 };
    let panels = panels(params, weight, n, outputs, 1, stride);
    let mut start = vec![0.0; outputs];
    if block.bias > 0 {
        start.copy_from_slice(&params[4 * (block.bias as usize - 1)..][..outputs]);
    }
    let terms = call.constant("TERMS") == 1;
    let accumulate = call.constant("ACCUMULATE") == 1;
    let relu_out = call.constant("RELU_OUT") == 1;
    let from = (x, call.constant("RELU") == 1, product);
    each_entry(&block, from, (&panels, &start), &mut out, |entry, products, out| {
        products.iter_mut().for_each(|x| *x *= block.scale);
        if terms {
            let (row, column) = block.terms(entry);
            add(products, &by_row[row..row + outputs]);
            add(products, &by_column[column..column + outputs]);
        }
        if accumulate {
            add(products, out);
        }
        if relu_out {
            products.iter_mut().for_each(|x| *x = tile::relu(*x));
        }
        out.copy_from_slice(products);
    });
}

/// Of `entries_input_software.wgsl`.
pub(super) fn input(call: &TwinCall<'_>) {
    let block: Uniform = call.block();
    let (dy, params) = (call.read(0), call.read(1));
    let (dy, params) = (&*dy, &*params);
    let (over_columns, over_rows) = (call.read(2), call.read(3));
    let (over_columns, over_rows) = (&*over_columns, &*over_rows);
    let (best, x) = (call.read_words(4), call.read(5));
    let (best, x) = (&*best, &*x);
    let mut dx = call.write(6);
    let [inputs, outputs, stride, weight] =
        [block.inputs, block.outputs, block.weight_stride, block.weight].map(|n| 4 * n as usize);
    let product = call.constant("PRODUCT") == 1;
    let n = if product { inputs } else { 0 };
    let panels = panels(params, weight, n, outputs, stride, 1);
    let start = vec![0.0; outputs];
    let terms = call.constant("TERMS") == 1;
    let pooling = call.constant("POOLING");
    let accumulate = call.constant("ACCUMULATE") == 1;
    let masked = call.constant("RELU") == 1 || call.constant("RELU_OUT") == 1;
    let [rows, columns] = [block.rows, block.columns].map(|n| n as usize);
    let lines = block.nets as usize * rows;
    let from = (dy, false, product);
    each_entry(&block, from, (&panels, &start), &mut dx, |entry, products, out| {
        products.iter_mut().for_each(|x| *x *= block.scale);
        if accumulate {
            add(products, out);
        }
        if terms {
            let (row, column) = (entry / columns, entry % columns);
            let net_column = lines + row / rows * columns + column;
            let (row_at, column_at) = block.terms(entry);
            let by_row = &over_columns[row_at..row_at + outputs];
            let by_column = &over_rows[column_at..column_at + outputs];
            match pooling {
                0 => {
                    add_where(products, by_row, &best[row * outputs..], column);
                    add_where(products, by_column, &best[net_column * outputs..], row % rows);
                }
                1 => {
                    add_scaled(products, by_row, 1.0 / columns as f32);
                    add_scaled(products, by_column, 1.0 / rows as f32);
                }
                _ => {
                    add(products, by_row);
                    add(products, by_column);
                }
            }
        }
        if masked {
            let x = &x[entry * outputs..][..outputs];
            for (value, &x) in products.iter_mut().zip(x) {
                *value = if x > 0.0 { block.factor * *value } else { 0.0 };
            }
        }
        out.copy_from_slice(products);
    });
}

fn add(sum: &mut [f32], x: &[f32]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
}

fn add_scaled(sum: &mut [f32], x: &[f32], scale: f32) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += scale * x);
}

/// Adds those numbers whose place is `here`.
fn add_where(sum: &mut [f32], x: &[f32], places: &[u32], here: usize) {
    for ((sum, x), &place) in sum.iter_mut().zip(x).zip(places) {
        *sum += if place == here as u32 { *x } else { 0.0 };
    }
}
