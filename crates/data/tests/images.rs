//! Single images and folders of them.

mod common;

use std::fs;

use common::{grey_png, pixels, png, says};
use image::ExtendedColorType::{L8, L16, La8, Rgb8, Rgba8};
use proptest::prelude::*;
use weightlab_data::{
    ImageSet, SourceError, SourceKind, SourceOptions, decode_image, image_dimensions, open_source,
};

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95)
        .encode(&vec![128; (width * height * 3) as usize], width, height, Rgb8)
        .unwrap();
    bytes
}

/// A PNG header that declares a size, with its right checksum and no pixel.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 0, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(chunk);
    bytes.extend(crc.sum().to_be_bytes());
    // An empty IDAT chunk, so that the header counts as complete.
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}

#[test]
fn png_pixels_are_exact() {
    let grey = pixels(1, 12);
    let picture = decode_image(&png(4, 3, L8, &grey), "a.png").unwrap();
    assert_eq!((picture.height, picture.width, picture.channels), (3, 4, 1));
    assert_eq!(picture.pixels, grey);
    let colour = pixels(1, 36);
    let picture = decode_image(&png(4, 3, Rgb8, &colour), "a.png").unwrap();
    assert_eq!((picture.channels, picture.pixels), (3, colour));
    // 16 bits: the upper byte, rounded.
    let deep: Vec<u8> = [0u16, 257, 0x8080, 65535].iter().flat_map(|v| v.to_ne_bytes()).collect();
    assert_eq!(decode_image(&png(2, 2, L16, &deep), "a.png").unwrap().pixels, [0, 1, 128, 255]);
}

#[test]
fn transparency_lies_over_white() {
    let rgba = [10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128, 255, 255, 255, 7];
    let picture = decode_image(&png(2, 2, Rgba8, &rgba), "a.png").unwrap();
    assert_eq!(picture.pixels, [10, 20, 30, 255, 255, 255, 127, 127, 127, 255, 255, 255]);
    let picture = decode_image(&png(2, 1, La8, &[40, 255, 40, 0]), "a.png").unwrap();
    assert_eq!((picture.channels, picture.pixels), (1, vec![40, 255]));
}

#[test]
fn jpeg_is_read_and_a_camera_orientation_applied() {
    let upright = jpeg(12, 8);
    assert_eq!(image_dimensions(&upright, "a.jpg").unwrap(), (8, 12));
    let picture = decode_image(&upright, "a.jpg").unwrap();
    assert_eq!((picture.height, picture.width, picture.channels), (8, 12, 3));
    assert!(picture.pixels.iter().all(|p| p.abs_diff(128) <= 2), "a flat grey survives JPEG");
    // An EXIF segment with orientation 6: the camera was turned a quarter.
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let mut turned = vec![0xff, 0xd8, 0xff, 0xe1];
    turned.extend((2 + 6 + tiff.len() as u16).to_be_bytes());
    turned.extend(b"Exif\0\0");
    turned.extend(tiff);
    turned.extend(&upright[2..]);
    let picture = decode_image(&turned, "a.jpg").unwrap();
    assert_eq!((picture.height, picture.width), (12, 8));
}

#[test]
fn a_hundred_megapixels_are_refused_before_decoding() {
    let bytes = png_header(10_000, 10_000);
    let error = decode_image(&bytes, "big.png").unwrap_err();
    assert!(matches!(error, SourceError::ImageTooLarge { width: 10_000, .. }), "{error}");
    says(&error, &["big.png", "100.0 megapixels", "at most 64", "scale the file down"]);
    // Just small enough is refused for what it is, cut off.
    let error = decode_image(&png_header(8_000, 8_000), "big.png").unwrap_err();
    assert!(matches!(error, SourceError::ImageDecode { .. }), "{error}");
}

#[test]
fn other_formats_are_named() {
    let error = decode_image(b"GIF89a....", "a.png").unwrap_err();
    says(&error, &["a.png", "not a PNG or JPEG", "47 49 46 38", "convert"]);
    says(&decode_image(b"", "a.png").unwrap_err(), &["begins with nothing"]);
}

