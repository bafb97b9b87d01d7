//! Mixtures of pairs of nets: lambda a + (1 - lambda) b, with b as it is, permuted at random, or aligned
//! to a first. Kernel: `shaders/align/mix.wgsl`.

use crate::align::{AlignSettings, Matcher, Method, Order, Pair};
use crate::batch::NetBatch;
use crate::symmetry::{Block, SymmetryError};
use weightlab_gpu::Buffer;
use weightlab_kernels as kernels;
use weightlab_kernels::philox::{self, Purpose};

/// What happens to b before the mixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Nothing.
    Direct,
    /// A uniform permutation of every hidden layer.
    Random,
    /// Weight matching.
    Aligned,
    /// Matching with signs and phases.
    Signed,
}

/// The weights of a.
#[derive(Clone, Debug)]
pub enum Lambda {
    /// The same for all pairs.
    Constant(f32),
    /// One per pair.
    Each(Vec<f32>),
    /// Uniform on \[0, 1), drawn per pair.
    Uniform,
}

impl Lambda {
    /// The numbers for `pairs`.
    ///
    /// # Errors
    /// One outside \[0, 1\], or not one per pair.
    pub fn values(&self, pairs: &[Pair], seed: u64) -> Result<Vec<f32>, SymmetryError> {
        let all = match self {
            Lambda::Constant(lambda) => vec![*lambda; pairs.len()],
            Lambda::Each(all) => all.clone(),
            Lambda::Uniform => pairs
                .iter()
                .map(|p| {
                    let counter = [0, p.stream[0], p.stream[1], Purpose::Lambda as u32];
                    0.5 * philox::symmetric(philox::philox4x32(counter, philox::key(seed))[0]) + 0.5
                })
                .collect(),
        };
        if all.len() != pairs.len() {
            return Err(SymmetryError::Length {
                what: "lambdas",
                got: all.len(),
                expected: pairs.len(),
            });
        }
        match all.iter().find(|l| !(0.0..=1.0).contains(*l)) {
            Some(&lambda) => Err(SymmetryError::Setting {
                operation: "mix",
                name: "lambda",
                value: lambda.into(),
                expected: "0 to 1",
            }),
            None => Ok(all),
        }
    }
}

/// Mixtures of `pairs`: nets a of `reference`, which keep their places, and nets b of `moving`. The result has
/// one net per pair and the identities of no net; give it some with [`NetBatch::set_ids`]. Also returns the
/// lambdas, for the labels.
///
/// # Errors
/// Different architectures, an index or lambda out of range, weights that cannot be aligned, or the GPU.
pub async fn mix(
    reference: &NetBatch,
    moving: &NetBatch,
    pairs: &[Pair],
    how: Mix,
    lambda: &Lambda,
    seed: u64,
) -> Result<(NetBatch, Vec<f32>), SymmetryError> {
    let lambdas = lambda.values(pairs, seed)?;
    let (gpu, mlp) = (reference.gpu(), reference.mlp());
    let mut settings = AlignSettings { order: Order::Random { seed }, ..AlignSettings::default() };
    let out = NetBatch::empty(gpu, mlp, pairs.len())?;
    if matches!(how, Mix::Aligned | Mix::Signed) {
        if how == Mix::Signed {
            settings.method = Method::Signed;
        }
        // Reads back what went wrong; on wide layers it also runs where the kernel cannot.
        let aligned = crate::align::align(reference, moving, pairs, &settings).await?;
        let moves: Vec<_> = aligned.into_iter().flat_map(|a| a.moves).collect();
        let moves = gpu.upload("moves", &moves)?;
        record(reference, moving, pairs, &moves, &lambdas, &out)?;
        return Ok((out, lambdas));
    }
    let mut matcher = Matcher::for_moves(gpu, mlp, pairs.len())?;
    matcher.set_pairs(pairs)?;
    matcher.check(reference, moving, &settings)?;
    if how == Mix::Direct {
        matcher.reset()?;
    } else {
        matcher.permute(seed)?;
    }
    record(reference, moving, pairs, matcher.moves_buffer(), &lambdas, &out)?;
    Ok((out, lambdas))
}

/// Mixtures under given moves `[pairs, hidden neurons]` on the GPU, into `out`.
///
/// # Errors
/// Batches that do not fit together, or the GPU.
pub fn record(
    reference: &NetBatch,
    moving: &NetBatch,
    pairs: &[Pair],
    moves: &Buffer,
    lambdas: &[f32],
    out: &NetBatch,
) -> Result<(), SymmetryError> {
    reference.same_architecture(moving)?;
    reference.same_architecture(out)?;
    for (what, got) in [("lambdas", lambdas.len()), ("nets of the target batch", out.len())] {
        if got != pairs.len() {
            return Err(SymmetryError::Length { what, got, expected: pairs.len() });
        }
    }
    let (gpu, mlp) = (reference.gpu(), reference.mlp());
    let pairs = gpu.upload("pairs", pairs)?;
    let lambdas = gpu.upload("lambdas", lambdas)?;
    let pipeline = gpu.pipeline(&kernels::ALIGN_MIX, &[])?;
    let block = Block::new(mlp, out.len());
    let mut recording = gpu.record();
    let buffers = [&pairs, moves, &lambdas, reference.params(), moving.params(), out.params()];
    recording.dispatch(&pipeline, &block, &buffers, block.grid(gpu, mlp.param_count()));
    Ok(recording.submit()?)
}
