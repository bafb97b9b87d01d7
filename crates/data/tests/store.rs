//! Stores: atomic writes, names, and a disk that is full.

mod common;

use std::fs;

use common::{block, says};
use weightlab_data::{DirStore, MemStore, Store, StoreError};

fn behaves(store: &impl Store) {
    assert!(block(store.list()).unwrap().is_empty());
    assert!(!block(store.exists("a/b.bin")).unwrap());
    assert!(matches!(block(store.read("a/b.bin")), Err(StoreError::NotFound { .. })));
    block(store.write("a/b.bin", b"one")).unwrap();
    block(store.write("c", b"")).unwrap();
    block(store.write("a/b.bin", b"two")).unwrap();
    assert_eq!(block(store.read("a/b.bin")).unwrap(), b"two");
    assert_eq!(block(store.list()).unwrap(), ["a/b.bin", "c"]);
    assert!(block(store.exists("c")).unwrap());
    assert!(!block(store.exists("a")).unwrap(), "a folder is no file");
    block(store.remove("c")).unwrap();
    block(store.remove("c")).unwrap();
    assert_eq!(block(store.list()).unwrap(), ["a/b.bin"]);
    for name in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\\b", "c:", "x.partial"] {
        assert!(matches!(block(store.write(name, b"")), Err(StoreError::Name { .. })), "{name}");
        assert!(block(store.read(name)).is_err(), "{name}");
    }
}

#[test]
fn both_stores_behave_alike() {
    behaves(&MemStore::new());
    let dir = tempfile::tempdir().unwrap();
    behaves(&DirStore::new(dir.path().join("not/yet/there")));
}

#[test]
fn what_a_kill_left_is_ignored_and_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::new(dir.path());
    fs::write(dir.path().join("a.bin.partial"), "half of a far longer file").unwrap();
    assert!(block(store.list()).unwrap().is_empty());
    block(store.write("a.bin", b"whole")).unwrap();
    assert_eq!(block(store.read("a.bin")).unwrap(), b"whole");
    assert!(!dir.path().join("a.bin.partial").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_names_the_file_and_its_bytes_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::new(dir.path());
    block(store.write("a.bin", b"old")).unwrap();
    // Whatever is written to /dev/full meets "no space left on device".
    std::os::unix::fs::symlink("/dev/full", dir.path().join("a.bin.partial")).unwrap();
    let error = block(store.write("a.bin", &[7; 1000])).unwrap_err();
    assert!(matches!(error, StoreError::Full { bytes: 1000, .. }), "{error}");
    says(&error, &["a.bin", "1000 bytes", "free some space", "(a fit continues with --resume)"]);
    assert!(!error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(block(store.read("a.bin")).unwrap(), b"old");
    block(store.write("a.bin", b"new")).unwrap();
    assert_eq!(block(store.read("a.bin")).unwrap(), b"new");
}

#[test]
fn a_file_where_a_folder_should_be() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("zoo"), "a file").unwrap();
    let store = DirStore::new(dir.path().join("zoo"));
    assert!(!block(store.exists("zoo.json")).unwrap());
    for error in [
        block(store.write("zoo.json", b"")).unwrap_err(),
        block(store.lock()).unwrap_err(),
        block(store.any()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::NotAFolder { .. }), "{error}");
        says(&error, &["zoo: is a file, not a folder", "--out"]);
    }
}
