//! Twins of `shaders/learn/attention*.wgsl`:  o = q + P v  with P = softmax(scale q k^T), and its gradients.
//!
//! The lanes of a vector are queries: P is held `[keys][queries]`, and Q and gradients `[channels][queries]`, while keys and values are read from
//! where they lie, number by number.

use crate::dws::attention::Uniform;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use weightlab_tensor::TwinCall;

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

/// Channels that a pass over the keys takes; rows of channels are padded to a multiple of it, with zeros.
const CHANNELS: usize = 4;
/// What positions are padded to: the widest vector.
const LANES: usize = 16;

/// Rows `[..][positions]` of one unit, positions padded to [`LANES`] with zeros, as vectors.
type Rows = Vec<f32>;

/// Four numbers of position `p`, of which `left` are the unit's; zeros for the others.
#[inline(always)]
fn four(x: &[f32], stride: usize, p: usize, at: usize, left: usize) -> [f32; CHANNELS] {
    let here = &x[p * stride + at..];
    match here.first_chunk() {
        Some(all) if left >= CHANNELS => *all,
        _ => std::array::from_fn(|e| if e < left { here[e] } else { 0.0 }),
    }
}

/// Columns `at..at + width` of all positions, turned: `[width][positions]`.
#[inline(always)]
fn turn(out: &mut Rows, x: &[f32], stride: usize, (at, width): (usize, usize), n: usize) {
    let padded = n.next_multiple_of(LANES);
    out.clear();
    out.resize(width.next_multiple_of(CHANNELS) * padded, 0.0);
    for p in 0..n {
        for (row, &value) in out.chunks_exact_mut(padded).zip(&x[p * stride + at..][..width]) {
            row[p] = value;
        }
    }
}

/// `out[j] = sum_c x[j][c] rows[c]` over the channels of a unit: scores of every key j for all queries.
#[inline(always)]
fn spread<S: Simd>(
    simd: S,
    out: &mut Rows,
    (x, stride, at): (&[f32], usize, usize),
    rows: &[f32],
    width: usize,
    n: usize,
) {
    let padded = n.next_multiple_of(LANES);
    let across = padded / S::F32_LANES;
    out.clear();
    out.resize(n * padded, 0.0);
    let (out, rows) = (S::as_mut_simd_f32s(out).0, S::as_simd_f32s(rows).0);
    for v in 0..across {
        for c in (0..width).step_by(CHANNELS) {
            let row: [S::f32s; CHANNELS] = std::array::from_fn(|e| rows[(c + e) * across + v]);
            for (j, out) in out.chunks_exact_mut(across).enumerate() {
                let factors = four(x, stride, j, at + c, width - c);
                let sum = simd.mul_add_f32s(simd.splat_f32s(factors[0]), row[0], out[v]);
                let sum = simd.mul_add_f32s(simd.splat_f32s(factors[1]), row[1], sum);
                let sum = simd.mul_add_f32s(simd.splat_f32s(factors[2]), row[2], sum);
                out[v] = simd.mul_add_f32s(simd.splat_f32s(factors[3]), row[3], sum);
            }
        }
    }
}

/// `out[c] = sum_j x[j][c] p[j]` over keys j: for every query the sum of keys or values with its weights.
#[inline(always)]
fn collect<S: Simd>(
    simd: S,
    out: &mut Rows,
    (x, stride, at): (&[f32], usize, usize),
    p: &[f32],
    width: usize,
    n: usize,
) {
    let padded = n.next_multiple_of(LANES);
    let across = padded / S::F32_LANES;
    out.clear();
    out.resize(width.next_multiple_of(CHANNELS) * padded, 0.0);
    let (out, p) = (S::as_mut_simd_f32s(out).0, S::as_simd_f32s(p).0);
    for v in 0..across {
        for c in (0..width).step_by(CHANNELS) {
            let mut sums = [simd.splat_f32s(0.0); CHANNELS];
            for (j, p) in p.chunks_exact(across).enumerate() {
                let factors = four(x, stride, j, at + c, width - c);
                sums[0] = simd.mul_add_f32s(simd.splat_f32s(factors[0]), p[v], sums[0]);
                sums[1] = simd.mul_add_f32s(simd.splat_f32s(factors[1]), p[v], sums[1]);
                sums[2] = simd.mul_add_f32s(simd.splat_f32s(factors[2]), p[v], sums[2]);
                sums[3] = simd.mul_add_f32s(simd.splat_f32s(factors[3]), p[v], sums[3]);
            }
            for (e, sum) in sums.into_iter().enumerate() {
                out[(c + e) * across + v] = sum;
            }
        }
    }
}

