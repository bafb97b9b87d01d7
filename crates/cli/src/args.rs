//! The command line.

mod learn;
mod pairs;

use crate::commands::quoted;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;
use weightlab_data::{Part, Split};
use weightlab_nets::Convention;

pub use learn::{AccuracyArgs, BenchTrainArgs, EvalArgs, ModelArg, ScaleArg, TrainArgs};
pub use pairs::{
    AlignArgs, AlignOrder, AugmentationArgs, BenchAlignArgs, ExperimentCommand, MidpointArgs,
    MixArgs, PathArgs, PathMethod,
};

/// Weight spaces on your own GPU: images become small neural networks, and the networks are the data.
#[derive(Debug, Parser)]
#[command(name = "weightlab", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// GPU to use: a number or a part of a name, as `weightlab devices` lists them
    #[arg(long, global = true, value_name = "NUMBER|NAME")]
    pub device: Option<String>,
    /// Print one JSON object per line on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress and no remarks on stderr, only errors
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Use no more of the GPU than WebGPU's default limits, for tests
    #[arg(long, global = true, hide_short_help = true)]
    pub default_limits: bool,
    /// On a software renderer, leave to kernels what native code does many times faster, for tests
    #[arg(long, global = true, hide_short_help = true)]
    pub no_twins: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List GPUs with their limits, and which one would be used
    Devices,
    /// Test this GPU: kernels against plain references, and golden values
    Check(CheckArgs),
    /// Fit images: every image becomes a network (or several)
    Fit(FitArgs),
    /// Say what a zoo holds, and whether its files are intact
    Inspect(InspectArgs),
    /// Draw a zoo's networks beside their images, as one labelled PNG
    Render(RenderArgs),
    /// Augment networks: apply symmetries and random changes, and measure what they do
    #[command(after_help = crate::commands::augment::operations())]
    Augment(AugmentArgs),
    /// Align networks to others: reorder their neurons, so that they become comparable
    Align(AlignArgs),
    /// Mix pairs of networks, as they are or aligned first
    Mix(MixArgs),
    /// Draw what lies between two networks, under every way of mixing them
    Path(PathArgs),
    /// Train a model that reads networks: to say what the image of a network shows
    Train(TrainArgs),
    /// Say what a trained model is worth on a zoo, and what it takes every network for
    Eval(EvalArgs),
    /// Put the parts of one job together
    Merge(MergeArgs),
    /// Write a zoo's networks for other programs
    Export(ExportArgs),
    /// Read networks of other programs into a zoo
    Import(ImportArgs),
    /// Answer a question about weight spaces by measuring
    #[command(subcommand)]
    Experiment(ExperimentCommand),
    /// Measure speed
    #[command(subcommand)]
    Bench(BenchCommand),
    /// The whole story on built-in data, in a few minutes, with a report: fit, break, mend, learn, read
    Demo(DemoArgs),
}

impl Command {
    /// This command line with what makes it go on after an interruption, where there is such a thing.
    pub fn resume_line(&self) -> Option<String> {
        let resumed = match self {
            Command::Fit(args) => args.resume,
            Command::Train(args) => args.resume,
            _ => return None,
        };
        let mut words: Vec<String> =
            std::env::args_os().map(|a| quoted(&a.to_string_lossy())).collect();
        if !resumed {
            words.push("--resume".to_owned());
        }
        Some(words.join(" "))
    }

