//! PyTorch files in and out, without PyTorch and without running anything.
//!
//! A `.pth` file is a zip archive with a pickle and one raw file per storage. A pickle is a program
//! for a small stack machine, and Python's own interpreter of it can be made to run anything; the
//! one here knows data only, admits the few names that tensors need, and treats every other as an
//! error.

pub(crate) mod archive;
mod build;
pub(crate) mod error;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod pickle;
pub(crate) mod read;
pub(crate) mod sidecar;
pub(crate) mod splits;
pub(crate) mod value;
pub(crate) mod write;
