//! A golden set: `manifest.json` and safetensors files.

use crate::error::LabError;
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use weightlab_data::Store;

const MANIFEST: &str = "manifest.json";

/// The parts of the manifest that are read.
#[derive(Debug, Deserialize)]
struct Manifest {
    /// `tensors[file][name] = [dtype, shape, role, tolerance, ..]`
    #[serde(default)]
    tensors: BTreeMap<String, BTreeMap<String, Value>>,
    /// `patterns[file][pattern]`, of tensors that are not listed one by one.
    #[serde(default)]
    patterns: BTreeMap<String, BTreeMap<String, Value>>,
    cases: Cases,
}

/// Cases by group, or a plain list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Cases {
    Groups(BTreeMap<String, BTreeMap<String, Value>>),
    List(Vec<Listed>),
}

#[derive(Debug, Deserialize)]
struct Listed {
    family: String,
    name: String,
}

/// How far a number may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tolerance {
    pub(super) atol: f64,
    pub(super) rtol: f64,
}

impl Tolerance {
    pub(super) fn at(self, golden: f64) -> f64 {
        self.atol + self.rtol * golden.abs()
    }
}

/// A tensor with what the manifest says of it.
#[derive(Clone, Debug)]
pub(super) struct Golden {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
    pub(super) tolerance: Tolerance,
}

impl Golden {
    /// For inputs, which are stored so that this is exact.
    pub(super) fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|&x| x as f32).collect()
    }
}

/// An opened set. Files are read when first needed.
#[derive(Debug)]
pub(super) struct Set<S: Store> {
    store: S,
    manifest: Manifest,
    files: BTreeMap<String, File>,
}

/// A safetensors file with its header, which is parsed once: those of models list more than a thousand tensors.
#[derive(Debug)]
struct File {
    name: String,
    metadata: Metadata,
    /// What follows the header.
    data: Vec<u8>,
}

impl File {
    fn new(name: String, bytes: &[u8]) -> Result<File, LabError> {
        let wrong = |e: safetensors::SafeTensorError| {
            golden_error(&name, e.to_string(), "a safetensors file")
        };
        SafeTensors::deserialize(bytes).map_err(wrong)?;
        let (length, metadata) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
        let data = bytes.get(8 + length..).unwrap_or_default().to_vec();
        Ok(File { name, metadata, data })
    }

    /// Shape and values of a tensor.
    fn tensor(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>), LabError> {
        let wrong = |what: String, expected: &str| golden_error(&self.name, what, expected);
        let info = self.metadata.info(name).ok_or_else(|| {
            wrong(format!("there is no tensor {name}"), "every tensor of the manifest")
        })?;
        let data = self.data.get(info.data_offsets.0..info.data_offsets.1).unwrap_or_default();
        let values = match info.dtype {
            Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            Dtype::F32 => {
                data.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()
            }
            Dtype::I64 => {
                data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect()
            }
            Dtype::I8 => data.iter().map(|&b| f64::from(b as i8)).collect(),
            Dtype::U8 => data.iter().map(|&b| f64::from(b)).collect(),
            other => {
                let expected = "F32, F64, I64, I8 or U8";
                return Err(wrong(format!("{name}: type {other:?}"), expected));
            }
        };
        Ok((info.shape.clone(), values))
    }
}

impl<S: Store> Set<S> {
    pub(super) async fn open(store: S) -> Result<Set<S>, LabError> {
        let bytes = store.read(MANIFEST).await?;
        let manifest = serde_json::from_slice(&bytes).map_err(|e| {
            golden_error(
                MANIFEST,
                e.to_string(),
                "the objects `tensors` and `cases` of the golden format",
            )
        })?;
        Ok(Set { store, manifest, files: BTreeMap::new() })
    }

    /// `(group, case)` of everything.
    pub(super) fn cases(&self) -> Vec<(String, String)> {
        match &self.manifest.cases {
            Cases::Groups(groups) => groups
                .iter()
                .flat_map(|(group, cases)| cases.keys().map(|c| (group.clone(), c.clone())))
                .collect(),
            Cases::List(cases) => {
                cases.iter().map(|c| (c.family.clone(), c.name.clone())).collect()
            }
        }
    }

