//! Zip archives of whole files.

use super::ExchangeError;
use crate::store::check_name;
use crate::torch::archive::EXPANSION;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Names and contents.
pub(crate) type Members = Vec<(String, Vec<u8>)>;

/// Everything in an archive that is a file, without the folder that all lie in, if they do. The sizes that the archive
/// declares are not believed: together the members may have [`EXPANSION`] times its bytes.
pub(crate) fn unpack(bytes: &[u8], file: &str) -> Result<Members, ExchangeError> {
    let damaged = |detail: String| ExchangeError::Archive { file: file.to_owned(), detail };
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged(e.to_string()))?;
    let limit = EXPANSION * bytes.len() as u64;
    let mut left = limit;
    let mut members = Members::new();
    for i in 0..zip.len() {
        let entry = zip.by_index(i).map_err(|e| damaged(e.to_string()))?;
        let name = entry.name().map_err(|e| damaged(e.to_string()))?.replace('\\', "/");
        // Of macOS, beside every file.
        if entry.is_dir() || name.starts_with("__MACOSX/") || name.ends_with(".DS_Store") {
            continue;
        }
        check_name(&name).map_err(|error| damaged(error.to_string()))?;
        let mut contents = Vec::new();
        entry
            .take(left + 1)
            .read_to_end(&mut contents)
            .map_err(|e| damaged(format!("{name}: {e}")))?;
        let Some(rest) = left.checked_sub(contents.len() as u64) else {
            return Err(ExchangeError::Bomb { file: file.to_owned(), member: name, limit });
        };
        left = rest;
        members.push((name, contents));
    }
    strip_folder(&mut members);
    Ok(members)
}

fn strip_folder(members: &mut Members) {
    while let Some((folder, _)) = members.first().and_then(|(name, _)| name.split_once('/')) {
        let folder = format!("{folder}/");
        if !members.iter().all(|(name, _)| name.starts_with(&folder)) {
            return;
        }
        for (name, _) in members.iter_mut() {
            name.drain(..folder.len());
        }
    }
}

/// An archive. Weights have no pattern that packing would find, so members are stored as they are; equal contents give
/// equal bytes.
pub(super) fn pack(members: &Members) -> Result<Vec<u8>, ExchangeError> {
    let failed = |error: zip::result::ZipError| ExchangeError::Archive {
        file: "the new archive".to_owned(),
        detail: error.to_string(),
    };
    let options = SimpleFileOptions::DEFAULT.compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(name.as_str(), options).map_err(failed)?;
        zip.write_all(bytes).map_err(|error| failed(error.into()))?;
    }
    Ok(zip.finish().map_err(failed)?.into_inner())
}
