//! What can be wrong with a zoo.

use thiserror::Error;
use weightlab_nets::MlpError;

use super::difference::{Difference, one_and_other, was_and_is};
use super::manifest::FORMAT_VERSION;
use crate::store::StoreError;

/// A zoo that cannot be read, continued or merged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ZooError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no zoo here.
    #[error("{store}: holds no zoo.json, so it is no zoo; give the folder that `fit` wrote")]
    NotAZoo {
        /// Which store.
        store: String,
    },
    /// A zoo to be merged with a file about its networks that no other zoo's can be put to.
    #[error(
        "{store}: {file} tells of its networks one by one, in their order, and cannot be merged; merge first, then \
         run the command that made it on the merged zoo"
    )]
    Beside {
        /// Which store.
        store: String,
        /// The file.
        file: String,
    },
    /// There is a zoo where a new one should go.
    #[error(
        "{store}: already holds a zoo; choose another folder (--out), or continue a fit with --resume"
    )]
    AlreadyExists {
        /// Which store.
        store: String,
    },
    /// There is something else where a new zoo should go.
    #[error("{store}: is not empty (it holds {first}); choose an empty or new folder (--out)")]
    NotEmpty {
        /// Which store.
        store: String,
        /// A file in it.
        first: String,
    },
    /// A zoo whose writing was ended, and that cannot be continued.
    #[error(
        "{store}: holds {nets} of the {planned} networks that {by} was to write, because it was ended; run \
         that command again with this --out, which begins anew, or delete the folder"
    )]
    Unfinished {
        /// Which store.
        store: String,
        /// Networks there.
        nets: u64,
        /// Networks wanted.
        planned: u64,
        /// What wrote it.
        by: String,
    },
    /// A zoo of another format version.
    #[error(
        "{file}: format version {found}, but this program reads version {FORMAT_VERSION}; use the \
         program version that wrote it, or fit again"
    )]
    Version {
        /// The file.
        file: String,
        /// The version found.
        found: u64,
    },
    /// A manifest that is not what a manifest is.
    #[error(
        "{file}: line {line}, column {column}: {}; the file was changed by hand or damaged: \
         restore it, or fit again",
        without_position(detail)
    )]
    Json {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser said.
        detail: String,
    },
    /// A value in a manifest or a shard that cannot be.
    #[error("{file}: {what}: found {found}, expected {expected}; {hint}")]
    Invalid {
        /// The file.
        file: String,
        /// Which value, with its byte offset where it has one.
        what: String,
        /// The value found.
        found: String,
        /// What it should be.
        expected: String,
        /// What to do.
        hint: &'static str,
    },
    /// An architecture that no kernel can run.
    #[error("{file}: {source}; fit again with an architecture within these bounds")]
    Mlp {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: MlpError,
    },
    /// The bytes are not those that were written.
    #[error(
        "{file}: its BLAKE3 hash is {found}, but zoo.json records {expected}: the file is damaged; if \
         a fit wrote the zoo, run the fit again with --resume to compute this file anew, else restore it from a copy"
    )]
    Hash {
        /// The file.
        file: String,
        /// The hash recorded.
        expected: String,
        /// The hash of the bytes found.
        found: String,
    },
    /// A file that zoo.json lists is gone.
    #[error(
        "{file}: listed in zoo.json but not in {store}; copy the whole folder of the zoo again, or, if a fit wrote \
         it, run the fit again with --resume to compute this file anew"
    )]
    Missing {
        /// The file.
        file: String,
        /// Which store.
        store: String,
    },
    /// A zoo that is not the one to be continued.
    #[error(
        "{store}: begun with other options: {}; repeat the options it was begun with, or choose \
         another folder (--out)",
        was_and_is(differences)
    )]
    Resume {
        /// Which store.
        store: String,
        /// What differs; the first value is the recorded one.
        differences: Vec<Difference>,
    },
    /// Zoos that do not belong together.
    #[error(
        "{first} and {second} do not belong together: {}; only zoos made with the same options from \
         the same source merge",
        one_and_other(differences, first, second)
    )]
    Merge {
        /// The first zoo.
        first: String,
        /// The zoo that differs.
        second: String,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// One network in two places.
    #[error(
        "object {object}, view {view} is in both {first} and {second}, expected every network \
         once; leave one of the two out"
    )]
    Overlap {
        /// Object number.
        object: i64,
        /// View number.
        view: i64,
        /// Where it is.
        first: String,
        /// Where it is again.
        second: String,
    },
    /// Nothing to merge.
    #[error("no zoo was given to merge; name at least one")]
    NothingToMerge,
    /// `--shard i/n` with i not below n.
    #[error("--shard {index}/{count}: {}", why_no_part(*count))]
    Part {
        /// The part asked for.
        index: u32,
        /// The number of parts.
        count: u32,
    },
    /// `--shard` that is not two numbers.
    #[error("--shard {text}: expected i/n, two whole numbers such as 0/4, with i from 0 to n - 1")]
    PartSyntax {
        /// The text given.
        text: String,
    },
    /// More networks than the plan holds, or others than it has next.
    #[error(
        "{store}: shard {shard} should hold {expected}, was given {found}; this is a defect of the \
         program, the zoo itself is intact"
    )]
    OffPlan {
        /// Which store.
        store: String,
        /// Number of the shard.
        shard: usize,
        /// What the plan has next.
        expected: String,
        /// What came.
        found: String,
    },
}

/// What serde_json says, without the position that it puts at the end.
fn without_position(detail: &str) -> &str {
    detail.rsplit_once(" at line ").map_or(detail, |(what, _)| what)
}

fn why_no_part(count: u32) -> String {
    match count.checked_sub(1) {
        None => "the number of parts must be at least 1: 0/1 is the whole job".to_string(),
        Some(last) => format!(
            "i counts from 0 and must be below n, so the parts are 0/{count} to {last}/{count}"
        ),
    }
}

impl ZooError {
    /// A value that cannot be, in a file that a program wrote and something damaged since.
    pub(crate) fn invalid(
        file: &str,
        what: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> ZooError {
        ZooError::Invalid {
            file: file.to_string(),
            what: what.into(),
            found: found.into(),
            expected: expected.into(),
            hint: "the file is damaged or not of this format: restore it or write it again",
        }
    }
}
