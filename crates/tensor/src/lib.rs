//! f32 tensors on the GPU with reverse-mode gradients: recorded once, planned, replayed.
//!
//! A [`Graph`] is made once from shapes: every operation appends kernel calls, [`Graph::backward`] appends those
//! of the gradients. [`Graph::plan`] decides which tensors share memory, so that bytes and dispatches are known before
//! anything is allocated. A [`Program`] makes pipelines, buffers and bindings once; a run is one submission of
//! all calls, without allocation or read-back. Parameters, their gradients and the optimiser's moments
//! lie in arenas of a [`ParamStore`], which programs for training and evaluation share; an [`Updater`] updates all
//! of them in one dispatch.

mod error;
mod graph;
mod ops;
mod params;
mod plan;
mod program;
mod shape;
mod store;
mod twin;
mod update;
pub mod variants;

pub use error::TensorError;
pub use graph::{Graph, KernelCall, MAX_METRICS, METRIC_ROWS, Operand, Target};
pub use ops::batch_norm::BatchNorm;
pub use ops::elementwise::Act;
pub use ops::matmul::Epilogue;
pub use params::{Entry, ParamId, ParamSet, StateId};
pub use plan::{Bytes, Dispatches, Plan};
pub use program::{Pass, Program};
pub use shape::{MAX_RANK, Var};
pub use store::{Optimizer, ParamStore};
pub use twin::{Twin, TwinCall};
pub use update::{GradientReport, UpdateSettings, Updater, warm_up};