    /// What to do after an interruption of a command that cannot go on where it was.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Command::Merge(_) | Command::Import(_) | Command::Export(_) => {
                Some("what it wrote is unfinished: run the command again, which begins anew")
            }
            _ => None,
        }
    }
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Folder with a golden set: manifest.json and safetensors files
    #[arg(long, value_name = "DIR")]
    pub golden: Option<PathBuf>,
    /// Seed of the random architectures
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Options of `fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// A folder in original IDX layout (MNIST, Fashion-MNIST) or with CIFAR-10 binary batches, a folder
    /// of PNG or JPEG images, or one such file; arrays of NumPy (.npz, .npy); a mesh (.obj, .off, .stl), of which
    /// sixteen slices are taken
    pub source: PathBuf,
    /// Folder for the zoo; must be new or empty, except with --resume
    #[arg(long, value_name = "ZOO")]
    pub out: PathBuf,
    /// Which part of the source, if it has parts
    #[arg(long, value_enum)]
    pub split: Option<SplitArg>,
    /// Fit at most this many images
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Skip this many images first
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub offset: u64,
    /// Networks per image, each from another random start
    #[arg(long, value_name = "V", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=MOST_VIEWS))]
    pub views: u32,
    /// Widths from the 2 coordinates to the 1 (grey) or 3 (RGB) colours [default: 2,32,32,1 or 2,32,32,3]
    #[arg(long, value_name = "WIDTHS")]
    pub dims: Option<Dims>,
    /// Initialisation, output offset and target range: dwsnets for small images that other networks are to learn
    /// from, as in the published data sets; sitzmann for photographs, with --lr 1e-3: it draws detail within some
    /// hundred steps
    #[arg(long, value_enum, default_value = "dwsnets")]
    pub convention: ConventionArg,
    /// Frequency factor of the sines [default: the convention's, 30]
    #[arg(long, value_name = "OMEGA_0", allow_negative_numbers = true)]
    pub omega: Option<f32>,
    /// Most optimiser steps per network
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub steps: u32,
    /// Learning rate of Adam
    #[arg(long, value_name = "RATE", default_value_t = 5e-4, allow_negative_numbers = true)]
    pub lr: f32,
    /// Stop a network once its PSNR exceeds this many dB; `none` never stops early
    #[arg(long, value_name = "DB|none", default_value = "40", allow_negative_numbers = true)]
    pub until_psnr: Until,
    /// Key of all random numbers: the same seed gives the same networks
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Do part i of n of the job; i counts from 0
    #[arg(long, value_name = "i/n", allow_hyphen_values = true)]
    pub shard: Option<Part>,
    /// Continue a zoo that was begun with the same options
    #[arg(long)]
    pub resume: bool,
    /// Resize every image first
    #[arg(long, value_name = "HxW", value_parser = image_size)]
    pub size: Option<Size>,
    /// Make every image grey first
    #[arg(long)]
    pub grey: bool,
    /// Networks per file of the zoo, which is what a kill may lose [default: 256 on a CPU, 4096 on a GPU]
    #[arg(long, value_name = "NETS")]
    pub shard_size: Option<u32>,
}

/// Options of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Folder that `fit` wrote
    pub zoo: PathBuf,
}

/// Options of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Folder that `fit` wrote
    pub zoo: PathBuf,
    /// PNG file to write
    #[arg(long, value_name = "PNG")]
    pub out: PathBuf,
    /// Size at which every network is drawn [default: that of its image]
    #[arg(long, value_name = "HxW")]
    pub resolution: Option<Size>,
    /// Draw the first N networks only
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Networks side by side
    #[arg(long, value_name = "N")]
    pub columns: Option<usize>,
}

/// Options of `augment`.
#[derive(Debug, Args)]
pub struct AugmentArgs {
    /// Folder of networks
    pub zoo: PathBuf,
    /// An operation with its parameters; several are applied one after the other
    #[arg(long = "op", value_name = "NAME[:k=v,..]", required = true)]
    pub ops: Vec<String>,
    /// Folder for the new zoo
    #[arg(long, value_name = "ZOO")]
    pub out: PathBuf,
    /// Key of all random numbers: the same seed gives the same networks
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Options of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Zoos of one job, in any order
    #[arg(required = true)]
    pub zoos: Vec<PathBuf>,
    /// Folder for the merged zoo
    #[arg(long, value_name = "ZOO")]
    pub out: PathBuf,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Folder that `fit` wrote
    pub zoo: PathBuf,
    /// torch: a .pth file per network and splits.json; safetensors, npz: one file; zip: the zoo itself as one file
    #[arg(long, value_enum)]
    pub format: Format,
    /// Folder (torch) or file to write; must not exist yet
    #[arg(long)]
    pub out: PathBuf,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Folder with splits.json and .pth files, or a .safetensors, .npz, .zip or .pth file
    pub path: PathBuf,
    /// Folder for the zoo
    #[arg(long, value_name = "ZOO")]
    pub out: PathBuf,
    /// Convention that the networks were made under [default: what the file records, else dwsnets]
    #[arg(long, value_enum)]
    pub convention: Option<ConventionArg>,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Fit networks to random targets; one JSON line per round
    Fit(BenchFitArgs),
    /// Augment random networks; one JSON line per operation, against the speed of copying
    Augment(BenchAugmentArgs),
    /// Align and mix pairs of random networks; one JSON line per round
    Align(BenchAlignArgs),
    /// Linear layers, forward and back; two JSON lines
    Matmul(BenchMatmulArgs),
    /// Steps of training on random networks; a JSON line per batch size
    Train(BenchTrainArgs),
}

/// Options of `bench matmul`.
#[derive(Debug, Args)]
pub struct BenchMatmulArgs {
    /// Rows of the input
    #[arg(long, default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,
    /// Columns of the input
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    pub inputs: u32,
    /// Columns of the result
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    pub outputs: u32,
    /// Rounds, of which the fastest counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
}

/// Options of `bench fit`.
#[derive(Debug, Args)]
pub struct BenchFitArgs {
    /// Networks
    #[arg(long, default_value_t = 64, value_parser = up_to::<MOST_NETS>)]
    pub nets: usize,
    /// Steps of a round
    #[arg(long, default_value_t = 100)]
    pub steps: u32,
    /// Rounds, after a warm-up
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Widths
    #[arg(long, value_name = "WIDTHS", default_value = "2,32,32,1")]
    pub dims: Dims,
    /// Points of every signal
    #[arg(long, default_value_t = 784, value_parser = up_to::<MOST_NETS>)]
    pub points: usize,
    /// Seed of targets and starts
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Options of `bench augment`.
#[derive(Debug, Args)]
pub struct BenchAugmentArgs {
    /// Networks
    #[arg(long, default_value_t = 16_384, value_parser = up_to::<MOST_NETS>)]
    pub nets: usize,
    /// Rounds, after a warm-up
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
    /// Widths
    #[arg(long, value_name = "WIDTHS", default_value = "2,32,32,1")]
    pub dims: Dims,
    /// Seed of parameters and draws
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder for report.html, zoos and runs
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    pub out: PathBuf,
    /// How many of the 64 built-in images
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..=64))]
    pub nets: u64,
    /// Most optimiser steps per network
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub steps: u32,
    /// Passes of each of the two trainings over the built-in networks
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: u32,
    /// Key of all random numbers
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// `--split`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SplitArg {
    /// The training images
    Train,
    /// The test images
    Test,
}

impl From<SplitArg> for Split {
    fn from(split: SplitArg) -> Split {
        match split {
            SplitArg::Train => Split::Train,
            SplitArg::Test => Split::Test,
        }
    }
}

/// `--convention`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ConventionArg {
    /// That of the DWSNets data sets: targets 0 to 1, 0.5 added to the output
    Dwsnets,
    /// That of Sitzmann et al. 2020: targets -1 to 1
    Sitzmann,
}

impl From<ConventionArg> for Convention {
    fn from(convention: ConventionArg) -> Convention {
        match convention {
            ConventionArg::Dwsnets => Convention::Dwsnets,
            ConventionArg::Sitzmann => Convention::Sitzmann,
        }
    }
}

/// `--format`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// A .pth file per network, and splits.json
    Torch,
    /// One file with all networks
    Safetensors,
    /// The same for NumPy
    Npz,
    /// The zoo itself, packed
    Zip,
}

/// `2,32,32,1` or `2-32-32-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dims(pub Vec<usize>);

