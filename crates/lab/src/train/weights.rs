//! Parameters of models in files: state dicts under the names of the published code.

use super::problem::TrainProblem;
use crate::error::LabError;
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use weightlab_data::{Value, read_torch};
use weightlab_learn::{NamedTensor, Network};

/// Tensors by name.
pub type StateDict = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn wrong(file: &str, what: impl Into<String>, expected: &str) -> LabError {
    let (file, expected) = (file.to_owned(), expected.to_owned());
    TrainProblem::Weights { file, what: what.into(), expected }.into()
}

const EXPECTED: &str = "a state dict as safetensors or as torch.save writes it";

/// As [`read_state`], of a file that this program wrote: programs that read no other files need no reader of them.
pub(crate) fn read_safetensors(bytes: &[u8], file: &str) -> Result<StateDict, LabError> {
    let tensors =
        SafeTensors::deserialize(bytes).map_err(|e| wrong(file, e.to_string(), EXPECTED))?;
    let mut all = StateDict::new();
    for (name, view) in tensors.iter() {
        let values = match view.dtype() {
            safetensors::Dtype::F32 => {
                view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
            }
            safetensors::Dtype::F64 => {
                let each = view.data().as_chunks().0.iter();
                each.map(|&b| f64::from_le_bytes(b) as f32).collect()
            }
            // Counters, such as those of batches seen, are of no use here.
            safetensors::Dtype::I64 => continue,
            other => return Err(wrong(file, format!("{name}: type {other:?}"), "F32 or F64")),
        };
        all.insert(name.to_owned(), (view.shape().to_vec(), values));
    }
    Ok(all)
}

/// Reads a state dict: a safetensors file, or one of `torch.save`, which is read as data only. `file` is the name used in messages.
///
/// # Errors
/// Neither of both, or tensors that are not numbers.
pub fn read_state(bytes: &[u8], file: &str) -> Result<StateDict, LabError> {
    if !bytes.starts_with(b"PK") {
        return read_safetensors(bytes, file);
    }
    let value = read_torch(bytes, file)?;
    // Trainers like to put the state dict into another dictionary.
    let inner = ["state_dict", "model_state_dict", "model"].iter().find_map(|key| value.get(key));
    let Value::Dict(entries) = inner.unwrap_or(&value) else {
        return Err(wrong(file, "holds no dictionary", EXPECTED));
    };
    let mut all = StateDict::new();
    for (key, value) in entries {
        if let (Value::Str(name), Value::Tensor(tensor)) = (key, value) {
            all.insert(name.clone(), (tensor.shape().to_vec(), tensor.to_f32()));
        }
    }
    if all.is_empty() {
        return Err(wrong(file, "holds no tensor", EXPECTED));
    }
    Ok(all)
}

/// A state dict as safetensors, with `about` as its one metadata entry.
///
/// # Errors
/// None that a model could cause.
pub fn write_state(tensors: &[NamedTensor], about: &str) -> Result<Vec<u8>, LabError> {
    let mut file = crate::derive::SideFile::default();
    for tensor in tensors {
        file.f32(&tensor.name, tensor.shape.clone(), &tensor.values);
    }
    file.bytes(about)
}

/// A model's parameters and running statistics, packed, from a state dict.
///
/// # Errors
/// A tensor that is missing, has another shape or does not belong to the model.
pub fn pack_state(
    network: &Network,
    state: &StateDict,
    file: &str,
) -> Result<(Vec<f32>, Vec<f32>), LabError> {
    let find = |name: &str| state.get(name).cloned();
    let expected = "the parameters of this model";
    let in_file = |e: weightlab_learn::NetworkError| wrong(file, e.to_string(), expected);
    let params = network.pack(find).map_err(in_file)?;
    let statistics = network.pack_state(find).map_err(in_file)?;
    let mut known: Vec<String> = network.unpack(&params).into_iter().map(|t| t.name).collect();
    known.extend(network.unpack_state(&statistics).into_iter().map(|t| t.name));
    let strange = state.keys().find(|k| !known.contains(k) && !k.ends_with("num_batches_tracked"));
    match strange {
        Some(name) => Err(wrong(file, format!("tensor {name} belongs to another model"), expected)),
        None => Ok((params, statistics)),
    }
}
