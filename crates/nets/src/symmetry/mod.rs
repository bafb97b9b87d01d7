//! Symmetries and augmentations of batches of nets, as GPU kernels.
//!
//! Every operation is a drawing and an application. Draws come from Philox by the identity of the net
//! (seed, object, view, position in the chain), so a zoo augmented in chunks is the zoo augmented at
//! once; or they are given ([`Draws`]), so that recorded draws can be replayed. Kernels:
//! `shaders/symmetry/`; plain Rust twins: [`mod@reference`].

mod augment;
mod block;
mod chain;
mod error;
pub mod moves;
mod op;
pub mod reference;
mod text;

pub(crate) use augment::half_period;
pub use augment::{Augmenter, Draws, augment};
pub(crate) use block::{Block, flat_step, hidden_count, neuron_starts, run_length};
pub use chain::Chain;
pub use error::SymmetryError;
pub use moves::Move;
pub use op::{Depth, Effect, Op, Per};
pub use text::{Known, Parameter, edit_distance};
