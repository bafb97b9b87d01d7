//! The zip archive around a pickle.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::rc::Rc;

use zip::ZipArchive;

use super::error::TorchError;

/// How many times the size of the file its contents may be, all together.
pub(crate) const EXPANSION: u64 = 64;

/// An archive of `torch.save`.
pub(crate) struct Archive<'a> {
    file: &'a str,
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The folder inside the archive in which everything lies, with its slash.
    prefix: String,
    limit: u64,
    left: u64,
    storages: HashMap<String, Rc<[u8]>>,
}

impl<'a> Archive<'a> {
    pub fn open(bytes: &'a [u8], file: &'a str) -> Result<Archive<'a>, TorchError> {
        let damaged = |detail: String| TorchError::Archive { file: file.to_string(), detail };
        if !bytes.starts_with(b"PK") {
            return Err(damaged("it does not begin with PK".to_string()));
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged(e.to_string()))?;
        let mut prefixes: Vec<String> = zip
            .file_names()
            .filter_map(|name| name.ok()?.strip_suffix("data.pkl").map(ToString::to_string))
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('/'))
            .collect();
        let member = || TorchError::Member { file: file.to_string(), member: "data.pkl".into() };
        let prefix = prefixes.pop().ok_or_else(member)?;
        if !prefixes.is_empty() {
            return Err(damaged("it holds several files data.pkl".to_string()));
        }
        let limit = EXPANSION * bytes.len() as u64;
        let mut archive =
            Archive { file, zip, prefix, limit, left: limit, storages: HashMap::new() };
        archive.check_byte_order()?;
        Ok(archive)
    }

    fn check_byte_order(&mut self) -> Result<(), TorchError> {
        // Written since PyTorch 2.1; before that all files were little-endian.
        match self.read("byteorder") {
            Ok(order) if order != b"little" => Err(TorchError::Archive {
                file: self.file.to_string(),
                detail: "its byteorder is not little".to_string(),
            }),
            Ok(_) | Err(TorchError::Member { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// A member, decompressed. The size that the archive declares is not believed.
    pub fn read(&mut self, member: &str) -> Result<Vec<u8>, TorchError> {
        let name = format!("{}{member}", self.prefix);
        let Some(index) = self.zip.index_for_name(&name) else {
            return Err(TorchError::Member { file: self.file.to_string(), member: name });
        };
        let damaged = |detail: String| TorchError::Archive { file: self.file.to_string(), detail };
        let entry = self.zip.by_index(index).map_err(|e| damaged(format!("{name}: {e}")))?;
        let mut bytes = Vec::new();
        entry
            .take(self.left + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| damaged(format!("{name}: {e}")))?;
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| TorchError::Bomb {
            file: self.file.to_string(),
            member: name,
            limit: self.limit,
        })?;
        Ok(bytes)
    }

    /// The raw bytes of storage `key`, read once however often it is used.
    pub fn storage(&mut self, key: &str) -> Result<Rc<[u8]>, TorchError> {
        if let Some(known) = self.storages.get(key) {
            return Ok(known.clone());
        }
        let bytes: Rc<[u8]> = self.read(&format!("data/{key}"))?.into();
        self.storages.insert(key.to_string(), bytes.clone());
        Ok(bytes)
    }

    /// The most elements that a tensor of this file may have.
    pub fn most_elements(&self) -> usize {
        usize::try_from(self.limit / 4).unwrap_or(usize::MAX)
    }
}
