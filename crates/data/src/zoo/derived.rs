//! Where a zoo that was made from other zoos comes from.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::{MANIFEST_FILE, ZooManifest};
use crate::hash::blake3_hex;

/// How a zoo was made from others: enough to make it again, bit for bit on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// What was done: "augment", "align", "mix", ...
    pub operation: String,
    /// With which parameters, those that were left to their defaults included.
    pub parameters: Value,
    /// Key of the operation's random numbers.
    pub seed: u64,
    /// Networks of the finished zoo: with fewer it is the work of a run that was ended.
    pub nets: u64,
    /// The zoos it was done to.
    pub from: Vec<ZooRef>,
}

/// A zoo, recognisable wherever it lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZooRef {
    /// Name of its folder, without the path to it.
    pub name: String,
    /// BLAKE3 of its `zoo.json`, which holds the hashes of all its other files.
    pub blake3: String,
    /// Number of networks in it.
    pub nets: u64,
    /// Where that zoo comes from, if it was itself made from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Box<Derived>>,
}

impl ZooRef {
    /// To the zoo with this manifest in a store that describes itself as `store`.
    pub fn new(manifest: &ZooManifest, store: &str) -> ZooRef {
        let name = store.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next();
        ZooRef {
            name: name.filter(|n| !n.is_empty()).unwrap_or(MANIFEST_FILE).to_string(),
            blake3: blake3_hex(&manifest.to_json()),
            nets: manifest.nets(),
            derived: manifest.derived.clone(),
        }
    }
}