    pub(super) fn has_group(&self, group: &str) -> bool {
        matches!(&self.manifest.cases, Cases::Groups(groups) if groups.contains_key(group))
    }

    /// The scalars of a case.
    pub(super) fn case(&self, group: &str, case: &str) -> Option<&Value> {
        match &self.manifest.cases {
            Cases::Groups(groups) => groups.get(group)?.get(case),
            Cases::List(_) => None,
        }
    }

    /// Names of the tensors that the manifest lists for a file.
    pub(super) fn names(&self, file: &str) -> Vec<&str> {
        self.manifest
            .tensors
            .get(file)
            .map(|t| t.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    pub(super) fn has(&self, file: &str, name: &str) -> bool {
        self.manifest.tensors.get(file).is_some_and(|t| t.contains_key(name))
    }

    /// A tensor, checked against the manifest.
    pub(super) async fn tensor(&mut self, file: &str, name: &str) -> Result<Golden, LabError> {
        let (shape, tolerance) = self.described(file, name)?;
        let file = self.file(file).await?;
        let (stored, values) = file.tensor(name)?;
        if stored != shape {
            return Err(golden_error(
                &file.name,
                format!("{name}: shape {stored:?}"),
                &format!("{shape:?} as in the manifest"),
            ));
        }
        Ok(Golden { shape, values, tolerance })
    }

    /// A tensor that the manifest does not list by itself.
    pub(super) async fn unlisted(&mut self, file: &str, name: &str) -> Result<Golden, LabError> {
        let (shape, values) = self.file(file).await?.tensor(name)?;
        Ok(Golden { shape, values, tolerance: Tolerance { atol: 0.0, rtol: 0.0 } })
    }

    /// What the manifest says of tensors of a pattern, at a pointer into it.
    pub(super) fn pattern(&self, file: &str, pattern: &str, pointer: &str) -> Option<&Value> {
        self.manifest.patterns.get(file)?.get(pattern)?.pointer(pointer)
    }

    async fn file(&mut self, file: &str) -> Result<&File, LabError> {
        if !self.files.contains_key(file) {
            let path = format!("{file}.safetensors");
            let bytes = self.store.read(&path).await?;
            self.files.insert(file.to_owned(), File::new(path, &bytes)?);
        }
        Ok(&self.files[file])
    }

    fn described(&self, file: &str, name: &str) -> Result<(Vec<usize>, Tolerance), LabError> {
        let wrong = |expected: &str| {
            golden_error(
                MANIFEST,
                format!("tensors.{file}.{name} is missing or malformed"),
                expected,
            )
        };
        let fields = self
            .manifest
            .tensors
            .get(file)
            .and_then(|t| t.get(name))
            .and_then(Value::as_array)
            .ok_or_else(|| wrong("[dtype, shape, role, tolerance, ..]"))?;
        let shape = fields
            .get(1)
            .and_then(|s| serde_json::from_value(s.clone()).ok())
            .ok_or_else(|| wrong("a shape as its second field"))?;
        let tolerance = match fields.get(3) {
            Some(Value::String(text)) if text == "exact" => Tolerance { atol: 0.0, rtol: 0.0 },
            Some(Value::Array(pair)) => {
                match pair.iter().map(Value::as_f64).collect::<Vec<_>>()[..] {
                    [Some(atol), Some(rtol)] => Tolerance { atol, rtol },
                    _ => return Err(wrong("[atol, rtol] as its fourth field")),
                }
            }
            _ => return Err(wrong("\"exact\" or [atol, rtol] as its fourth field")),
        };
        Ok((shape, tolerance))
    }
}

fn golden_error(file: &str, what: String, expected: &str) -> LabError {
    LabError::Golden { file: file.to_owned(), what, expected: expected.to_owned() }
}
