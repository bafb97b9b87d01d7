//! Zoos: many fitted networks of one architecture, in a store.
//!
//! A zoo is a manifest, `zoo.json`, and numbered shards. A shard counts only once the manifest
//! lists it with its hash, and the manifest is replaced atomically after the shard is safely
//! stored: so a kill at any moment leaves a zoo that is whole up to its last listed shard, and
//! what lies beyond is written over.

pub(crate) mod derived;
pub(crate) mod error;
pub(crate) mod manifest;
pub(crate) mod merge;
pub(crate) mod shard;
pub(crate) mod targets;

use self::error::ZooError;
use self::manifest::{
    FileEntry, MANIFEST_FILE, Plan, ShardEntry, TARGETS_FILE, ZooManifest, shard_file,
};
use self::shard::Shard;
use self::targets::Targets;
use crate::hash::blake3_hex;
use crate::store::{Store, StoreError};

/// A zoo in a store.
#[derive(Debug)]
pub struct Zoo<S: Store> {
    store: S,
    manifest: ZooManifest,
}

impl<S: Store> Zoo<S> {
    /// Begins a zoo. The manifest's `shards` and `targets` must be empty.
    ///
    /// # Errors
    /// There is a zoo already; an impossible manifest; a store that cannot be written.
    pub async fn create(store: S, manifest: ZooManifest) -> Result<Zoo<S>, ZooError> {
        if store.exists(MANIFEST_FILE).await? {
            return Err(ZooError::AlreadyExists { store: store.describe() });
        }
        manifest.validate(MANIFEST_FILE)?;
        if !manifest.shards.is_empty() || manifest.targets.is_some() {
            return Err(ZooError::invalid(
                MANIFEST_FILE,
                "shards and targets",
                "some",
                "none in the manifest of a new zoo",
            ));
        }
        let zoo = Zoo { store, manifest };
        zoo.save().await?;
        Ok(zoo)
    }

    /// Opens a zoo.
    ///
    /// # Errors
    /// No zoo; a manifest of another version, or damaged; a listed file that is gone. The hashes
    /// of files are checked when they are read.
    pub async fn open(store: S) -> Result<Zoo<S>, ZooError> {
        let bytes = match store.read(MANIFEST_FILE).await {
            Err(StoreError::NotFound { .. }) => {
                return Err(ZooError::NotAZoo { store: store.describe() });
            }
            other => other?,
        };
        let manifest = ZooManifest::from_json(&bytes, MANIFEST_FILE)?;
        let targets = manifest.targets.iter().map(|t| &t.file);
        for file in manifest.shards.iter().map(|s| &s.file).chain(targets) {
            if !store.exists(file).await? {
                return Err(ZooError::Missing { file: file.clone(), store: store.describe() });
            }
        }
        Ok(Zoo { store, manifest })
    }

    /// Continues the zoo in `store`, or begins one if there is none. `manifest` is what
    /// [`Zoo::create`] would be given; everything in it must be as it was then.
    ///
    /// # Errors
    /// As [`Zoo::open`]; [`ZooError::Resume`] names the first thing that differs; the hash of the
    /// last shard is checked, since that is the one that was in flight.
    pub async fn resume(store: S, manifest: ZooManifest) -> Result<Zoo<S>, ZooError> {
        if !store.exists(MANIFEST_FILE).await? {
            return Zoo::create(store, manifest).await;
        }
        let zoo = Zoo::open(store).await?;
        if let Some((field, theirs, ours)) = first_difference(&zoo.manifest, &manifest) {
            let store = zoo.store.describe();
            return Err(ZooError::Resume { store, field, theirs, ours });
        }
        if let Some(last) = zoo.manifest.shards.len().checked_sub(1) {
            zoo.read_shard(last).await?;
        }
        Ok(zoo)
    }

    /// What the zoo is.
    pub fn manifest(&self) -> &ZooManifest {
        &self.manifest
    }

