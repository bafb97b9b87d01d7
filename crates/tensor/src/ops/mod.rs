//! The operations: each file has the forward kernel calls of some, and how to go back through them.

mod dropout;
pub(crate) mod elementwise;
pub(crate) mod matmul;
pub(crate) mod reduce;
pub(crate) mod strided;
