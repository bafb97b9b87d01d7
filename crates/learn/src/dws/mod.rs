//! DWSNets (Navon et al., "Equivariant architectures for learning in deep weight spaces", ICML 2023):
//! a network over the weights and biases of another one that commutes with permutations of its hidden
//! neurons. [`topology`] says which maps a layer consists of and what its parameters are called;
//! [`reference`] computes the model in plain f64.

mod config;
mod params;
pub mod reference;
pub mod topology;

pub use config::{DwsConfig, DwsError, Pooling, SetLayer, Shared};
pub use params::{Init, Param, parameters, state};
