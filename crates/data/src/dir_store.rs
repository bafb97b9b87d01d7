//! A store that is a folder.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::store::{Store, StoreError, TEMPORARY, check_name};

/// A folder on disk.
///
/// A file is written to its name plus `.partial` in the same folder, synced, and renamed; then the
/// folder is synced. What a killed process leaves behind under such a name is ignored and
/// overwritten by the next attempt. Two processes must not write to one folder at the same time.
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
            if part.ends_with(TEMPORARY) {
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
            Err(e) => return Err(self.io("list", ".", e)),
        }
        names.sort();
        Ok(names)
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

    fn describe(&self) -> String {
        self.root.display().to_string()
    }
}
