//! Why a job cannot start or go on.

use crate::message::Failed;
use crate::train::TrainProblem;
use thiserror::Error;
use weightlab_data::{ExchangeError, SourceError, StoreError, TorchError, ZooError};
use weightlab_gpu::GpuError;
use weightlab_learn::NetworkError;
use weightlab_learn::train::TrainError;
use weightlab_nets::symmetry::SymmetryError;
use weightlab_nets::{EvalError, FitError, MlpError};
use weightlab_tensor::TensorError;

/// Any failure of a job.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabError {
    /// The GPU.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The fit.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The evaluation.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The architecture.
    #[error(transparent)]
    Mlp(#[from] MlpError),
    /// Augmentation, alignment or mixing.
    #[error(transparent)]
    Symmetry(#[from] SymmetryError),
    /// Tensors; errors of the GPU are [`LabError::Gpu`].
    #[error(transparent)]
    Tensor(TensorError),
    /// A model.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Steps of training.
    #[error(transparent)]
    Learn(TrainError),
    /// A training that cannot begin or go on.
    #[error(transparent)]
    Train(Box<TrainProblem>),
    /// The zoo.
    #[error(transparent)]
    Zoo(Box<ZooError>),
    /// The place where it is stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An import or export.
    #[error(transparent)]
    Torch(Box<TorchError>),
    /// A zoo as a file, or files as a zoo.
    #[error(transparent)]
    Exchange(Box<ExchangeError>),
    /// The images.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An architecture that does not suit the images.
    #[error(
        "--dims {dims}: {end} width {got}, but {why}; give --dims {wanted}, or leave --dims out"
    )]
    Dims {
        /// The architecture asked for.
        dims: String,
        /// "first" or "last".
        end: &'static str,
        /// That width.
        got: usize,
        /// What it must match.
        why: String,
        /// An architecture that fits.
        wanted: String,
    },
    /// `--offset` beyond the images.
    #[error("--offset {offset}: the source has {images} images, so the offset is at most {last}", last = images.saturating_sub(1))]
    Offset {
        /// As asked for.
        offset: u64,
        /// How many there are.
        images: u64,
    },
    /// A number that must not be zero.
    #[error("{option} 0: it must be at least 1")]
    Zero {
        /// Which.
        option: &'static str,
    },
    /// Too few or too many points of a line.
    #[error("--steps {steps}: from 2, both ends, to {most}")]
    Steps {
        /// As asked for.
        steps: usize,
        /// How many are possible.
        most: usize,
    },
    /// A zoo that does not keep the images that were fitted.
    #[error("{store}: does not keep the images of all its networks; use a zoo that `fit` wrote")]
    NoImages {
        /// Which store.
        store: String,
    },
    /// Not enough pairs of the kind wanted.
    #[error(
        "{store}: holds too few pairs of the same {kin}: {found} of {wanted} were found; lower --pairs, or use a \
         larger zoo{}",
        if *kin == "image" { " (fit with --views 2)" } else { " with labels" }
    )]
    TooFewPairs {
        /// Which store.
        store: String,
        /// "class" or "image".
        kin: &'static str,
        /// As asked for.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// More views are wanted than objects have.
    #[error("{store}: has {found} of the {wanted} views of every object that are wanted")]
    FewerViews {
        /// Which store.
        store: String,
        /// As asked for.
        wanted: u32,
        /// How many there are.
        found: usize,
    },
    /// A position beyond the end of a zoo.
    #[error("{store}: has no network {index}: it holds {nets}, counted from 0")]
    NoSuchNet {
        /// Which store.
        store: String,
        /// As asked for.
        index: u64,
        /// How many there are.
        nets: u64,
    },
    /// A label that can be no number of a class.
    #[error(
        "{store}: network {index} has the label {label}, and classes have numbers below {}",
        crate::mix::MOST_CLASSES
    )]
    LabelTooLarge {
        /// Which store.
        store: String,
        /// The network's position.
        index: u64,
        /// Its label.
        label: i64,
    },
    /// A list of pairs that cannot be read, or used with its zoo.
    #[error("{file}, line {line}: {what}; expected {expected}")]
    PairsLine {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
        /// What it should be.
        expected: String,
    },
    /// A list of pairs without one.
    #[error("{file}: holds no pair; give two positions of networks per line, such as 0,1")]
    NoPairs {
        /// The file.
        file: String,
    },
    /// A parameter that is NaN or infinite.
    #[error(
        "{store}: network {net}, layer {layer}: entry {entry} of the {tensor} is NaN or infinite; leave \
         the network out, or fit it again with a smaller --lr"
    )]
    NotFinite {
        /// Which store.
        store: String,
        /// Its position, from 0.
        net: u64,
        /// Layer, from 0.
        layer: usize,
        /// `weight` or `bias`.
        tensor: &'static str,
        /// Index within that tensor, row-major.
        entry: usize,
    },
    /// An operation whose result no longer is a number.
    #[error(
        "{operation}: makes a parameter of layer {layer} of network {net} NaN or infinite; use smaller \
         values, or leave the network out"
    )]
    BecameNotFinite {
        /// What was done, with its parameters.
        operation: String,
        /// Position of the network, from 0.
        net: u64,
        /// Layer, from 0.
        layer: usize,
    },
    /// Nothing to do.
    #[error("no --op was given; name at least one, such as --op permutation")]
    NoOperation,
    /// A zoo that cannot be drawn as pictures.
    #[error("{dims}: {why}; only networks from 2 coordinates to 1 or 3 colours can be drawn")]
    NotPictures {
        /// The architecture.
        dims: String,
        /// What is in the way.
        why: &'static str,
    },
    /// A picture that would be too large.
    #[error(
        "the contact sheet would have {width} x {height} pixels, more than {limit} million; draw \
         fewer networks (--limit) or at a lower --resolution"
    )]
    SheetTooLarge {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
        /// Million pixels allowed.
        limit: u64,
    },
    /// A PNG could not be written.
    #[error("the picture could not be encoded as PNG: {0}")]
    Encode(String),
    /// A file of tensors could not be written.
    #[error("a file of tensors could not be made: {0}; this is a defect of the program")]
    Tensors(String),
    /// A benchmark whose networks did not run to the end.
    #[error(
        "network {net} of the benchmark diverged, so its time says nothing; try another --seed"
    )]
    BenchDiverged {
        /// Which.
        net: usize,
    },
    /// A golden set that cannot be read.
    #[error("{file}: {what}; expected {expected}. Copy the golden set again")]
    Golden {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
        /// What it should be.
        expected: String,
    },
}

