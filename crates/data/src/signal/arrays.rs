//! Pictures in arrays of NumPy: `.npz` as Keras and MedMNIST come, or one `.npy`.

use super::error::SourceError;
use super::{ImageSet, Raw, SourceKind, SourceOptions, Split, classes};
use crate::exchange::ExchangeError;
use crate::exchange::archive::unpack;
use crate::exchange::npy::{Array, MAGIC};

/// Words for splits in names of arrays.
const SPLITS: [(&str, Split); 2] = [("train", Split::Train), ("test", Split::Test)];

/// Whether a name is that of arrays.
pub fn is_arrays_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".npz") || name.ends_with(".npy")
}

fn split_of(name: &str) -> Option<Split> {
    let name = name.to_ascii_lowercase();
    SPLITS.iter().find(|(word, _)| name.contains(word)).map(|(_, split)| *split)
}

/// `[count, height, width, channels]`, and whether channels lie before height and width in the array.
type Shape = ([usize; 4], bool);

/// What pictures an array of this shape holds: `(height, width)`, `(count, height, width)`, either with 1 or 3 channels behind it, or
/// `(count, channels, height, width)` as PyTorch has it.
fn pictures(shape: &[usize]) -> Option<Shape> {
    let colours = |channels: usize| matches!(channels, 1 | 3);
    match *shape {
        [h, w] => Some(([1, h, w, 1], false)),
        [h, w, c] if colours(c) => Some(([1, h, w, c], false)),
        [n, h, w] => Some(([n, h, w, 1], false)),
        [n, h, w, c] if colours(c) => Some(([n, h, w, c], false)),
        [n, c, h, w] if colours(c) => Some(([n, h, w, c], true)),
        _ => None,
    }
}

/// The numbers of one class each, if that is what an array of this shape holds for so many pictures.
fn labels(array: &Array<'_>, count: usize) -> Option<Vec<i64>> {
    let fits = matches!(array.shape.as_slice(), [n] | [n, 1] if *n == count);
    (fits && array.is_whole()).then(|| array.whole())
}

impl ImageSet {
    /// Pictures in NumPy's arrays (`.npz` or `.npy`): the first array of pictures of the split that is asked for, told by `train` or
    /// `test` in its name, or of training, or at all; and the array of the same split that has a whole number for each, as labels.
    /// Numbers go from 0 to 255, or from 0 to 1 if they are floats that all do.
    ///
    /// # Errors
    /// A damaged file, no pictures among the arrays, numbers beyond 0 to 255, or a split that is not there.
    pub fn from_array_bytes(
        bytes: &[u8],
        file: &str,
        opts: &SourceOptions,
    ) -> Result<ImageSet, SourceError> {
        let members = if bytes.starts_with(MAGIC) {
            vec![(file.to_owned(), bytes.to_vec())]
        } else {
            unpack(bytes, file).map_err(|e| refused(&e))?
        };
        let arrays = members
            .iter()
            .filter(|(name, _)| name.ends_with(".npy"))
            .map(|(name, bytes)| Ok((name.as_str(), Array::parse(bytes, file, name)?)));
        let arrays: Vec<_> = arrays.collect::<Result<_, _>>().map_err(|e| refused(&e))?;

        // Rows of numbers are pictures only where there is nothing better: they may be labels.
        let mut found: Vec<_> = arrays
            .iter()
            .filter_map(|(name, array)| Some((*name, array, pictures(&array.shape)?)))
            .collect();
        if found.iter().any(|(_, array, _)| array.shape.len() > 2) {
            found.retain(|(_, array, _)| array.shape.len() > 2);
        }
        let of = |split: Option<Split>| found.iter().find(|(name, ..)| split_of(name) == split);
        let chosen = match opts.split {
            Some(split) => of(Some(split)).or_else(|| of(None)),
            None => of(Some(Split::Train)).or_else(|| found.first()),
        };
        let Some(&(member, array, (shape, channels_first))) = chosen else {
            let shapes = arrays.iter().map(|(name, array)| format!("{name} {:?}", array.shape));
            return Err(match opts.split.filter(|_| !found.is_empty()) {
                Some(asked) => SourceError::NoSuchSplit {
                    path: file.to_owned(),
                    asked: asked.name(),
                    available: found
                        .iter()
                        .map(|(name, ..)| *name)
                        .collect::<Vec<_>>()
                        .join(" and "),
                },
                None => SourceError::NoPictures {
                    file: file.to_owned(),
                    found: shapes.collect::<Vec<_>>().join(", "),
                },
            });
        };
        let [count, height, width, channels] = shape;
        let mut pixels = pixels(array).ok_or_else(|| SourceError::Levels {
            file: file.to_owned(),
            member: member.to_owned(),
        })?;
        if channels_first && !pixels.is_empty() {
            let area = height * width;
            let images = pixels.chunks(area * channels);
            pixels = images
                .flat_map(|image| {
                    (0..area * channels).map(|i| image[i % channels * area + i / channels])
                })
                .collect();
        }
        let split = split_of(member);
        let beside = arrays.iter().filter(|(name, _)| *name != member && split_of(name) == split);
        let labels = beside.filter_map(|(_, array)| labels(array, count)).next();
        let raw = Raw {
            kind: SourceKind::Arrays,
            name: file.to_owned(),
            split,
            height,
            width,
            channels,
            pixels,
            class_names: labels.as_deref().map_or(Vec::new(), classes::by_labels),
            labels,
            names: Vec::new(),
        };
        ImageSet::finish(raw, opts)
    }
}

fn refused(error: &ExchangeError) -> SourceError {
    SourceError::Arrays { what: error.to_string() }
}

/// Bytes as they are; floats that all lie between 0 and 1 as shares of 255.
fn pixels(array: &Array<'_>) -> Option<Vec<u8>> {
    match array.dtype {
        "|u1" => Some(array.data.to_vec()),
        _ if array.is_whole() => array.whole().iter().map(|&x| u8::try_from(x).ok()).collect(),
        _ => {
            let values = array.floats();
            let within = |most: f32| values.iter().all(|x| (0.0..=most).contains(x));
            let scale = if within(1.0) { 255.0 } else { 1.0 };
            within(255.0).then(|| values.iter().map(|x| (scale * x).round() as u8).collect())
        }
    }
}
