//! What can be wrong with a PyTorch file.

use thiserror::Error;

use crate::store::StoreError;
use crate::zoo::error::ZooError;

/// A PyTorch file, or a folder of them, that cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TorchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The zoo failed.
    #[error(transparent)]
    Zoo(#[from] ZooError),
    /// Not a zip archive, or a damaged one.
    #[error(
        "{file}: not a readable zip archive ({detail}), expected a file of torch.save from PyTorch \
         1.6 or later; load it in PyTorch and save it again"
    )]
    Archive {
        /// The file.
        file: String,
        /// What the zip reader said.
        detail: String,
    },
    /// An archive without a part that it must have.
    #[error(
        "{file}: the archive holds no {member}, expected as torch.save writes it; save it again"
    )]
    Member {
        /// The file.
        file: String,
        /// The part that is missing.
        member: String,
    },
    /// Contents that expand beyond all proportion.
    #[error(
        "{file}: {member} brings its contents beyond {limit} bytes, 64 times the size of the \
         file, which no honest file does; do not trust it"
    )]
    Bomb {
        /// The file.
        file: String,
        /// The part that went too far.
        member: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A name that data have no need of.
    #[error(
        "{file}: data.pkl, byte {offset}: the pickle asks for {name}, which is code, not data; \
         nothing was run. Save only tensors, numbers, strings, lists and dictionaries, such as a \
         state_dict"
    )]
    Global {
        /// The file.
        file: String,
        /// Byte offset in data.pkl.
        offset: u64,
        /// `module name`, as in the pickle.
        name: String,
    },
    /// An opcode that data have no need of.
    #[error(
        "{file}: data.pkl, byte {offset}: pickle opcode {opcode:#04x}, which files of tensors do \
         not use; save it again with torch.save"
    )]
    Opcode {
        /// The file.
        file: String,
        /// Byte offset in data.pkl.
        offset: u64,
        /// The opcode.
        opcode: u8,
    },
    /// A pickle that does not make sense.
    #[error(
        "{file}: data.pkl, byte {offset}: {detail}; the file is damaged or not of torch.save: save \
         it again"
    )]
    Pickle {
        /// The file.
        file: String,
        /// Byte offset in data.pkl.
        offset: u64,
        /// What is wrong.
        detail: String,
    },
    /// A tensor that does not fit its storage.
    #[error("{file}: {tensor}: {detail}; the file is damaged: save it again")]
    Tensor {
        /// The file.
        file: String,
        /// Which tensor or storage.
        tensor: String,
        /// What is wrong.
        detail: String,
    },
    /// Contents that are not one network.
    #[error("{file}: {what}: found {found}, expected {expected}; {hint}")]
    Content {
        /// The file.
        file: String,
        /// Which part.
        what: String,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
        /// What to do.
        hint: &'static str,
    },
    /// A `splits.json` that is not one.
    #[error(
        "{file}: line {line}, column {column}: {detail}; expected {{\"train\": [paths], \"val\": \
         [paths], \"test\": [paths]}} or the same with {{\"path\": [..], \"label\": [..]}} each"
    )]
    Splits {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser said.
        detail: String,
    },
    /// A path in `splits.json` at which there is no file.
    #[error(
        "{file}: lists {path}, but no file lies there, nor under any shorter ending of that path, \
         in {store}; put splits.json at the top of the folder that holds the files"
    )]
    Unresolved {
        /// The splits file.
        file: String,
        /// The path.
        path: String,
        /// Which store.
        store: String,
    },
}
