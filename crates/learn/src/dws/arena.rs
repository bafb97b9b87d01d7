//! Where the parameters lie in one buffer, in the layout that the kernels want: the features of every entry padded to
//! quads, and the weights that read the same columns below each other, so that they are one matrix.

use super::params::{Init, Param};
use super::topology::Affine;
use std::collections::BTreeMap;

/// Quads that hold `n` numbers.
pub(crate) fn quads(n: usize) -> usize {
    n.div_ceil(4)
}

/// A parameter's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Name and shape in the published code.
    pub param: Param,
    /// First number.
    pub at: usize,
    /// From one row to the next; the length of a vector.
    pub stride: usize,
    /// So many columns lie together, then there is padding up to a quad.
    pub block: usize,
}

impl Entry {
    fn rows(&self) -> usize {
        if self.param.shape.len() == 2 { self.param.shape[0] } else { 1 }
    }

    fn columns(&self) -> usize {
        self.param.shape[self.param.shape.len() - 1]
    }

    /// Where the number at row `r` and column `c` is.
    fn number(&self, r: usize, c: usize) -> usize {
        self.at + r * self.stride + c / self.block * self.block.next_multiple_of(4) + c % self.block
    }
}

/// The layout of all parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arena {
    entries: Vec<Entry>,
    len: usize,
}

/// Affine maps below each other, offsets and strides in quads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    pub weight: usize,
    pub stride: usize,
    pub bias: Option<usize>,
}

impl Arena {
    /// Numbers in all, with padding.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was placed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All parameters with their places.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn place(&mut self, param: Param, stride: usize, rows: usize, block: usize) -> usize {
        let at = self.len;
        self.entries.push(Entry { param, at, stride, block });
        self.len += stride * rows;
        at
    }

    /// Places maps of the same inputs below each other. Inputs come in blocks of `block` numbers, each padded to quads;
    /// `named` finds a parameter by name.
    ///
    /// # Panics
    /// If they do not fit together: a mistake in the model's code.
    pub(crate) fn stack(
        &mut self,
        affine: &[Affine],
        block: usize,
        named: &BTreeMap<String, Param>,
    ) -> Stack {
        let first = &affine[0];
        let stride = first.inputs.div_ceil(block) * block.next_multiple_of(4);
        let mut stack = Stack { weight: self.len / 4, stride: stride / 4, bias: None };
        for (i, a) in affine.iter().enumerate() {
            assert!(
                a.inputs == first.inputs && a.bias == first.bias,
                "{} and {}",
                first.name,
                a.name
            );
            assert!(i + 1 == affine.len() || a.outputs.is_multiple_of(4), "{}", a.name);
            let weight = named[&format!("{}.weight", a.name)].clone();
            self.place(weight, stride, 4 * quads(a.outputs), block);
        }
        if first.bias {
            stack.bias = Some(self.len / 4);
            for a in affine {
                let bias = named[&format!("{}.bias", a.name)].clone();
                self.place(bias, 4 * quads(a.outputs), 1, 4);
            }
        }
        stack
    }

    /// Places a vector; returns its offset in quads.
    pub(crate) fn vector(&mut self, name: &str, named: &BTreeMap<String, Param>) -> usize {
        let param = named[name].clone();
        let stride = 4 * quads(param.len());
        self.place(param, stride, 1, 4) / 4
    }

    /// The buffer's contents from values by name; `None` names a parameter that is missing or has another size.
    pub fn pack(
        &self,
        mut value: impl FnMut(&Param) -> Option<Vec<f32>>,
    ) -> Result<Vec<f32>, String> {
        let mut out = vec![0.0; self.len];
        for entry in &self.entries {
            let values = value(&entry.param)
                .filter(|v| v.len() == entry.param.len())
                .ok_or_else(|| entry.param.name.clone())?;
            let columns = entry.columns();
            for (i, value) in values.into_iter().enumerate() {
                out[entry.number(i / columns, i % columns)] = value;
            }
        }
        Ok(out)
    }

    /// One parameter's values out of the buffer's contents.
    pub fn unpack(&self, entry: &Entry, buffer: &[f32]) -> Vec<f32> {
        let columns = entry.columns();
        (0..entry.rows() * columns)
            .map(|i| buffer[entry.number(i / columns, i % columns)])
            .collect()
    }

    /// Fresh parameters, drawn parameter by parameter from `uniform`, numbers on (0, 1).
    pub fn init(&self, mut uniform: impl FnMut() -> f64) -> Vec<f32> {
        let packed = self.pack(|param| {
            let draw = |_| match param.init {
                Init::Constant(value) => value as f32,
                Init::Uniform { bound } => (bound * (2.0 * uniform() - 1.0)) as f32,
                Init::Normal { std } => {
                    let (u, v) = (uniform(), uniform());
                    // Box and Muller 1958.
                    (std * (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
                }
            };
            Some((0..param.len()).map(draw).collect())
        });
        packed.expect("every parameter has a value of its size")
    }
}
