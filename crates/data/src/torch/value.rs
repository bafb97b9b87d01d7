//! What a PyTorch file holds, as plain data.

use std::rc::Rc;

use super::error::TorchError;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// IEEE half precision.
    F16,
    /// The upper half of a 32-bit float.
    Bf16,
    /// 64-bit integer.
    I64,
    /// 32-bit integer.
    I32,
    /// 16-bit integer.
    I16,
    /// 8-bit integer.
    I8,
    /// Byte.
    U8,
    /// Truth value in a byte.
    Bool,
}

impl Dtype {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 => 8,
            Dtype::F32 | Dtype::I32 => 4,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 => 2,
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
        }
    }

    /// The type of a storage class in module `torch`, such as `FloatStorage`.
    pub(crate) fn of_storage(class: &str) -> Option<Dtype> {
        Some(match class {
            "FloatStorage" => Dtype::F32,
            "DoubleStorage" => Dtype::F64,
            "HalfStorage" => Dtype::F16,
            "BFloat16Storage" => Dtype::Bf16,
            "LongStorage" => Dtype::I64,
            "IntStorage" => Dtype::I32,
            "ShortStorage" => Dtype::I16,
            "CharStorage" => Dtype::I8,
            "ByteStorage" => Dtype::U8,
            "BoolStorage" => Dtype::Bool,
            _ => return None,
        })
    }
}

/// A tensor: a strided view of a storage. Every index it can form lies within the storage, and it
/// has no more elements than 16 times the bytes of its file.
#[derive(Clone)]
pub struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// In elements.
    pub(crate) strides: Vec<usize>,
    /// In elements.
    pub(crate) offset: usize,
    /// Little-endian.
    pub(crate) storage: Rc<[u8]>,
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({:?}, {:?})", self.dtype, self.shape)
    }
}

/// Equal type, shape and bits of the elements, however they lie in their storages.
impl PartialEq for Tensor {
    fn eq(&self, other: &Tensor) -> bool {
        self.dtype == other.dtype && self.shape == other.shape && self.bits() == other.bits()
    }
}

impl Tensor {
    /// The bits of every element, row-major.
    fn bits(&self) -> Vec<u64> {
        let mut out = Vec::with_capacity(self.len());
        match self.dtype.size() {
            8 => self.for_each(|b| out.push(u64::from_le_bytes(b))),
            4 => self.for_each(|b| out.push(u64::from(u32::from_le_bytes(b)))),
            2 => self.for_each(|b| out.push(u64::from(u16::from_le_bytes(b)))),
            _ => self.for_each(|[b]| out.push(u64::from(b))),
        }
        out
    }

    /// Checks that a view stays within its storage and is not blown up by strides of zero.
    pub(crate) fn new(
        dtype: Dtype,
        shape: Vec<usize>,
        mut strides: Vec<usize>,
        offset: usize,
        storage: Rc<[u8]>,
        most_elements: usize,
    ) -> Result<Tensor, String> {
        if shape.len() != strides.len() {
            return Err(format!("shape {shape:?} with strides {strides:?}"));
        }
        // The stride of a dimension of one is never walked and may be anything.
        for (stride, _) in strides.iter_mut().zip(&shape).filter(|&(_, &d)| d == 1) {
            *stride = 0;
        }
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let Some(elements) = elements.filter(|&n| n <= most_elements) else {
            return Err(format!("shape {shape:?}, more elements than its file can hold"));
        };
        let available = storage.len() / dtype.size();
        if elements > 0 {
            let last = shape
                .iter()
                .zip(&strides)
                .try_fold(offset, |at, (&d, &s)| at.checked_add((d - 1).checked_mul(s)?));
            if last.is_none_or(|last| last >= available) {
                return Err(format!(
                    "shape {shape:?}, strides {strides:?} and offset {offset} reach beyond its \
                     storage of {available} elements"
                ));
            }
        }
        Ok(Tensor { dtype, shape, strides, offset, storage })
    }

    /// Element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` with the bytes of every element, in row-major order.
    fn for_each<const N: usize>(&self, mut f: impl FnMut([u8; N])) {
        if self.is_empty() {
            return;
        }
        let elements = self.storage.as_chunks::<N>().0;
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        loop {
            f(elements[at]);
            let mut d = self.shape.len();
            loop {
                if d == 0 {
                    return;
                }
                d -= 1;
                index[d] += 1;
                at += self.strides[d];
                if index[d] < self.shape[d] {
                    break;
                }
                at -= self.strides[d] * self.shape[d];
                index[d] = 0;
            }
        }
    }

