//! Signals in (IDX, CIFAR-10, images, NumPy's arrays, slices of meshes), zoos of networks in and out (safetensors, PyTorch).
//!
//! Every reader is a pure function over bytes, so that it runs in a browser and can be fuzzed; the
//! few functions that touch a file system are native only. No reader trusts a length that a file
//! declares: memory stays within a fixed multiple of the bytes given, and whatever is wrong comes
//! back as a typed error that names the file, the byte offset, what was expected and what to do.

mod exchange;
mod hash;
mod signal;
mod store;
mod tensors;
mod torch;
mod zoo;

#[cfg(not(target_arch = "wasm32"))]
mod dir_store;

pub use exchange::{
    ExchangeError, FileFormat, copy_zoo, export_file, export_zoos, import_files, import_zoos,
};
pub use hash::blake3_hex;
pub use signal::arrays::is_arrays_name;
pub use signal::cifar::{CIFAR_RECORD, CIFAR_SIDE, CifarRecords, read_cifar_names, read_cifar10};
pub use signal::error::SourceError;
pub use signal::idx::{IdxImages, read_idx_images, read_idx_labels};
pub use signal::mesh::{Mesh, SLICES, is_mesh_name};
pub use signal::picture::{MAX_PIXELS, Picture, decode_image, image_dimensions};
#[cfg(not(target_arch = "wasm32"))]
pub use signal::source::open_source;
pub use signal::{ImageSet, SourceInfo, SourceKind, SourceOptions, Split};
pub use store::{MemStore, Store, StoreError, StoreLock};
pub use torch::error::TorchError;
pub use torch::export::{ExportReport, export_safetensors, export_torch, is_unfinished_export};
pub use torch::import::{ImportOptions, ImportReport, import_safetensors, import_torch};
pub use torch::read::read_torch;
pub use torch::value::{Dtype, Tensor, Value};
pub use torch::write::write_torch_net;
pub use zoo::Zoo;
pub use zoo::derived::{Derived, ZooRef};
pub use zoo::difference::Difference;
pub use zoo::error::ZooError;
pub use zoo::manifest::{
    ComputedOn, DEFAULT_NETS_PER_SHARD, FORMAT_VERSION, FileEntry, MANIFEST_FILE, Part, Plan,
    ShardEntry, TARGETS_FILE, ZooManifest, shard_file,
};
pub use zoo::merge::{MergeReport, merge};
pub use zoo::shard::Shard;
pub use zoo::targets::Targets;

#[cfg(not(target_arch = "wasm32"))]
pub use dir_store::DirStore;
