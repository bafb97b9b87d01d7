//! The images that a zoo's networks were fitted to, kept beside them.

use std::ops::Range;

use super::error::ZooError;
use crate::signal::ImageSet;
use crate::tensors::{Named, Tensors, serialize};

/// Images with their object numbers, so that a zoo can be drawn and judged without its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// `[objects, height, width, channels]`.
    pub pixels: Vec<u8>,
    /// `[objects]`: class, -1 if unknown.
    pub labels: Vec<i64>,
    /// `[objects]`: which object of the source; ascending.
    pub objects: Vec<i64>,
    /// `[objects]`: names of the image files, or none at all.
    pub names: Vec<String>,
}

impl Targets {
    /// Images `objects` of a set.
    ///
    /// # Panics
    /// If the range ends beyond the set.
    pub fn from_images(set: &ImageSet, objects: Range<usize>) -> Targets {
        let stride = set.height * set.width * set.channels;
        Targets {
            height: set.height,
            width: set.width,
            channels: set.channels,
            pixels: set.pixels[objects.start * stride..objects.end * stride].to_vec(),
            labels: objects.clone().map(|i| set.label(i)).collect(),
            names: set.names.get(objects.clone()).unwrap_or_default().to_vec(),
            objects: objects.map(|i| i as i64).collect(),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The pixels of image `i`: `[height, width, channels]`.
    ///
    /// # Panics
    /// If `i` is not below [`Targets::len`].
    pub fn image(&self, i: usize) -> &[u8] {
        let stride = self.height * self.width * self.channels;
        &self.pixels[i * stride..(i + 1) * stride]
    }

    /// The pixels of an object, if they are here.
    pub fn find(&self, object: i64) -> Option<&[u8]> {
        self.objects.binary_search(&object).ok().map(|i| self.image(i))
    }

    /// The name of an object's image file, if it is known.
    pub fn name(&self, object: i64) -> Option<&str> {
        let i = self.objects.binary_search(&object).ok()?;
        self.names.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The targets as a safetensors file: `pixels` U8 `[objects, h, w, c]`, `label` and `object`
    /// I64 `[objects]`; with names also `name` U8, all of them as UTF-8, and `name_end` I64
    /// `[objects]`, where in it each ends. Equal contents give equal bytes.
    ///
    /// # Errors
    /// Lengths that do not agree.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ZooError> {
        let file = super::manifest::TARGETS_FILE;
        let shape = vec![self.len(), self.height, self.width, self.channels];
        let expected: usize = shape.iter().product();
        let named = self.names.is_empty() || self.names.len() == self.len();
        if self.pixels.len() != expected || self.labels.len() != self.len() || !named {
            return Err(ZooError::invalid(
                file,
                "pixels, labels and names",
                format!(
                    "{}, {} and {} values",
                    self.pixels.len(),
                    self.labels.len(),
                    self.names.len()
                ),
                format!("{expected}, {0} and {0}", self.len()),
            ));
        }
        let mut tensors = vec![
            Named::u8("pixels", shape, &self.pixels),
            Named::i64("label", &self.labels),
            Named::i64("object", &self.objects),
        ];
        if !self.names.is_empty() {
            let text = self.names.concat();
            let ends = self.names.iter().scan(0, |end, name| {
                *end += name.len() as i64;
                Some(*end)
            });
            tensors.push(Named::u8("name", vec![text.len()], text.as_bytes()));
            tensors.push(Named::i64("name_end", &ends.collect::<Vec<_>>()));
        }
        serialize(tensors, file, ("content", "targets".to_string()))
    }

    /// Reads what [`Targets::to_bytes`] wrote. `file` is the name used in messages.
    ///
    /// # Errors
    /// Not such a file, or shapes that do not agree.
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Targets, ZooError> {
        let tensors = Tensors::parse(bytes, file)?;
        let (shape, pixels) = tensors.u8("pixels")?;
        let labels = tensors.i64("label")?;
        let objects = tensors.i64("object")?;
        let [count, height, width, channels] = *shape else {
            return Err(tensors.shape_error("pixels", shape, "of four dimensions".to_string()));
        };
        if labels.len() != count || objects.len() != count {
            return Err(ZooError::invalid(
                file,
                "label and object",
                format!("{} and {} values", labels.len(), objects.len()),
                format!("{count}, as many as images"),
            ));
        }
        if !objects.is_sorted_by(|a, b| a < b) {
            return Err(ZooError::invalid(file, "object", "numbers out of order", "ascending"));
        }
        let names =
            if tensors.has("name") { read_names(&tensors, file, count)? } else { Vec::new() };
        Ok(Targets { height, width, channels, pixels: pixels.to_vec(), labels, objects, names })
    }
}

/// The names that [`Targets::to_bytes`] wrote end to end.
fn read_names(tensors: &Tensors<'_>, file: &str, count: usize) -> Result<Vec<String>, ZooError> {
    let (_, bytes) = tensors.u8("name")?;
    let ends = tensors.i64("name_end")?;
    let mut names = Vec::new();
    let mut start = 0;
    for &end in &ends {
        let name = usize::try_from(end).ok().and_then(|end| bytes.get(start..end));
        let Some(name) = name.and_then(|name| std::str::from_utf8(name).ok()) else { break };
        names.push(name.to_string());
        start += name.len();
    }
    if names.len() != count || ends.len() != count || start != bytes.len() {
        return Err(ZooError::invalid(
            file,
            "name and name_end",
            format!("{} names in {start} of {} bytes", names.len(), bytes.len()),
            format!("{count}, as many as images, in all bytes"),
        ));
    }
    Ok(names)
}
