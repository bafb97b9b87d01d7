//! Twins of the kernels that make, sum and pool states: `shaders/learn/{embed,combine*,pool_*,mask}.wgsl`.

use super::tile::relu;
use crate::dws::combine::Uniform as Combine;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use weightlab_tensor::TwinCall;

/// Cuts `x` into pieces of `size`, as many as asked; of buffers that nothing is written to, empty ones.
fn pieces(x: &mut [f32], size: usize, count: usize) -> Vec<&mut [f32]> {
    match size {
        0 => (0..count).map(|_| Default::default()).collect(),
        _ => x.chunks_mut(size).take(count).collect(),
    }
}

/// Of `embed.wgsl`.
pub(super) fn embed(call: &TwinCall<'_>) {
    let [count, positions, columns, params]: [u32; 4] = call.block();
    let [count, positions, columns, params] =
        [count, positions, columns, params].map(|n| n as usize);
    let (table, nets) = (call.read_words(0), call.read(1));
    let mut out = call.write(2);
    for (row, out) in out.chunks_exact_mut(columns).enumerate().take(count * positions) {
        let net = &nets[row / positions * params..][..params];
        for (to, place) in out.iter_mut().zip(table.chunks_exact(2)) {
            *to = match place[0] {
                u32::MAX => 0.0,
                at => net[at as usize + row % positions * place[1] as usize],
            };
        }
    }
}

/// A line of a table: (source or target, column, first term, terms), or (source or target, column, scale).
fn line(table: &[u32], at: usize) -> [usize; 4] {
    [0, 1, 2, 3].map(|i| table[4 * at + i] as usize)
}

type Quad = [f32; 4];

fn quad(x: &[f32], at: usize) -> Quad {
    [0, 1, 2, 3].map(|e| x[4 * at + e])
}

fn add(sum: &mut Quad, scale: f32, value: Quad) {
    for (sum, value) in sum.iter_mut().zip(value) {
        *sum += scale * value;
    }
}

/// `d` through the ReLU that made `y`.
fn through(d: Quad, y: Quad, factor: f32) -> Quad {
    [0, 1, 2, 3].map(|e| if y[e] > 0.0 { factor * d[e] } else { 0.0 })
}

/// What the maps' outputs were summed into, and its gradients.
struct Made<'a> {
    state: &'a [f32],
    d_state: &'a [f32],
    d_extra: &'a [f32],
}

impl Made<'_> {
    /// Of column `at` of the state or, if `target` is 1, of the extra terms.
    fn gradient(&self, block: &Combine, row: usize, target: usize, at: usize) -> Quad {
        if target == 1 {
            return quad(self.d_extra, row * block.extra_stride as usize + at);
        }
        let i = row * block.state_stride as usize + at;
        match block.relu {
            1 => through(quad(self.d_state, i), quad(self.state, i), block.factor),
            _ => quad(self.d_state, i),
        }
    }
}

/// Rows that one piece of work has.
const ROWS: usize = 32;

/// Of `combine.wgsl`.
pub(super) fn combine(call: &TwinCall<'_>) {
    let block: Combine = call.block();
    let (table, attended, mixed) = (call.read_words(0), call.read(1), call.read(2));
    let (direct, pooled) = (call.read(3), call.read(4));
    let (table, attended, mixed, direct, pooled) =
        (&*table, &*attended, &*mixed, &*direct, &*pooled);
    let (mut state, mut extra) = (call.write(5), call.write(6));
    let [rows, positions, columns] =
        [block.rows, block.positions, block.columns].map(|n| n as usize);
    let [o_stride, direct_stride, pooled_stride] =
        [block.o_stride, block.direct_stride, block.pooled_stride].map(|n| n as usize);
    let [state_stride, extra_stride] = [block.state_stride, block.extra_stride].map(|n| n as usize);
    let count = rows.div_ceil(ROWS);
    let states = pieces(&mut state, 4 * ROWS * state_stride, count);
    let extras = pieces(&mut extra, 4 * ROWS * extra_stride, count);
    states.into_par_iter().zip(extras).enumerate().for_each(|(i, (state, extra))| {
        for row in i * ROWS..((i + 1) * ROWS).min(rows) {
            for column in 0..columns {
                let [target, at, first, terms] = line(table, column);
                let mut sum = Quad::default();
                for t in first..first + terms {
                    let [source, at, scale, _] = line(table, t);
                    let value = match source {
                        0 => {
                            let i = row * o_stride + at;
                            let (a, m) = (quad(attended, i), quad(mixed, i));
                            [0, 1, 2, 3].map(|e| a[e] + relu(m[e]))
                        }
                        1 => quad(direct, row * direct_stride + at),
                        _ => quad(pooled, row / positions * pooled_stride + at),
                    };
                    add(&mut sum, f32::from_bits(scale as u32), value);
                }
                let within = row - i * ROWS;
                if target == 1 {
                    let at = 4 * (within * extra_stride + at);
                    extra[at..at + 4].copy_from_slice(&sum);
                    continue;
                }
                let at = 4 * (within * state_stride + at);
                for (to, mut value) in state[at..at + 4].iter_mut().zip(sum) {
                    if block.accumulate == 1 {
                        value += *to;
                    }
                    *to = if block.relu == 1 { relu(value) } else { value };
                }
            }
        }
    });
}

