//! An interpreter of pickles that knows data only.
//!
//! Values live in one arena and refer to each other by index, as pickles share and even nest
//! values through their memo; only the finished value becomes a tree, within a budget, so that
//! neither a cycle nor a few bytes that double a list thirty times can exhaust memory.

use std::collections::HashMap;

use super::archive::Archive;
use super::build::Global;
use super::error::TorchError;
use super::value::{Dtype, Tensor, Value};

/// Index of a value in the arena.
pub(super) type Id = usize;

/// A value in the arena.
#[derive(Clone, Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage { dtype: Dtype, key: String, elements: usize },
    Tensor(Tensor),
}

/// The stack machine.
pub(super) struct Machine<'a, 'z> {
    program: &'a [u8],
    at: usize,
    /// Offset of the opcode at work, for messages.
    pub(super) op_at: usize,
    pub(super) file: &'a str,
    pub(super) archive: &'a mut Archive<'z>,
    pub(super) nodes: Vec<Node>,
    pub(super) stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

/// Runs the pickle `program` of `file`, taking storages from `archive`.
pub(crate) fn load(
    program: &[u8],
    file: &str,
    archive: &mut Archive<'_>,
) -> Result<Value, TorchError> {
    let mut machine = Machine {
        program,
        at: 0,
        op_at: 0,
        file,
        archive,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    let root = machine.run()?;
    // An honest pickle uses nearly every value once; a few it shares.
    let mut budget = 4 * program.len();
    machine.tree(root, 0, &mut budget)
}

impl Machine<'_, '_> {
    pub(super) fn error(&self, detail: impl Into<String>) -> TorchError {
        TorchError::Pickle {
            file: self.file.to_string(),
            offset: self.op_at as u64,
            detail: detail.into(),
        }
    }

    fn take(&mut self, n: usize) -> Result<&[u8], TorchError> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.program.len());
        let Some(end) = end else {
            return Err(self.error(format!(
                "the pickle ends after {} bytes, inside an opcode",
                self.program.len()
            )));
        };
        let start = std::mem::replace(&mut self.at, end);
        Ok(&self.program[start..end])
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], TorchError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn byte(&mut self) -> Result<u8, TorchError> {
        Ok(self.bytes::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, TorchError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn text(&mut self, n: usize) -> Result<String, TorchError> {
        let bytes = self.take(n)?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.error("a string that is not UTF-8"))
    }

    fn line(&mut self) -> Result<String, TorchError> {
        let rest = &self.program[self.at..];
        let Some(n) = rest.iter().position(|&b| b == b'\n') else {
            return Err(self.error("a name without end"));
        };
        let line = self.text(n)?;
        self.at += 1;
        Ok(line)
    }

    pub(super) fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    pub(super) fn pop(&mut self) -> Result<Id, TorchError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.error("an opcode that wants more values than there are"));
        }
        self.stack.pop().ok_or_else(|| self.error("an empty stack"))
    }

    fn top(&self) -> Result<Id, TorchError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => Err(self.error("an opcode that wants a value where there is none")),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, TorchError> {
        let Some(mark) = self.marks.pop() else {
            return Err(self.error("an opcode that wants a mark where there is none"));
        };
        // Nothing pops below a mark, so it is still within the stack.
        Ok(self.stack.split_off(mark))
    }

    fn pop_tuple(&mut self, n: usize) -> Result<(), TorchError> {
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items));
        Ok(())
    }

    fn put(&mut self, key: u32) -> Result<(), TorchError> {
        let id = self.top()?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn get(&mut self, key: u32) -> Result<(), TorchError> {
        let Some(&id) = self.memo.get(&key) else {
            return Err(self.error(format!("memo entry {key}, which was never made")));
        };
        self.stack.push(id);
        Ok(())
    }

    fn run(&mut self) -> Result<Id, TorchError> {
        loop {
            self.op_at = self.at;
            match self.byte()? {
                b'\x80' => {
                    let version = self.byte()?;
                    if !(2..=5).contains(&version) {
                        return Err(self.error(format!("pickle protocol {version}, not 2 to 5")));
                    }
                }
                // FRAME: a hint about lengths, of no meaning to a reader that has all bytes.
                b'\x95' => drop(self.take(8)?),
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.push(Node::None),
                b'\x88' => self.push(Node::Bool(true)),
                b'\x89' => self.push(Node::Bool(false)),
                b'K' => {
                    let n = self.byte()?;
                    self.push(Node::Int(i64::from(n)));
                }
                b'M' => {
                    let n = u16::from_le_bytes(self.bytes()?);
                    self.push(Node::Int(i64::from(n)));
                }
                b'J' => {
                    let n = i32::from_le_bytes(self.bytes()?);
                    self.push(Node::Int(i64::from(n)));
                }
                b'\x8a' => self.long()?,
                b'G' => {
                    let value = f64::from_be_bytes(self.bytes()?);
                    self.push(Node::Float(value));
                }
                b'X' => {
                    let n = self.u32()?;
                    let n = usize::try_from(n).map_err(|_| self.error("a string too long"))?;
                    let text = self.text(n)?;
                    self.push(Node::Str(text));
                }
                b'\x8c' => {
                    let n = self.byte()?;
                    let text = self.text(usize::from(n))?;
                    self.push(Node::Str(text));
                }
                b']' => self.push(Node::List(Vec::new())),
                b'}' => self.push(Node::Dict(Vec::new())),
                b')' => self.push(Node::Tuple(Vec::new())),
                b't' => {
                    let items = self.pop_mark()?;
                    self.push(Node::Tuple(items));
                }
                b'\x85' => self.pop_tuple(1)?,
                b'\x86' => self.pop_tuple(2)?,
                b'\x87' => self.pop_tuple(3)?,
                b'a' => {
                    let item = self.pop()?;
                    self.extend_list(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_mark()?;
                    self.extend_list(items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend_dict(vec![key, value])?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.extend_dict(items)?;
                }
                b'q' => {
                    let key = self.byte()?;
                    self.put(u32::from(key))?;
                }
                b'r' => {
                    let key = self.u32()?;
                    self.put(key)?;
                }
                b'\x94' => {
                    let key = u32::try_from(self.memo.len()).unwrap_or(u32::MAX);
                    self.put(key)?;
                }
                b'h' => {
                    let key = self.byte()?;
                    self.get(u32::from(key))?;
                }
                b'j' => {
                    let key = self.u32()?;
                    self.get(key)?;
                }
                b'c' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.global(&module, &name)?;
                }
                b'\x93' => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Node::Str(module), Node::Str(name)) =
                        (&self.nodes[module], &self.nodes[name])
                    else {
                        return Err(self.error("a global whose name is no string"));
                    };
                    let (module, name) = (module.clone(), name.clone());
                    self.global(&module, &name)?;
                }
                b'Q' => self.persistent()?,
                b'R' => {
                    let (args, callee) = (self.pop()?, self.pop()?);
                    self.reduce(callee, args)?;
                }
                b'b' => {
                    // The attributes of an OrderedDict: a module's state_dict carries versions
                    // there, which are not part of the data.
                    self.pop()?;
                    let target = self.top()?;
                    if !matches!(self.nodes[target], Node::Dict(_)) {
                        return Err(self.error("attributes for something that has none"));
                    }
                }
                opcode => {
                    return Err(TorchError::Opcode {
                        file: self.file.to_string(),
                        offset: self.op_at as u64,
                        opcode,
                    });
                }
            }
        }
    }

    fn long(&mut self) -> Result<(), TorchError> {
        let n = usize::from(self.byte()?);
        let bytes = self.take(n)?;
        if bytes.len() > 8 {
            return Err(self.error("a whole number of more than 64 bits"));
        }
        // Two's complement, little-endian, as short as it may be.
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
        let mut word = [fill; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        self.push(Node::Int(i64::from_le_bytes(word)));
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), TorchError> {
        match Global::find(module, name) {
            Some(global) => {
                self.push(Node::Global(global));
                Ok(())
            }
            None => Err(TorchError::Global {
                file: self.file.to_string(),
                offset: self.op_at as u64,
                // Shown to a person: no line breaks, no terminal codes, no megabytes.
                name: format!("{module} {name}")
                    .chars()
                    .take(200)
                    .flat_map(char::escape_debug)
                    .collect(),
            }),
        }
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Result<(), TorchError> {
        let target = self.top()?;
        match &mut self.nodes[target] {
            Node::List(list) => list.extend(items),
            _ => return Err(self.error("items for something that is no list")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: Vec<Id>) -> Result<(), TorchError> {
        let target = self.top()?;
        if !items.len().is_multiple_of(2) {
            return Err(self.error("a key without a value"));
        }
        match &mut self.nodes[target] {
            Node::Dict(dict) => dict.extend(items.chunks_exact(2).map(|kv| (kv[0], kv[1]))),
            _ => return Err(self.error("entries for something that is no dictionary")),
        }
        Ok(())
    }
}
