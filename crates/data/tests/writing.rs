//! Writing a zoo: resumption, what a kill, a full disk or a second writer leaves, and what it was computed on.

mod common;

use common::{PLAN, block, manifest, mlp, says, shard, zoo_in};
use weightlab_data::{
    ComputedOn, DirStore, MANIFEST_FILE, MemStore, Part, SourceInfo, SourceKind, Store, StoreError,
    Zoo, ZooError, ZooManifest, shard_file,
};
use weightlab_nets::{Convention, Mlp};

#[test]
fn resuming_continues_the_same_work_only() {
    let store = MemStore::new();
    let mut zoo = block(Zoo::resume(store.clone(), manifest(PLAN, 4))).unwrap();
    block(zoo.append(&shard(&PLAN, &mlp(), 0, 4))).unwrap();
    drop(zoo);
    let mut zoo = block(Zoo::resume(store.clone(), manifest(PLAN, 4))).unwrap();
    assert_eq!(zoo.nets(), 4);
    block(zoo.append(&shard(&PLAN, &mlp(), 4, 8))).unwrap();
    block(zoo.append(&shard(&PLAN, &mlp(), 8, 10))).unwrap();
    let whole = MemStore::new();
    zoo_in(&whole);
    for name in block(whole.list()).unwrap() {
        assert_eq!(block(store.read(&name)).unwrap(), block(whole.read(&name)).unwrap(), "{name}");
    }

    type Change = (&'static str, Box<dyn Fn(&mut ZooManifest)>);
    let changes: [Change; 6] = [
        ("seed was 5, now 6 (--seed)", Box::new(|m| m.seed = 6)),
        (
            "architecture was 2-3-2-1, now 2-4-1 (--dims)",
            Box::new(|m| m.mlp = Mlp::new(&[2, 4, 1], Convention::Dwsnets).unwrap()),
        ),
        (
            "max_steps was 1000, now 7 (--steps)",
            Box::new(|m| m.fit.as_mut().unwrap().max_steps = 7),
        ),
        ("networks per shard was 4, now 5 (--shard-size)", Box::new(|m| m.nets_per_shard = 5)),
        (
            "objects was [10, 15), now [10, 16) (--offset and --limit)",
            Box::new(|m| m.plan.as_mut().unwrap().objects = [10, 16]),
        ),
        (
            "part was the whole job, now 0/2 (--shard)",
            Box::new(|m| m.plan.as_mut().unwrap().part = Some(Part { index: 0, count: 2 })),
        ),
    ];
    for (what, change) in changes {
        let mut other = manifest(PLAN, 4);
        change(&mut other);
        let error = block(Zoo::resume(store.clone(), other)).unwrap_err();
        assert!(matches!(error, ZooError::Resume { .. }), "{error}");
        says(&error, &[what, "choose another folder"]);
        assert!(!error.to_string().contains(['{', '"']), "raw JSON: {error}");
    }
    // All at once, in the digits in which they were given.
    let mut other = manifest(PLAN, 4);
    other.seed = 6;
    other.fit.as_mut().unwrap().learning_rate = 1e-3;
    other.fit.as_mut().unwrap().until_psnr = None;
    let error = block(Zoo::resume(store.clone(), other)).unwrap_err();
    says(
        &error,
        &[
            "seed was",
            "learning_rate was 0.0005, now 0.001 (--lr)",
            "until_psnr was 40.0, now none",
        ],
    );
    // A convention and a split by their names, and not also by all that follows from them.
    let source = |split: &str, blake3: &str| SourceInfo {
        kind: SourceKind::Idx,
        name: "digits".into(),
        split: Some(split.into()),
        blake3: blake3.into(),
    };
    let named = MemStore::new();
    let first = ZooManifest { source: Some(source("train", "1")), ..manifest(PLAN, 4) };
    drop(block(Zoo::create(named.clone(), first.clone())).unwrap());
    let differs = |other: ZooManifest| match block(Zoo::resume(named.clone(), other)) {
        Err(ZooError::Resume { differences, .. }) => {
            differences.into_iter().map(|d| (d.what, d.first, d.second)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let entry = |what: &str, first: &str, second: &str| {
        (what.to_owned(), first.to_owned(), second.to_owned())
    };
    let sitzmann = Mlp::new(&mlp().dims, Convention::Sitzmann).unwrap();
    assert_eq!(
        differs(ZooManifest { mlp: sitzmann, ..first.clone() }),
        [entry("convention", "dwsnets", "sitzmann")]
    );
    assert_eq!(
        differs(ZooManifest { source: Some(source("test", "2")), ..first.clone() }),
        [entry("source split", "train", "test")]
    );
    assert_eq!(
        differs(ZooManifest { source: Some(source("train", "2")), ..first }),
        [entry("contents of the source", "1", "2")]
    );
    // Looks and results are no part of the job.
    let mut same = manifest(PLAN, 4);
    same.class_names = vec!["boot".into()];
    block(Zoo::resume(store.clone(), same)).unwrap();
    let error = block(Zoo::create(store, manifest(PLAN, 4))).unwrap_err();
    says(&error, &["already holds a zoo", "--resume"]);
}

#[test]
fn a_kill_between_shard_and_manifest_loses_that_shard_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::new(dir.path().join("zoo"));
    let mut zoo = block(Zoo::create(store.clone(), manifest(PLAN, 4))).unwrap();
    block(zoo.append(&shard(&PLAN, &mlp(), 0, 4))).unwrap();
    drop(zoo);
    // What a kill leaves behind: a shard that is stored but not listed, and halves of files.
    std::fs::write(store.root().join(shard_file(1)), b"not listed yet").unwrap();
    std::fs::write(store.root().join("nets-00002.safetensors.partial"), b"half").unwrap();
    std::fs::write(store.root().join("zoo.json.partial"), b"{").unwrap();
    let listed = block(store.list()).unwrap();
    assert!(listed.iter().all(|f| !f.contains("partial")), "{listed:?}");
    let mut zoo = block(Zoo::resume(store.clone(), manifest(PLAN, 4))).unwrap();
    assert_eq!(zoo.nets(), 4);
    block(zoo.append(&shard(&PLAN, &mlp(), 4, 8))).unwrap();
    block(zoo.append(&shard(&PLAN, &mlp(), 8, 10))).unwrap();
    let whole = MemStore::new();
    zoo_in(&whole);
    for name in block(whole.list()).unwrap() {
        assert_eq!(block(store.read(&name)).unwrap(), block(whole.read(&name)).unwrap(), "{name}");
    }
    drop(zoo);
    let left: Vec<_> =
        std::fs::read_dir(store.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "no temporary file is left: {left:?}");
}

#[test]
fn a_damaged_shard_is_replaced() {
    let store = MemStore::new();
    zoo_in(&store);
    let name = shard_file(1);
    let whole = block(store.read(&name)).unwrap();
    let manifest_before = block(store.read("zoo.json")).unwrap();
    for left in [0, whole.len() / 2] {
        block(store.write(&name, &whole[..left])).unwrap();
        let mut zoo = block(Zoo::resume(store.clone(), manifest(PLAN, 4))).unwrap();
        assert!(matches!(block(zoo.read_shard(1)), Err(ZooError::Hash { .. })));
        // By the networks that it held, and by no others.
        for (first, end) in [(0, 4), (4, 7), (5, 9)] {
            let error = block(zoo.replace(1, &shard(&PLAN, &mlp(), first, end))).unwrap_err();
            assert!(matches!(error, ZooError::OffPlan { shard: 1, .. }), "{error}");
        }
        block(zoo.replace(1, &shard(&PLAN, &mlp(), 4, 8))).unwrap();
        block(zoo.verify()).unwrap();
        assert_eq!(block(store.read(&name)).unwrap(), whole);
        assert_eq!(block(store.read("zoo.json")).unwrap(), manifest_before);
    }
}

/// Writes nothing once `left` writes are done.
#[derive(Clone)]
struct FullStore {
    inner: MemStore,
    left: std::rc::Rc<std::cell::Cell<usize>>,
}

impl Store for FullStore {
    async fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.inner.read(name).await
    }
    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        if self.left.get() == 0 {
            return Err(StoreError::Full {
                name: name.into(),
                store: self.describe(),
                bytes: bytes.len() as u64,
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        self.left.set(self.left.get() - 1);
        self.inner.write(name, bytes).await
    }
    async fn list(&self) -> Result<Vec<String>, StoreError> {
        self.inner.list().await
    }
    async fn exists(&self, name: &str) -> Result<bool, StoreError> {
        self.inner.exists(name).await
    }
    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.inner.remove(name).await
    }
    fn describe(&self) -> String {
        "a small disk".into()
    }
}

#[test]
fn a_full_disk_at_any_write_leaves_a_zoo_that_resumes() {
    for writes in 1..7 {
        let store = FullStore { inner: MemStore::new(), left: std::rc::Rc::new(writes.into()) };
        let mut zoo = block(Zoo::create(store.clone(), manifest(PLAN, 4))).unwrap();
        let ends = [(0, 4), (4, 8), (8, 10)];
        let failed = ends.iter().position(|&(a, b)| {
            block(zoo.append(&shard(&PLAN, &mlp(), a, b))).is_err_and(|error| {
                says(&error, &["no space", "a small disk", "--resume"]);
                true
            })
        });
        let failed = failed.expect("seven writes are needed");
        assert_eq!(zoo.manifest().shards.len(), failed, "memory agrees with the disk");
        store.left.set(usize::MAX);
        let mut zoo = block(Zoo::resume(store.clone(), manifest(PLAN, 4))).unwrap();
        assert_eq!(zoo.manifest().shards.len(), failed);
        for &(a, b) in &ends[failed..] {
            block(zoo.append(&shard(&PLAN, &mlp(), a, b))).unwrap();
        }
        block(zoo.verify()).unwrap();
    }
}

fn device(kernel: &str) -> ComputedOn {
    ComputedOn {
        adapter: "a card".into(),
        backend: "vulkan".into(),
        driver: "1.2".into(),
        kernel: kernel.into(),
    }
}

#[test]
fn what_computed_a_shard_is_recorded() {
    let store = MemStore::new();
    let mut zoo = block(Zoo::create(store.clone(), manifest(PLAN, 4))).unwrap();
    zoo.set_computing_on(device("small tiles"));
    block(zoo.append(&shard(&PLAN, &mlp(), 0, 4))).unwrap();
    zoo.set_computing_on(device("large tiles"));
    block(zoo.append(&shard(&PLAN, &mlp(), 4, 8))).unwrap();
    zoo.set_computing_on(device("small tiles"));
    block(zoo.append(&shard(&PLAN, &mlp(), 8, 10))).unwrap();
    let zoo = block(Zoo::open(store.clone())).unwrap();
    let manifest = zoo.manifest();
    assert_eq!(manifest.computed_on, [device("small tiles"), device("large tiles")]);
    assert_eq!(
        manifest.shards.iter().map(|s| s.computed_on.clone()).collect::<Vec<_>>(),
        [[0], [1], [0]]
    );
    assert_eq!((manifest.nets_computed_on(0), manifest.nets_computed_on(1)), (6, 4));

    // Zoos of before it was recorded still open, and carry no trace of it.
    let old = MemStore::new();
    zoo_in(&old);
    let text = String::from_utf8(block(old.read(MANIFEST_FILE)).unwrap()).unwrap();
    assert!(!text.contains("computed_on"), "{text}");
    assert!(block(Zoo::open(old)).unwrap().manifest().computed_on.is_empty());

    let text = String::from_utf8(block(store.read(MANIFEST_FILE)).unwrap()).unwrap();
    let wrong = text.replacen("        1\n", "        7\n", 1);
    assert_ne!(wrong, text);
    block(store.write(MANIFEST_FILE, wrong.as_bytes())).unwrap();
    let error = block(Zoo::open(store)).unwrap_err();
    says(&error, &["computed_on of nets-00001", "[7]", "below 2"]);
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::new(dir.path().join("zoo"));
    let mut zoo = block(Zoo::create(store.clone(), manifest(PLAN, 4))).unwrap();
    block(zoo.append(&shard(&PLAN, &mlp(), 0, 4))).unwrap();
    let locked = |result: Result<Zoo<DirStore>, ZooError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, ZooError::Store(StoreError::Locked { .. })), "{error}");
        says(&error, &[&store.describe(), "another process", "--out"]);
    };
    locked(block(Zoo::resume(store.clone(), manifest(PLAN, 4))));
    // Reading is free, and a reader that begins to write is a writer.
    let mut reader = block(Zoo::open(store.clone())).unwrap();
    block(reader.verify()).unwrap();
    let error = block(reader.append(&shard(&PLAN, &mlp(), 4, 8))).unwrap_err();
    assert!(matches!(error, ZooError::Store(StoreError::Locked { .. })), "{error}");
    drop(zoo);
    // Nothing is left of the lock, and what a kill leaves of it holds nobody off.
    let lock = store.root().join("zoo.lock");
    assert!(!lock.exists());
    std::fs::write(&lock, "").unwrap();
    let zoo = block(Zoo::resume(store.clone(), manifest(PLAN, 4))).unwrap();
    assert!(!block(store.list()).unwrap().contains(&"zoo.lock".to_owned()));
    drop(zoo);
    assert!(!lock.exists());
}