/// Of `combine_back.wgsl`.
pub(super) fn combine_back(call: &TwinCall<'_>) {
    let (table, state, d_state) = (call.read_words(0), call.read(1), call.read(2));
    let (d_extra, mixed) = (call.read(3), call.read(4));
    let made = Made { state: &state, d_state: &d_state, d_extra: &d_extra };
    let (table, mixed) = (&*table, &*mixed);
    let block: Combine = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&table[..12]));
    let (mut d_attended, mut d_mixed, mut d_direct) = (call.write(5), call.write(6), call.write(7));
    let [rows, columns] = [block.rows, block.columns].map(|n| n as usize);
    let [o_stride, direct_stride] = [block.o_stride, block.direct_stride].map(|n| n as usize);
    let count = rows.div_ceil(ROWS);
    let attended = pieces(&mut d_attended, 4 * ROWS * o_stride, count);
    let mixes = pieces(&mut d_mixed, 4 * ROWS * o_stride, count);
    let directs = pieces(&mut d_direct, 4 * ROWS * direct_stride, count);
    let work = attended.into_par_iter().zip(mixes).zip(directs).enumerate();
    work.for_each(|(i, ((d_attended, d_mixed), d_direct))| {
        for row in i * ROWS..((i + 1) * ROWS).min(rows) {
            for column in 0..columns {
                let [source, at, first, terms] = line(table, 3 + column);
                let mut sum = Quad::default();
                for t in first..first + terms {
                    let [target, at, scale, _] = line(table, t);
                    let value = made.gradient(&block, row, target, at);
                    add(&mut sum, f32::from_bits(scale as u32), value);
                }
                let within = row - i * ROWS;
                if source == 1 {
                    let at = 4 * (within * direct_stride + at);
                    d_direct[at..at + 4].copy_from_slice(&sum);
                    continue;
                }
                let to = 4 * (within * o_stride + at);
                d_attended[to..to + 4].copy_from_slice(&sum);
                let z = quad(mixed, row * o_stride + at);
                d_mixed[to..to + 4].copy_from_slice(&through(sum, z, 1.0));
            }
        }
    });
}

/// Of `combine_pooled.wgsl`.
pub(super) fn combine_pooled(call: &TwinCall<'_>) {
    let block: Combine = call.block();
    let (table, state, d_state, d_extra) =
        (call.read_words(0), call.read(1), call.read(2), call.read(3));
    let made = Made { state: &state, d_state: &d_state, d_extra: &d_extra };
    let table = &*table;
    let mut d_pooled = call.write(4);
    let [rows, positions, columns] =
        [block.rows, block.positions, block.columns].map(|n| n as usize);
    let stride = block.pooled_stride as usize;
    let nets = pieces(&mut d_pooled, 4 * stride, rows / positions);
    nets.into_par_iter().enumerate().for_each(|(net, out)| {
        for column in 0..columns {
            let [_, to, first, terms] = line(table, column);
            let mut sum = Quad::default();
            for t in first..first + terms {
                let [target, at, scale, _] = line(table, t);
                for row in net * positions..(net + 1) * positions {
                    let value = made.gradient(&block, row, target, at);
                    add(&mut sum, f32::from_bits(scale as u32), value);
                }
            }
            out[4 * to..4 * to + 4].copy_from_slice(&sum);
        }
    });
}

