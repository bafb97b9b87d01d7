//! Weight matching on the CPU: for layers too wide for the GPU's kernel, and the oracle of the tests.
//!
//! The same coordinate ascent as `shaders/align/match.wgsl`, in f64, with the Jonker-Volgenant solver of the
//! crate `lapjv`.

use super::{AlignSettings, Aligned, Method, Objective, Order, Pair, ROUNDING};
use crate::symmetry::{Move, SymmetryError, half_period, hidden_count, moves, neuron_starts};
use crate::{Layer, Mlp};
use ndarray::Array2;
use weightlab_kernels::philox::{self, Purpose};

/// Columns of least total cost for every row of an n x n matrix.
///
/// # Errors
/// A cost that is not finite, as `(row, column)`: the solver would return an arbitrary permutation.
///
/// # Panics
/// If `costs` is not n x n.
pub fn assign(n: usize, costs: &[f64]) -> Result<Vec<usize>, (usize, usize)> {
    if let Some(at) = costs.iter().position(|c| !c.is_finite()) {
        return Err((at / n, at % n));
    }
    let matrix = Array2::from_shape_vec((n, n), costs.to_vec()).expect("n x n costs");
    let (columns, _) = lapjv::lapjv(&matrix).map_err(|_| (0, 0))?;
    Ok(columns)
}

/// The order of sweep `sweep`, as the kernel draws it.
pub fn sweep_order(
    hidden: usize,
    order: &Order,
    index: usize,
    pair: &Pair,
    sweep: u32,
) -> Vec<usize> {
    let mut all: Vec<usize> = (0..hidden).collect();
    match order {
        Order::Ascending => {}
        Order::Recorded(orders) => {
            if let Some(recorded) = orders[index].get(sweep as usize) {
                all.clone_from(recorded);
            }
        }
        Order::Random { seed } => {
            let counter = [sweep, pair.stream[0], pair.stream[1], Purpose::AlignOrder as u32];
            let words = philox::philox4x32(counter, philox::key(*seed));
            for left in (2..=hidden).rev() {
                let bits = words[(left & 7) / 2] >> (16 * (left & 1)) & 0xffff;
                all.swap((bits as usize * left) >> 16, left - 1);
            }
        }
    }
    all
}

/// One neuron's contribution: `gain` and `choose` of the shader.
#[derive(Clone, Copy)]
struct Terms {
    r: f64,
    o: f64,
    x: f64,
    y: f64,
}

impl Terms {
    fn gain(self, s: f64, k: f64, step: f64) -> f64 {
        let t = if k as i64 % 2 == 0 { 1.0 } else { -1.0 };
        let moved = s * self.y + k * step;
        s * self.r + s * t * self.o + self.x * moved - 0.5 * (moved * moved - self.y * self.y)
    }

    /// (gain, s, k)
    fn choose(self, method: Method, step: f64) -> (f64, f64, f64) {
        let mut best = (self.gain(1.0, 0.0, step), 1.0, 0.0);
        if method == Method::Signed {
            for s in [1.0, -1.0] {
                for odd in [0.0, 1.0] {
                    let k = 2.0 * (0.5 * ((self.x - s * self.y) / step - odd)).round() + odd;
                    let g = self.gain(s, k, step);
                    if g > best.0 {
                        best = (g, s, k);
                    }
                }
            }
        }
        best
    }
}

/// The costs of a visit: what every neuron of b (columns) brings at every place (rows).
struct Visit<'a> {
    a: &'a [f64],
    b: &'a [f64],
    layer: Layer,
    /// Products over incoming and over outgoing weights, `[n, n]`.
    r: Vec<f64>,
    o: Vec<f64>,
}