#[test]
fn a_new_zoo_does_not_go_among_other_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::new(dir.path().join("zoo"));
    // An empty folder within, a left-over of an attempt and a left-over lock are nothing.
    std::fs::create_dir_all(store.root().join("lost+found")).unwrap();
    std::fs::write(store.root().join("zoo.json.partial"), "{").unwrap();
    std::fs::write(store.root().join("zoo.lock"), "").unwrap();
    std::fs::write(store.root().join(".DS_Store"), "").unwrap();
    drop(block(Zoo::create(store.clone(), manifest(PLAN, 4))).unwrap());
    block(store.remove(MANIFEST_FILE)).unwrap();
    std::fs::create_dir_all(store.root().join("deep")).unwrap();
    std::fs::write(store.root().join("deep/letter.txt"), "dear").unwrap();
    let error = block(Zoo::create(store.clone(), manifest(PLAN, 4))).unwrap_err();
    assert!(matches!(error, ZooError::NotEmpty { .. }), "{error}");
    says(&error, &[&store.describe(), "deep", "--out"]);
    std::fs::remove_dir_all(store.root().join("deep")).unwrap();
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"not unicode \xff");
        std::fs::write(store.root().join(name), "").unwrap();
        let error = block(Zoo::create(store.clone(), manifest(PLAN, 4))).unwrap_err();
        says(&error, &["not unicode"]);
    }
    let file = DirStore::new(dir.path().join("file"));
    std::fs::write(file.root(), "").unwrap();
    let error = block(Zoo::create(file, manifest(PLAN, 4))).unwrap_err();
    says(&error, &["file", "not a folder", "--out"]);
}