/// Pools `count` rows of `out.len()` numbers, `step` apart, of `x`; `best` gets the number of the row of each maximum.
fn pool(x: &[f32], (count, step): (usize, usize), pooling: u32, out: &mut [f32], best: &mut [u32]) {
    out.copy_from_slice(&x[..out.len()]);
    best.fill(0);
    for p in 1..count {
        let row = &x[p * step..][..out.len()];
        if pooling == 0 {
            for ((value, best), &next) in out.iter_mut().zip(&mut *best).zip(row) {
                let more = next > *value;
                *value = if more { next } else { *value };
                *best = if more { p as u32 } else { *best };
            }
        } else {
            out.iter_mut().zip(row).for_each(|(value, next)| *value += next);
        }
    }
    if pooling == 1 {
        out.iter_mut().for_each(|value| *value /= count as f32);
    }
}

/// Of `pool_entries.wgsl`.
pub(super) fn pool_entries(call: &TwinCall<'_>) {
    let block: [u32; 8] = call.block();
    let [nets, rows, columns, quads, axis, stride, at, best_at] = block.map(|n| n as usize);
    let pooling = call.constant("POOLING");
    let x = call.read(0);
    let x = &*x;
    let (mut out, mut best) = (call.write(1), call.write_words(2));
    let (kept, pooled) = if axis == 1 { (rows, columns) } else { (columns, rows) };
    let width = 4 * quads;
    let (between, step) =
        if axis == 1 { (columns * width, width) } else { (width, columns * width) };
    // Only maxima have places.
    let best = if pooling == 0 { &mut best[4 * best_at..][..nets * kept * width] } else { &mut [] };
    let mut bests: Vec<&mut [u32]> = best.chunks_mut(kept * width).collect();
    bests.resize_with(nets, Default::default);
    let outs = pieces(&mut out, 4 * kept * stride, nets);
    outs.into_par_iter().zip(bests).enumerate().for_each(|(net, (out, best))| {
        for position in 0..kept {
            let from = &x[net * rows * columns * width + position * between..];
            let out = &mut out[4 * (position * stride + at)..][..width];
            let best = best.get_mut(position * width..(position + 1) * width).unwrap_or_default();
            pool(from, (pooled, step), pooling, out, best);
        }
    });
}

/// `Block` of `shaders/learn/parts/pool.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Pool {
    nets: u32,
    positions: u32,
    quads: u32,
    stride: u32,
    at: u32,
    accumulate: u32,
}

/// Of `pool_positions.wgsl`.
pub(super) fn pool_positions(call: &TwinCall<'_>) {
    let block: Pool = call.block();
    let [nets, positions, quads, stride, at] =
        [block.nets, block.positions, block.quads, block.stride, block.at].map(|n| n as usize);
    let pooling = call.constant("POOLING");
    let x = call.read(0);
    let (mut out, mut best) = (call.write(1), call.write_words(2));
    let width = 4 * quads;
    for net in 0..nets {
        let out = &mut out[4 * (net * stride + at)..][..width];
        let best = match pooling {
            0 => &mut best[net * width..][..width],
            _ => Default::default(),
        };
        pool(&x[net * positions * width..], (positions, width), pooling, out, best);
    }
}

/// Of `pool_positions_back.wgsl`.
pub(super) fn pool_positions_back(call: &TwinCall<'_>) {
    let block: Pool = call.block();
    let [nets, positions, quads, stride, at] =
        [block.nets, block.positions, block.quads, block.stride, block.at].map(|n| n as usize);
    let pooling = call.constant("POOLING");
    let (d_out, best) = (call.read(0), call.read_words(1));
    let (d_out, best) = (&*d_out, &*best);
    let mut dx = call.write(2);
    let width = 4 * quads;
    let net_of = |(net, dx): (usize, &mut [f32])| {
        let from = &d_out[4 * (net * stride + at)..][..width];
        for (p, row) in dx.chunks_exact_mut(width).enumerate() {
            for (j, to) in row.iter_mut().enumerate() {
                let value = match pooling {
                    0 if best[net * width + j] as usize != p => 0.0,
                    1 => from[j] / positions as f32,
                    _ => from[j],
                };
                *to = if block.accumulate == 1 { *to + value } else { value };
            }
        }
    };
    dx[..nets * positions * width].par_chunks_mut(positions * width).enumerate().for_each(net_of);
}

/// Of `mask.wgsl`.
pub(super) fn mask(call: &TwinCall<'_>) {
    let [quads, factor]: [u32; 2] = call.block();
    let y = call.read(0);
    let mut d = call.write(1);
    for (d, y) in d.iter_mut().zip(&*y).take(4 * quads as usize) {
        *d = if *y > 0.0 { f32::from_bits(factor) * *d } else { 0.0 };
    }
}
