//! Mixtures of pairs of nets: lambda a + (1 - lambda) b, with b as it is, permuted at random, or aligned
//! to a first. Kernels: `shaders/align/mix.wgsl` and the `draw_*` and `mix_labels` beside it.
//!
//! [`mix()`] is for batches that are mixed once. [`Mixer`] is for training loops: everything it needs is on
//! the GPU before the first step, partners and lambdas included.

mod lambda;
mod mixer;

use crate::align::{AlignSettings, Method, Order, Pair};
use crate::batch::NetBatch;
use crate::symmetry::SymmetryError;
pub use lambda::Lambda;
pub use mixer::{Labels, Mixer, Partners};

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

impl Mix {
    /// All of them.
    pub const ALL: [Mix; 4] = [Mix::Direct, Mix::Random, Mix::Aligned, Mix::Signed];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Mix::Direct => "direct",
            Mix::Random => "random",
            Mix::Aligned => "aligned",
            Mix::Signed => "signed",
        }
    }

    /// The alignment it takes.
    pub fn method(self) -> Option<Method> {
        match self {
            Mix::Direct | Mix::Random => None,
            Mix::Aligned => Some(Method::WeightMatching),
            Mix::Signed => Some(Method::Signed),
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
    lambda: Lambda,
    seed: u64,
) -> Result<(NetBatch, Vec<f32>), SymmetryError> {
    let (gpu, mlp) = (reference.gpu(), reference.mlp());
    let mut mixer = Mixer::new(gpu, mlp, pairs.len())?;
    mixer.set_pairs(pairs)?;
    let mut recording = gpu.record();
    mixer.record_lambdas(&mut recording, lambda, seed)?;
    if let Some(method) = how.method() {
        // Says what went wrong, and does on the CPU what is too wide for the GPU.
        let order = Order::Random { seed };
        let settings = AlignSettings { method, order, ..AlignSettings::default() };
        let aligned = crate::align::align(reference, moving, pairs, &settings).await?;
        let moves: Vec<_> = aligned.into_iter().flat_map(|a| a.moves).collect();
        mixer.set_moves(&moves)?;
    } else {
        mixer.record_moves(&mut recording, how, seed, reference, moving)?;
    }
    let out = NetBatch::empty(gpu, mlp, pairs.len())?;
    mixer.record_nets(&mut recording, reference, moving, &out)?;
    recording.submit()?;
    let lambdas = mixer.lambdas().await?;
    Ok((out, lambdas))
}
