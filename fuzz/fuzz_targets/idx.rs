//! IDX files, plain and gzipped: whatever is accepted has the length that its header says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{ImageSet, SourceOptions, read_idx_images, read_idx_labels};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(set) = read_idx_images(bytes, "x") {
        assert_eq!(set.pixels.len(), set.count * set.height * set.width);
    }
    let _ = read_idx_labels(bytes, "x");
    let labels = Some(("y", bytes));
    let _ = ImageSet::from_idx_bytes(("x", bytes), labels, None, &SourceOptions::default());
    let small = SourceOptions { size: Some((3, 2)), grey: Some(false), ..SourceOptions::default() };
    if bytes.len() < 4096 {
        let _ = ImageSet::from_idx_bytes(("x", bytes), None, None, &small);
    }
});
