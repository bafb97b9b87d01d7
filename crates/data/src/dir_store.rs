//! A store that is a folder.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::store::{Store, StoreError, StoreLock, TEMPORARY, check_name};

/// Name of the file that is locked while somebody writes. It is no part of what the store holds.
const LOCK_FILE: &str = "zoo.lock";

/// A folder on disk.
///
/// A file is written to its name plus `.partial` in the same folder, synced, and renamed; then the
/// folder is synced. What a killed process leaves behind under such a name is ignored and
/// overwritten by the next attempt. Two processes must not write to one folder at the same time:
/// [`Store::lock`] keeps the second one out.
#[derive(Clone, Debug)]
pub struct DirStore {
    root: PathBuf,
}

impl DirStore {
    /// The folder `root`, which need not exist: the first write makes it.
    pub fn new(root: impl Into<PathBuf>) -> DirStore {
        DirStore { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name)?;
        Ok(name.split('/').fold(self.root.clone(), |path, part| path.join(part)))
    }

    fn io(&self, action: &'static str, name: &str, source: io::Error) -> StoreError {
        StoreError::Io { action, name: name.to_string(), store: self.describe(), source }
    }

    fn write_io(&self, name: &str, bytes: usize, source: io::Error) -> StoreError {
        let (file, store, bytes) = (name.to_string(), self.describe(), bytes as u64);
        if self.root.exists() && !self.root.is_dir() {
            return StoreError::NotAFolder { store };
        }
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                StoreError::Full { name: file, store, bytes, source }
            }
            ErrorKind::FileTooLarge => StoreError::TooLarge { name: file, store, bytes, source },
            _ => self.io("write", name, source),
        }
    }

    fn walk(&self, dir: &Path, prefix: &str, out: &mut Vec<String>) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // A name that is not Unicode cannot be one of ours.
            let Ok(part) = entry.file_name().into_string() else { continue };
            if part.ends_with(TEMPORARY) || (prefix.is_empty() && part == LOCK_FILE) {
                continue;
            }
            let name = format!("{prefix}{part}");
            // `file_type` does not follow links, so a link to a parent cannot make this endless.
            if entry.file_type()?.is_dir() {
                self.walk(&entry.path(), &format!("{name}/"), out)?;
            } else {
                out.push(name);
            }
        }
        Ok(())
    }
}

/// Makes a rename in `dir` survive a power cut. Only Unix can open a folder to sync it; elsewhere
/// the file system's own journal has to do.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    fs::create_dir_all(dir)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY);
    let temporary = PathBuf::from(temporary);
    let attempt = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, path)
    };
    attempt().inspect_err(|_| {
        // The failed write is what matters; a left-over temporary file is harmless.
        let _ = fs::remove_file(&temporary);
    })?;
    sync_dir(dir)
}

/// A lock file that is another one at every look is being fought over.
const ATTEMPTS: u32 = 100;

/// The lock of the system on [`LOCK_FILE`], which ends with the process at the latest.
#[derive(Debug)]
struct DirLock {
    file: File,
    path: PathBuf,
}

impl DirLock {
    /// `None` if another process has it.
    fn acquire(path: &Path) -> io::Result<Option<DirLock>> {
        for _ in 0..ATTEMPTS {
            let file = File::options().create(true).truncate(false).write(true).open(path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                // Some network file systems have no locks; the rest of the store works there too.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // Who had the lock before may have removed the file in between; then this lock holds
            // nobody off.
            if is_at(&file, path)? {
                return Ok(Some(DirLock { file, path: path.to_path_buf() }));
            }
        }
        Ok(None)
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Elsewhere the file stays for good, so it is the same one.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // While it is still held: see `acquire`. What cannot be removed does no harm.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

impl Store for DirStore {
    async fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        fs::read(self.path(name)?).map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                StoreError::NotFound { name: name.to_string(), store: self.describe() }
            }
            _ => self.io("read", name, e),
        })
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write_atomically(&self.path(name)?, bytes).map_err(|e| self.write_io(name, bytes.len(), e))
    }

    async fn list(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        match self.walk(&self.root, "", &mut names) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(self.io("list", "its files", e)),
        }
        names.sort();
        Ok(names)
    }

    /// Looks no further than it must, since the folder may be a whole home. Names that are not Unicode
    /// count; hidden ones, such as file managers and network file systems leave everywhere, do not.
    async fn any(&self) -> Result<Option<String>, StoreError> {
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) if e.kind() == ErrorKind::NotADirectory => {
                return Err(StoreError::NotAFolder { store: self.describe() });
            }
            entries => entries.map_err(|e| self.io("list", "its files", e))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| self.io("list", "its files", e))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_file = !entry.file_type().is_ok_and(|t| t.is_dir());
            // Such as the lost+found of a fresh disk.
            let holds_something =
                || fs::read_dir(entry.path()).is_ok_and(|mut inner| inner.next().is_some());
            let nothing = name.ends_with(TEMPORARY) || name == LOCK_FILE || name.starts_with('.');
            if !nothing && (is_file || holds_something()) {
                names.push(name);
            }
        }
        Ok(names.into_iter().min())
    }

    async fn exists(&self, name: &str) -> Result<bool, StoreError> {
        match fs::metadata(self.path(name)?) {
            Ok(data) => Ok(data.is_file()),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(false)
            }
            Err(e) => Err(self.io("look for", name, e)),
        }
    }

    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        match fs::remove_file(self.path(name)?) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(self.io("remove", name, e)),
        }
    }

    async fn lock(&self) -> Result<StoreLock, StoreError> {
        let attempt = || {
            fs::create_dir_all(&self.root)?;
            DirLock::acquire(&self.root.join(LOCK_FILE))
        };
        match attempt().map_err(|e| self.write_io(LOCK_FILE, 0, e))? {
            Some(lock) => Ok(StoreLock::new(lock)),
            None => Err(StoreError::Locked { store: self.describe() }),
        }
    }

    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn locate(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }
}