#[test]
fn one_pixel_is_no_image() {
    let opts = SourceOptions::default();
    let error = ImageSet::from_image_bytes(&grey_png(1, 1), "dot.png", &opts).unwrap_err();
    says(&error, &["dot.png", "1 x 1", "at least 2 x 2", "--size"]);
    let opts = SourceOptions { size: Some((1, 4)), ..opts };
    let error = ImageSet::from_image_bytes(&grey_png(8, 8), "a.png", &opts).unwrap_err();
    says(&error, &["--size 1x4", "at least 2 x 2"]);
}

#[test]
fn a_size_that_no_memory_holds_is_refused() {
    let opts = SourceOptions { size: Some((1 << 30, 1 << 30)), ..SourceOptions::default() };
    let error = ImageSet::from_image_bytes(&grey_png(8, 8), "a.png", &opts).unwrap_err();
    says(&error, &["memory", "--size"]);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.png"), grey_png(8, 8)).unwrap();
    says(&open_source(dir.path(), &opts).unwrap_err(), &["memory", "--size"]);
}

#[test]
fn conversion_to_grey_weighs_the_colours() {
    let rgb = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
    let opts = SourceOptions { grey: Some(true), ..SourceOptions::default() };
    let set = ImageSet::from_image_bytes(&png(2, 2, Rgb8, &rgb), "a.png", &opts).unwrap();
    // Rec. 709: 0.2126, 0.7152, 0.0722 of 255.
    assert_eq!((set.channels, set.pixels), (1, vec![54, 182, 18, 255]));
    let opts = SourceOptions { grey: Some(false), ..opts };
    let set = ImageSet::from_image_bytes(&png(2, 2, L8, &[1, 2, 3, 4]), "a.png", &opts).unwrap();
    assert_eq!(set.pixels, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
}

#[test]
fn resizing_keeps_means_and_flat_areas() {
    let opts = |h, w| SourceOptions { size: Some((h, w)), ..SourceOptions::default() };
    let flat = png(9, 9, L8, &[77; 81]);
    for size in [(3, 5), (20, 31)] {
        let set = ImageSet::from_image_bytes(&flat, "a.png", &opts(size.0, size.1)).unwrap();
        assert_eq!((set.height, set.width), size);
        assert!(set.pixels.iter().all(|&p| p == 77), "a flat image stays flat");
    }
    // A checkerboard of pixels must become grey when halved, not black or white (no aliasing).
    let board: Vec<u8> =
        (0..256).map(|i| if (i / 16 + i % 16) % 2 == 0 { 0 } else { 255 }).collect();
    let set = ImageSet::from_image_bytes(&png(16, 16, L8, &board), "a.png", &opts(8, 8)).unwrap();
    assert!(set.pixels.iter().all(|&p| p.abs_diff(128) < 40), "{:?}", set.pixels);
}

#[test]
fn a_folder_is_sorted_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in [("b.png", 2), ("a.PNG", 1), ("c.png", 3)] {
        fs::write(dir.path().join(name), png(2, 2, L8, &[value; 4])).unwrap();
    }
    fs::write(dir.path().join("notes.txt"), "not an image").unwrap();
    fs::write(dir.path().join(".hidden.png"), "not even that").unwrap();
    let set = open_source(dir.path(), &SourceOptions::default()).unwrap();
    assert_eq!(set.names, ["a.PNG", "b.png", "c.png"]);
    assert_eq!(set.pixels, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    assert_eq!((set.source.kind, set.labels), (SourceKind::Images, None));
    assert_eq!(set.source.name, dir.path().file_name().unwrap().to_str().unwrap());
}

#[test]
fn subfolders_are_classes() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in [("dog/1.png", 2), ("cat/9.png", 1), ("dog/0.png", 3)] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, png(2, 2, L8, &[value; 4])).unwrap();
    }
    fs::create_dir(dir.path().join("empty")).unwrap();
    let set = open_source(dir.path(), &SourceOptions::default()).unwrap();
    assert_eq!(set.class_names, ["cat", "dog"]);
    assert_eq!(set.labels.as_deref(), Some(&[0, 1, 1][..]));
    assert_eq!(set.names, ["cat/9.png", "dog/0.png", "dog/1.png"]);
    fs::write(dir.path().join("loose.png"), grey_png(2, 2)).unwrap();
    let error = open_source(dir.path(), &SourceOptions::default()).unwrap_err();
    says(&error, &["loose.png", "cat/9.png", "class labels"]);
}

