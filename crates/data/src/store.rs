//! Where zoos live: a flat set of named byte strings with atomic replacement.
//!
//! A folder on a native machine, memory in tests, later the browser's private file system: the
//! code above needs no more than these five operations, and above all needs [`Store::write`] to be
//! atomic, since that alone makes "nothing half-written is ever taken for a shard" true.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

/// A store that could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no file of that name.
    #[error("{name}: no such file in {store}")]
    NotFound {
        /// The name asked for.
        name: String,
        /// Which store.
        store: String,
    },
    /// A name that could point outside the store, or that is kept for temporary files.
    #[error(
        "{name:?} cannot be a file name in a store: give a relative path with '/' between its \
         parts, no part empty, '.', '..' or ending in {TEMPORARY:?}"
    )]
    Name {
        /// The name given.
        name: String,
    },
    /// No space left, or a quota reached.
    #[error(
        "{name}: no space for its {bytes} bytes in {store} ({source}); free some space \
         and run the command again (a fit continues with --resume)"
    )]
    Full {
        /// The file being written.
        name: String,
        /// Which store.
        store: String,
        /// Length of the whole file.
        bytes: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file larger than the process or the file system may make.
    #[error(
        "{name}: its {bytes} bytes are more than one file may have in {store} ({source}); raise the limit \
         (`ulimit -f`) or use another disk, and run the command again (a fit continues with --resume)"
    )]
    TooLarge {
        /// The file being written.
        name: String,
        /// Which store.
        store: String,
        /// Length of the whole file.
        bytes: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file lies where the folder should be.
    #[error("{store}: is a file, not a folder; choose another name (--out)")]
    NotAFolder {
        /// Which store.
        store: String,
    },
    /// Another writer is at work.
    #[error(
        "{store}: another process is writing there; wait until it has ended, or choose another folder \
         (--out). The lock ends with its process, even a killed one"
    )]
    Locked {
        /// Which store.
        store: String,
    },
    /// Any other failure of the file system.
    #[error("{store}: cannot {action} {name}: {source}")]
    Io {
        /// What was tried: "read", "write", ...
        action: &'static str,
        /// The file.
        name: String,
        /// Which store.
        store: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Suffix of files that are being written. A file of such a name is never listed nor read.
pub(crate) const TEMPORARY: &str = ".partial";

/// A place for named byte strings.
///
/// Names are relative paths with `/` between their parts. Futures are not `Send`, because a
/// browser's are not.
pub trait Store {
    /// The whole file.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what the system said.
    fn read(&self, name: &str) -> impl Future<Output = Result<Vec<u8>, StoreError>>;

    /// Creates or replaces a file, atomically and durably: after a kill or a power cut at any
    /// moment the name holds the old bytes or the new ones.
    ///
    /// # Errors
    /// [`StoreError::Full`], or what the system said; then the name holds what it held.
    fn write(&self, name: &str, bytes: &[u8]) -> impl Future<Output = Result<(), StoreError>>;

    /// The names of all files, sorted.
    ///
    /// # Errors
    /// What the system said.
    fn list(&self) -> impl Future<Output = Result<Vec<String>, StoreError>>;

    /// A file, or what else lies there, if there is anything at all.
    ///
    /// # Errors
    /// What the system said.
    fn any(&self) -> impl Future<Output = Result<Option<String>, StoreError>> {
        async { Ok(self.list().await?.into_iter().next()) }
    }

    /// Whether there is a file of that name.
    ///
    /// # Errors
    /// What the system said.
    fn exists(&self, name: &str) -> impl Future<Output = Result<bool, StoreError>>;

    /// Deletes a file; one that is not there is no error.
    ///
    /// # Errors
    /// What the system said.
    fn remove(&self, name: &str) -> impl Future<Output = Result<(), StoreError>>;

    /// Keeps other writers out for as long as the lock lives. Readers need none, since every write is
    /// atomic. A store that nobody else can reach gives a lock that means nothing.
    ///
    /// # Errors
    /// [`StoreError::Locked`], or what the system said.
    fn lock(&self) -> impl Future<Output = Result<StoreLock, StoreError>> {
        async { Ok(StoreLock::default()) }
    }

    /// A name for people, used in messages.
    fn describe(&self) -> String;

    /// A file's name for people, with the store's.
    fn locate(&self, name: &str) -> String {
        format!("{}/{name}", self.describe())
    }
}

/// The right to write to a store, until it is dropped.
#[derive(Default)]
pub struct StoreLock {
    /// Held for its `Drop`.
    _held: Option<Box<dyn Any + Send + Sync>>,
}

impl StoreLock {
    /// A lock that ends when `held` is dropped.
    pub fn new(held: impl Any + Send + Sync) -> StoreLock {
        StoreLock { _held: Some(Box::new(held)) }
    }
}

impl fmt::Debug for StoreLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreLock").finish_non_exhaustive()
    }
}

/// Refuses names that could leave the store.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let part_is_fine = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.ends_with(TEMPORARY)
            && !part.contains(['\\', ':', '\0'])
    };
    if name.split('/').all(part_is_fine) {
        Ok(())
    } else {
        Err(StoreError::Name { name: name.to_string() })
    }
}

/// A store in memory. Clones share their contents.
#[derive(Clone, Debug, Default)]
pub struct MemStore {
    name: String,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl MemStore {
    /// An empty store.
    pub fn new() -> MemStore {
        MemStore::default()
    }

    /// The same files, called `name` in messages instead of "memory".
    pub fn called(self, name: &str) -> MemStore {
        MemStore { name: name.to_owned(), ..self }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        // A panic elsewhere cannot leave the map half-changed: every operation is one call.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemStore {
    async fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        check_name(name)?;
        self.files()
            .get(name)
            .cloned()
            .ok_or_else(|| StoreError::NotFound { name: name.to_string(), store: self.describe() })
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_name(name)?;
        self.files().insert(name.to_string(), bytes.to_vec());
        Ok(())
    }

    async fn list(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.files().keys().cloned().collect())
    }

    async fn exists(&self, name: &str) -> Result<bool, StoreError> {
        check_name(name)?;
        Ok(self.files().contains_key(name))
    }

    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        check_name(name)?;
        self.files().remove(name);
        Ok(())
    }

    fn describe(&self) -> String {
        if self.name.is_empty() { "memory".to_string() } else { self.name.clone() }
    }
}
