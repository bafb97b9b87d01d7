//! CIFAR-10 batches: whatever is accepted accounts for every byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{CIFAR_RECORD, read_cifar_names, read_cifar10};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(records) = read_cifar10(bytes, "x") {
        assert_eq!(records.labels.len() * CIFAR_RECORD, bytes.len());
        assert_eq!(records.pixels.len() + records.labels.len(), bytes.len());
    }
    let _ = read_cifar_names(bytes);
});
