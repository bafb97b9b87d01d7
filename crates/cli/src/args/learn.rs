//! Options of the commands that train and evaluate models.

use super::Dims;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Zoo of networks with labels; its splits are kept apart, or some of its objects are held out for validation
    pub zoo: PathBuf,
    /// Folder for the run; must be new, except with --resume
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Zoo to test on, if the first has no networks for it
    #[arg(long, value_name = "ZOO")]
    pub test: Option<PathBuf>,
    /// The model [default: that of --config, else dws]
    #[arg(long, value_enum)]
    pub model: Option<ModelArg>,
    /// TOML file with options; RUN/config.toml shows those of a run; beside them there are limit, views, memory_mib and optimizer.clip_norm
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What happens to a batch: none, an operation as `augment --op` takes it, mixup, mixup-random, mixup-aligned,
    /// mixup-signed, combine, or several with + between [default: that of --config, else none]
    #[arg(long, value_name = "HOW")]
    pub augment: Option<String>,
    /// Passes over the networks [default: that of --config, else 100]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Networks per update [default: that of --config, else 128]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Learning rate [default: that of --config, else 0.005]
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f32>,
    /// Key of all random numbers [default: that of --config, else 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Parameters to begin with: a state dict under the published names, .pth or .safetensors
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    /// Go on with the run in --out, if there is one
    #[arg(long)]
    pub resume: bool,
}

/// `--model`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModelArg {
    /// Deep weight-space networks, which respect permutations of neurons
    Dws,
    /// A perceptron on all parameters in a row
    Mlp,
    /// A transformer with a token per neuron
    Transformer,
}

/// Options of `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Folder of a run, as `train` wrote it
    pub run: PathBuf,
    /// Zoo to evaluate on
    pub zoo: PathBuf,
    /// Only this split of the zoo
    #[arg(long, value_enum)]
    pub split: Option<EvalSplit>,
    /// Other parameters than the run's best: a state dict under the published names, .pth or .safetensors
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Folder for predictions.jsonl and confusion.png
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `--split` of `eval`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EvalSplit {
    /// What was learnt from
    Train,
    /// What the best epoch was chosen by
    Val,
    /// What neither has seen
    Test,
}

impl EvalSplit {
    /// As zoos name it.
    pub fn name(self) -> &'static str {
        match self {
            EvalSplit::Train => "train",
            EvalSplit::Val => "val",
            EvalSplit::Test => "test",
        }
    }
}

/// Options of `experiment` `table1`, `mixup-ablation`, `views` and `capacity`.
#[derive(Debug, Args)]
pub struct AccuracyArgs {
    /// Zoo to train on
    #[arg(long, value_name = "ZOO")]
    pub zoo: PathBuf,
    /// Zoo to test on, if the first has no networks for it
    #[arg(long, value_name = "ZOO")]
    pub test: Option<PathBuf>,
    /// How much is done
    #[arg(long, value_enum, default_value = "tiny")]
    pub scale: ScaleArg,
    /// Trainings per row [default: 1 for tiny, else 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
    /// Epochs of every training [default: 8, 50 or 300, by the scale]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// These rows only, by the names of their folders, such as none,mixup-aligned
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    pub rows: Vec<String>,
    /// Folder for the table (.md, .html) and the runs; cells that are done are not done again
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `--scale`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ScaleArg {
    /// A small model, a thousand networks, five rows, one seed: minutes on two cores
    Tiny,
    /// The reference's smaller model, three seeds
    Small,
    /// The paper's model and length, three seeds
    Paper,
}

/// Options of `bench train`.
#[derive(Debug, Args)]
pub struct BenchTrainArgs {
    /// Features of every hidden state of the model
    #[arg(long, default_value_t = 32)]
    pub hidden: usize,
    /// Layers of the model after the first
    #[arg(long, default_value_t = 4)]
    pub layers: usize,
    /// Networks per step, one measurement each
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256])]
    pub batch: Vec<usize>,
    /// Widths of the networks that are read
    #[arg(long, value_name = "WIDTHS", default_value = "2,32,32,1")]
    pub dims: Dims,
    /// What happens to a batch, as `train` takes it
    #[arg(long, value_name = "HOW", default_value = "none")]
    pub augment: String,
    /// Rounds, of which the fastest counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
}