#[test]
fn sizes_must_agree_or_be_made_to() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.png"), grey_png(8, 6)).unwrap();
    fs::write(dir.path().join("b.png"), grey_png(5, 6)).unwrap();
    let error = open_source(dir.path(), &SourceOptions::default()).unwrap_err();
    says(&error, &["b.png is 5 x 6", "a.png is 8 x 6", "--size 6x8"]);
    let opts = SourceOptions { size: Some((4, 4)), ..SourceOptions::default() };
    let set = open_source(dir.path(), &opts).unwrap();
    assert_eq!((set.len(), set.height, set.width), (2, 4, 4));
}

#[test]
fn one_coloured_image_makes_the_folder_coloured() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.png"), png(2, 2, L8, &[1, 2, 3, 4])).unwrap();
    fs::write(dir.path().join("b.png"), png(2, 2, Rgb8, &[9; 12])).unwrap();
    fs::write(dir.path().join("c.png"), png(2, 2, L8, &[5; 4])).unwrap();
    let set = open_source(dir.path(), &SourceOptions::default()).unwrap();
    assert_eq!((set.channels, set.len()), (3, 3));
    assert_eq!(set.image(0), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    assert_eq!(set.image(2), [5; 12]);
}

#[test]
fn a_single_file_is_a_set_of_one() {
    let path = common::testdata("photos/astronaut-64.png");
    let set = open_source(&path, &SourceOptions::default()).unwrap();
    assert_eq!((set.len(), set.height, set.width, set.channels), (1, 64, 64, 3));
    assert_eq!(set.source.name, "astronaut-64.png");
}

#[test]
fn image_files_have_no_splits() {
    let opts =
        SourceOptions { split: Some(weightlab_data::Split::Test), ..SourceOptions::default() };
    for path in ["photos", "photos/astronaut-64.png"] {
        let error = open_source(&common::testdata(path), &opts).unwrap_err();
        says(&error, &["no test split", "image files", "leave --split out"]);
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        head in prop::sample::select(vec![&b""[..], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\x10JFIF\0"]),
        tail in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [head, &tail].concat();
        let _ = image_dimensions(&bytes, "x");
        let _ = decode_image(&bytes, "x");
    }

    #[test]
    fn a_truncated_png_is_an_error(cut in 0.0f64..0.97) {
        let bytes = grey_png(16, 16);
        // The last chunk, IEND (12 bytes), carries nothing and may be missed by no one.
        let at = ((bytes.len() - 12) as f64 * cut) as usize;
        prop_assert!(decode_image(&bytes[..at], "x").is_err());
    }

    #[test]
    fn a_damaged_image_never_panics(at in any::<prop::sample::Index>(), bit in 0u8..8, png: bool) {
        let mut bytes = if png { grey_png(16, 16) } else { jpeg(16, 16) };
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = decode_image(&bytes, "x");
    }
}

#[test]
fn the_first_of_many_pictures() {
    let pixels: Vec<u8> = (0..3 * 4 * 6 * 3).map(|i| (i * 7 % 256) as u8).collect();
    let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
    let usual = SourceOptions::default();
    let all = ImageSet::from_pixels(pixels.clone(), [4, 6, 3], names.clone(), &usual).unwrap();
    assert_eq!((all.len(), all.source.name.as_str(), &all.names), (3, "a", &names));
    let two = all.clone().first(2, &usual).unwrap();
    assert_eq!((two.len(), two.pixels.as_slice()), (2, &pixels[..2 * 72]));
    assert_eq!(two.names, names[..2]);
    // Another set is another source; the whole is the same one.
    assert_ne!(two.source.blake3, all.source.blake3);
    assert_eq!(all.clone().first(9, &usual).unwrap(), all);
    // Converted as if it had been given like that.
    let small = SourceOptions { size: Some((2, 3)), grey: Some(true), ..usual };
    let given = ImageSet::from_pixels(pixels.clone(), [4, 6, 3], names.clone(), &small).unwrap();
    assert_eq!(all.clone().first(3, &small).unwrap(), given);
    assert!(all.first(0, &usual).is_err());
    let said = ImageSet::from_pixels(pixels[1..].to_vec(), [4, 6, 3], names, &usual);
    assert!(said.unwrap_err().to_string().contains("215"));
}
