//! Networks that read networks: the models, their training on the GPU, and plain references of both.

pub mod calls;
pub mod dws;

pub use dws::{DwsConfig, DwsError};
