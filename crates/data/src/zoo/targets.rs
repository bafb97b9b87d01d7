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

    /// The targets as a safetensors file: `pixels` U8 `[objects, h, w, c]`, `label` and `object`
    /// I64 `[objects]`. Equal contents give equal bytes.
    ///
    /// # Errors
    /// Lengths that do not agree.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ZooError> {
        let file = super::manifest::TARGETS_FILE;
        let shape = vec![self.len(), self.height, self.width, self.channels];
        let expected: usize = shape.iter().product();
        if self.pixels.len() != expected || self.labels.len() != self.len() {
            return Err(ZooError::invalid(
                file,
                "pixels and labels",
                format!("{} and {} values", self.pixels.len(), self.labels.len()),
                format!("{expected} and {}", self.len()),
            ));
        }
        let tensors = vec![
            Named::u8("pixels", shape, &self.pixels),
            Named::i64("label", &self.labels),
            Named::i64("object", &self.objects),
        ];
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
        Ok(Targets { height, width, channels, pixels: pixels.to_vec(), labels, objects })
    }
}
