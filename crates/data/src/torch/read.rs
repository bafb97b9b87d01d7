//! Reading a PyTorch file.

use super::archive::Archive;
use super::error::TorchError;
use super::pickle;
use super::value::Value;

/// Reads a file of `torch.save` (PyTorch 1.6 or later) that holds data only: tensors, numbers,
/// strings, lists, tuples and dictionaries. `file` is the name used in messages.
///
/// Nothing in the file is run. Memory stays within a fixed multiple of its size: the archive's
/// members may take 64 times it, all together.
///
/// # Errors
/// Not such an archive; a pickle that names anything but what tensors need, with the name and its
/// offset; tensors that reach beyond their storage; contents that expand beyond the limit.
pub fn read_torch(bytes: &[u8], file: &str) -> Result<Value, TorchError> {
    let mut archive = Archive::open(bytes, file)?;
    let program = archive.read("data.pkl")?;
    pickle::load(&program, file, &mut archive)
}