impl<'a> Visit<'a> {
    /// `below` and `above` are the moves of the neighbouring hidden layers; without `next` outgoing weights do not count.
    fn new(
        [a, b]: [&'a [f64]; 2],
        layer: Layer,
        below: Option<&[Move]>,
        next: Option<Layer>,
        above: Option<&[Move]>,
    ) -> Visit<'a> {
        let n = layer.outputs;
        let (mut r, mut o) = (vec![0.0; n * n], vec![0.0; n * n]);
        // Rows of the moved b, so that the innermost loops run over contiguous numbers.
        let mut row = vec![0.0; n];
        for c in 0..layer.inputs {
            let m = below.map_or(Move::from(c), |moves| moves[c]);
            for (j, x) in row.iter_mut().enumerate() {
                *x = f64::from(m.column) * b[layer.weight + j * layer.inputs + m.source as usize];
            }
            for (i, sums) in r.chunks_exact_mut(n).enumerate() {
                add_scaled(sums, a[layer.weight + i * layer.inputs + c], &row);
            }
        }
        for (next, c) in next.iter().flat_map(|next| (0..next.outputs).map(move |c| (next, c))) {
            let m = above.map_or(Move::from(c), |moves| moves[c]);
            let from = &b[next.weight + m.source as usize * n..][..n];
            row.iter_mut().zip(from).for_each(|(x, y)| *x = f64::from(m.row) * y);
            for (i, sums) in o.chunks_exact_mut(n).enumerate() {
                add_scaled(sums, a[next.weight + c * n + i], &row);
            }
        }
        Visit { a, b, layer, r, o }
    }

    fn terms(&self, i: usize, j: usize) -> Terms {
        let at = i * self.layer.outputs + j;
        let [x, y] = [self.a[self.layer.bias + i], self.b[self.layer.bias + j]];
        Terms { r: self.r[at], o: self.o[at], x, y }
    }
}

/// What a hidden layer's assignment is about: how far every neuron j of `b` (columns) is from every neuron i of `a` (rows), as
/// the squared distance of all that goes into and out of it, after the move of the method that brings j nearest. `[n, n]`.
///
/// The neighbouring layers of b are as `moves` put them. Beside a term of i and one of j these are the costs that the matching
/// solves, so the same assignment is best.
///
/// # Panics
/// If `layer` is no hidden layer, or there is not one move per hidden neuron.
pub fn costs(
    mlp: &Mlp,
    [a, b]: [&[f64]; 2],
    moves: &[Move],
    layer: usize,
    method: Method,
) -> Vec<f64> {
    let starts = neuron_starts(mlp);
    assert_eq!(moves.len(), hidden_count(mlp), "one move per hidden neuron");
    assert!(layer + 1 < mlp.depth(), "a hidden layer");
    let of = |l: usize| &moves[starts[l]..starts[l + 1]];
    let layers = mlp.layers();
    let [here, next] = [layers[layer], layers[layer + 1]];
    let below = layer.checked_sub(1).map(of);
    let above = (layer + 2 < mlp.depth()).then(|| of(layer + 1));
    let visit = Visit::new([a, b], here, below, Some(next), above);
    let n = here.outputs;
    let size = |net: &[f64], i: usize| {
        let into = net[here.weight + i * here.inputs..][..here.inputs].iter();
        let out = net[next.weight..next.bias].iter().skip(i).step_by(n);
        into.chain(out).chain([&net[here.bias + i]]).map(|x| x * x).sum::<f64>()
    };
    let sizes = [a, b].map(|net| (0..n).map(|i| size(net, i)).collect::<Vec<_>>());
    let step = f64::from(half_period(mlp));
    let cost = |at: usize| {
        let (i, j) = (at / n, at % n);
        sizes[0][i] + sizes[1][j] - 2.0 * visit.terms(i, j).choose(method, step).0
    };
    // Rounding makes of 0 something below.
    (0..n * n).map(|at| cost(at).max(0.0)).collect()
}

fn add_scaled(sums: &mut [f64], factor: f64, row: &[f64]) {
    sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
}

