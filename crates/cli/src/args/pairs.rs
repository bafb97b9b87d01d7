//! The command line of what is done to pairs of networks.

use super::Dims;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;
use weightlab_lab::derive::{Pool, split_index};
use weightlab_lab::experiment::midpoints::Kin;
use weightlab_nets::align::Method;
use weightlab_nets::mix::{Lambda, Mix};

/// Options of `align`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct AlignArgs {
    /// Folder of networks
    pub zoo: PathBuf,
    /// File with two positions of networks per line, `0,1`: the second is aligned to the first
    #[arg(long, value_name = "FILE", group = "which")]
    pub pairs: Option<PathBuf>,
    /// Align every network to the one at this position
    #[arg(long, value_name = "I", group = "which")]
    pub reference: Option<u64>,
    /// What may be done to neurons
    #[arg(long, value_enum, default_value = "weight-matching")]
    pub method: AlignMethod,
    /// Order in which a sweep visits layers
    #[arg(long, value_enum, default_value = "random")]
    pub order: AlignOrder,
    /// Folder for the new zoo; alignment.safetensors in it says how neurons were moved
    #[arg(long, value_name = "ZOO")]
    pub out: PathBuf,
    /// Key of all random numbers: the same seed gives the same networks
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// `--method` of `align`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum AlignMethod {
    /// Permutations, as in the reference code
    WeightMatching,
    /// Permutations, signs and phases of sine neurons, together
    Signed,
}

impl From<AlignMethod> for Method {
    fn from(method: AlignMethod) -> Method {
        match method {
            AlignMethod::WeightMatching => Method::WeightMatching,
            AlignMethod::Signed => Method::Signed,
        }
    }
}

/// `--order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AlignOrder {
    /// Anew for every sweep, as in the reference code
    Random,
    /// From the input
    Ascending,
}

/// Options of `mix`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whom").required(true))]
pub struct MixArgs {
    /// Folder of networks
    pub zoo: PathBuf,
    /// File with two positions of networks per line, `0,1`
    #[arg(long, value_name = "FILE", group = "whom")]
    pub pairs: Option<PathBuf>,
    /// Instead of a file: mix every network with a random partner, from this pool
    #[arg(long, value_enum, value_name = "POOL", group = "whom")]
    pub partners: Option<PoolArg>,
    /// With --partners: mix the networks of the first V views only
    #[arg(long, value_name = "V", conflicts_with = "pairs")]
    pub views: Option<u32>,
    /// What happens to the second network of a pair first
    #[arg(long, value_enum)]
    pub method: MixMethod,
    /// Share of the first network: a number from 0 to 1, or drawn per pair
    #[arg(long, value_name = "L|uniform|beta:a", allow_negative_numbers = true)]
    pub lambda: Lambda,
    /// Folder for the new zoo; mixtures.safetensors in it has the mixed labels
    #[arg(long, value_name = "ZOO")]
    pub out: PathBuf,
    /// Key of all random numbers: the same seed gives the same networks
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// `--partners`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PoolArg {
    /// The networks that are mixed
    Same,
    /// All of the zoo, views left out by --views too, as in the reference code
    All,
}

impl From<PoolArg> for Pool {
    fn from(pool: PoolArg) -> Pool {
        match pool {
            PoolArg::Same => Pool::Same,
            PoolArg::All => Pool::All,
        }
    }
}

/// `--method` of `mix`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MixMethod {
    /// Nothing
    Direct,
    /// Its neurons are permuted at random
    Random,
    /// It is aligned to the first by permutations
    Aligned,
    /// It is aligned to the first by permutations, signs and phases
    Signed,
}

impl From<MixMethod> for Mix {
    fn from(method: MixMethod) -> Mix {
        match method {
            MixMethod::Direct => Mix::Direct,
            MixMethod::Random => Mix::Random,
            MixMethod::Aligned => Mix::Aligned,
            MixMethod::Signed => Mix::Signed,
        }
    }
}

/// Options of `path`.
#[derive(Debug, Args)]
pub struct PathArgs {
    /// Folder of networks that are pictures
    pub zoo: PathBuf,
    /// Positions of the network to begin at and of the one to end at
    #[arg(long, value_name = "I,J", allow_hyphen_values = true)]
    pub pair: Positions,
    /// Networks along the line, both ends included
    #[arg(long, value_name = "N", default_value_t = 11)]
    pub steps: usize,
    /// What happens to the second network first
    #[arg(long, value_enum, default_value = "all")]
    pub method: PathMethod,
    /// PNG file for a picture, or CSV file for a table
    #[arg(long, value_name = "PNG|CSV")]
    pub out: PathBuf,
    /// Key of all random numbers: the same seed gives the same networks
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// `--method` of `path`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PathMethod {
    /// All of the following, one below the other
    All,
    /// Nothing
    Direct,
    /// Its neurons are permuted at random
    Random,
    /// It is aligned to the first by permutations
    Aligned,
    /// It is aligned to the first by permutations, signs and phases
    Signed,
}