impl From<ZooError> for LabError {
    fn from(error: ZooError) -> LabError {
        LabError::Zoo(Box::new(error))
    }
}

impl From<TorchError> for LabError {
    fn from(error: TorchError) -> LabError {
        LabError::Torch(Box::new(error))
    }
}

impl From<ExchangeError> for LabError {
    fn from(error: ExchangeError) -> LabError {
        match error {
            ExchangeError::Zoo(error) => error.into(),
            ExchangeError::Torch(error) => error.into(),
            ExchangeError::Store(error) => error.into(),
            other => LabError::Exchange(Box::new(other)),
        }
    }
}

impl From<TrainProblem> for LabError {
    fn from(error: TrainProblem) -> LabError {
        LabError::Train(Box::new(error))
    }
}

impl From<TrainError> for LabError {
    fn from(error: TrainError) -> LabError {
        match error {
            TrainError::Gpu(error) => LabError::Gpu(error),
            TrainError::Tensor(error) => error.into(),
            TrainError::Network(error) => LabError::Network(error),
            TrainError::Symmetry(error) => LabError::Symmetry(error),
            other => LabError::Learn(other),
        }
    }
}

impl LabError {
    /// What to do about it, in words.
    pub fn hint(&self) -> &'static str {
        match self {
            LabError::Gpu(e)
            | LabError::Fit(FitError::Gpu(e))
            | LabError::Eval(EvalError::Gpu(e))
            | LabError::Symmetry(SymmetryError::Gpu(e)) => gpu_hint(e),
            LabError::Store(e) => store_hint(e),
            LabError::Zoo(e) => zoo_hint(e),
            LabError::Fit(FitError::TooLarge { .. }) => {
                "use fewer points (--size), narrower layers (--dims) or another --device"
            }
            LabError::Symmetry(SymmetryError::Overflow { .. }) => {
                "leave these networks out of the pairs, or fit them again with a smaller --lr"
            }
            LabError::Symmetry(
                SymmetryError::UnknownOperation { .. }
                | SymmetryError::UnknownParameter { .. }
                | SymmetryError::Twice { .. }
                | SymmetryError::Unreadable { .. },
            ) => "`weightlab help augment` lists operations with their parameters",
            LabError::Tensor(TensorError::TooLarge { .. } | TensorError::TooManyGroups { .. }) => {
                "use smaller batches, or another --device"
            }
            LabError::Tensor(_) => "this is a defect of the program: please report it",
            LabError::Learn(_) => "correct the option, or the key of the configuration",
            LabError::Train(_) => "`weightlab help train` explains the options",
            LabError::Network(_) => "correct the model's options, or give the file of this model",
            LabError::Fit(_) | LabError::Eval(_) | LabError::Mlp(_) | LabError::Symmetry(_) => {
                "correct the option; `weightlab help` explains it"
            }
            LabError::Torch(e) => match &**e {
                TorchError::Store(e) => store_hint(e),
                TorchError::Zoo(e) => zoo_hint(e),
                _ => "check the folder: splits.json and one .pth file per network",
            },
            LabError::Exchange(_) => {
                "give a file that `export` wrote, or .pth files of PyTorch with one network each"
            }
            LabError::Source(SourceError::Io { source, .. }) => io_hint(source),
            LabError::Source(_) => "check the path and the files of the source",
            LabError::Dims { .. } => "leave --dims out for an architecture that fits the images",
            LabError::Offset { .. } | LabError::Zero { .. } | LabError::Steps { .. } => {
                "correct the option"
            }
            LabError::NoImages { .. } => "use a zoo that `fit` wrote",
            LabError::TooFewPairs { .. } => "lower --pairs, or use a larger zoo",
            LabError::FewerViews { .. } => {
                "ask for fewer views, or fit the zoo with more (`fit --views`)"
            }
            LabError::NoSuchNet { .. } => "`weightlab inspect` says how many networks there are",
            LabError::PairsLine { .. } | LabError::NoPairs { .. } => {
                "give two positions of networks per line; # begins a comment"
            }
            LabError::LabelTooLarge { .. } => {
                "give classes numbers from 0 up, or leave the network out"
            }
            LabError::NotFinite { .. } => {
                "leave the network out, or fit it again with a smaller --lr"
            }
            LabError::BecameNotFinite { .. } => "use smaller values",
            LabError::NoOperation => "`weightlab help augment` lists the operations",
            LabError::NotPictures { .. } => "`weightlab inspect` shows what the zoo holds",
            LabError::SheetTooLarge { .. } => "use --limit or a lower --resolution",
            LabError::Tensors(_) => "report the message with the command line",
            LabError::Encode(_) => "draw fewer networks (--limit)",
            LabError::BenchDiverged { .. } => "try another --seed",
            LabError::Golden { .. } => "copy the golden set again",
        }
    }

    /// Whether the message itself ends with what to do, so that the hint would only repeat it.
    pub fn has_remedy(&self) -> bool {
        if let Some(gpu) = self.gpu() {
            return !matches!(
                gpu,
                GpuError::ReadBack
                    | GpuError::Refused(_)
                    | GpuError::DeviceRefused { .. }
                    | GpuError::BufferTooLarge { .. }
            );
        }
        if let Some(store) = self.store() {
            return !matches!(store, StoreError::NotFound { .. } | StoreError::Io { .. });
        }
        !matches!(self, LabError::Learn(_) | LabError::Source(SourceError::Io { .. }))
    }

    /// The GPU's part in it.
    fn gpu(&self) -> Option<&GpuError> {
        match self {
            LabError::Gpu(e)
            | LabError::Fit(FitError::Gpu(e))
            | LabError::Eval(EvalError::Gpu(e))
            | LabError::Symmetry(SymmetryError::Gpu(e)) => Some(e),
            _ => None,
        }
    }

    /// The zoo's part in it.
    fn zoo(&self) -> Option<&ZooError> {
        match self {
            LabError::Zoo(e) => Some(e),
            LabError::Torch(e) => match &**e {
                TorchError::Zoo(e) => Some(e),
                _ => None,
            },
            _ => None,
        }
    }

    /// The part that the place of storage has in it.
    fn store(&self) -> Option<&StoreError> {
        match (self, self.zoo()) {
            (LabError::Store(e), _) | (_, Some(ZooError::Store(e))) => Some(e),
            (LabError::Torch(e), _) => match &**e {
                TorchError::Store(e) => Some(e),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the user's options are at fault, rather than data, disk or GPU.
    pub fn is_usage(&self) -> bool {
        if matches!(self.store(), Some(StoreError::NotAFolder { .. })) {
            return true;
        }
        if let Some(zoo) = self.zoo() {
            return matches!(
                zoo,
                ZooError::AlreadyExists { .. }
                    | ZooError::NotEmpty { .. }
                    | ZooError::Resume { .. }
                    | ZooError::Part { .. }
                    | ZooError::NothingToMerge
            );
        }
        if let LabError::Train(problem) = self {
            return problem.is_usage();
        }
        matches!(
            self,
            LabError::Learn(TrainError::Setting { .. } | TrainError::Augment { .. })
                | LabError::Network(_)
                | LabError::Dims { .. }
                | LabError::Offset { .. }
                | LabError::Zero { .. }
                | LabError::Steps { .. }
                | LabError::TooFewPairs { .. }
                | LabError::FewerViews { .. }
                | LabError::NoSuchNet { .. }
                | LabError::NoOperation
                | LabError::SheetTooLarge { .. }
                | LabError::Mlp(_)
                | LabError::Symmetry(
                    SymmetryError::Setting { .. }
                        | SymmetryError::Unsuitable { .. }
                        | SymmetryError::UnknownOperation { .. }
                        | SymmetryError::UnknownParameter { .. }
                        | SymmetryError::Twice { .. }
                        | SymmetryError::Unreadable { .. },
                )
                | LabError::Fit(FitError::Setting { .. } | FitError::Mlp(_))
                | LabError::Gpu(GpuError::NoSuchAdapter { .. })
        )
    }

    /// The last message of a job that this ended.
    pub fn failed(&self) -> Failed {
        Failed { what: self.to_string(), hint: self.hint().to_owned() }
    }
}

impl From<TensorError> for LabError {
    fn from(error: TensorError) -> LabError {
        match error {
            TensorError::Gpu(error) => LabError::Gpu(error),
            other => LabError::Tensor(other),
        }
    }
}

fn gpu_hint(error: &GpuError) -> &'static str {
    match error {
        GpuError::NoAdapter { .. } => {
            "install the driver of the graphics card, or mesa-vulkan-drivers for a software GPU"
        }
        GpuError::NoSuchAdapter { .. } => "`weightlab devices` lists what --device takes",
        GpuError::DeviceTooSmall { .. } | GpuError::DeviceRefused { .. } => {
            "choose another adapter with --device"
        }
        GpuError::OutOfMemory | GpuError::BufferTooLarge { .. } => {
            "use a smaller --shard-size, or close other programs on the GPU"
        }
        GpuError::Lost(_) => "run the command again (a fit or a training continues with --resume)",
        _ => "`weightlab check` tests this GPU; update its driver, or choose another with --device",
    }
}

fn zoo_hint(error: &ZooError) -> &'static str {
    match error {
        ZooError::Store(e) => store_hint(e),
        ZooError::AlreadyExists { .. } => "choose another --out, or continue a fit with --resume",
        ZooError::NotEmpty { .. } => "choose an empty or new folder",
        ZooError::Unfinished { .. } => "run the command that wrote it again, or delete the folder",
        ZooError::Hash { .. } | ZooError::Missing { .. } => {
            "run the fit again with --resume, or restore the file from a copy"
        }
        ZooError::Resume { .. } => {
            "repeat the options that the zoo was begun with, or choose another --out"
        }
        ZooError::Version { .. } => "use the program version that wrote the zoo, or fit again",
        ZooError::NotAZoo { .. } => "give the folder that `fit` wrote",
        ZooError::Beside { .. } => "merge first, then align or mix",
        ZooError::Merge { .. } | ZooError::Overlap { .. } => {
            "merge only the parts of one job, each once"
        }
        _ => "restore the zoo from a copy, or fit again into another folder",
    }
}

fn store_hint(error: &StoreError) -> &'static str {
    match error {
        // Word for word as in the message, so that it is told once.
        StoreError::Full { .. } => {
            "free some space and run the command again (a fit continues with --resume)"
        }
        StoreError::TooLarge { .. } => "raise the limit (`ulimit -f`) or use another disk",
        StoreError::NotAFolder { .. } => "choose another name (--out)",
        StoreError::Locked { .. } => {
            "wait until the other process has ended, or choose another --out"
        }
        StoreError::NotFound { .. } => "check the path",
        StoreError::Io { source, .. } => io_hint(source),
        _ => "check the path and its permissions",
    }
}

fn io_hint(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "check the path: there is nothing of that name",
        ErrorKind::PermissionDenied => {
            "check who may read and write there, or choose another place"
        }
        ErrorKind::ReadOnlyFilesystem => "choose a place on a disk that can be written to",
        ErrorKind::InvalidFilename => "choose a shorter or simpler name",
        _ => "check the path and its permissions",
    }
}
