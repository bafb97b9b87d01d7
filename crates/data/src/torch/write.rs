//! Writing one network as PyTorch would.

use flate2::Crc;
use weightlab_nets::Mlp;

/// PyTorch lays every storage at a multiple of this, so that files can be mapped into memory.
const ALIGNMENT: usize = 64;
const ROOT: &str = "archive";

/// One network as a file of `torch.save`: an `OrderedDict` of `seq.0.weight` `(out, in)`,
/// `seq.0.bias` `(out)`, ... as float tensors, and last `label`, a Python int (left out if
/// `None`). `torch.load(path, weights_only=True)` reads it. Equal contents give equal bytes.
///
/// # Panics
/// If `params` does not hold the parameters of exactly one network.
pub fn write_torch_net(mlp: &Mlp, params: &[f32], label: Option<i64>) -> Vec<u8> {
    assert_eq!(params.len(), mlp.param_count(), "the parameters of one network");
    let mut pickle = Pickle::new();
    let mut storages: Vec<&[f32]> = Vec::new();
    pickle.ordered_dict();
    pickle.op(b'(');
    for (l, layer) in mlp.layers().iter().enumerate() {
        let weight = &params[layer.weight..layer.bias];
        pickle.text(&format!("seq.{l}.weight"));
        pickle.tensor(storages.len(), &[layer.outputs, layer.inputs]);
        storages.push(weight);
        pickle.text(&format!("seq.{l}.bias"));
        pickle.tensor(storages.len(), &[layer.outputs]);
        storages.push(&params[layer.bias..layer.bias + layer.outputs]);
    }
    if let Some(label) = label {
        pickle.text("label");
        pickle.int(label);
    }
    pickle.op(b'u');
    pickle.op(b'.');

    let mut zip = Zip::default();
    zip.add("data.pkl", &pickle.bytes);
    zip.add("byteorder", b"little");
    for (i, values) in storages.iter().enumerate() {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        zip.add(&format!("data/{i}"), &bytes);
    }
    zip.add("version", b"3\n");
    zip.finish()
}

/// A pickle of protocol 2, as PyTorch writes it.
struct Pickle {
    bytes: Vec<u8>,
}

impl Pickle {
    fn new() -> Pickle {
        Pickle { bytes: vec![0x80, 2] }
    }

    fn op(&mut self, op: u8) {
        self.bytes.push(op);
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").bytes());
    }

    fn ordered_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.bytes.extend(b")R");
    }

    fn text(&mut self, text: &str) {
        self.op(b'X');
        // All texts here are a few characters long.
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.bytes());
    }

    fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(short) => {
                self.op(b'J');
                self.bytes.extend(short.to_le_bytes());
            }
            Err(_) => {
                self.bytes.extend([0x8a, 8]);
                self.bytes.extend(value.to_le_bytes());
            }
        }
    }

    fn ints(&mut self, values: &[usize]) {
        self.op(b'(');
        for &value in values {
            self.int(value as i64);
        }
        self.op(b't');
    }

    /// A contiguous float tensor that is all of storage `key`.
    fn tensor(&mut self, key: usize, shape: &[usize]) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.bytes.extend(b"((");
        self.text("storage");
        self.global("torch", "FloatStorage");
        self.text(&key.to_string());
        self.text("cpu");
        self.int(shape.iter().product::<usize>() as i64);
        self.bytes.extend(b"tQ");
        self.int(0);
        self.ints(shape);
        let mut strides = vec![1; shape.len()];
        for d in (1..shape.len()).rev() {
            strides[d - 1] = strides[d] * shape[d];
        }
        self.ints(&strides);
        self.op(0x89);
        self.ordered_dict();
        self.bytes.extend(b"tR");
    }
}

/// A zip archive of stored members whose data are aligned.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    members: u16,
}

impl Zip {
    fn add(&mut self, name: &str, data: &[u8]) {
        let name = format!("{ROOT}/{name}");
        let offset = self.bytes.len();
        let mut crc = Crc::new();
        crc.update(data);
        let fields = |out: &mut Vec<u8>, extra: usize| {
            for word in [0x0800u16, 0, 0, 0x0021] {
                // Flags (names are UTF-8), method (stored), time, date (1980-01-01: none).
                out.extend(word.to_le_bytes());
            }
            out.extend(crc.sum().to_le_bytes());
            out.extend((data.len() as u32).to_le_bytes());
            out.extend((data.len() as u32).to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
            out.extend((extra as u16).to_le_bytes());
        };
        // Padding goes into an extra field of PyTorch's own, "FB", of at least its 4-byte head.
        let unpadded = offset + 30 + name.len() + 4;
        let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;
        self.bytes.extend(b"PK\x03\x04\x14\x00");
        fields(&mut self.bytes, 4 + padding);
        self.bytes.extend(name.bytes());
        self.bytes.extend(b"FB");
        self.bytes.extend((padding as u16).to_le_bytes());
        self.bytes.resize(self.bytes.len() + padding, b'Z');
        self.bytes.extend_from_slice(data);

        self.directory.extend(b"PK\x01\x02\x14\x00\x14\x00");
        fields(&mut self.directory, 0);
        // Comment length, disk, internal attributes, external attributes.
        self.directory.extend([0; 10]);
        self.directory.extend((offset as u32).to_le_bytes());
        self.directory.extend(name.bytes());
        self.members += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&self.directory);
        self.bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
        self.bytes.extend(self.members.to_le_bytes());
        self.bytes.extend(self.members.to_le_bytes());
        self.bytes.extend((self.directory.len() as u32).to_le_bytes());
        self.bytes.extend(start.to_le_bytes());
        self.bytes.extend([0, 0]);
        self.bytes
    }
}
