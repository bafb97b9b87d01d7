//! Images in: what a source becomes once it is read.

pub(crate) mod arrays;
pub(crate) mod cifar;
mod classes;
pub(crate) mod error;
pub(crate) mod idx;
pub(crate) mod mesh;
pub(crate) mod picture;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod source;

use serde::{Deserialize, Serialize};

use self::error::SourceError;

/// The layout in which a source was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// IDX files, as MNIST and Fashion-MNIST come.
    Idx,
    /// The binary version of CIFAR-10.
    Cifar10,
    /// PNG or JPEG files.
    Images,
    /// NumPy's arrays.
    Arrays,
    /// Slices of a mesh.
    Mesh,
}

impl SourceKind {
    /// A name for people.
    pub fn name(self) -> &'static str {
        match self {
            SourceKind::Idx => "IDX",
            SourceKind::Cifar10 => "CIFAR-10 binary",
            SourceKind::Images => "image files",
            SourceKind::Arrays => "arrays of NumPy",
            SourceKind::Mesh => "slices of a mesh",
        }
    }
}

/// The part of a data set that its authors set aside for training or for testing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// For training.
    Train,
    /// For testing.
    Test,
}

impl Split {
    /// The name used in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
        }
    }
}

/// Where images came from, as a zoo records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceInfo {
    /// The layout found.
    pub kind: SourceKind,
    /// Name of the folder or file, without the path to it.
    pub name: String,
    /// The split that was read, if the source has splits: "train" or "test".
    pub split: Option<String>,
    /// BLAKE3 of the images as they are fitted: shape, pixels and labels after any conversion. So
    /// it is the same for a plain and a gzipped copy, and differs after a resize.
    pub blake3: String,
}

/// How to read a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// Which split to read; if a source has both, `None` reads the training split.
    pub split: Option<Split>,
    /// `(height, width)` in pixels to which every image is resized; `None` keeps the size.
    pub size: Option<(usize, usize)>,
    /// `Some(true)` makes every image grey, `Some(false)` makes it RGB, `None` keeps what it is (a
    /// folder is grey only if every image in it is).
    pub grey: Option<bool>,
}

/// Images of one size in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSet {
    /// Where they came from.
    pub source: SourceInfo,
    /// Height in pixels, at least 2.
    pub height: usize,
    /// Width in pixels, at least 2.
    pub width: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// `[count, height, width, channels]`, 0 black, 255 white.
    pub pixels: Vec<u8>,
    /// One class per image, if known.
    pub labels: Option<Vec<i64>>,
    /// One file name per image, or empty.
    pub names: Vec<String>,
    /// The names of the classes, or empty.
    pub class_names: Vec<String>,
}

/// Everything of an [`ImageSet`] but what is computed from it.
pub(crate) struct Raw {
    pub kind: SourceKind,
    pub name: String,
    pub split: Option<Split>,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub pixels: Vec<u8>,
    pub labels: Option<Vec<i64>>,
    pub names: Vec<String>,
    pub class_names: Vec<String>,
}

impl ImageSet {
    /// Checks, converts as `opts` asks, and hashes.
    pub(crate) fn finish(mut raw: Raw, opts: &SourceOptions) -> Result<ImageSet, SourceError> {
        // First, because a header of zero images may declare sizes whose product overflows.
        if raw.pixels.is_empty() {
            return Err(SourceError::NoImages { path: raw.name });
        }
        if let Some(grey) = opts.grey {
            let channels = if grey { 1 } else { 3 };
            raw.pixels = picture::convert_channels(raw.pixels, raw.channels, channels);
            raw.channels = channels;
        }
        if let Some((height, width)) = opts.size
            && (height, width) != (raw.height, raw.width)
        {
            raw.pixels = picture::resize_all(&raw, height, width)?;
            (raw.height, raw.width) = (height, width);
        }
        if raw.height < 2 || raw.width < 2 {
            return Err(SourceError::ImageTooSmall {
                file: raw.names.first().unwrap_or(&raw.name).clone(),
                width: raw.width as u64,
                height: raw.height as u64,
            });
        }
        let blake3 = content_hash(&raw);
        Ok(ImageSet {
            source: SourceInfo {
                kind: raw.kind,
                name: raw.name,
                split: raw.split.map(|s| s.name().to_string()),
                blake3,
            },
            height: raw.height,
            width: raw.width,
            channels: raw.channels,
            pixels: raw.pixels,
            labels: raw.labels,
            names: raw.names,
            class_names: raw.class_names,
        })
    }

    /// One image file as a set of one, for callers that have bytes and no path (a browser).
    ///
    /// # Errors
    /// As [`decode_image`](crate::decode_image).
    pub fn from_image_bytes(
        bytes: &[u8],
        file: &str,
        opts: &SourceOptions,
    ) -> Result<ImageSet, SourceError> {
        let picture = picture::decode_image(bytes, file)?;
        let raw = Raw {
            kind: SourceKind::Images,
            name: file.to_string(),
            split: None,
            height: picture.height,
            width: picture.width,
            channels: picture.channels,
            pixels: picture.pixels,
            labels: None,
            names: vec![file.to_string()],
            class_names: Vec::new(),
        };
        ImageSet::finish(raw, opts)
    }

