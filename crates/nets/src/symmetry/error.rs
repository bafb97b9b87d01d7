//! What can go wrong with batches, symmetries, alignment and mixing.

use crate::{EvalError, Mlp, MlpError};
use thiserror::Error;
use weightlab_gpu::GpuError;

/// Why a batch cannot be augmented, aligned or mixed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SymmetryError {
    /// The GPU.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The architecture.
    #[error(transparent)]
    Mlp(#[from] MlpError),
    /// Evaluation of the result.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// Data of the wrong length.
    #[error("{what}: {got} numbers, {expected} expected")]
    Length {
        /// Which argument.
        what: &'static str,
        /// Its length.
        got: usize,
        /// What it must be.
        expected: usize,
    },
    /// A net that is not there.
    #[error("net {index} is out of range: the batch has {nets} nets, counted from 0")]
    Index {
        /// Which.
        index: usize,
        /// How many there are.
        nets: usize,
    },
    /// Two batches do not fit together.
    #[error(
        "the nets differ in architecture or convention ({first} and {second}); both must be the same"
    )]
    Architectures {
        /// Of the first batch.
        first: String,
        /// Of the second.
        second: String,
    },
    /// A weight is NaN or infinite.
    #[error(
        "net {net}, layer {layer}: the {tensor} entry {entry} is not finite. Leave the net out, or fit it again"
    )]
    NotFinite {
        /// Index in its batch.
        net: usize,
        /// Layer, from 0.
        layer: usize,
        /// `weight` or `bias`.
        tensor: &'static str,
        /// Index within that tensor, row-major.
        entry: usize,
    },
    /// Finite weights whose products are not.
    #[error(
        "nets {a} and {b} cannot be aligned: products of their weights at layer {layer} exceed f32"
    )]
    Overflow {
        /// The reference.
        a: usize,
        /// The net to move.
        b: usize,
        /// Hidden layer, from 0.
        layer: usize,
    },
    /// An operation that this architecture does not have.
    #[error("{operation} does not fit {dims}: it needs {needs}; choose another operation")]
    Unsuitable {
        /// What was asked for.
        operation: &'static str,
        /// The architecture, in words.
        dims: String,
        /// What it must be.
        needs: &'static str,
    },
    /// A parameter of an operation out of range.
    #[error("{operation}: {name} = {value}; it must be {expected}")]
    Setting {
        /// Of which operation.
        operation: &'static str,
        /// Which.
        name: &'static str,
        /// What was given.
        value: f32,
        /// What is possible.
        expected: &'static str,
    },
    /// A text that names no operation.
    #[error("unknown operation `{given}`; did you mean `{nearest}`? Known are {known}")]
    UnknownOperation {
        /// What was given.
        given: String,
        /// The known name that is most like it.
        nearest: &'static str,
        /// All of them.
        known: String,
    },
    /// A text that names no parameter of its operation.
    #[error("{}", unknown_parameter(operation, given, nearest, known))]
    UnknownParameter {
        /// Of which operation.
        operation: &'static str,
        /// What was given.
        given: String,
        /// The known name that is most like it; empty if there are none.
        nearest: &'static str,
        /// All of them.
        known: String,
    },
    /// A parameter given twice.
    #[error("{operation}: `{name}` is given twice; give it once")]
    Twice {
        /// Of which operation.
        operation: &'static str,
        /// Which.
        name: String,
    },
    /// A value that cannot be read.
    #[error("{operation}: `{name}={value}`; {name} must be {expected}")]
    Unreadable {
        /// Of which operation.
        operation: &'static str,
        /// Which parameter.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is possible.
        expected: String,
    },
    /// Given draws that are not those of the operation.
    #[error("the draws given are not of the kind that {operation} takes")]
    Draws {
        /// Of which operation.
        operation: &'static str,
    },
}

impl SymmetryError {
    /// For parameter `at` of net `net`.
    pub(crate) fn not_finite(mlp: &Mlp, net: usize, at: usize) -> SymmetryError {
        let (layer, tensor, entry) = mlp.locate(at);
        SymmetryError::NotFinite { net, layer, tensor, entry }
    }
}

fn unknown_parameter(operation: &str, given: &str, nearest: &str, known: &str) -> String {
    if known.is_empty() {
        return format!("{operation} takes no parameters, `{given}` was given; leave it out");
    }
    format!("{operation} has no parameter `{given}`; did you mean `{nearest}`? It takes {known}")
}
