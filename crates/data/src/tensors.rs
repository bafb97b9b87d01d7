//! Safetensors files with checks that the `safetensors` crate leaves to its callers.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, View};

use crate::zoo::error::ZooError;

/// A tensor to be written.
pub(crate) struct Named {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Named {
    pub fn f32(name: impl Into<String>, shape: Vec<usize>, values: &[f32]) -> Named {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Named { name: name.into(), dtype: Dtype::F32, shape, bytes }
    }

    pub fn i64(name: impl Into<String>, values: &[i64]) -> Named {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Named { name: name.into(), dtype: Dtype::I64, shape: vec![values.len()], bytes }
    }

    pub fn u8(name: impl Into<String>, shape: Vec<usize>, values: &[u8]) -> Named {
        Named { name: name.into(), dtype: Dtype::U8, shape, bytes: values.to_vec() }
    }
}

impl View for Named {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// A safetensors file. One metadata entry only: the crate keeps several in a hash map, whose order
/// is another in every process, and equal contents must give equal bytes.
pub(crate) fn serialize(
    tensors: Vec<Named>,
    file: &str,
    metadata: (&str, String),
) -> Result<Vec<u8>, ZooError> {
    let metadata = HashMap::from([(metadata.0.to_string(), metadata.1)]);
    let tensors = tensors.into_iter().map(|t| (t.name.clone(), t));
    safetensors::serialize(tensors, Some(metadata))
        .map_err(|e| ZooError::invalid(file, "tensors", e.to_string(), "a safetensors file"))
}

/// A safetensors file that has been read.
pub(crate) struct Tensors<'a> {
    file: &'a str,
    tensors: SafeTensors<'a>,
    metadata: Metadata,
}

impl<'a> Tensors<'a> {
    /// Parses the header and checks that it accounts for every byte.
    pub fn parse(bytes: &'a [u8], file: &'a str) -> Result<Tensors<'a>, ZooError> {
        let damaged = |what: &str, found: String| {
            ZooError::invalid(file, what, found, "a complete safetensors file")
        };
        let header_len = bytes
            .first_chunk::<8>()
            .map(|n| u64::from_le_bytes(*n))
            .ok_or_else(|| damaged("byte 0", format!("only {} bytes", bytes.len())))?;
        let header = usize::try_from(header_len)
            .ok()
            .and_then(|n| n.checked_add(8))
            .and_then(|end| bytes.get(8..end))
            .ok_or_else(|| {
                damaged(
                    "byte 0",
                    format!("a header of {header_len} bytes in a file of {}", bytes.len()),
                )
            })?;
        let metadata: Metadata =
            serde_json::from_slice(header).map_err(|e| damaged("byte 8", e.to_string()))?;
        // The crate adds the declared end to the header's length unchecked, so compare first.
        let data = bytes.len() - 8 - header.len();
        if metadata.data_len() != data {
            return Err(damaged(
                &format!("byte {}", 8 + header.len()),
                format!("{data} bytes of data"),
            )
            .with_expected(format!("the {} that the header lists", metadata.data_len())));
        }
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|e| damaged("the header at byte 8", e.to_string()))?;
        Ok(Tensors { file, tensors, metadata })
    }

    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tensors.names().into_iter().map(Into::into).collect();
        names.sort();
        names
    }

    /// A tensor as NumPy names its type, its shape and its bytes.
    pub fn raw(&self, name: &str) -> Result<(&'static str, &[usize], &'a [u8]), ZooError> {
        let dtype = self.metadata.info(name).map_or(Dtype::F32, |info| info.dtype);
        let (shape, bytes) = self.get(name, dtype)?;
        let numpy = match dtype {
            Dtype::I64 => "<i8",
            Dtype::U8 => "|u1",
            _ => "<f4",
        };
        Ok((numpy, shape, bytes))
    }

    pub fn has(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|t| t.shape.as_slice())
    }

    fn get(&self, name: &str, dtype: Dtype) -> Result<(&[usize], &'a [u8]), ZooError> {
        let invalid = |found: String, expected: String| {
            ZooError::invalid(self.file, format!("tensor {name}"), found, expected)
        };
        let info = self
            .metadata
            .info(name)
            .ok_or_else(|| invalid("nothing".into(), format!("a tensor of type {dtype:?}")))?;
        if info.dtype != dtype {
            return Err(invalid(format!("type {:?}", info.dtype), format!("{dtype:?}")));
        }
        let view = self.tensors.tensor(name).map_err(|e| invalid(e.to_string(), name.into()))?;
        Ok((&info.shape, view.data()))
    }

    /// Shape and values.
    pub fn f32(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>), ZooError> {
        let (shape, bytes) = self.get(name, Dtype::F32)?;
        let values = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Ok((shape.to_vec(), values))
    }

    /// Values of a tensor that must have this shape.
    pub fn f32_shaped(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ZooError> {
        self.check_shape(name, expected)?;
        Ok(self.f32(name)?.1)
    }

    /// Values of a tensor of one dimension.
    pub fn i64(&self, name: &str) -> Result<Vec<i64>, ZooError> {
        let (shape, bytes) = self.get(name, Dtype::I64)?;
        if shape.len() != 1 {
            return Err(self.shape_error(name, shape, "one dimension".to_string()));
        }
        Ok(bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
    }

    /// Values of a tensor of bytes, with its shape.
    pub fn u8(&self, name: &str) -> Result<(&[usize], &'a [u8]), ZooError> {
        self.get(name, Dtype::U8)
    }

    fn check_shape(&self, name: &str, expected: &[usize]) -> Result<(), ZooError> {
        match self.shape(name) {
            Some(shape) if shape != expected => {
                Err(self.shape_error(name, shape, format!("{expected:?}")))
            }
            _ => Ok(()),
        }
    }

    pub fn shape_error(&self, name: &str, found: &[usize], expected: String) -> ZooError {
        ZooError::invalid(
            self.file,
            format!("tensor {name}"),
            format!("shape {found:?}"),
            format!("shape {expected}"),
        )
    }
}

impl ZooError {
    /// The same with another expectation.
    fn with_expected(mut self, text: String) -> ZooError {
        if let ZooError::Invalid { expected, .. } = &mut self {
            *expected = text;
        }
        self
    }
}