/// The moves of `b` towards `a`, with sweeps done and whether the last one brought nothing. `index` is the
/// pair's position in recorded orders.
///
/// # Errors
/// The hidden layer whose costs are not finite.
pub fn align_pair(
    mlp: &Mlp,
    a: &[f64],
    b: &[f64],
    settings: &AlignSettings,
    index: usize,
    pair: &Pair,
) -> Result<(Vec<Move>, u32, bool), usize> {
    let layers = mlp.layers();
    let hidden = mlp.depth() - 1;
    let signed = settings.method == Method::Signed;
    let step = f64::from(half_period(mlp));
    let mut found: Vec<Vec<Move>> =
        mlp.dims[1..mlp.depth()].iter().map(|&n| (0..n).map(Move::from).collect()).collect();
    let mut sweeps = 0;
    while sweeps < settings.max_sweeps.max(1) {
        let first = signed && sweeps == 0;
        let order = if first { &Order::Ascending } else { &settings.order };
        let mut progress = false;
        for l in sweep_order(hidden, order, index, pair, sweeps) {
            let n = layers[l].outputs;
            let rough = first && l + 1 < hidden;
            let below = l.checked_sub(1).map(|below| found[below].as_slice());
            let above = found.get(l + 1).map(Vec::as_slice);
            let next = (!rough).then_some(layers[l + 1]);
            let visit = Visit::new([a, b], layers[l], below, next, above);
            let choices: Vec<_> = (0..n * n)
                .map(|at| visit.terms(at / n, at % n).choose(settings.method, step))
                .collect();
            let costs: Vec<f64> = choices.iter().map(|c| -c.0).collect();
            let columns = assign(n, &costs).map_err(|_| l)?;
            let (mut change, mut size) = (0.0, 0.0);
            for (i, &j) in columns.iter().enumerate() {
                let old = found[l][i];
                let before = visit.terms(i, old.source as usize);
                let k = (f64::from(old.shift) / step).round();
                let after = choices[i * n + j].0;
                change += after - before.gain(f64::from(old.row), k, step);
                size += after.abs();
            }
            let gained = rough || change > f64::from(ROUNDING) * size;
            progress |= gained;
            if gained || change >= 0.0 {
                let moves = columns.iter().enumerate().map(|(i, &j)| {
                    let (_, s, k) = choices[i * n + j];
                    let t = if k as i64 % 2 == 0 { 1.0 } else { -1.0 };
                    Move {
                        source: j as u32,
                        row: s as f32,
                        shift: (k * step) as f32,
                        column: (s * t) as f32,
                    }
                });
                found[l] = moves.collect();
            }
        }
        sweeps += 1;
        if !progress {
            return Ok((found.concat(), sweeps, true));
        }
    }
    Ok((found.concat(), sweeps, false))
}

/// Inner product and squared distance of a and the moved b.
pub fn objective(mlp: &Mlp, a: &[f64], b: &[f64], by: &[Move]) -> Objective {
    let b = moves::apply(mlp, b, by);
    Objective {
        inner: a.iter().zip(&b).map(|(x, y)| x * y).sum(),
        squared_distance: a.iter().zip(&b).map(|(x, y)| (x - y).powi(2)).sum(),
    }
}

/// [`super::align()`] of nets in memory, `[nets, P]` each, on all cores; in a browser on one.
///
/// # Errors
/// [`SymmetryError::Overflow`] for the first pair whose costs are not finite.
///
/// # Panics
/// If a pair is out of range.
pub fn align_params(
    mlp: &Mlp,
    [reference, moving]: [&[f32]; 2],
    pairs: &[Pair],
    settings: &AlignSettings,
) -> Result<Vec<Aligned>, SymmetryError> {
    let count = mlp.param_count();
    let net = |all: &[f32], n: u32| -> Vec<f64> {
        all[n as usize * count..][..count].iter().map(|&x| f64::from(x)).collect()
    };
    let one = |index: usize, pair: &Pair| {
        let (a, b) = (net(reference, pair.a), net(moving, pair.b));
        let (moves, sweeps, converged) =
            align_pair(mlp, &a, &b, settings, index, pair).map_err(|layer| {
                SymmetryError::Overflow { a: pair.a as usize, b: pair.b as usize, layer }
            })?;
        let before = objective(mlp, &a, &b, &moves::identity(mlp));
        let after = objective(mlp, &a, &b, &moves);
        Ok(Aligned { moves, sweeps, converged, before, after })
    };
    let run = |first: usize, part: &[Pair]| -> Result<Vec<Aligned>, SymmetryError> {
        part.iter().enumerate().map(|(i, pair)| one(first + i, pair)).collect()
    };
    on_all_cores(pairs, run)
}

