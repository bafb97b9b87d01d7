//! Zoos: many fitted networks of one architecture, in a store.
//!
//! A zoo is a manifest, `zoo.json`, and numbered shards. A shard counts only once the manifest
//! lists it with its hash, and the manifest is replaced atomically after the shard is safely
//! stored: so a kill at any moment leaves a zoo that is whole up to its last listed shard, and
//! what lies beyond is written over.

pub(crate) mod derived;
pub(crate) mod difference;
pub(crate) mod error;
pub(crate) mod manifest;
pub(crate) mod merge;
pub(crate) mod shard;
pub(crate) mod targets;

use self::difference::differences;
use self::error::ZooError;
use self::manifest::{
    ComputedOn, FileEntry, MANIFEST_FILE, ShardEntry, TARGETS_FILE, ZooManifest, shard_file,
};
use self::shard::Shard;
use self::targets::Targets;
use crate::hash::blake3_hex;
use crate::store::{Store, StoreError, StoreLock};

/// A zoo in a store. One that was created or resumed keeps other writers out until it is dropped.
#[derive(Debug)]
pub struct Zoo<S: Store> {
    store: S,
    manifest: ZooManifest,
    /// Held from the first write on.
    lock: Option<StoreLock>,
    /// On what the shards appended from now on were computed.
    computing_on: Option<ComputedOn>,
}

impl<S: Store> Zoo<S> {
    /// Begins a zoo. The manifest's `shards`, `computed_on` and `targets` must be empty. What the same command
    /// ([`ZooManifest::writing`]) left there when it was ended is replaced.
    ///
    /// # Errors
    /// There is a zoo or anything else already; an impossible manifest; a store that cannot be
    /// written, or that another process is writing to.
    pub async fn create(store: S, mut manifest: ZooManifest) -> Result<Zoo<S>, ZooError> {
        manifest.validate(MANIFEST_FILE)?;
        let results = !manifest.computed_on.is_empty() || manifest.targets.is_some();
        if !manifest.shards.is_empty() || results {
            return Err(ZooError::invalid(
                MANIFEST_FILE,
                "shards, computed_on and targets",
                "some",
                "none in the manifest of a new zoo",
            ));
        }
        // Before anything is made that would have to be removed again.
        let writing = manifest.writing.take();
        refuse_other_contents(&store, writing.as_deref()).await?;
        let lock = store.lock().await?;
        refuse_other_contents(&store, writing.as_deref()).await?;
        clear_remains(&store).await?;
        manifest.writing = writing.filter(|_| !manifest.is_complete());
        let zoo = Zoo { store, manifest, lock: Some(lock), computing_on: None };
        zoo.save().await?;
        Ok(zoo)
    }

    /// Opens a zoo.
    ///
    /// # Errors
    /// No zoo; a manifest of another version, or damaged; a listed file that is gone. The hashes
    /// of files are checked when they are read.
    pub async fn open(store: S) -> Result<Zoo<S>, ZooError> {
        let manifest = match read_manifest(&store).await? {
            Some(manifest) => manifest,
            None => return Err(ZooError::NotAZoo { store: store.describe() }),
        };
        for file in manifest.files() {
            if !store.exists(&file).await? {
                return Err(ZooError::Missing { file, store: store.describe() });
            }
        }
        Ok(Zoo { store, manifest, lock: None, computing_on: None })
    }

    /// Continues the zoo in `store`, or begins one if there is none. `manifest` is what
    /// [`Zoo::create`] would be given; everything in it must be as it was then.
    ///
    /// # Errors
    /// As [`Zoo::open`] and [`Zoo::create`], but that files may be gone, since they can be made again
    /// ([`Zoo::replace`], [`Zoo::write_targets`]); [`ZooError::Resume`] names what differs.
    pub async fn resume(store: S, manifest: ZooManifest) -> Result<Zoo<S>, ZooError> {
        if !store.exists(MANIFEST_FILE).await? {
            return Zoo::create(store, manifest).await;
        }
        let lock = Some(store.lock().await?);
        let Some(there) = read_manifest(&store).await? else {
            return Err(ZooError::NotAZoo { store: store.describe() });
        };
        let zoo = Zoo { store, manifest: there, lock, computing_on: None };
        zoo.refuse_remains()?;
        let differences = differences(&zoo.manifest, &manifest);
        if !differences.is_empty() {
            return Err(ZooError::Resume { store: zoo.store.describe(), differences });
        }
        Ok(zoo)
    }

    /// Says on what the networks appended from now on were computed, so that the zoo records it.
    pub fn set_computing_on(&mut self, device: ComputedOn) {
        self.computing_on = Some(device);
    }

    /// Refuses what is left of a command that was ended: nothing continues it, and which networks are
    /// missing is not recorded. A fit that is under way, or can be resumed, is no such thing.
    ///
    /// # Errors
    /// [`ZooError::Unfinished`].
    pub fn refuse_remains(&self) -> Result<(), ZooError> {
        remains(&self.manifest, self.store.describe()).map_or(Ok(()), Err)
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
        let devices: Vec<ComputedOn> = self.computing_on.iter().cloned().collect();
        self.append_from(shard, &devices).await
    }

