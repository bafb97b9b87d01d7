//! DWSNets (Navon et al., "Equivariant architectures for learning in deep weight spaces", ICML 2023):
//! a network over the weights and biases of another one that commutes with permutations of its hidden
//! neurons. [`topology`] says which maps a layer consists of and what its parameters are called;
//! [`mod@reference`] computes the model in plain f64.
//!
//! A layer of the published code is some fifty small maps. Here they are about ten kernel calls: everything that is a set
//! of positions of one size lies in one matrix ([`Dws`]), so that all maps of all sets are one dispatch that follows a table,
//! all maps of pooled tensors another, all attention a third, and all sums into the next state a fourth.

mod arena;
pub(crate) mod attention;
mod backward;
pub(crate) mod combine;
mod config;
pub(crate) mod entries;
mod forward;
mod fuse;
mod inspect;
mod layout;
pub(crate) mod linear;
mod maps;
mod model;
mod norm;
mod params;
mod pool;
mod recorded;
pub mod reference;
pub mod topology;

pub use arena::{Arena, Entry};
pub use config::{DwsConfig, DwsError, Pooling, SetLayer, Shared};
pub use inspect::Contents;
pub use model::Dws;
pub use params::{Init, Param, parameters, state};
pub use recorded::{Recorded, Wanted};
