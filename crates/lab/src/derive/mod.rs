//! Zoos made from zoos: reading networks by their position, and writing what became of them.

mod pairs;
mod read;
mod side_file;
mod write;

pub(crate) use pairs::in_words;
pub use pairs::{PairList, Pool, split_index};
pub use read::{NetReader, ids, nets_at_once};
pub(crate) use side_file::{SideFile, lost_labels};
pub use write::{Derivation, DerivedZoo, Written};