/// `run(first, part)` of consecutive parts, concatenated.
#[cfg(not(target_arch = "wasm32"))]
fn on_all_cores(
    pairs: &[Pair],
    run: impl Fn(usize, &[Pair]) -> Result<Vec<Aligned>, SymmetryError> + Sync,
) -> Result<Vec<Aligned>, SymmetryError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Small parts taken in turn: pairs differ in their sweeps.
    let size = pairs.len().div_ceil(8 * threads).max(1);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut done: Vec<(usize, Result<Vec<Aligned>, SymmetryError>)> = std::thread::scope(|scope| {
        let worker = || {
            let mut mine = Vec::new();
            loop {
                let part = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(pairs) = pairs.chunks(size).nth(part) else { return mine };
                mine.push((part, run(part * size, pairs)));
            }
        };
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut all = worker();
        for one in workers {
            // A panic of a worker is one of this thread.
            all.extend(one.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        }
        all
    });
    done.sort_unstable_by_key(|(part, _)| *part);
    let parts = done.into_iter().map(|(_, part)| part).collect::<Result<Vec<_>, _>>()?;
    Ok(parts.into_iter().flatten().collect())
}

#[cfg(target_arch = "wasm32")]
fn on_all_cores(
    pairs: &[Pair],
    run: impl Fn(usize, &[Pair]) -> Result<Vec<Aligned>, SymmetryError>,
) -> Result<Vec<Aligned>, SymmetryError> {
    run(0, pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Convention, NetId, init};

    /// Squared distance of all that goes into and out of neuron i of a layer.
    fn distance(mlp: &Mlp, [a, b]: [&[f64]; 2], layer: usize, i: usize) -> f64 {
        let [here, next] = [mlp.layers()[layer], mlp.layers()[layer + 1]];
        let into = here.weight + i * here.inputs..here.weight + (i + 1) * here.inputs;
        let out = (next.weight..next.bias).skip(i).step_by(here.outputs);
        into.chain([here.bias + i]).chain(out).map(|p| (a[p] - b[p]).powi(2)).sum()
    }

    #[test]
    fn costs_are_distances_of_neurons_after_their_best_move() {
        let mlp = Mlp::new(&[2, 5, 4, 3, 1], Convention::Sitzmann).unwrap();
        let net = |view| -> Vec<f64> {
            let params = init::init_reference(&mlp, NetId { object: 7, view }, 2);
            params.iter().map(|&x| f64::from(x)).collect()
        };
        let (a, b) = (net(0), net(1));
        let step = f64::from(half_period(&mlp));
        for method in [Method::WeightMatching, Method::Signed] {
            let settings = AlignSettings { method, ..AlignSettings::default() };
            let pair = Pair { a: 0, b: 0, stream: [0, 0] };
            let (moves, _, converged) =
                align_pair(&mlp, &a, &b, &settings, 0, &pair).expect("finite costs");
            assert!(converged);
            let starts = neuron_starts(&mlp);
            for layer in 0..3 {
                let costs = costs(&mlp, [&a, &b], &moves, layer, method);
                let n = mlp.dims[layer + 1];
                let signs: &[f64] = if method == Method::Signed { &[1.0, -1.0] } else { &[1.0] };
                let shifts = if method == Method::Signed { -30..=30 } else { 0..=0 };
                for (at, &cost) in costs.iter().enumerate() {
                    let (i, j) = (at / n, at % n);
                    let mut least = f64::INFINITY;
                    for k in shifts.clone() {
                        for s in signs {
                            let mut moves = moves.clone();
                            let column = if k % 2 == 0 { *s } else { -s };
                            moves[starts[layer] + i] = Move {
                                source: j as u32,
                                row: *s as f32,
                                shift: (f64::from(k) * step) as f32,
                                column: column as f32,
                            };
                            let moved = moves::apply(&mlp, &b, &moves);
                            least = least.min(distance(&mlp, [&a, &moved], layer, i));
                        }
                    }
                    // Shifts are rounded to f32.
                    assert!((cost - least).abs() < 1e-6, "{method:?} {layer} {at}: {cost} {least}");
                }
                // The moves that were found are the best there are, given those of the other layers.
                let found = moves[starts[layer]..starts[layer + 1]].iter().map(|m| m.source);
                let total = |columns: Vec<usize>| -> f64 {
                    columns.iter().enumerate().map(|(i, &j)| costs[i * n + j]).sum()
                };
                let best = total(assign(n, &costs).expect("finite costs"));
                let found = total(found.map(|j| j as usize).collect());
                assert!((found - best).abs() < 1e-4, "{method:?} {layer}: {found} {best}");
            }
        }
    }
}