    /// The elements as `f64`, row-major. Integers beyond 2^53 are rounded.
    pub fn to_f64(&self) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.len());
        match self.dtype {
            Dtype::F32 => self.for_each(|b| out.push(f64::from(f32::from_le_bytes(b)))),
            Dtype::F64 => self.for_each(|b| out.push(f64::from_le_bytes(b))),
            Dtype::F16 => self.for_each(|b| out.push(half_to_f64(u16::from_le_bytes(b)))),
            Dtype::Bf16 => self.for_each(|b| {
                out.push(f64::from(f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)));
            }),
            Dtype::I64 => self.for_each(|b| out.push(i64::from_le_bytes(b) as f64)),
            Dtype::I32 => self.for_each(|b| out.push(f64::from(i32::from_le_bytes(b)))),
            Dtype::I16 => self.for_each(|b| out.push(f64::from(i16::from_le_bytes(b)))),
            Dtype::I8 => self.for_each(|b| out.push(f64::from(i8::from_le_bytes(b)))),
            Dtype::U8 | Dtype::Bool => self.for_each(|[b]| out.push(f64::from(b))),
        }
        out
    }

    /// The elements as `f32`, row-major; exact for `F32`, `F16` and `Bf16`, else rounded.
    pub fn to_f32(&self) -> Vec<f32> {
        if self.dtype == Dtype::F32 {
            // Not by way of f64, which need not keep the bits of a NaN.
            let mut out = Vec::with_capacity(self.len());
            self.for_each(|b| out.push(f32::from_le_bytes(b)));
            return out;
        }
        self.to_f64().into_iter().map(|v| v as f32).collect()
    }

    /// The elements as `i64`, row-major, or `None` for a tensor of floats.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        let mut out = Vec::with_capacity(self.len());
        match self.dtype {
            Dtype::I64 => self.for_each(|b| out.push(i64::from_le_bytes(b))),
            Dtype::I32 => self.for_each(|b| out.push(i64::from(i32::from_le_bytes(b)))),
            Dtype::I16 => self.for_each(|b| out.push(i64::from(i16::from_le_bytes(b)))),
            Dtype::I8 => self.for_each(|b| out.push(i64::from(i8::from_le_bytes(b)))),
            Dtype::U8 | Dtype::Bool => self.for_each(|[b]| out.push(i64::from(b))),
            Dtype::F32 | Dtype::F64 | Dtype::F16 | Dtype::Bf16 => return None,
        }
        Some(out)
    }
}

/// IEEE 754 half precision, exactly.
pub(crate) fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

/// What a pickle of data holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string.
    Str(String),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dictionary, in insertion order.
    Dict(Vec<(Value, Value)>),
    /// A tensor.
    Tensor(Tensor),
}

impl Value {
    /// The entry of a dictionary under a string.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Value::Dict(entries) = self else { return None };
        entries.iter().find(|(k, _)| matches!(k, Value::Str(k) if k == key)).map(|(_, v)| v)
    }

    /// The tensor, if it is one.
    pub fn tensor(&self) -> Option<&Tensor> {
        match self {
            Value::Tensor(t) => Some(t),
            _ => None,
        }
    }

    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::None => "None",
            Value::Bool(_) => "a truth value",
            Value::Int(_) => "a number",
            Value::Float(_) => "a float",
            Value::Str(_) => "a string",
            Value::List(_) => "a list",
            Value::Tuple(_) => "a tuple",
            Value::Dict(_) => "a dictionary",
            Value::Tensor(_) => "a tensor",
        }
    }

    /// A whole number, from a number or a tensor of one.
    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Tensor(t) if t.len() == 1 => t.to_i64()?.first().copied(),
            _ => None,
        }
    }
}

/// A shorthand for errors about one tensor.
pub(crate) fn tensor_error(
    file: &str,
    tensor: impl Into<String>,
    detail: impl Into<String>,
) -> TorchError {
    TorchError::Tensor { file: file.to_string(), tensor: tensor.into(), detail: detail.into() }
}
