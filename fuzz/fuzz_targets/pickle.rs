//! The pickle inside a .pth file: the input is data.pkl, beside one storage of 256 bytes, in a
//! sound archive, so that the fuzzer need not find checksums.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{Value, read_torch};

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| c >> 1 ^ (0xedb8_8320 & (c & 1).wrapping_neg()))
    })
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let offset = out.len() as u32;
        let mut fields = vec![0, 0, 0, 0, 0, 0, 0x21, 0];
        fields.extend(crc32(data).to_le_bytes());
        fields.extend((data.len() as u32).to_le_bytes());
        fields.extend((data.len() as u32).to_le_bytes());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        out.extend(b"PK\x03\x04\x14\0");
        out.extend(&fields);
        out.extend(name.bytes());
        out.extend(*data);
        directory.extend(b"PK\x01\x02\x14\0\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn visit(value: &Value) {
    match value {
        Value::Tensor(tensor) => assert_eq!(tensor.to_f64().len(), tensor.len()),
        Value::List(items) | Value::Tuple(items) => items.iter().for_each(visit),
        Value::Dict(entries) => entries.iter().for_each(|(_, v)| visit(v)),
        _ => {}
    }
}

fuzz_target!(|pickle: &[u8]| {
    let bytes = archive(&[("a/data.pkl", pickle), ("a/data/0", &[7; 256])]);
    if let Ok(value) = read_torch(&bytes, "x") {
        visit(&value);
    }
});
