//! The IDX format of MNIST and its successors, plain or gzipped.
//!
//! Big-endian: two zero bytes, an element type (8: unsigned byte), the number of dimensions, one
//! `u32` per dimension, the elements.

use std::io::{ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use super::error::SourceError;

const IMAGES: u32 = 0x0000_0803;
const LABELS: u32 = 0x0000_0801;
/// No deflate stream expands by more than this factor (zlib's technical notes: 1032 to 1).
const DEFLATE_LIMIT: u64 = 1032;

/// The contents of an IDX image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxImages {
    /// Number of images.
    pub count: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// `[count, height, width]`.
    pub pixels: Vec<u8>,
}

/// Reads an IDX file of grey images (magic number 0x00000803), gzipped or not. `file` is the name
/// used in messages.
///
/// Memory stays within what the header promises and what the bytes can possibly hold.
///
/// # Errors
/// Another magic number; fewer or more bytes than the header promises; damaged gzip data.
pub fn read_idx_images(bytes: &[u8], file: &str) -> Result<IdxImages, SourceError> {
    let (dims, pixels) =
        read_idx::<3>(bytes, file, IMAGES, "unsigned bytes in three dimensions: grey images")?;
    let [count, height, width] = dims;
    if dims.contains(&0) {
        let dims = dims.map(|d| d.to_string()).join(" x ");
        return Err(SourceError::NoPixels { file: file.to_string(), dims });
    }
    Ok(IdxImages { count, height, width, pixels })
}

/// Reads an IDX file of labels (magic number 0x00000801), gzipped or not.
///
/// # Errors
/// As [`read_idx_images`].
pub fn read_idx_labels(bytes: &[u8], file: &str) -> Result<Vec<u8>, SourceError> {
    let (_, labels) =
        read_idx::<1>(bytes, file, LABELS, "unsigned bytes in one dimension: labels")?;
    Ok(labels)
}

fn read_idx<const N: usize>(
    bytes: &[u8],
    file: &str,
    magic: u32,
    meaning: &'static str,
) -> Result<([usize; N], Vec<u8>), SourceError> {
    let mut input = Input::new(bytes, file);
    let found = input.read_u32()?;
    if found != magic {
        let hint = match found {
            LABELS => "this is a label file: give the image file of the pair",
            IMAGES => "this is an image file where its label file should be",
            _ => "this is not an IDX file of that kind: check the download",
        };
        return Err(SourceError::Magic {
            file: file.to_string(),
            found,
            expected: magic,
            meaning,
            hint,
        });
    }
    let mut dims = [0u32; N];
    for dim in &mut dims {
        *dim = input.read_u32()?;
    }
    let total = dims
        .iter()
        .try_fold(1u64, |n, &d| n.checked_mul(u64::from(d)))
        .filter(|&n| isize::try_from(n).is_ok());
    let bad_dims = || SourceError::Dimensions {
        file: file.to_string(),
        offset: 4,
        dims: dims.map(|d| d.to_string()).join(" x "),
        limit: bytes.len() as u64,
    };
    let total = total.ok_or_else(bad_dims)?;
    if input.gzip && total > DEFLATE_LIMIT * bytes.len() as u64 {
        return Err(bad_dims());
    }
    let values = input.read_rest(total, &dims)?;
    Ok((dims.map(|d| d as usize), values))
}

/// What a gzip stream begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A plain or gzipped byte string as a stream that knows where it is.
struct Input<'a> {
    file: &'a str,
    bytes: &'a [u8],
    gzip: bool,
    stream: Box<dyn Read + 'a>,
    offset: u64,
}

impl<'a> Input<'a> {
    fn new(bytes: &'a [u8], file: &'a str) -> Input<'a> {
        let gzip = bytes.starts_with(&GZIP);
        let stream: Box<dyn Read + 'a> =
            if gzip { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
        Input { file, bytes, gzip, stream, offset: 0 }
    }

    /// Where whole gzip streams end, and how many bytes of something else follow.
    fn garbage(&self) -> Option<(usize, usize)> {
        let mut rest = self.bytes;
        while rest.starts_with(&GZIP) {
            let mut decoder = flate2::bufread::GzDecoder::new(rest);
            std::io::copy(&mut decoder, &mut std::io::sink()).ok()?;
            rest = decoder.into_inner();
        }
        (!rest.is_empty()).then(|| (self.bytes.len() - rest.len(), rest.len()))
    }

    fn stream_name(&self) -> &'static str {
        if self.gzip { "decompressed data" } else { "file" }
    }

    /// Fills `buffer` as far as the data go, and returns how far.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut done = 0;
        while done < buffer.len() {
            match self.stream.read(&mut buffer[done..]) {
                Ok(0) => break,
                Ok(n) => {
                    done += n;
                    self.offset += n as u64;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    return Err(SourceError::Gzip {
                        file: self.file.to_string(),
                        offset: self.offset,
                        detail: match e.kind() {
                            ErrorKind::UnexpectedEof => "the stream is cut off".to_string(),
                            _ => e.to_string(),
                        },
                    });
                }
            }
        }
        Ok(done)
    }

    fn read_u32(&mut self) -> Result<u32, SourceError> {
        let mut word = [0; 4];
        if self.fill(&mut word)? < 4 {
            return Err(SourceError::Truncated {
                file: self.file.to_string(),
                offset: self.offset,
                expected: self.offset.next_multiple_of(4).max(4),
                what: "the header".to_string(),
                stream: self.stream_name(),
            });
        }
        Ok(u32::from_be_bytes(word))
    }

    /// The `total` bytes that must be all that is left.
    fn read_rest(&mut self, total: u64, dims: &[u32]) -> Result<Vec<u8>, SourceError> {
        let header = self.offset;
        let text = dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
        let mut values = Vec::new();
        // Grow with the data that arrive, never with what the header declares.
        let mut chunk = vec![0; 1 << 16];
        while (values.len() as u64) < total {
            let want = (total - values.len() as u64).min(chunk.len() as u64) as usize;
            let got = self.fill(&mut chunk[..want])?;
            values.extend_from_slice(&chunk[..got]);
            if got < want {
                return Err(SourceError::Truncated {
                    file: self.file.to_string(),
                    offset: self.offset,
                    expected: header + total,
                    what: format!("a header of {header} and {text} values"),
                    stream: self.stream_name(),
                });
            }
        }
        // Asking for one byte more also makes the gzip decoder check its checksum.
        let end = self.offset;
        let more = self.fill(&mut [0]).map_err(|error| match (error, self.garbage()) {
            (SourceError::Gzip { file, offset, .. }, Some((at, bytes))) => SourceError::Gzip {
                file,
                offset,
                detail: format!(
                    "{bytes} bytes that are no gzip data follow its end, from byte {at} of the file"
                ),
            },
            (error, _) => error,
        })?;
        if more > 0 {
            return Err(SourceError::Trailing {
                file: self.file.to_string(),
                offset: end,
                what: format!("{text} values"),
                stream: self.stream_name(),
            });
        }
        Ok(values)
    }
}