    /// Where it is.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Number of networks in it.
    pub fn nets(&self) -> u64 {
        self.manifest.nets()
    }

    /// Appends a shard, durably: when this returns, a kill cannot lose it any more.
    ///
    /// Every shard but the last holds [`ZooManifest::nets_per_shard`] networks, and with a plan
    /// they are those that the plan has next.
    ///
    /// # Errors
    /// Lengths that disagree, a shard after one that was not full, networks off the plan, or a
    /// store that cannot be written; then the zoo is as it was.
    pub async fn append(&mut self, shard: &Shard) -> Result<(), ZooError> {
        let index = self.manifest.shards.len();
        let file = shard_file(index);
        shard.check(&self.manifest.mlp, &file)?;
        self.check_next(index, shard)?;
        let bytes = shard.to_bytes(&self.manifest.mlp)?;
        self.store.write(&file, &bytes).await?;
        let entry = ShardEntry { file, nets: shard.len() as u32, blake3: blake3_hex(&bytes) };
        self.manifest.shards.push(entry);
        self.save().await.inspect_err(|_| {
            // Still unlisted on disk, so unlisted here too.
            self.manifest.shards.pop();
        })
    }

    fn check_next(&self, index: usize, shard: &Shard) -> Result<(), ZooError> {
        let off = |expected: String, found: String| ZooError::OffPlan {
            store: self.store.describe(),
            shard: index,
            expected,
            found,
        };
        let (n, full) = (shard.len() as u64, u64::from(self.manifest.nets_per_shard));
        let before = self.manifest.nets();
        if n == 0 || n > full {
            return Err(off(format!("1 to {full} networks"), format!("{n}")));
        }
        if before != index as u64 * full {
            return Err(off("nothing more, after a shard that was not full".into(), n.to_string()));
        }
        let Some(plan) = self.manifest.plan else { return Ok(()) };
        let want = full.min(plan.nets() - before);
        if n != want {
            return Err(off(format!("{want} networks"), n.to_string()));
        }
        for i in 0..shard.len() {
            let (object, view) = plan.net(before + i as u64);
            let found = (shard.objects[i], shard.views[i]);
            if found != (i64::from(object), i64::from(view)) {
                return Err(off(
                    format!("object {object}, view {view} as its network {i}"),
                    format!("object {}, view {}", found.0, found.1),
                ));
            }
        }
        Ok(())
    }

    /// Reads shard `i`, checking its hash, shapes and count.
    ///
    /// # Errors
    /// Missing, damaged, or not what the manifest says of it.
    ///
    /// # Panics
    /// If there is no shard `i`.
    pub async fn read_shard(&self, i: usize) -> Result<Shard, ZooError> {
        let entry = &self.manifest.shards[i];
        let bytes = self.read_checked(&entry.file, &entry.blake3).await?;
        let shard = Shard::from_bytes(&bytes, &entry.file, &self.manifest.mlp)?;
        if shard.len() as u64 != u64::from(entry.nets) {
            return Err(ZooError::invalid(
                &entry.file,
                "label",
                format!("{} networks", shard.len()),
                format!("the {} that zoo.json records", entry.nets),
            ));
        }
        Ok(shard)
    }

    /// Reads every shard into one. Memory: `nets * (P + 10) * 4` bytes.
    ///
    /// # Errors
    /// As [`Zoo::read_shard`].
    pub async fn load_all(&self) -> Result<Shard, ZooError> {
        let mut all = Shard::default();
        for i in 0..self.manifest.shards.len() {
            all.extend(&self.read_shard(i).await?);
        }
        Ok(all)
    }

    /// Reads every file once and checks it.
    ///
    /// # Errors
    /// The first file that is not what it was.
    pub async fn verify(&self) -> Result<(), ZooError> {
        for i in 0..self.manifest.shards.len() {
            self.read_shard(i).await?;
        }
        self.read_targets().await.map(drop)
    }