    /// As [`Zoo::append`], for networks computed on all of `devices`.
    pub(crate) async fn append_from(
        &mut self,
        shard: &Shard,
        devices: &[ComputedOn],
    ) -> Result<(), ZooError> {
        let index = self.manifest.shards.len();
        self.check_next(index, shard)?;
        let known = self.manifest.computed_on.len();
        let entry = self.write_shard(index, shard, devices).await?;
        self.manifest.shards.push(entry);
        let writing = self.manifest.writing.clone();
        if self.manifest.is_complete() {
            self.manifest.writing = None;
        }
        self.save().await.inspect_err(|_| {
            // Still unlisted on disk, so unlisted here too.
            self.manifest.shards.pop();
            self.manifest.writing = writing;
            self.manifest.computed_on.truncate(known);
        })
    }

    /// Puts shard `index` there again, of the networks that it should hold.
    ///
    /// # Errors
    /// Other networks than the shard held, or a store that cannot be written.
    pub async fn replace(&mut self, index: usize, shard: &Shard) -> Result<(), ZooError> {
        let before: u64 =
            self.manifest.shards[..index].iter().map(|entry| u64::from(entry.nets)).sum();
        let nets = self.manifest.shards[index].nets;
        if shard.len() as u64 != u64::from(nets) {
            let found = format!("{} networks", shard.len());
            return Err(self.off_plan(index, format!("{nets} networks"), found));
        }
        self.check_plan(index, before, shard)?;
        let devices: Vec<ComputedOn> = self.computing_on.iter().cloned().collect();
        let manifest = self.manifest.clone();
        let entry = self.write_shard(index, shard, &devices).await?;
        self.manifest.shards[index] = entry;
        self.save().await.inspect_err(|_| self.manifest = manifest)
    }

    /// Stores a shard, and says how it is to be listed.
    async fn write_shard(
        &mut self,
        index: usize,
        shard: &Shard,
        devices: &[ComputedOn],
    ) -> Result<ShardEntry, ZooError> {
        let file = shard_file(index);
        shard.check(&self.manifest.mlp, &file)?;
        let bytes = shard.to_bytes(&self.manifest.mlp)?;
        self.lock().await?;
        self.store.write(&file, &bytes).await?;
        let mut computed_on: Vec<u32> = devices.iter().map(|d| self.index_of(d)).collect();
        computed_on.sort_unstable();
        computed_on.dedup();
        Ok(ShardEntry { file, nets: shard.len() as u32, blake3: blake3_hex(&bytes), computed_on })
    }

    /// Where a device stands in the manifest, at whose end it is put if it is new.
    fn index_of(&mut self, device: &ComputedOn) -> u32 {
        let all = &mut self.manifest.computed_on;
        let at = all.iter().position(|d| d == device).unwrap_or_else(|| {
            all.push(device.clone());
            all.len() - 1
        });
        at as u32
    }

    /// Keeps other writers out from now on. A zoo that was merely opened is locked at its first write.
    async fn lock(&mut self) -> Result<(), ZooError> {
        if self.lock.is_none() {
            self.lock = Some(self.store.lock().await?);
        }
        Ok(())
    }

    fn check_next(&self, index: usize, shard: &Shard) -> Result<(), ZooError> {
        let off = |expected, found| self.off_plan(index, expected, found);
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
        self.check_plan(index, before, shard)
    }

    /// Checks that the networks are those that the plan has after the first `before`.
    fn check_plan(&self, index: usize, before: u64, shard: &Shard) -> Result<(), ZooError> {
        let Some(plan) = self.manifest.plan else { return Ok(()) };
        for i in 0..shard.len().min(shard.objects.len()).min(shard.views.len()) {
            let (object, view) = plan.net(before + i as u64);
            let found = (shard.objects[i], shard.views[i]);
            if found != (i64::from(object), i64::from(view)) {
                return Err(self.off_plan(
                    index,
                    format!("object {object}, view {view} as its network {i}"),
                    format!("object {}, view {}", found.0, found.1),
                ));
            }
        }
        Ok(())
    }

