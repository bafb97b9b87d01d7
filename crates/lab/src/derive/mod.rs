//! Zoos made from zoos: reading networks by their position, and writing what became of them.

mod read;
mod write;

pub use read::{NetReader, ids, nets_at_once};
pub use write::{Derivation, DerivedZoo, Written};
