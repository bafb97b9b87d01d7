//! Networks that read networks: the models, their training on the GPU, and plain references of both.

pub mod calls;
pub mod dws;
pub mod network;
pub mod plain;
pub mod train;
#[cfg(not(target_arch = "wasm32"))]
mod twins;
pub mod variants;

pub use dws::{DwsConfig, DwsError};
pub use network::{ModelConfig, NamedTensor, Network, NetworkError};
