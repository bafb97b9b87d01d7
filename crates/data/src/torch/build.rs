//! What a pickle may name and build: storages, tensors, ordered dictionaries; and the finished
//! value as a tree.

use std::collections::HashMap;

use super::error::TorchError;
use super::pickle::{Id, Machine, Node};
use super::value::{Dtype, Tensor, Value, tensor_error};

/// Deepest nesting of containers in the result.
const MAX_DEPTH: usize = 64;
// The next three are copied per use, so a memo would let a long one be copied without end.
/// Most arguments of a call.
const MAX_ARGS: usize = 8;
/// Most dimensions of a tensor.
const MAX_DIMS: usize = 16;
/// Longest name of a storage.
const MAX_KEY: usize = 32;

/// The names that a pickle may mention, and what they may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    RebuildFromType,
    /// Only ever an argument.
    TensorType,
    Storage(Dtype),
}

impl Global {
    pub(super) fn find(module: &str, name: &str) -> Option<Global> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Global::RebuildFromType,
            ("torch", "Tensor") | ("torch.nn.parameter", "Parameter") => Global::TensorType,
            ("torch", class) => Global::Storage(Dtype::of_storage(class)?),
            _ => return None,
        })
    }
}

/// A dictionary key.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Str(&'a str),
    Int(i64),
}

