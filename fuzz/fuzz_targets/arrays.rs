//! Arrays of NumPy as pictures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{ImageSet, SourceOptions};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(set) = ImageSet::from_array_bytes(bytes, "x", &SourceOptions::default()) {
        assert_eq!(set.pixels.len(), set.len() * set.height * set.width * set.channels);
    }
});
