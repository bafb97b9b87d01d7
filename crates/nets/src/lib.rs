//! Batches of small networks on the GPU: architecture, SIREN initialisation, evaluation, fitting.

pub mod align;
pub mod batch;
mod device;
pub mod eval;
pub mod fit;
mod host;
pub mod init;
mod layers;
pub mod mix;
pub mod mlp;
pub mod peak;
pub mod reference;
pub mod sine;
pub mod symmetry;
pub mod variants;

pub use batch::NetBatch;
pub use device::Device;
pub use eval::{EvalError, evaluate, evaluate_bytes};
pub use fit::{
    FitBatch, FitError, FitPath, FitPlan, FitProgress, FitSettings, FitSnapshot, NetId, NetOutcome,
    Status, plan_fit,
};
pub use mlp::{Activation, Convention, Layer, MAX_LAYERS, MAX_WIDTH, Mlp, MlpError, image_grid};
