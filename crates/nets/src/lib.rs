//! Batches of small networks on the GPU: architecture, SIREN initialisation, evaluation, fitting.

pub mod mlp;

pub use mlp::{Activation, Convention, Layer, MAX_LAYERS, MAX_WIDTH, Mlp, MlpError, image_grid};
