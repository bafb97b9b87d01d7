//! `zoo.json`: everything about a zoo but its parameters.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use weightlab_nets::{FitSettings, Mlp};

use super::derived::Derived;
use super::error::ZooError;
use crate::signal::SourceInfo;

/// The version of the zoo format that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;
/// Name of the manifest in the store.
pub const MANIFEST_FILE: &str = "zoo.json";
/// Name of the target file in the store.
pub const TARGETS_FILE: &str = "targets.safetensors";
/// Networks per shard unless something else is asked for.
pub const DEFAULT_NETS_PER_SHARD: u32 = 1024;

/// Name of shard `i` in the store: `nets-00000.safetensors`.
pub fn shard_file(i: usize) -> String {
    format!("nets-{i:05}.safetensors")
}

/// One part of a job that is spread over several machines: `--shard index/count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Which part, from 0.
    pub index: u32,
    /// How many parts.
    pub count: u32,
}

impl Part {
    /// Part `index` of `count`.
    ///
    /// # Errors
    /// `index` not below `count`.
    pub fn new(index: u32, count: u32) -> Result<Part, ZooError> {
        if index < count { Ok(Part { index, count }) } else { Err(ZooError::Part { index, count }) }
    }
}

impl FromStr for Part {
    type Err = ZooError;

    fn from_str(text: &str) -> Result<Part, ZooError> {
        let syntax = || ZooError::PartSyntax { text: text.to_string() };
        let (index, count) = text.split_once('/').ok_or_else(syntax)?;
        Part::new(index.parse().map_err(|_| syntax())?, count.parse().map_err(|_| syntax())?)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Which networks a job makes, in which order: object by object, and the views of each in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The objects of the whole job, `[first, end)`, as indices into the source.
    pub objects: [u32; 2],
    /// Networks per object, each from another start.
    pub views: u32,
    /// The part of the job that this zoo holds; `None` for all of it.
    pub part: Option<Part>,
}

impl Plan {
    /// The objects of this zoo's part, `[first, end)`. Parts are contiguous, in order, and differ
    /// by at most one object; with more parts than objects some are empty.
    pub fn part_objects(&self) -> Range<u32> {
        let [first, end] = self.objects;
        let Some(Part { index, count }) = self.part else { return first..end };
        let all = u64::from(end.saturating_sub(first));
        let cut = |i: u32| {
            // At most `all`, so it fits.
            first + (all * u64::from(i) / u64::from(count.max(1))) as u32
        };
        cut(index)..cut(index + 1)
    }

    /// Number of networks of this zoo's part.
    pub fn nets(&self) -> u64 {
        self.part_objects().len() as u64 * u64::from(self.views)
    }

    /// `(object, view)` of network `k` of this zoo's part.
    pub fn net(&self, k: u64) -> (u32, u32) {
        let views = u64::from(self.views.max(1));
        (self.part_objects().start + (k / views) as u32, (k % views) as u32)
    }
}

/// A file of the zoo and what it must contain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Name in the store.
    pub file: String,
    /// BLAKE3 of the whole file.
    pub blake3: String,
}

/// On what networks were computed. Results are the same bits only where all of it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputedOn {
    /// The driver's name of the device.
    pub adapter: String,
    /// `vulkan`, `metal`, `dx12` or `browser webgpu`.
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// The kernel, and how it was specialised.
    pub kernel: String,
}

impl fmt::Display for ComputedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ComputedOn { adapter, backend, driver, kernel } = self;
        write!(f, "{adapter} ({backend}, {driver}; kernel: {kernel})")
    }
}

/// One shard, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// Name in the store.
    pub file: String,
    /// Number of networks in it.
    pub nets: u32,
    /// BLAKE3 of the whole file.
    pub blake3: String,
    /// On what its networks were computed, as indices into [`ZooManifest::computed_on`], ascending;
    /// several if a merge put networks of several into one shard. Empty if unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed_on: Vec<u32>,
}