impl Machine<'_, '_> {
    /// `('storage', torch.FloatStorage, '0', 'cpu', 64)`.
    pub(super) fn persistent(&mut self) -> Result<(), TorchError> {
        let id = self.pop()?;
        let node = match &self.nodes[id] {
            Node::Tuple(items) => match items.as_slice() {
                &[tag, class, key, device, elements] => {
                    let parts = [tag, class, key, device, elements].map(|i| &self.nodes[i]);
                    match parts {
                        [
                            Node::Str(tag),
                            Node::Global(Global::Storage(dtype)),
                            Node::Str(key),
                            Node::Str(_),
                            Node::Int(elements),
                        ] if tag == "storage" && key.len() <= MAX_KEY => {
                            usize::try_from(*elements).ok().map(|elements| Node::Storage {
                                dtype: *dtype,
                                key: key.clone(),
                                elements,
                            })
                        }
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        };
        let node = node.ok_or_else(|| self.error("a reference to data that is no storage"))?;
        self.push(node);
        Ok(())
    }

    fn args(&self, id: Id) -> Result<&[Id], TorchError> {
        match &self.nodes[id] {
            Node::Tuple(items) => Ok(items),
            _ => Err(self.error("a call whose arguments are no tuple")),
        }
    }

    pub(super) fn reduce(&mut self, callee: Id, args: Id) -> Result<(), TorchError> {
        let Node::Global(global) = self.nodes[callee] else {
            return Err(self.error("a call of something that cannot be called"));
        };
        let args = self.args(args)?;
        if args.len() > MAX_ARGS {
            return Err(self.error("a call with too many arguments"));
        }
        let args = args.to_vec();
        match global {
            // Its items follow as SETITEMS; Python 3 never passes them here.
            Global::OrderedDict if args.is_empty() => {
                self.push(Node::Dict(Vec::new()));
                Ok(())
            }
            Global::OrderedDict => Err(self.error("an OrderedDict made with arguments")),
            Global::RebuildTensor => self.tensor(&args),
            Global::RebuildParameter => match args.first() {
                Some(&data) if matches!(self.nodes[data], Node::Tensor(_)) => {
                    self.stack.push(data);
                    Ok(())
                }
                _ => Err(self.error("a parameter that is no tensor")),
            },
            Global::RebuildFromType => match *args.as_slice() {
                [inner, _, inner_args, ..]
                    if !matches!(self.nodes[inner], Node::Global(Global::RebuildFromType)) =>
                {
                    self.reduce(inner, inner_args)
                }
                _ => Err(self.error("a tensor of a type that cannot be rebuilt")),
            },
            Global::TensorType | Global::Storage(_) => {
                Err(self.error("a call of a type, which only names one"))
            }
        }
    }

    /// `(storage, offset, size, stride, requires_grad, hooks)`.
    fn tensor(&mut self, args: &[Id]) -> Result<(), TorchError> {
        let whole = |id: Id| match self.nodes[id] {
            Node::Int(n) => usize::try_from(n).ok(),
            _ => None,
        };
        let wholes = |id: Id| match &self.nodes[id] {
            Node::Tuple(items) if items.len() <= MAX_DIMS => {
                items.iter().map(|&i| whole(i)).collect::<Option<Vec<usize>>>()
            }
            _ => None,
        };
        let parsed = match args {
            &[storage, offset, shape, strides, ..] => match &self.nodes[storage] {
                Node::Storage { dtype, key, elements } => (|| {
                    let view = (whole(offset)?, wholes(shape)?, wholes(strides)?);
                    Some((*dtype, key.clone(), *elements, view))
                })(),
                _ => None,
            },
            _ => None,
        };
        let Some((dtype, key, elements, (offset, shape, strides))) = parsed else {
            return Err(self.error("a tensor whose storage, shape or strides are none"));
        };
        let storage = self.archive.storage(&key)?;
        let name = || format!("data.pkl, byte {}: tensor of storage {key}", self.op_at);
        if elements.checked_mul(dtype.size()) != Some(storage.len()) {
            return Err(tensor_error(
                self.file,
                name(),
                format!("declares {elements} elements, but data/{key} has {} bytes", storage.len()),
            ));
        }
        let most = self.archive.most_elements();
        let tensor = Tensor::new(dtype, shape, strides, offset, storage, most)
            .map_err(|detail| tensor_error(self.file, name(), detail))?;
        self.push(Node::Tensor(tensor));
        Ok(())
    }

    pub(super) fn tree(
        &self,
        id: Id,
        depth: usize,
        budget: &mut usize,
    ) -> Result<Value, TorchError> {
        let too_much = || self.error("values that contain themselves, or far too many");
        if depth > MAX_DEPTH {
            return Err(too_much());
        }
        *budget = budget.checked_sub(1).ok_or_else(too_much)?;
        let all = |ids: &[Id], budget: &mut usize| {
            ids.iter().map(|&i| self.tree(i, depth + 1, budget)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match &self.nodes[id] {
            Node::None => Value::None,
            Node::Bool(b) => Value::Bool(*b),
            Node::Int(n) => Value::Int(*n),
            Node::Float(v) => Value::Float(*v),
            Node::Str(text) => {
                *budget = budget.checked_sub(text.len()).ok_or_else(too_much)?;
                Value::Str(text.clone())
            }
            Node::List(ids) => Value::List(all(ids, budget)?),
            Node::Tuple(ids) => Value::Tuple(all(ids, budget)?),
            Node::Dict(entries) => {
                let mut out: Vec<(Value, Value)> = Vec::new();
                let mut known: HashMap<Key<'_>, usize> = HashMap::new();
                for &(key, value) in entries {
                    let index = match &self.nodes[key] {
                        Node::Str(text) => Key::Str(text),
                        Node::Int(n) => Key::Int(*n),
                        _ => return Err(self.error("a key that is neither string nor number")),
                    };
                    let value = self.tree(value, depth + 1, budget)?;
                    // A key given again replaces its value, as in Python.
                    match known.get(&index) {
                        Some(&at) => out[at].1 = value,
                        None => {
                            known.insert(index, out.len());
                            out.push((self.tree(key, depth + 1, budget)?, value));
                        }
                    }
                }
                Value::Dict(out)
            }
            Node::Tensor(tensor) => Value::Tensor(tensor.clone()),
            Node::Global(_) | Node::Storage { .. } => {
                return Err(self.error("a name or storage where a value should be"));
            }
        })
    }
}
