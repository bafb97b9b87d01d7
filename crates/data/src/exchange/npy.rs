//! Arrays of NumPy (format 1.0 to 3.0 of `numpy.lib.format`), as far as networks and pictures need them.
//!
//! Read here rather than by a library: the one that is kept well parses the header with a grammar engine, which is a tenth
//! of the page's program.

use super::ExchangeError;
use super::archive::Members;
use crate::tensors::{Named, Tensors, serialize};
use crate::torch::value::half_to_f64;
use crate::zoo::shard::METADATA_KEY;

/// The member that says what arrays do not: the header of a shard as JSON.
pub(super) const HEADER_MEMBER: &str = "weightlab.json";

/// What an `.npy` file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// Every tensor as an `.npy` file.
pub(super) fn members(tensors: &Tensors<'_>) -> Result<Members, ExchangeError> {
    let mut members = Members::new();
    for name in tensors.names() {
        let (dtype, shape, bytes) = tensors.raw(&name)?;
        let header = match shape {
            [one] => format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({one},), }}"),
            _ => {
                let shape: Vec<_> = shape.iter().map(ToString::to_string).collect();
                let shape = shape.join(", ");
                format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape}), }}")
            }
        };
        // Data begin at a multiple of 64, after a line break.
        let length = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64) - MAGIC.len() - 4;
        let mut file = [MAGIC, &[1, 0], &(length as u16).to_le_bytes(), header.as_bytes()].concat();
        file.resize(MAGIC.len() + 4 + length - 1, b' ');
        file.push(b'\n');
        file.extend_from_slice(bytes);
        members.push((format!("{name}.npy"), file));
    }
    Ok(members)
}

/// The arrays as one safetensors file: floats as 32 bits, whole numbers as 64.
pub(super) fn to_safetensors(members: &Members, file: &str) -> Result<Vec<u8>, ExchangeError> {
    let mut tensors = Vec::new();
    let mut header = None;
    for (member, bytes) in members {
        match member.strip_suffix(".npy") {
            Some(name) => tensors.push(tensor(bytes, (file, member), name)?),
            None if member == HEADER_MEMBER => {
                header = Some(String::from_utf8_lossy(bytes).into_owned());
            }
            None => {}
        }
    }
    // Without that key the architecture is told by the shapes.
    let metadata = match header {
        Some(header) => (METADATA_KEY, header),
        None => ("format", "npz".to_owned()),
    };
    Ok(serialize(tensors, file, metadata)?)
}

/// An array as it lies in its file.
pub(crate) struct Array<'a> {
    /// NumPy's name of the type, such as `<f4`; one of `TYPES`.
    pub(crate) dtype: &'static str,
    /// Rows first.
    pub(crate) shape: Vec<usize>,
    /// As many as type and shape say.
    pub(crate) data: &'a [u8],
}

/// Types that can be read, and the bytes of a number.
const TYPES: [(&str, usize); 10] = [
    ("<f4", 4),
    ("<f8", 8),
    ("<f2", 2),
    ("<i8", 8),
    ("<i4", 4),
    ("<i2", 2),
    ("<u2", 2),
    ("|i1", 1),
    ("|u1", 1),
    ("|b1", 1),
];

impl<'a> Array<'a> {
    /// An `.npy` file, the `member` of the archive `file`.
    ///
    /// # Errors
    /// Another type or order, or data that the shape does not fit.
    pub(crate) fn parse(
        bytes: &'a [u8],
        file: &str,
        member: &str,
    ) -> Result<Array<'a>, ExchangeError> {
        let wrong = |found, expected: &str| wrong(file, member, found, expected);
        let cut = || wrong(format!("{} bytes", bytes.len()), "a whole array of NumPy");
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(cut)?;
        let (major, rest) = rest.split_first().ok_or_else(cut)?;
        let rest = rest.get(1..).ok_or_else(cut)?;
        let (length, rest) = if *major == 1 {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        } else {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX), rest)
        };
        let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
        let header = String::from_utf8_lossy(header);
        let entry = |key: &str| {
            let after = header.split_once(&format!("'{key}':"))?.1.trim_start();
            Some(after.to_owned())
        };
        let descr = entry("descr").unwrap_or_default();
        let dtype = descr.trim_start_matches('\'').split('\'').next().unwrap_or_default();
        if entry("fortran_order").is_none_or(|order| !order.starts_with("False")) {
            return Err(wrong("columns first".to_owned(), "rows first (numpy.ascontiguousarray)"));
        }
        let shape = entry("shape").unwrap_or_default();
        let shape: Option<Vec<usize>> = shape
            .strip_prefix('(')
            .and_then(|shape| shape.split(')').next())
            .map(|shape| shape.split(',').map(str::trim).filter(|n| !n.is_empty()))
            .and_then(|numbers| numbers.map(|n| n.parse().ok()).collect());
        let shape = shape.ok_or_else(|| {
            wrong(header.trim().to_owned(), "a header with a shape that fits into memory")
        })?;
        let Some((dtype, size)) = TYPES.into_iter().find(|(name, _)| *name == dtype) else {
            let expected = "numbers such as those of .astype('float32') or .astype('uint8')";
            return Err(wrong(format!("type {dtype:?}"), expected));
        };
        let count = shape.iter().try_fold(size, |n: usize, &d| n.checked_mul(d));
        if count != Some(data.len()) {
            let found = format!("{} bytes", data.len());
            return Err(wrong(found, &format!("what shape {shape:?} of {dtype} takes")));
        }
        Ok(Array { dtype, shape, data })
    }

    /// Whether they are whole numbers.
    pub(crate) fn is_whole(&self) -> bool {
        !self.dtype.starts_with("<f")
    }

    /// The numbers, if they are whole.
    pub(crate) fn whole(&self) -> Vec<i64> {
        match self.dtype {
            "<i8" => each(self.data, i64::from_le_bytes),
            "<i4" => each(self.data, |b| i64::from(i32::from_le_bytes(b))),
            "<i2" => each(self.data, |b| i64::from(i16::from_le_bytes(b))),
            "<u2" => each(self.data, |b| i64::from(u16::from_le_bytes(b))),
            "|i1" => each(self.data, |b| i64::from(i8::from_le_bytes(b))),
            _ => self.data.iter().map(|b| i64::from(*b)).collect(),
        }
    }

    /// The numbers, if they are none.
    pub(crate) fn floats(&self) -> Vec<f32> {
        match self.dtype {
            "<f4" => each(self.data, f32::from_le_bytes),
            "<f2" => each(self.data, |b| half_to_f64(u16::from_le_bytes(b)) as f32),
            _ => each(self.data, |b| f64::from_le_bytes(b) as f32),
        }
    }
}

fn each<const N: usize, T>(data: &[u8], of: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().map(|b| of(*b)).collect()
}

fn wrong(file: &str, member: &str, found: String, expected: &str) -> ExchangeError {
    ExchangeError::Array {
        file: file.to_owned(),
        member: member.to_owned(),
        found,
        expected: expected.to_owned(),
    }
}

fn tensor(bytes: &[u8], (file, member): (&str, &str), name: &str) -> Result<Named, ExchangeError> {
    let array = Array::parse(bytes, file, member)?;
    if !array.is_whole() {
        return Ok(Named::f32(name, array.shape.clone(), &array.floats()));
    }
    if array.shape.len() != 1 {
        let found = format!("whole numbers of shape {:?}", array.shape);
        return Err(wrong(file, member, found, "one dimension, or floats"));
    }
    Ok(Named::i64(name, &array.whole()))
}