/// `out[j][c] = sum_i s[j][i] rows[c][i]` over queries i, into columns `at..` of position j.
#[inline(always)]
fn gather<S: Simd>(
    simd: S,
    (out, stride, at): (&mut [f32], usize, usize),
    s: &[f32],
    rows: &[f32],
    width: usize,
    n: usize,
) {
    let across = n.next_multiple_of(LANES) / S::F32_LANES;
    let (s, rows) = (S::as_simd_f32s(s).0, S::as_simd_f32s(rows).0);
    for (j, s) in s.chunks_exact(across).enumerate() {
        for (c, to) in out[j * stride + at..][..width].iter_mut().enumerate() {
            let mut sum = simd.splat_f32s(0.0);
            for (s, x) in s.iter().zip(&rows[c * across..][..across]) {
                sum = simd.mul_add_f32s(*s, *x, sum);
            }
            *to = simd.reduce_sum_f32s(sum);
        }
    }
}

/// e^x for -87 <= x <= 0 within 2e-7 of itself, and e^-87 below: 2^n e^r with |r| <= ln 2 / 2, in operations that compilers make vectors of.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding it rounds to a whole number, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // Not `max`, which would make a number of NaN.
    let x = if x < -87.0 { -87.0 } else { x };
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
    /// Q and the output's gradient, `[channels][queries]`.
    q: Rows,
    g: Rows,
    /// P and dS, `[keys][queries]`.
    p: Rows,
    s: Rows,
    /// `[channels][queries]`
    out: Rows,
    /// `[queries]`
    top: Rows,
    total: Rows,
}

impl Room {
    /// P of a unit of one net.
    #[inline(always)]
    fn soften<S: Simd>(&mut self, simd: S, y: &[f32], stride: usize, unit: &Unit, n: usize) {
        turn(&mut self.q, y, stride, (unit.q, unit.width), n);
        spread(simd, &mut self.p, (y, stride, unit.k), &self.q, unit.width, n);
        let padded = n.next_multiple_of(LANES);
        self.top.clear();
        self.top.resize(padded, f32::MIN);
        self.total.clear();
        self.total.resize(padded, 0.0);
        for row in self.p.chunks_exact_mut(padded) {
            for (top, x) in self.top.iter_mut().zip(row) {
                *x *= unit.scale;
                *top = top.max(*x);
            }
        }
        for row in self.p.chunks_exact_mut(padded) {
            for ((x, top), total) in row.iter_mut().zip(&self.top).zip(&mut self.total) {
                *x = exp(*x - top);
                *total += *x;
            }
        }
        self.total.iter_mut().for_each(|total| *total = 1.0 / *total);
        for row in self.p.chunks_exact_mut(padded) {
            row.iter_mut().zip(&self.total).for_each(|(x, share)| *x *= share);
        }
    }
}

/// All units of one net, forward.
struct Forward<'a> {
    room: &'a mut Room,
    units: &'a [Unit],
    block: Uniform,
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
        let padded = n.next_multiple_of(LANES);
        for unit in units {
            room.soften(simd, y, y_stride, unit, n);
            collect(simd, &mut room.out, (y, y_stride, unit.v), &room.p, unit.width, n);
            for p in 0..n {
                let q = &y[p * y_stride + unit.q..][..unit.width];
                let o = &mut o[p * o_stride + unit.o..][..unit.width];
                let rows = room.out.chunks_exact(padded);
                for ((to, q), row) in o.iter_mut().zip(q).zip(rows) {
                    *to = q + row[p];
                }
            }
        }
    }
}