    /// Keeps the images that are fitted beside their networks, replacing any kept before.
    ///
    /// # Errors
    /// A shape that is not [`ZooManifest::image_shape`], or a store that cannot be written.
    pub async fn write_targets(&mut self, targets: &Targets) -> Result<(), ZooError> {
        self.check_target_shape(targets)?;
        let bytes = targets.to_bytes()?;
        let entry = FileEntry { file: TARGETS_FILE.to_string(), blake3: blake3_hex(&bytes) };
        if self.manifest.targets.as_ref() == Some(&entry) {
            return Ok(());
        }
        self.store.write(TARGETS_FILE, &bytes).await?;
        let before = self.manifest.targets.replace(entry);
        self.save().await.inspect_err(|_| self.manifest.targets = before)
    }

    /// The images that were fitted, if the zoo keeps them.
    ///
    /// # Errors
    /// Missing or damaged.
    pub async fn read_targets(&self) -> Result<Option<Targets>, ZooError> {
        let Some(entry) = &self.manifest.targets else { return Ok(None) };
        let bytes = self.read_checked(&entry.file, &entry.blake3).await?;
        let targets = Targets::from_bytes(&bytes, &entry.file)?;
        self.check_target_shape(&targets)?;
        Ok(Some(targets))
    }

    fn check_target_shape(&self, targets: &Targets) -> Result<(), ZooError> {
        let found = [targets.height, targets.width, targets.channels];
        match self.manifest.image_shape {
            Some(shape) if shape != found => Err(ZooError::invalid(
                TARGETS_FILE,
                "pixels",
                format!("images of shape {found:?}"),
                format!("{shape:?} as zoo.json records"),
            )),
            _ => Ok(()),
        }
    }

    async fn read_checked(&self, file: &str, expected: &str) -> Result<Vec<u8>, ZooError> {
        let bytes = match self.store.read(file).await {
            Err(StoreError::NotFound { name, store }) => {
                return Err(ZooError::Missing { file: name, store });
            }
            other => other?,
        };
        let found = blake3_hex(&bytes);
        if found != expected {
            let (file, expected) = (file.to_string(), expected.to_string());
            return Err(ZooError::Hash { file, expected, found });
        }
        Ok(bytes)
    }

    async fn save(&self) -> Result<(), ZooError> {
        Ok(self.store.write(MANIFEST_FILE, &self.manifest.to_json()).await?)
    }
}

/// The first field in which the manifests of two jobs differ, with its two values. Shards and
/// targets are results and do not count.
fn first_difference(a: &ZooManifest, b: &ZooManifest) -> Option<(&'static str, String, String)> {
    fn text(value: &impl serde::Serialize) -> String {
        serde_json::to_string(value).unwrap_or_default()
    }
    let plan = |m: &ZooManifest| text(&m.plan.map(|p: Plan| (p.objects, p.views)));
    let part = |m: &ZooManifest| match m.plan.and_then(|p| p.part) {
        Some(part) => format!("--shard {part}"),
        None => "no --shard".to_string(),
    };
    let origin = |m: &ZooManifest| match &m.derived {
        Some(derived) => text(derived),
        None => "a fit or an import".to_string(),
    };
    let fields = [
        ("program version", a.created_by.clone(), b.created_by.clone()),
        ("architecture", text(&a.mlp), text(&b.mlp)),
        ("origin", origin(a), origin(b)),
        ("source", text(&a.source), text(&b.source)),
        ("image shape", text(&a.image_shape), text(&b.image_shape)),
        ("seed", a.seed.to_string(), b.seed.to_string()),
        ("fit settings", text(&a.fit), text(&b.fit)),
        ("part", part(a), part(b)),
        ("objects and views", plan(a), plan(b)),
        ("networks per shard", a.nets_per_shard.to_string(), b.nets_per_shard.to_string()),
        ("class names", text(&a.class_names), text(&b.class_names)),
        ("splits", text(&a.splits), text(&b.splits)),
    ];
    fields.into_iter().find(|(_, x, y)| x != y)
}
