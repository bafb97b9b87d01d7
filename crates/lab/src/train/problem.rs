//! Why a training cannot begin or go on, apart from what its parts say themselves.

use thiserror::Error;

/// A training that cannot begin or go on.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TrainProblem {
    /// Networks without a label.
    #[error(
        "{store}: {unlabelled} of {nets} networks have no label, so no class can be learnt; fit images with labels, or import a zoo that has them"
    )]
    NoLabels {
        /// Which zoo.
        store: String,
        /// How many.
        unlabelled: usize,
        /// Of how many.
        nets: usize,
    },
    /// One class only.
    #[error(
        "{store}: all {nets} networks that would be trained on are of class {class}; two classes are the least"
    )]
    OneClass {
        /// Which zoo.
        store: String,
        /// How many networks.
        nets: usize,
        /// The class.
        class: i64,
    },
    /// A split without a network.
    #[error("{store}: no network is left for {split}; the zoo has too few objects or views")]
    Empty {
        /// Which zoo.
        store: String,
        /// `training` or `evaluation`.
        split: &'static str,
    },
    /// A split that is asked for and not there.
    #[error(
        "{store}: no network is in the split `{split}`; leave --split out to evaluate on all of the zoo, or name a split that it has"
    )]
    NoSplit {
        /// Which zoo.
        store: String,
        /// Its name.
        split: String,
    },
    /// Views of objects are to be compared, and there is one.
    #[error(
        "{store}: has one view of every object, and two are the least: one to learn from, and one that is never shown; fit it with --views"
    )]
    TooFewViews {
        /// Which zoo.
        store: String,
    },
    /// The same object in two splits: what is measured would have been learnt by heart.
    #[error(
        "{store}: object {object} is in the split `{first}` and in the split `{second}`; accuracy would be measured on what was learnt. Make splits that share no object"
    )]
    Overlap {
        /// Which zoo.
        store: String,
        /// The object.
        object: i64,
        /// A split.
        first: String,
        /// Another.
        second: String,
    },
    /// The same image in the zoos for training and for testing.
    #[error(
        "{test}: its object {object} is in {train} too, made from the same source ({source_name}); accuracy would be measured on what was learnt. Test on networks of other images"
    )]
    Leak {
        /// The zoo to test on.
        test: String,
        /// The zoo to train on.
        train: String,
        /// The object.
        object: i64,
        /// Name of the source of both.
        source_name: String,
    },
    /// The same parameters in two splits.
    #[error(
        "network {net} of {test} has exactly the parameters of a network of another split; accuracy would be measured on what was learnt. Leave such networks out"
    )]
    Copy {
        /// The zoo to test on.
        test: String,
        /// Position.
        net: usize,
    },
    /// Networks that the model was not built for.
    #[error(
        "{store}: holds networks {found}, but the model reads {wanted}; fit networks of that architecture, or train a model for these"
    )]
    Architecture {
        /// Which zoo.
        store: String,
        /// What it holds.
        found: String,
        /// What the model reads.
        wanted: String,
    },
    /// A label beyond the model's classes.
    #[error("{store}: has a network of class {class}, but the model knows the classes 0 to {last}")]
    Class {
        /// Which zoo.
        store: String,
        /// The label.
        class: i64,
        /// The largest that is known.
        last: usize,
    },
    /// A folder that is no run.
    #[error("{store}: is not a run: {what}; give the folder that `train --out` wrote")]
    NotARun {
        /// Which folder.
        store: String,
        /// What is wrong.
        what: String,
    },
    /// A run that is there already.
    #[error("{store}: holds a run already; go on with --resume, or choose another --out")]
    Exists {
        /// Which folder.
        store: String,
    },
    /// Going on with other options than those it was begun with.
    #[error(
        "{store}: was begun with {option} = {before}, not {now}; only `epochs` may change on --resume"
    )]
    Changed {
        /// Which folder.
        store: String,
        /// The option.
        option: String,
        /// As it was.
        before: String,
        /// As it would be.
        now: String,
    },
    /// Going on with other data.
    #[error(
        "{store}: was begun with another zoo, or the zoo has changed since; give the same, or choose another --out"
    )]
    OtherData {
        /// Which folder.
        store: String,
    },
    /// A file of parameters that cannot be used.
    #[error("{file}: {what}; expected {expected}")]
    Weights {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
        /// What would do.
        expected: String,
    },
    /// A configuration that cannot be read.
    #[error("{file}: {what}{}", if nearest.is_empty() { String::new() } else { format!("; did you mean `{nearest}`?") })]
    Config {
        /// The file.
        file: String,
        /// What is wrong, and where.
        what: String,
        /// The nearest known key, or empty.
        nearest: String,
    },
    /// A loss or gradient that is NaN or infinite.
    #[error(
        "step {step} (epoch {epoch}): {what} is not finite; the first tensor that is not: {tensor}. {kept}; lower `optimizer.learning_rate`, or set `optimizer.clip_norm` or `optimizer.warmup_steps`"
    )]
    NotFinite {
        /// Step, from 1.
        step: u32,
        /// Epoch, from 1.
        epoch: u32,
        /// `the loss` or `the gradient`.
        what: &'static str,
        /// Name of the tensor.
        tensor: String,
        /// What is left, in words.
        kept: String,
    },
}

impl TrainProblem {
    /// Whether the command line is at fault.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            TrainProblem::Exists { .. }
                | TrainProblem::Changed { .. }
                | TrainProblem::OtherData { .. }
                | TrainProblem::Config { .. }
        )
    }
}
