//! A safetensors file that says of the networks of a zoo what shards have no room for.

use crate::error::LabError;
use crate::message::Warning;
use crate::mix::MIXTURES_FILE;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::HashMap;
use weightlab_data::{Store, Zoo};

/// The tensors of such a file.
#[derive(Debug, Default)]
pub(crate) struct SideFile {
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl SideFile {
    pub(crate) fn i64(&mut self, name: impl Into<String>, shape: Vec<usize>, values: &[i64]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors.push((name.into(), Dtype::I64, shape, bytes));
    }

    pub(crate) fn f32(&mut self, name: impl Into<String>, shape: Vec<usize>, values: &[f32]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors.push((name.into(), Dtype::F32, shape, bytes));
    }

    pub(crate) fn f64(&mut self, name: impl Into<String>, values: &[f64]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors.push((name.into(), Dtype::F64, vec![values.len()], bytes));
    }

    /// The file; `about` is the one entry of its metadata, in words.
    pub(crate) fn bytes(&self, about: &str) -> Result<Vec<u8>, LabError> {
        let wrong = |e: safetensors::SafeTensorError| LabError::Tensors(e.to_string());
        let mut views = Vec::new();
        for (name, dtype, shape, bytes) in &self.tensors {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(wrong)?;
            views.push((name.as_str(), view));
        }
        // One entry only: several would be in another order in every process.
        let metadata = HashMap::from([("about".to_owned(), about.to_owned())]);
        safetensors::serialize(views, Some(metadata)).map_err(wrong)
    }
}

/// A warning that what is made of this zoo does not know its mixed labels: each network keeps the larger one.
pub(crate) fn lost_labels<S: Store>(zoo: &Zoo<S>) -> Option<Warning> {
    let mixed = zoo.manifest().beside.iter().any(|entry| entry.file == MIXTURES_FILE);
    mixed.then(|| {
        let what = format!(
            "these networks are mixtures, and only the class with the larger share goes on; the shares stay in their {MIXTURES_FILE}"
        );
        Warning { what, diverged: None }
    })
}