impl From<PathMethod> for Vec<Mix> {
    fn from(method: PathMethod) -> Vec<Mix> {
        match method {
            PathMethod::All => Mix::ALL.to_vec(),
            PathMethod::Direct => vec![Mix::Direct],
            PathMethod::Random => vec![Mix::Random],
            PathMethod::Aligned => vec![Mix::Aligned],
            PathMethod::Signed => vec![Mix::Signed],
        }
    }
}

/// `3,17`: positions of two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions(pub u64, pub u64);

impl FromStr for Positions {
    type Err = String;

    fn from_str(text: &str) -> Result<Positions, String> {
        split_index(text)
            .map(|(a, b)| Positions(a, b))
            .ok_or_else(|| "expected positions of two networks, such as 3,17".to_owned())
    }
}

/// Options of `bench align`.
#[derive(Debug, Args)]
pub struct BenchAlignArgs {
    /// Pairs of a batch
    #[arg(long, default_value_t = 512)]
    pub pairs: usize,
    /// Rounds, after a warm-up
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
    /// Widths
    #[arg(long, value_name = "WIDTHS", default_value = "2,32,32,1")]
    pub dims: Dims,
    /// What may be done to neurons
    #[arg(long, value_enum, default_value = "weight-matching")]
    pub method: AlignMethod,
    /// In every round let plain Rust with the crate lapjv align the same pairs on all cores, too
    #[arg(long)]
    pub native: bool,
    /// Seed of networks and orders
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// What to find out.
#[derive(Debug, Subcommand)]
pub enum ExperimentCommand {
    /// What networks half way between two others draw, under every way of mixing, over many pairs
    Midpoints(MidpointArgs),
    /// What every augmentation does to the picture that a network draws, as PNG and HTML
    Augmentations(AugmentationArgs),
    /// Table 1 of arXiv 2402.04081: accuracy of DWS by augmentation, several seeds each, beside the published figures
    Table1(super::AccuracyArgs),
    /// Table 5 of the same paper: label smoothing, input averaging and MixUp, beside the published figures
    MixupAblation(super::AccuracyArgs),
    /// Figures 4 and 8 of the same paper: accuracy of DWS by views of every image, of a zoo fitted with --views
    Views(super::AccuracyArgs),
    /// Figure 9 of the same paper: accuracy of DWS by the size of the model
    Capacity(super::AccuracyArgs),
}

/// Options of `experiment augmentations`.
#[derive(Debug, Args)]
pub struct AugmentationArgs {
    /// Folder for augmentations.png and augmentations.html
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Folder of networks that are pictures [default: networks fitted to built-in images]
    #[arg(long, value_name = "ZOO")]
    pub zoo: Option<PathBuf>,
    /// Built-in images, of different classes
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=16), conflicts_with = "zoo")]
    pub nets: u64,
    /// Most optimiser steps per network
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "zoo")]
    pub steps: u32,
    /// Key of all random numbers: the same seed gives the same figure
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Options of `experiment midpoints`.
#[derive(Debug, Args)]
pub struct MidpointArgs {
    /// Folder of a zoo of labelled pictures, as `fit` writes it
    pub zoo: PathBuf,
    /// Pairs
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub pairs: usize,
    /// Pairs of different images of one class, or of networks of one image (fit with --views 2)
    #[arg(long, value_enum, default_value = "class")]
    pub same: KinArg,
    /// Key of the choice of pairs, of random permutations and orders
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder for midpoints.csv, with a line per pair and method
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `--same`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KinArg {
    /// Different images of one class
    Class,
    /// Networks of one image
    Image,
}

impl From<KinArg> for Kin {
    fn from(kin: KinArg) -> Kin {
        match kin {
            KinArg::Class => Kin::Class,
            KinArg::Image => Kin::Image,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_parse() {
        assert_eq!("3,17".parse(), Ok(Positions(3, 17)));
        assert!("3".parse::<Positions>().is_err() && "-1,2".parse::<Positions>().is_err());
    }
}
