//! Alignment: moving the hidden neurons of one net towards those of another.
//!
//! For every pair (a, b) the moves of b that bring it near a, by coordinate ascent over the hidden
//! layers: a cost matrix and an exact linear assignment per visit, all sweeps on the GPU
//! (`shaders/align/match.wgsl`, [`Matcher`]). Layers wider than [`MAX_MATCH_WIDTH`] are matched on the CPU
//! by the plain twin in [`host`], which is also the oracle of the tests.

pub mod assign;
pub mod host;
mod matcher;
mod shape;

use crate::batch::NetBatch;
use crate::symmetry::{Block, Move, SymmetryError, hidden_count};
use crate::{Activation, Mlp};
pub use assign::solve_assignments;
pub use matcher::{Matcher, PairOutcome};
pub use shape::{LANE_WIDTH, Shape};

/// Widest hidden layer that the GPU matches.
pub const MAX_MATCH_WIDTH: usize = 128;

/// Which moves are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Permutations, as in the reference code ("Git Re-Basin" weight matching).
    WeightMatching,
    /// Permutations, signs and phase shifts of sine neurons, found together.
    Signed,
}

impl Method {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::WeightMatching => "weight-matching",
            Method::Signed => "signed",
        }
    }

    /// Checks that an architecture has these symmetries.
    ///
    /// # Errors
    /// Signs and phases of a network without sine neurons.
    pub fn validate(self, mlp: &Mlp) -> Result<(), SymmetryError> {
        if self == Method::Signed && !matches!(mlp.activation, Activation::Sine { .. }) {
            return Err(SymmetryError::Unsuitable {
                operation: "signed alignment",
                dims: mlp.dims_text(),
                needs: "sine neurons",
            });
        }
        Ok(())
    }
}

/// In which order a sweep visits the hidden layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the input.
    Ascending,
    /// Anew at random for every sweep and pair.
    Random {
        /// The user's seed.
        seed: u64,
    },
    /// `[pair][sweep]` orders, to replay. Sweeps beyond ascend.
    Recorded(Vec<Vec<Vec<usize>>>),
}

/// How to align.
#[derive(Clone, Debug)]
pub struct AlignSettings {
    /// Which moves.
    pub method: Method,
    /// Order of the visits. The first sweep of [`Method::Signed`] always ascends.
    pub order: Order,
    /// Most sweeps; the reference code has 100.
    pub max_sweeps: u32,
}

impl Default for AlignSettings {
    fn default() -> AlignSettings {
        AlignSettings {
            method: Method::WeightMatching,
            order: Order::Random { seed: 0 },
            max_sweeps: 100,
        }
    }
}

/// Two nets to align. `a` stays, `b` moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Pair {
    /// Index of the reference in its batch.
    pub a: u32,
    /// Index of the net to move in its batch.
    pub b: u32,
    /// For whom random orders and lambdas are drawn: the pair's position in the whole job, so that
    /// chunks do not matter.
    pub stream: [u32; 2],
}

impl Pair {
    /// Pairs of indices, with their positions as streams.
    pub fn numbered(pairs: &[(usize, usize)]) -> Vec<Pair> {
        let pair = |(i, &(a, b)): (usize, &(usize, usize))| Pair {
            a: a as u32,
            b: b as u32,
            stream: [i as u32, 0],
        };
        pairs.iter().enumerate().map(pair).collect()
    }
}

/// What became of one pair.
#[derive(Clone, Debug)]
pub struct Aligned {
    /// Moves of b, one per hidden neuron.
    pub moves: Vec<Move>,
    /// Sweeps done.
    pub sweeps: u32,
    /// Whether the last sweep brought nothing.
    pub converged: bool,
    /// Before any move.
    pub before: Objective,
    /// After the moves.
    pub after: Objective,
}

/// How near two nets are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// Inner product of all weights and biases.
    pub inner: f64,
    /// Squared distance.
    pub squared_distance: f64,
}