    fn off_plan(&self, shard: usize, expected: String, found: String) -> ZooError {
        ZooError::OffPlan { store: self.store.describe(), shard, expected, found }
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
        let file = self.store.locate(&entry.file);
        let shard = Shard::from_bytes(&bytes, &file, &self.manifest.mlp)?;
        if shard.len() as u64 != u64::from(entry.nets) {
            return Err(ZooError::invalid(
                &file,
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
        for entry in &self.manifest.beside {
            self.read_checked(&entry.file, &entry.blake3).await?;
        }
        self.read_targets().await.map(drop)
    }

    /// Keeps a file beside the shards, listed with its hash, replacing one of that name.
    ///
    /// # Errors
    /// A store that cannot be written, or a name that it does not take.
    pub async fn write_beside(&mut self, name: &str, bytes: &[u8]) -> Result<(), ZooError> {
        let entry = FileEntry { file: name.to_string(), blake3: blake3_hex(bytes) };
        self.lock().await?;
        self.store.write(name, bytes).await?;
        let before = self.manifest.beside.clone();
        self.manifest.beside.retain(|b| b.file != name);
        self.manifest.beside.push(entry);
        self.save().await.inspect_err(|_| self.manifest.beside = before)
    }

    /// A file that [`Zoo::write_beside`] kept; `None` if there is none of that name.
    ///
    /// # Errors
    /// Missing or damaged.
    pub async fn read_beside(&self, name: &str) -> Result<Option<Vec<u8>>, ZooError> {
        match self.manifest.beside.iter().find(|b| b.file == name) {
            Some(entry) => self.read_checked(&entry.file, &entry.blake3).await.map(Some),
            None => Ok(None),
        }
    }

    /// Keeps the images that are fitted beside their networks, replacing any kept before, and what of them is gone or
    /// damaged.
    ///
    /// # Errors
    /// A shape that is not [`ZooManifest::image_shape`], or a store that cannot be written.
    pub async fn write_targets(&mut self, targets: &Targets) -> Result<(), ZooError> {
        self.check_target_shape(targets)?;
        let bytes = targets.to_bytes()?;
        let entry = FileEntry { file: TARGETS_FILE.to_string(), blake3: blake3_hex(&bytes) };
        let listed = self.manifest.targets.as_ref() == Some(&entry);
        if listed && self.read_checked(TARGETS_FILE, &entry.blake3).await.is_ok() {
            return Ok(());
        }
        self.lock().await?;
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
        let targets = Targets::from_bytes(&bytes, &self.store.locate(&entry.file))?;
        self.check_target_shape(&targets)?;
        Ok(Some(targets))
    }

    fn check_target_shape(&self, targets: &Targets) -> Result<(), ZooError> {
        let found = [targets.height, targets.width, targets.channels];
        match self.manifest.image_shape {
            Some(shape) if shape != found => Err(ZooError::invalid(
                &self.store.locate(TARGETS_FILE),
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
            let (file, expected) = (self.store.locate(file), expected.to_string());
            return Err(ZooError::Hash { file, expected, found });
        }
        Ok(bytes)
    }

    async fn save(&self) -> Result<(), ZooError> {
        Ok(self.store.write(MANIFEST_FILE, &self.manifest.to_json()).await?)
    }
}

/// The manifest in a store, if there is one.
async fn read_manifest<S: Store>(store: &S) -> Result<Option<ZooManifest>, ZooError> {
    match store.read(MANIFEST_FILE).await {
        Err(StoreError::NotFound { .. }) => Ok(None),
        bytes => ZooManifest::from_json(&bytes?, &store.locate(MANIFEST_FILE)).map(Some),
    }
}

/// The error about a zoo that cannot be continued and that misses networks.
fn remains(manifest: &ZooManifest, store: String) -> Option<ZooError> {
    let resumable = manifest.plan.is_some() && manifest.writing.is_none();
    let planned = manifest.planned().filter(|_| !resumable && !manifest.is_complete())?;
    let derived = manifest.derived.as_ref().map(|d| &d.operation);
    let by = manifest.writing.as_ref().or(derived);
    let by = by.map_or("the command".to_string(), |by| format!("`{by}`"));
    Some(ZooError::Unfinished { store, nets: manifest.nets(), planned, by })
}

/// A new zoo goes where there is nothing: not over another one, and not between strange files. Only what is left
/// of the same command (`writing`) is not in its way.
async fn refuse_other_contents<S: Store>(store: &S, writing: Option<&str>) -> Result<(), ZooError> {
    if store.exists(MANIFEST_FILE).await? {
        // One that cannot be read is in the way no less.
        let there = read_manifest(store).await.ok().flatten();
        let own = |zoo: &ZooManifest| {
            writing.is_some() && zoo.writing.as_deref() == writing && !zoo.is_complete()
        };
        if there.as_ref().is_some_and(own) {
            let strange = store.list().await?.into_iter().find(|name| !is_zoo_file(name));
            return match strange {
                Some(first) => Err(ZooError::NotEmpty { store: store.describe(), first }),
                None => Ok(()),
            };
        }
        return Err(there
            .and_then(|zoo| remains(&zoo, store.describe()))
            .unwrap_or_else(|| ZooError::AlreadyExists { store: store.describe() }));
    }
    match store.any().await? {
        Some(first) => Err(ZooError::NotEmpty { store: store.describe(), first }),
        None => Ok(()),
    }
}

/// Whether a zoo may have such a file: its manifest, shards, targets and what is kept beside them.
fn is_zoo_file(name: &str) -> bool {
    name == MANIFEST_FILE || (name.ends_with(".safetensors") && !name.contains('/'))
}

/// Removes what [`refuse_other_contents`] found to be left of the same command. The manifest goes last: until then
/// it says what the rest is.
async fn clear_remains<S: Store>(store: &S) -> Result<(), ZooError> {
    if !store.exists(MANIFEST_FILE).await? {
        return Ok(());
    }
    for name in store.list().await?.iter().filter(|&n| n != MANIFEST_FILE && is_zoo_file(n)) {
        store.remove(name).await?;
    }
    Ok(store.remove(MANIFEST_FILE).await?)
}
