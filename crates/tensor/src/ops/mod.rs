//! The operations: each file has the forward kernel calls of some, and how to go back through them.

pub(crate) mod attention;
pub(crate) mod batch_norm;
mod dropout;
pub(crate) mod elementwise;
mod gather;
pub(crate) mod matmul;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod strided;