/// Aligns pairs: nets of `moving` to nets of `reference` (which may be the same batch), on the GPU or,
/// for wide layers, on the CPU.
///
/// # Errors
/// Different architectures, an index out of range, weights that are not finite, a method that the
/// architecture does not have, or the GPU.
pub async fn align(
    reference: &NetBatch,
    moving: &NetBatch,
    pairs: &[Pair],
    settings: &AlignSettings,
) -> Result<Vec<Aligned>, SymmetryError> {
    check(reference, moving, Some(pairs), settings)?;
    reference.check_finite().await?;
    moving.check_finite().await?;
    if reference.mlp().widest_hidden() > MAX_MATCH_WIDTH {
        let [a, b] = [reference.read().await?, moving.read().await?];
        return host::align_params(reference.mlp(), [&a, &b], pairs, settings);
    }
    let mut all = Vec::with_capacity(pairs.len());
    // Scratch and moves of a chunk stay far below any device's limit.
    for (c, chunk) in pairs.chunks(512).enumerate() {
        let mut settings = settings.clone();
        if let Order::Recorded(orders) = &mut settings.order {
            *orders = orders.iter().skip(512 * c).take(chunk.len()).cloned().collect();
        }
        let mut matcher = Matcher::new(reference.gpu(), reference.mlp(), chunk.len())?;
        matcher.set_pairs(chunk)?;
        let before = matcher.objectives(reference, moving, true).await?;
        matcher.run(reference, moving, &settings)?;
        let states = matcher.outcomes().await?;
        let after = matcher.objectives(reference, moving, false).await?;
        let moves = matcher.moves().await?;
        let each = hidden_count(reference.mlp());
        for (i, state) in states.into_iter().enumerate() {
            all.push(Aligned {
                moves: moves[i * each..(i + 1) * each].to_vec(),
                sweeps: state.sweeps,
                converged: state.converged,
                before: before[i],
                after: after[i],
            });
        }
    }
    Ok(all)
}

fn check(
    reference: &NetBatch,
    moving: &NetBatch,
    pairs: Option<&[Pair]>,
    settings: &AlignSettings,
) -> Result<(), SymmetryError> {
    reference.same_architecture(moving)?;
    settings.method.validate(reference.mlp())?;
    let Some(pairs) = pairs else { return Ok(()) };
    check_pairs(reference, moving, pairs)?;
    if let Order::Recorded(orders) = &settings.order
        && orders.len() != pairs.len()
    {
        return Err(SymmetryError::Length {
            what: "recorded orders",
            got: orders.len(),
            expected: pairs.len(),
        });
    }
    Ok(())
}

/// Checks that pairs are within their batches.
fn check_pairs(
    reference: &NetBatch,
    moving: &NetBatch,
    pairs: &[Pair],
) -> Result<(), SymmetryError> {
    for pair in pairs {
        for (index, nets) in [(pair.a, reference.len()), (pair.b, moving.len())] {
            if index as usize >= nets {
                return Err(SymmetryError::Index { index: index as usize, nets });
            }
        }
    }
    Ok(())
}

/// The uniform block of a matching.
fn block(mlp: &Mlp, pairs: usize, settings: &AlignSettings, recorded: u32) -> Block {
    use weightlab_kernels::philox::{self, Purpose};
    let (kind, seed) = match settings.order {
        Order::Ascending => (0, 0),
        Order::Random { seed } => (1, seed),
        Order::Recorded(_) => (2, 0),
    };
    Block {
        seed: philox::key(seed),
        stream: Purpose::AlignOrder as u32,
        numbers: [crate::symmetry::half_period(mlp), ROUNDING, 0.0, 0.0],
        extra: [settings.max_sweeps.max(1), kind, recorded, 0],
        ..Block::new(mlp, pairs)
    }
}

/// A sweep whose gain is below this share of the terms is within the rounding of f32 sums of about a hundred
/// products. Gains of one swapped neuron are a thousand times larger.
pub(crate) const ROUNDING: f32 = 5e-7;