/// The contents of `zoo.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZooManifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The program and its version.
    pub created_by: String,
    /// Name of the preset that `mlp` agrees with, for people; `mlp` is what counts.
    pub convention: Option<String>,
    /// The architecture, with its convention spelt out.
    pub mlp: Mlp,
    /// Where the signals came from.
    pub source: Option<SourceInfo>,
    /// `[height, width, channels]` of the images that were fitted.
    pub image_shape: Option<[usize; 3]>,
    /// Key of all random numbers.
    pub seed: u64,
    /// How the networks were fitted; `None` if they were made elsewhere.
    pub fit: Option<FitSettings>,
    /// Which networks the zoo is to hold; `None` if it holds what it holds.
    pub plan: Option<Plan>,
    /// Networks in every shard but the last.
    pub nets_per_shard: u32,
    /// The names of the classes, or empty.
    pub class_names: Vec<String>,
    /// Objects `[first, end)` of each split ("train", "val", "test"), where a zoo has several;
    /// otherwise [`SourceInfo::split`] says it for all.
    pub splits: Option<BTreeMap<String, Vec<[u32; 2]>>>,
    /// Which zoos it was made from, and how; `None` if it was fitted or imported. Boxed, since few have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Box<Derived>>,
    /// Networks that the zoo is to hold, where no plan says so: fewer are there while it is being
    /// written, or if that was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// The command that is writing the zoo, until the zoo is whole; what is left of one that was ended, that same
    /// command may replace. A fit has none: it can be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writing: Option<String>,
    /// Every device and kernel that computed some of the networks, in the order of the shards. Empty
    /// if unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed_on: Vec<ComputedOn>,
    /// The images that were fitted, if they are kept.
    pub targets: Option<FileEntry>,
    /// What else the operation that made the zoo has to say of its networks, as files beside the shards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<FileEntry>,
    /// The shards, in order.
    pub shards: Vec<ShardEntry>,
}

impl ZooManifest {
    /// The manifest of an empty zoo of networks `mlp`, without source, plan or settings.
    pub fn new(mlp: Mlp, seed: u64) -> ZooManifest {
        ZooManifest {
            format_version: FORMAT_VERSION,
            created_by: concat!("weightlab ", env!("CARGO_PKG_VERSION")).to_string(),
            convention: mlp.convention().map(|c| c.name().to_string()),
            mlp,
            source: None,
            image_shape: None,
            seed,
            fit: None,
            plan: None,
            nets_per_shard: DEFAULT_NETS_PER_SHARD,
            class_names: Vec::new(),
            splits: None,
            derived: None,
            expected: None,
            writing: None,
            computed_on: Vec::new(),
            targets: None,
            beside: Vec::new(),
            shards: Vec::new(),
        }
    }

    /// The names of all files but `zoo.json` itself.
    pub fn files(&self) -> Vec<String> {
        let others = self.targets.iter().chain(&self.beside).map(|entry| &entry.file);
        self.shards.iter().map(|shard| &shard.file).chain(others).cloned().collect()
    }

    /// Number of networks in all shards.
    pub fn nets(&self) -> u64 {
        self.shards.iter().map(|s| u64::from(s.nets)).sum()
    }

    /// Number of networks that the zoo is to hold, if that is known.
    pub fn planned(&self) -> Option<u64> {
        let derived = self.derived.as_ref().map(|d| d.nets);
        self.plan.map(|p| p.nets()).or(derived).or(self.expected)
    }

    /// Whether the zoo holds all that it is to hold; true if that is not known.
    pub fn is_complete(&self) -> bool {
        self.planned().is_none_or(|nets| nets == self.nets())
    }

    /// Number of networks in shards that hold networks computed on `computed_on[i]`.
    pub fn nets_computed_on(&self, i: usize) -> u64 {
        let here = |s: &&ShardEntry| s.computed_on.iter().any(|&c| c as usize == i);
        self.shards.iter().filter(here).map(|s| u64::from(s.nets)).sum()
    }

