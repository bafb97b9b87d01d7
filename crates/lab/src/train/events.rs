//! TensorBoard's event files: records of TFRecord with protocol buffers of `tensorflow.Event` (event.proto, summary.proto), as far as
//! scalars need them.

use super::run::Epoch;

/// CRC-32C (Castagnoli), reflected, bit by bit: files are small.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |c, _| if c & 1 == 1 { (c >> 1) ^ 0x82f6_3b78 } else { c >> 1 },
        )
    })
}

/// As TFRecord masks it.
fn masked(bytes: &[u8]) -> [u8; 4] {
    let crc = crc32c(bytes);
    (crc.rotate_right(15).wrapping_add(0xa282_ead8)).to_le_bytes()
}

/// Length, its checksum, data, their checksum.
fn record(out: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&masked(&length));
    out.extend_from_slice(data);
    out.extend_from_slice(&masked(data));
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// A field of bytes (wire type 2).
fn bytes_field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// `Event { wall_time, step, what }`; the time is the step, so that equal runs give equal files.
fn event(step: u64, what: &[u8]) -> Vec<u8> {
    let mut out = vec![0x09];
    out.extend_from_slice(&(step as f64).to_le_bytes());
    out.push(0x10);
    varint(&mut out, step);
    out.extend_from_slice(what);
    out
}

/// `Event.summary` with `Summary.value { tag, simple_value }`.
fn scalar(tag: &str, value: f64) -> Vec<u8> {
    let mut one = Vec::new();
    bytes_field(&mut one, 1, tag.as_bytes());
    one.push(2 << 3 | 5);
    one.extend_from_slice(&(value as f32).to_le_bytes());
    let mut summary = Vec::new();
    bytes_field(&mut summary, 1, &one);
    let mut out = Vec::new();
    bytes_field(&mut out, 5, &summary);
    out
}

/// The file of a run.
pub(crate) fn events(history: &[Epoch]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut version = Vec::new();
    bytes_field(&mut version, 3, b"brain.Event:2");
    record(&mut out, &event(0, &version));
    for epoch in history {
        let values = [
            ("loss/training", Some(epoch.loss)),
            ("loss/validation", epoch.validation_loss),
            ("accuracy/training", Some(epoch.accuracy)),
            ("accuracy/validation", epoch.validation_accuracy),
            ("accuracy/test", epoch.test_accuracy),
        ];
        for (tag, value) in values {
            if let Some(value) = value {
                record(&mut out, &event(u64::from(epoch.step), &scalar(tag, value)));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4, and TensorFlow's own mask.
    #[test]
    fn known_checksums() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// The bytes that TensorFlow writes for this scalar.
    #[test]
    fn a_scalar_in_bytes() {
        let summary = scalar("a", 1.5);
        assert_eq!(summary, [0x2a, 0x0a, 0x0a, 0x08, 0x0a, 0x01, b'a', 0x15, 0, 0, 0xc0, 0x3f]);
        let mut out = Vec::new();
        varint(&mut out, 300);
        assert_eq!(out, [0xac, 0x02]);
    }
}
