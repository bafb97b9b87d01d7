//! The binary version of CIFAR-10: records of one label byte and three 32x32 colour planes.

use super::error::SourceError;

/// Height and width of every image.
pub const CIFAR_SIDE: usize = 32;
/// Bytes of one record: the label, then the red, green and blue plane.
pub const CIFAR_RECORD: usize = 1 + 3 * CIFAR_SIDE * CIFAR_SIDE;
const CLASSES: u8 = 10;

/// The contents of one CIFAR-10 batch file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CifarRecords {
    /// One class per image, 0 to 9.
    pub labels: Vec<u8>,
    /// `[count, 32, 32, 3]`: interleaved, unlike in the file.
    pub pixels: Vec<u8>,
}

/// Reads a batch file. `file` is the name used in messages.
///
/// # Errors
/// A length that is no multiple of [`CIFAR_RECORD`], or a label above 9.
pub fn read_cifar10(bytes: &[u8], file: &str) -> Result<CifarRecords, SourceError> {
    let count = bytes.len() / CIFAR_RECORD;
    if bytes.is_empty() || !bytes.len().is_multiple_of(CIFAR_RECORD) {
        return Err(SourceError::Truncated {
            file: file.to_string(),
            offset: bytes.len() as u64,
            expected: ((count + 1) * CIFAR_RECORD) as u64,
            what: format!("{} records of {CIFAR_RECORD} bytes", count + 1),
            stream: "file",
        });
    }
    let mut out = CifarRecords {
        labels: Vec::with_capacity(count),
        pixels: Vec::with_capacity(count * (CIFAR_RECORD - 1)),
    };
    for (i, record) in bytes.chunks_exact(CIFAR_RECORD).enumerate() {
        let label = record[0];
        if label >= CLASSES {
            return Err(SourceError::Label {
                file: file.to_string(),
                offset: (i * CIFAR_RECORD) as u64,
                found: u32::from(label),
                max: u32::from(CLASSES - 1),
                hint: "this is not the binary version of CIFAR-10 (CIFAR-100 has another layout): \
                       check the download",
            });
        }
        out.labels.push(label);
        let planes = &record[1..];
        let area = CIFAR_SIDE * CIFAR_SIDE;
        for at in 0..area {
            out.pixels.extend([planes[at], planes[area + at], planes[2 * area + at]]);
        }
    }
    Ok(out)
}

/// The class names in `batches.meta.txt`: one per line, blank lines apart. Bytes that are not
/// UTF-8 are replaced.
pub fn read_cifar_names(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(|line| line.trim().to_string())
        .filter(|line| !line.is_empty())
        .collect()
}