    /// The split that an object belongs to: by [`ZooManifest::splits`], else the source's.
    pub fn split_of(&self, object: i64) -> Option<&str> {
        let named = self.splits.iter().flatten().find(|(_, ranges)| {
            ranges.iter().any(|&[a, b]| (i64::from(a)..i64::from(b)).contains(&object))
        });
        match named {
            Some((name, _)) => Some(name),
            None => self.source.as_ref().and_then(|s| s.split.as_deref()),
        }
    }

    /// Parses `zoo.json`. `file` is the name used in messages.
    ///
    /// # Errors
    /// Another format version; unknown, missing or impossible fields.
    pub fn from_json(bytes: &[u8], file: &str) -> Result<ZooManifest, ZooError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u64,
        }
        let json = |e: serde_json::Error| ZooError::Json {
            file: file.to_string(),
            line: e.line(),
            column: e.column(),
            detail: e.to_string(),
        };
        // The version alone, first: another version may well have other fields.
        let Version { format_version } = serde_json::from_slice(bytes).map_err(json)?;
        if format_version != u64::from(FORMAT_VERSION) {
            return Err(ZooError::Version { file: file.to_string(), found: format_version });
        }
        let manifest: ZooManifest = serde_json::from_slice(bytes).map_err(json)?;
        manifest.validate(file)?;
        Ok(manifest)
    }

    /// `zoo.json`: equal manifests give equal bytes.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and maps keyed by strings always serialise.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first field that cannot be.
    pub fn validate(&self, file: &str) -> Result<(), ZooError> {
        self.mlp.validate().map_err(|source| ZooError::Mlp { file: file.to_string(), source })?;
        if self.nets_per_shard == 0 {
            return Err(ZooError::invalid(file, "nets_per_shard", "0", "at least 1"));
        }
        if let Some(plan) = self.plan {
            let [first, end] = plan.objects;
            if first > end || plan.views == 0 {
                return Err(ZooError::invalid(
                    file,
                    "plan",
                    format!("objects [{first}, {end}) with {} views", plan.views),
                    "first <= end and at least one view",
                ));
            }
            if let Some(Part { index, count }) = plan.part {
                Part::new(index, count)?;
            }
        }
        if let Some(planned) = self.planned()
            && self.nets() > planned
        {
            return Err(ZooError::invalid(
                file,
                "shards",
                format!("{} networks", self.nets()),
                format!("at most the {planned} that are planned"),
            ));
        }
        let last = self.shards.len().saturating_sub(1);
        for (i, shard) in self.shards.iter().enumerate() {
            let full = shard.nets == self.nets_per_shard;
            let fits = shard.nets > 0 && shard.nets <= self.nets_per_shard;
            if shard.file != shard_file(i) || !fits || (i < last && !full) {
                return Err(ZooError::invalid(
                    file,
                    format!("shard {i}"),
                    format!("{} with {} networks", shard.file, shard.nets),
                    format!(
                        "{} with {} networks (fewer only in the last)",
                        shard_file(i),
                        self.nets_per_shard
                    ),
                ));
            }
        }
        let devices = self.computed_on.len();
        let beyond = |s: &&ShardEntry| s.computed_on.iter().any(|&c| c as usize >= devices);
        if let Some(shard) = self.shards.iter().find(beyond) {
            return Err(ZooError::invalid(
                file,
                format!("computed_on of {}", shard.file),
                format!("{:?}", shard.computed_on),
                format!("indices below {devices}"),
            ));
        }
        if let Some(targets) = &self.targets
            && targets.file != TARGETS_FILE
        {
            return Err(ZooError::invalid(file, "targets.file", &targets.file, TARGETS_FILE));
        }
        Ok(())
    }
}
