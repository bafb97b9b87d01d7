//! Training on the GPU: picking a batch, augmenting, aligning, mixing and normalising are kernels of the step.

mod augment;
mod config;
mod data;
mod error;
mod evaluator;
mod rows;
mod session;

pub use augment::Augment;
pub use config::{Normalise, OptimizerConfig, OptimizerKind, PartnerPool, TrainConfig};
pub use error::TrainError;
pub use evaluator::Evaluator;
pub use rows::Statistics;
pub use session::{Examples, Memory, Session, Snapshot, StepMetrics, epoch_order};