impl FromStr for Dims {
    type Err = String;

    fn from_str(text: &str) -> Result<Dims, String> {
        text.split([',', '-'])
            .map(|width| width.trim().parse())
            .collect::<Result<Vec<usize>, _>>()
            .map(Dims)
            .map_err(|_| "expected widths with commas between them, such as 2,32,32,1".to_owned())
    }
}

/// `--until-psnr`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Until(pub Option<f32>);

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Until, String> {
        match text.parse::<f32>() {
            _ if text == "none" => Ok(Until(None)),
            Ok(db) if db.is_finite() => Ok(Until(Some(db))),
            _ => Err("expected a number of dB, or `none`".to_owned()),
        }
    }
}

/// `HxW` in pixels, or one number for a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize, pub usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let (height, width) = text.split_once(['x', 'X']).unwrap_or((text, text));
        match (height.parse(), width.parse()) {
            (Ok(height), Ok(width)) if height > 0 && width > 0 => Ok(Size(height, width)),
            _ => Err("expected height x width in pixels, such as 64x48".to_owned()),
        }
    }
}

/// Networks per image: more are not wanted, but mistyped.
const MOST_VIEWS: i64 = 65_536;
/// Networks, or points, of a measurement: the targets of each lie in memory.
const MOST_NETS: usize = 1 << 24;

/// A count that is no more than `MOST`.
fn up_to<const MOST: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= MOST => Ok(count),
        _ => Err(format!("expected a whole number, at most {MOST}")),
    }
}

/// A [`Size`] with a grid in both directions.
fn image_size(text: &str) -> Result<Size, String> {
    match text.parse()? {
        Size(height, width) if height < 2 || width < 2 => {
            Err("expected at least 2x2: a single row or column has no grid".to_owned())
        }
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_parse() {
        assert_eq!("2,32, 32,1".parse(), Ok(Dims(vec![2, 32, 32, 1])));
        assert_eq!("2-8-1".parse(), Ok(Dims(vec![2, 8, 1])));
        assert!("2,,1".parse::<Dims>().is_err() && "2,x,1".parse::<Dims>().is_err());
        assert_eq!("none".parse(), Ok(Until(None)));
        assert_eq!("38.5".parse(), Ok(Until(Some(38.5))));
        assert!("NaN".parse::<Until>().is_err() && "inf".parse::<Until>().is_err());
        assert_eq!("64x48".parse(), Ok(Size(64, 48)));
        assert_eq!("64".parse(), Ok(Size(64, 64)));
        assert!("0x4".parse::<Size>().is_err() && "4x".parse::<Size>().is_err());
        assert_eq!(image_size("2x3"), Ok(Size(2, 3)));
        assert!(image_size("1x1").is_err() && image_size("8x1").is_err());
    }
}
