//! Pictures in arrays of NumPy: `.npz` as Keras and MedMNIST come, or one `.npy`.

use super::error::SourceError;
use super::{ImageSet, Raw, SourceKind, SourceOptions, Split, classes};
use crate::exchange::ExchangeError;
use crate::exchange::archive::unpack;
use crate::exchange::npy::Array;

/// Words for splits in names of arrays; what is for validation is neither.
const SPLITS: [(&str, Option<Split>); 3] =
    [("train", Some(Split::Train)), ("test", Some(Split::Test)), ("val_", None)];

/// Whether a name is that of arrays.
pub fn is_arrays_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".npz") || name.ends_with(".npy")
}

/// Which of [`SPLITS`] a name speaks of.
fn word_of(name: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    SPLITS.iter().position(|(word, _)| name.contains(word))
}

fn split_of(name: &str) -> Option<Split> {
    SPLITS[word_of(name)?].1
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

/// How many numbers an array has that could be labels: whole ones in a row or a column.
fn label_count(array: &Array<'_>) -> Option<usize> {
    match *array.shape.as_slice() {
        [n] | [n, 1] if array.is_whole() => Some(n),
        _ => None,
    }
}

/// Whether an array is called as labels are.
fn is_called_labels(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["label", "target", "class"].iter().any(|word| name.contains(word)) || name.starts_with('y')
}

impl ImageSet {
    /// Pictures in NumPy's arrays (`.npz` or `.npy`): the first array of pictures of the split that is asked for, told by `train` or
    /// `test` in its name, or of training, or at all; and the array of the same split that has a whole number for each, as labels.
    /// Where there are labels, rows of numbers are square pictures too, as scikit-learn has them. Numbers go from 0 to 255, or
    /// from 0 to 1 if they are floats that all do.
    ///
    /// # Errors
    /// A damaged file, no pictures among the arrays, numbers beyond 0 to 255, another number of labels, or a split that is not there.
    pub fn from_array_bytes(
        bytes: &[u8],
        file: &str,
        opts: &SourceOptions,
    ) -> Result<ImageSet, SourceError> {
        let members = if bytes.starts_with(b"PK") {
            unpack(bytes, file).map_err(|e| refused(&e))?
        } else {
            vec![("the array.npy".to_owned(), bytes.to_vec())]
        };
        // Arrays of words and of what else there is are no matter, unless there is nothing better.
        let (mut arrays, mut unread) = (Vec::new(), None);
        for (member, bytes) in members.iter().filter(|(name, _)| name.ends_with(".npy")) {
            let name = member.trim_end_matches(".npy");
            match Array::parse(bytes, file, name) {
                Ok(array) => arrays.push((name, array)),
                Err(error) => unread = unread.or(Some(error)),
            }
        }
        // What could be labels of an array: name, array, how many.
        let beside = |member: &str| {
            let word = word_of(member);
            arrays
                .iter()
                .filter(move |(name, _)| word_of(name) == word)
                .filter_map(|(name, array)| Some((*name, array, label_count(array)?)))
        };
        let mut found = Vec::new();
        for (name, array) in &arrays {
            // A row of numbers for each label is a square picture of them.
            let shape = match *array.shape.as_slice() {
                [n, area] if area > 1 && beside(name).any(|(.., count)| count == n) => {
                    let side = area.isqrt();
                    (side * side == area).then_some(([n, side, side, 1], false))
                }
                ref shape => pictures(shape),
            };
            found.extend(shape.map(|shape| (*name, array, shape)));
        }
        // Flat ones are pictures only where there is nothing better.
        if found.iter().any(|(.., ([n, ..], _))| *n > 1) {
            found.retain(|(_, array, ([n, ..], _))| *n > 1 || array.shape.len() > 2);
        }
        let at = |split: Option<Split>| found.iter().find(|(name, ..)| split_of(name) == split);
        let chosen = match opts.split {
            Some(split) => at(Some(split)).or_else(|| at(None)),
            None => at(Some(Split::Train)).or_else(|| found.first()),
        };
        let Some(&(member, array, (shape, channels_first))) = chosen else {
            if let Some(asked) = opts.split.filter(|_| !found.is_empty()) {
                return Err(SourceError::NoSuchSplit {
                    path: file.to_owned(),
                    asked: asked.name(),
                    available: found
                        .iter()
                        .map(|(name, ..)| *name)
                        .collect::<Vec<_>>()
                        .join(" and "),
                });
            }
            return Err(match unread {
                Some(error) if arrays.is_empty() => refused(&error),
                _ => SourceError::NoPictures {
                    file: file.to_owned(),
                    found: arrays
                        .iter()
                        .map(|(name, array)| format!("{name} {:?}", array.shape))
                        .collect::<Vec<_>>()
                        .join(", "),
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
        let mut candidates = beside(member).filter(|(name, ..)| *name != member);
        let labels = candidates.clone().find(|(.., labels)| *labels == count);
        if labels.is_none()
            && let Some((name, _, labels)) = candidates.find(|(name, ..)| is_called_labels(name))
        {
            return Err(SourceError::LabelCount {
                images_file: format!("{file}: {member}"),
                labels_file: name.to_owned(),
                images: count as u64,
                labels: labels as u64,
            });
        }
        let labels = labels.map(|(_, array, _)| array.whole());
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
        // Yes and no.
        "|b1" => Some(array.data.iter().map(|&b| if b == 0 { 0 } else { 255 }).collect()),
        _ if array.is_whole() => array.whole().iter().map(|&x| u8::try_from(x).ok()).collect(),
        _ => {
            let values = array.floats();
            let within = |most: f32| values.iter().all(|x| (0.0..=most).contains(x));
            let scale = if within(1.0) { 255.0 } else { 1.0 };
            within(255.0).then(|| values.iter().map(|x| (scale * x).round() as u8).collect())
        }
    }
}