    /// Decoded pixels, `[height, width, channels]` for each of `names`, for callers that have no file: a camera's picture, a
    /// drawing. The set is called as its first image.
    ///
    /// # Errors
    /// No picture, one smaller than 2 x 2, or pixels that are not as many as the shape says.
    pub fn from_pixels(
        pixels: Vec<u8>,
        [height, width, channels]: [usize; 3],
        names: Vec<String>,
        opts: &SourceOptions,
    ) -> Result<ImageSet, SourceError> {
        let name = names.first().cloned().unwrap_or_default();
        let shape = [height, width, channels, names.len()];
        let expected = shape.into_iter().try_fold(1usize, usize::checked_mul);
        if expected != Some(pixels.len()) || !matches!(channels, 1 | 3) {
            return Err(SourceError::Pixels {
                name,
                got: pixels.len() as u64,
                shape: [height, width, channels],
            });
        }
        let raw = Raw {
            kind: SourceKind::Images,
            name,
            split: None,
            height,
            width,
            channels,
            pixels,
            labels: None,
            names,
            class_names: Vec::new(),
        };
        ImageSet::finish(raw, opts)
    }

    /// The first `count` images (all, if there are fewer), converted as `opts` asks.
    ///
    /// # Errors
    /// `count` is 0, or the images become smaller than 2 x 2.
    pub fn first(mut self, count: usize, opts: &SourceOptions) -> Result<ImageSet, SourceError> {
        self.pixels.truncate(count.saturating_mul(self.stride()));
        self.labels.iter_mut().for_each(|labels| labels.truncate(count));
        self.names.truncate(count);
        let split = self.source.split;
        let raw = Raw {
            kind: self.source.kind,
            name: self.source.name,
            split: None,
            height: self.height,
            width: self.width,
            channels: self.channels,
            pixels: self.pixels,
            labels: self.labels,
            names: self.names,
            class_names: self.class_names,
        };
        let mut set = ImageSet::finish(raw, opts)?;
        set.source.split = split;
        Ok(set)
    }

    /// An IDX image file, with its label file if there is one, as a set, for callers that have
    /// bytes and no path. Each of the two is a name and the bytes, plain or gzipped. MNIST and
    /// Fashion-MNIST are recognised by their labels and get the names of their classes.
    ///
    /// # Errors
    /// As [`read_idx_images`](crate::read_idx_images), or a label count that differs.
    pub fn from_idx_bytes(
        images: (&str, &[u8]),
        labels: Option<(&str, &[u8])>,
        split: Option<Split>,
        opts: &SourceOptions,
    ) -> Result<ImageSet, SourceError> {
        let set = idx::read_idx_images(images.1, images.0)?;
        let labels: Option<Vec<i64>> = match labels {
            None => None,
            Some((file, bytes)) => {
                let labels = idx::read_idx_labels(bytes, file)?;
                if labels.len() != set.count {
                    return Err(SourceError::LabelCount {
                        images_file: images.0.to_string(),
                        labels_file: file.to_string(),
                        images: set.count as u64,
                        labels: labels.len() as u64,
                    });
                }
                Some(labels.into_iter().map(i64::from).collect())
            }
        };
        let raw = Raw {
            kind: SourceKind::Idx,
            name: images.0.to_string(),
            split,
            height: set.height,
            width: set.width,
            channels: 1,
            pixels: set.pixels,
            class_names: labels.as_deref().map_or(Vec::new(), classes::by_labels),
            labels,
            names: Vec::new(),
        };
        ImageSet::finish(raw, opts)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.stride()
    }

    /// Whether there is none; no reader returns such a set.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The pixels of image `i`: `[height, width, channels]`.
    ///
    /// # Panics
    /// If `i` is not below [`ImageSet::len`].
    pub fn image(&self, i: usize) -> &[u8] {
        let stride = self.stride();
        &self.pixels[i * stride..(i + 1) * stride]
    }

    /// Image `i` as the values a network should put out, `[height * width * channels]`:
    /// `lo + (hi - lo) * pixel / 255` with `range = [lo, hi]`.
    ///
    /// # Panics
    /// If `i` is not below [`ImageSet::len`].
    pub fn target(&self, i: usize, range: [f32; 2]) -> Vec<f32> {
        let [lo, hi] = range;
        self.image(i).iter().map(|&p| lo + (hi - lo) * (f32::from(p) / 255.0)).collect()
    }

    /// The class of image `i`, or -1 if unknown.
    pub fn label(&self, i: usize) -> i64 {
        self.labels.as_ref().and_then(|l| l.get(i).copied()).unwrap_or(-1)
    }

    fn stride(&self) -> usize {
        self.height * self.width * self.channels
    }
}

fn content_hash(raw: &Raw) -> String {
    let mut hasher = blake3::Hasher::new();
    let count = raw.pixels.len() / (raw.height * raw.width * raw.channels);
    for n in [count, raw.height, raw.width, raw.channels] {
        hasher.update(&(n as u64).to_le_bytes());
    }
    hasher.update(&raw.pixels);
    for label in raw.labels.iter().flatten() {
        hasher.update(&label.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
