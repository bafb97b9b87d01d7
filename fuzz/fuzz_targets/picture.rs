//! PNG and JPEG: headers first, then small images in full.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weightlab_data::{decode_image, image_dimensions};

fuzz_target!(|bytes: &[u8]| {
    // Decoding 64 megapixels again and again would find nothing but time-outs.
    if let Ok((height, width)) = image_dimensions(bytes, "x")
        && height * width < 1 << 16
        && let Ok(picture) = decode_image(bytes, "x")
    {
        assert_eq!(picture.pixels.len(), picture.height * picture.width * picture.channels);
    }
});
