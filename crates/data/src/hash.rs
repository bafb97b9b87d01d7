//! Content hashes, in the form in which every file records them.

/// The BLAKE3 hash of `bytes` as 64 lower-case hexadecimal digits (what `b3sum` prints).
pub fn blake3_hex(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
