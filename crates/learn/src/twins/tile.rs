//! Eight rows by sixteen columns of a matrix product, in the vectors that the processor has.

use pulp::Simd;

/// Rows of a tile.
pub(super) const ROWS: usize = 8;
/// Columns of a tile: four quads, as in the tables for software renderers.
pub(super) const COLUMNS: usize = 16;

/// Numbers of a tile.
pub(super) type Tile = [[f32; COLUMNS]; ROWS];

/// A matrix `[n][stride]`, of which a product reads the first numbers of each row.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub at: &'a [f32],
    pub stride: usize,
}

/// The positive part. Not `max`, which would make a number of NaN: what is not finite has to be found.
#[inline(always)]
pub(super) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// A vector of exactly as many numbers.
#[inline(always)]
fn load<S: Simd>(x: &[f32]) -> S::f32s {
    S::as_simd_f32s(x).0[0]
}

/// `tile[i][j] += sum_k a[k][i] b[k][j]` over `k < n`. Eight accumulators at a time hide the latency of multiply-adds, and one load of b and
/// eight broadcasts of a feed them.
#[inline(always)]
pub(super) fn accumulate<S: Simd>(simd: S, tile: &mut Tile, a: Panel<'_>, b: Panel<'_>, n: usize) {
    if n == 0 {
        return;
    }
    assert!(
        a.at.len() >= (n - 1) * a.stride + ROWS && b.at.len() >= (n - 1) * b.stride + COLUMNS,
        "panels of {n} rows"
    );
    let lanes = S::F32_LANES;
    for at in (0..COLUMNS).step_by(lanes) {
        let mut sum = [simd.splat_f32s(0.0); ROWS];
        for i in 0..ROWS {
            sum[i] = load::<S>(&tile[i][at..at + lanes]);
        }
        let (mut left, mut right) = (a.at, &b.at[at..]);
        for k in 0..n {
            let (Some(x), Some(w)) = (left.first_chunk::<ROWS>(), right.get(..lanes)) else {
                break;
            };
            let w = load::<S>(w);
            sum[0] = simd.mul_add_f32s(simd.splat_f32s(x[0]), w, sum[0]);
            sum[1] = simd.mul_add_f32s(simd.splat_f32s(x[1]), w, sum[1]);
            sum[2] = simd.mul_add_f32s(simd.splat_f32s(x[2]), w, sum[2]);
            sum[3] = simd.mul_add_f32s(simd.splat_f32s(x[3]), w, sum[3]);
            sum[4] = simd.mul_add_f32s(simd.splat_f32s(x[4]), w, sum[4]);
            sum[5] = simd.mul_add_f32s(simd.splat_f32s(x[5]), w, sum[5]);
            sum[6] = simd.mul_add_f32s(simd.splat_f32s(x[6]), w, sum[6]);
            sum[7] = simd.mul_add_f32s(simd.splat_f32s(x[7]), w, sum[7]);
            if k + 1 < n {
                left = &left[a.stride..];
                right = &right[b.stride..];
            }
        }
        for i in 0..ROWS {
            S::as_mut_simd_f32s(&mut tile[i][at..at + lanes]).0[0] = sum[i];
        }
    }
}

/// The first `columns` numbers of eight rows from `row` on, turned: `out[c * 8 + i]`. Rows from `rows` on are zeros; negative numbers, too, if only `positive` ones are wanted.
#[inline(always)]
pub(super) fn turn(
    out: &mut Vec<f32>,
    x: &[f32],
    stride: usize,
    columns: usize,
    (row, rows): (usize, usize),
    positive: bool,
) {
    out.clear();
    out.resize(columns * ROWS, 0.0);
    for i in 0..ROWS.min(rows - row) {
        let from = &x[(row + i) * stride..][..columns];
        for (to, &value) in out.chunks_exact_mut(ROWS).zip(from) {
            to[i] = if positive { relu(value) } else { value };
        }
    }
}

/// Rows of sixteen numbers of `w`, one after the other: row k holds `w[first + k * step + j * across]` for `j < columns`, and zeros.
pub(super) fn gather(
    out: &mut Vec<f32>,
    w: &[f32],
    first: usize,
    (n, step): (usize, usize),
    (columns, across): (usize, usize),
) {
    for k in 0..n {
        let mut row = [0.0; COLUMNS];
        for (j, to) in row.iter_mut().enumerate().take(columns) {
            *to = w[first + k * step + j * across];
        }
        out.extend(row);
    }
}