/// Nets and units of the kernels that have a thread, or a workgroup, for each of them.
#[derive(Clone, Copy)]
enum Count {
    /// `attention*_software.wgsl`
    Lanes,
    /// `attention*.wgsl` and `attention*_narrow.wgsl`, where the block has rows in place of nets.
    Groups,
}

impl Count {
    fn of(self, call: &TwinCall<'_>) -> (usize, Vec<Unit>, Uniform) {
        let block: Uniform = call.block();
        let (nets, count) = match self {
            Count::Lanes => (block.count, call.groups[1]),
            Count::Groups => (call.groups[1], call.groups[0]),
        };
        (nets as usize, units(&call.read_words(0), count), block)
    }
}

/// Of `attention_software.wgsl`.
pub(super) fn forward_lanes(call: &TwinCall<'_>) {
    forward(call, Count::Lanes);
}

/// Of `attention.wgsl` and `attention_narrow.wgsl`.
pub(super) fn forward_groups(call: &TwinCall<'_>) {
    forward(call, Count::Groups);
}

/// Of `attention_back_software.wgsl`.
pub(super) fn back_lanes(call: &TwinCall<'_>) {
    back(call, Count::Lanes);
}

/// Of `attention_back.wgsl` and `attention_back_narrow.wgsl`.
pub(super) fn back_groups(call: &TwinCall<'_>) {
    back(call, Count::Groups);
}

fn forward(call: &TwinCall<'_>, count: Count) {
    let (nets, units, block) = count.of(call);
    let y = call.read(1);
    let y = &*y;
    let mut o = call.write(2);
    let [y_net, o_net] = [block.y_stride, block.o_stride].map(|n| (n * block.positions) as usize);
    let arch = Arch::new();
    o[..nets * o_net]
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
    block: Uniform,
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
        let padded = n.next_multiple_of(LANES);
        for unit in units {
            let width = unit.width;
            room.soften(simd, y, y_stride, unit, n);
            turn(&mut room.g, g, o_stride, (unit.o, width), n);
            // dP, then dS = scale P (dP - sum over keys of P dP).
            spread(simd, &mut room.s, (y, y_stride, unit.v), &room.g, width, n);
            room.total.fill(0.0);
            for (s, p) in room.s.chunks_exact(padded).zip(room.p.chunks_exact(padded)) {
                for ((total, s), p) in room.total.iter_mut().zip(s).zip(p) {
                    *total += s * p;
                }
            }
            for (s, p) in room.s.chunks_exact_mut(padded).zip(room.p.chunks_exact(padded)) {
                for ((s, p), total) in s.iter_mut().zip(p).zip(&room.total) {
                    *s = unit.scale * p * (*s - total);
                }
            }
            collect(simd, &mut room.out, (y, y_stride, unit.k), &room.s, width, n);
            for p in 0..n {
                let to = &mut dy[p * y_stride + unit.q..][..width];
                let rows = room.out.chunks_exact(padded).zip(room.g.chunks_exact(padded));
                for (to, (out, g)) in to.iter_mut().zip(rows) {
                    *to = out[p] + g[p];
                }
            }
            // Padded queries have no weight here: Q and g are zeros there.
            gather(simd, (dy, y_stride, unit.k), &room.s, &room.q, width, n);
            gather(simd, (dy, y_stride, unit.v), &room.p, &room.g, width, n);
        }
    }
}

fn back(call: &TwinCall<'_>, count: Count) {
    let (nets, units, block) = count.of(call);
    let (y, g) = (call.read(1), call.read(2));
    let (y, g) = (&*y, &*g);
    let mut dy = call.write(3);
    let [y_net, o_net] = [block.y_stride, block.o_stride].map(|n| (n * block.positions) as usize);
    let arch = Arch::new();
    dy[..nets * y_net]
        .par_chunks_mut(y_net)
        .zip(y.par_chunks(y_net).zip(g.par_chunks(o_net)))
        .for_each_init(Room::default, |room, (dy, (y, g))| {
            arch.dispatch(Back { room, units: &units, block, y, g, dy });
        });
}
