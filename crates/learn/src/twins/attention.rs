//! Twins of `shaders/learn/attention*_software.wgsl`:  o = q + P v  with P = softmax(scale q k^T), and its gradients.
//!
//! Everything is held turned, `[keys][queries]` and `[channels][queries]`, so that the lanes of a vector are queries and no sum goes across
//! them. Positions are padded to sixteen, channels to eight; padding is zeros, and keys beyond the last have no weight.

use super::tile::{self, COLUMNS, Panel, ROWS, Tile};
use bytemuck::{Pod, Zeroable};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use weightlab_tensor::TwinCall;

/// `Block` of `shaders/learn/parts/attention_lanes.wgsl`; strides in numbers.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Block {
    positions: u32,
    nets: u32,
    y_stride: u32,
    o_stride: u32,
}

/// One head of one set map: first columns of Q, K, V and of the output.
#[derive(Clone, Copy)]
struct Unit {
    q: usize,
    k: usize,
    v: usize,
    o: usize,
    width: usize,
    scale: f32,
}

fn units(table: &[u32], count: u32) -> Vec<Unit> {
    let unit = |words: &[u32]| {
        let [q, k, v, o, width] = [0, 1, 2, 3, 4].map(|i| words[i] as usize);
        Unit { q, k, v, o, width, scale: f32::from_bits(words[5]) }
    };
    table.chunks_exact(8).take(count as usize).map(unit).collect()
}

/// `[rows][columns]` with rows and columns padded.
#[derive(Default)]
struct Grid {
    data: Vec<f32>,
    rows: usize,
    width: usize,
}

impl Grid {
    /// Zeros, `rows` and `columns` rounded up to a tile's.
    fn clear(&mut self, rows: usize, columns: usize) {
        self.rows = rows.next_multiple_of(ROWS);
        self.width = columns.next_multiple_of(COLUMNS);
        self.data.clear();
        self.data.resize(self.rows * self.width, 0.0);
    }

    /// Columns `at..at + width` of all positions: `[positions][width]`.
    fn copy(&mut self, x: &[f32], stride: usize, at: usize, positions: usize, width: usize) {
        self.clear(positions, width);
        for (p, row) in self.data.chunks_exact_mut(self.width).enumerate().take(positions) {
            row[..width].copy_from_slice(&x[p * stride + at..][..width]);
        }
    }

    /// The transpose of `of`.
    fn turn(&mut self, of: &Grid, rows: usize, columns: usize) {
        self.clear(columns, rows);
        for (r, row) in of.data.chunks_exact(of.width).enumerate().take(rows) {
            for (c, &value) in row.iter().enumerate().take(columns) {
                self.data[c * self.width + r] = value;
            }
        }
    }

    fn row(&self, r: usize) -> &[f32] {
        &self.data[r * self.width..][..self.width]
    }

    /// `self[r][c] += sum_k a[k][r] b[k][c]`, k below `n`.
    #[inline(always)]
    fn add_product<S: Simd>(&mut self, simd: S, a: &Grid, b: &Grid, n: usize) {
        for r in (0..self.rows).step_by(ROWS) {
            for c in (0..self.width).step_by(COLUMNS) {
                let mut sums: Tile = [[0.0; COLUMNS]; ROWS];
                for (i, sum) in sums.iter_mut().enumerate() {
                    sum.copy_from_slice(&self.data[(r + i) * self.width + c..][..COLUMNS]);
                }
                let a = Panel { at: &a.data[r..], stride: a.width };
                let b = Panel { at: &b.data[c..], stride: b.width };
                tile::accumulate(simd, &mut sums, a, b, n);
                for (i, sum) in sums.iter().enumerate() {
                    self.data[(r + i) * self.width + c..][..COLUMNS].copy_from_slice(sum);
                }
            }
        }
    }
}

/// e^x for x <= 0 within 2e-7 of itself: 2^n e^r with |r| <= ln 2 / 2, in operations that compilers make vectors of.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding it rounds to a whole number, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// What one core works with.
#[derive(Default)]
struct Room {
    q: Grid,
    k: Grid,
    v: Grid,
    g: Grid,
    q_turned: Grid,
    k_turned: Grid,
    v_turned: Grid,
    g_turned: Grid,
    /// P and dS, `[keys][queries]`, and turned.
    p: Grid,
    s: Grid,
    turned: Grid,
    /// `[channels][positions]`
    out: Grid,
    top: Vec<f32>,
    total: Vec<f32>,
}

impl Room {
    /// P of a unit of one net, `[keys][queries]`.
    #[inline(always)]
    fn soften<S: Simd>(&mut self, simd: S, y: &[f32], unit: &Unit, n: usize, stride: usize) {
        self.q.copy(y, stride, unit.q, n, unit.width);
        self.k.copy(y, stride, unit.k, n, unit.width);
        self.v.copy(y, stride, unit.v, n, unit.width);
        self.q_turned.turn(&self.q, n, unit.width);
        self.k_turned.turn(&self.k, n, unit.width);
        self.p.clear(n, n);
        self.p.add_product(simd, &self.k_turned, &self.q_turned, unit.width);
        let width = self.p.width;
        self.top.clear();
        self.top.resize(width, f32::MIN);
        self.total.clear();
        self.total.resize(width, 0.0);
        let keys = &mut self.p.data[..n * width];
        for row in keys.chunks_exact_mut(width) {
            for (top, x) in self.top.iter_mut().zip(row) {
                *x *= unit.scale;
                *top = top.max(*x);
            }
        }
        for row in keys.chunks_exact_mut(width) {
            for ((x, top), total) in row.iter_mut().zip(&self.top).zip(&mut self.total) {
                *x = exp(*x - top);
                *total += *x;
            }
        }
        for total in &mut self.total {
            *total = 1.0 / *total;
        }
        for row in keys.chunks_exact_mut(width) {
            for (x, share) in row.iter_mut().zip(&self.total) {
                *x *= share;
            }
        }
    }
}

/// All units of one net, forward.
struct Forward<'a> {
    room: &'a mut Room,
    units: &'a [Unit],
    block: Block,
    y: &'a [f32],
    o: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Forward { room, units, block, y, o } = self;
        let [n, y_stride, o_stride] =
            [block.positions, block.y_stride, block.o_stride].map(|n| n as usize);
        for unit in units {
            room.soften(simd, y, unit, n, y_stride);
            room.out.clear(unit.width, n);
            room.out.add_product(simd, &room.v, &room.p, n);
            for p in 0..n {
                let q = &y[p * y_stride + unit.q..][..unit.width];
                for (c, (to, q)) in
                    o[p * o_stride + unit.o..][..unit.width].iter_mut().zip(q).enumerate()
                {
                    *to = q + room.out.row(c)[p];
                }
            }
        }
    }
}

/// Of `attention_software.wgsl`.
pub(super) fn forward(call: &TwinCall<'_>) {
    let block: Block = call.block();
    let (table, y) = (call.read_words(0), call.read(1));
    let (units, y) = (units(&table, call.groups[1]), &*y);
    let mut o = call.write(2);
    let [y_net, o_net] = [block.y_stride, block.o_stride].map(|n| (n * block.positions) as usize);
    let arch = Arch::new();
    o[..block.nets as usize * o_net]
        .par_chunks_mut(o_net)
        .zip(y.par_chunks(y_net))
        .for_each_init(Room::default, |room, (o, y)| {
            arch.dispatch(Forward { room, units: &units, block, y, o })
        });
}

/// All units of one net, back.
struct Back<'a> {
    room: &'a mut Room,
    units: &'a [Unit],
    block: Block,
    y: &'a [f32],
    g: &'a [f32],
    dy: &'a mut [f32],
}

impl WithSimd for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Back { room, units, block, y, g, dy } = self;
        let [n, y_stride, o_stride] =
            [block.positions, block.y_stride, block.o_stride].map(|n| n as usize);
        for unit in units {
            let width = unit.width;
            room.soften(simd, y, unit, n, y_stride);
            room.g.copy(g, o_stride, unit.o, n, width);
            room.v_turned.turn(&room.v, n, width);
            room.g_turned.turn(&room.g, n, width);
            // dP, then dS = scale P (dP - sum over keys of P dP).
            room.s.clear(n, n);
            room.s.add_product(simd, &room.v_turned, &room.g_turned, width);
            let total = &mut room.total;
            total.fill(0.0);
            let across = room.s.width;
            for (s, p) in room.s.data.chunks_exact(across).zip(room.p.data.chunks_exact(across)) {
                for ((total, s), p) in total.iter_mut().zip(s).zip(p) {
                    *total += s * p;
                }
            }
            let rows = room.s.data.chunks_exact_mut(across).zip(room.p.data.chunks_exact(across));
            for (s, p) in rows {
                for ((s, p), total) in s.iter_mut().zip(p).zip(&*total) {
                    *s = unit.scale * p * (*s - total);
                }
            }
            let mut put = |at: usize, out: &Grid, add: Option<&Grid>| {
                for p in 0..n {
                    for (c, to) in dy[p * y_stride + at..][..width].iter_mut().enumerate() {
                        *to = out.row(c)[p] + add.map_or(0.0, |g| g.row(p)[c]);
                    }
                }
            };
            room.out.clear(width, n);
            room.out.add_product(simd, &room.k, &room.s, n);
            put(unit.q, &room.out, Some(&room.g));
            // Queries beyond the last have a uniform P; they are not summed.
            room.turned.turn(&room.s, n, n);
            room.out.clear(width, n);
            room.out.add_product(simd, &room.q, &room.turned, n);
            put(unit.k, &room.out, None);
            room.turned.turn(&room.p, n, n);
            room.out.clear(width, n);
            room.out.add_product(simd, &room.g, &room.turned, n);
            put(unit.v, &room.out, None);
        }
    }
}

/// Of `attention_back_software.wgsl`.
pub(super) fn back(call: &TwinCall<'_>) {
    let block: Block = call.block();
    let (table, y, g) = (call.read_words(0), call.read(1), call.read(2));
    let (units, y, g) = (units(&table, call.groups[1]), &*y, &*g);
    let mut dy = call.write(3);
    let [y_net, o_net] = [block.y_stride, block.o_stride].map(|n| (n * block.positions) as usize);
    let arch = Arch::new();
    dy[..block.nets as usize * y_net]
        .par_chunks_mut(y_net)
        .zip(y.par_chunks(y_net).zip(g.par_chunks(o_net)))
        .for_each_init(Room::default, |room, (dy, (y, g))| {
            arch.dispatch(Back { room, units: &units, block, y, g, dy });
        });
}
