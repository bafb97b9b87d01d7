//! IDX and CIFAR-10 readers: what they read, and every way a file can be wrong.

mod common;

use common::{gzip, idx, pixels, says};
use proptest::prelude::*;
use weightlab_data::{
    CIFAR_RECORD, IdxImages, ImageSet, SourceError, SourceOptions, read_cifar_names, read_cifar10,
    read_idx_images, read_idx_labels,
};

#[test]
fn reads_the_official_test_images() {
    let path = common::testdata("fashion-mnist/t10k-images-idx3-ubyte.gz");
    let set = read_idx_images(&std::fs::read(path).unwrap(), "t10k").unwrap();
    assert_eq!((set.height, set.width), (28, 28));
    assert_eq!(set.pixels.len(), set.count * 784);
    let path = common::testdata("fashion-mnist/t10k-labels-idx1-ubyte.gz");
    let labels = read_idx_labels(&std::fs::read(path).unwrap(), "t10k").unwrap();
    assert_eq!(labels.len(), set.count);
    // The first ten labels of Fashion-MNIST's test set, as published.
    assert_eq!(labels[..10], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
}

#[test]
fn a_wrong_magic_number_says_what_was_found() {
    let error = read_idx_images(b"\x89PNG\r\n\x1a\n", "a.idx").unwrap_err();
    assert!(matches!(error, SourceError::Magic { found: 0x8950_4e47, .. }));
    says(&error, &["a.idx", "byte 0", "0x89504e47", "0x00000803", "check the download"]);
    let swapped = read_idx_images(&idx(&[3], &[1, 2, 3]), "labels").unwrap_err();
    says(&swapped, &["this is a label file"]);
    let swapped = read_idx_labels(&idx(&[1, 1, 1], &[1]), "images").unwrap_err();
    says(&swapped, &["this is an image file"]);
}

#[test]
fn a_truncated_file_names_both_lengths() {
    let whole = idx(&[2, 3, 4], &pixels(2, 12));
    let error = read_idx_images(&whole[..30], "a.idx").unwrap_err();
    says(&error, &["a.idx", "ends at byte 30", "expected 40", "2 x 3 x 4", "fetch or copy"]);
    let error = read_idx_images(&whole[..2], "a.idx").unwrap_err();
    says(&error, &["ends at byte 2", "expected 4 bytes"]);
}

#[test]
fn a_truncated_gzip_stream_is_told_apart() {
    let whole = gzip(&idx(&[20, 8, 8], &pixels(20, 64)));
    let error = read_idx_images(&whole[..whole.len() / 2], "a.gz").unwrap_err();
    assert!(matches!(error, SourceError::Gzip { .. }), "{error}");
    says(&error, &["a.gz", "cut off", "fetch or copy"]);
    // Even when only the checksum at the end is gone.
    let error = read_idx_images(&whole[..whole.len() - 1], "a.gz").unwrap_err();
    assert!(matches!(error, SourceError::Gzip { .. }), "{error}");
}

#[test]
fn what_follows_a_gzip_stream_is_not_called_a_cut() {
    let whole = gzip(&idx(&[2, 8, 8], &pixels(2, 64)));
    for garbage in [&b"x"[..], b"and so on", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
        let error = read_idx_images(&[&whole, garbage].concat(), "a.gz").unwrap_err();
        let found = format!("{} bytes that are no gzip data", garbage.len());
        says(&error, &["a.gz", &found, &format!("from byte {}", whole.len())]);
    }
    // Several streams in a row are one, as for gunzip.
    let (first, rest) = (
        gzip(&idx(&[2, 8, 8], &pixels(2, 64))[..50]),
        gzip(&idx(&[2, 8, 8], &pixels(2, 64))[50..]),
    );
    assert_eq!(read_idx_images(&[first, rest].concat(), "a.gz").unwrap().count, 2);
}

#[test]
fn a_header_without_pixels_is_told() {
    for dims in [[5, 0, 28], [0, 28, 28], [5, 28, 0]] {
        let error = read_idx_images(&idx(&dims, &[]), "a").unwrap_err();
        let [count, height, width] = dims;
        says(&error, &["a: byte 4", &format!("{count} x {height} x {width}"), "no image"]);
    }
}

#[test]
fn an_empty_cifar_file_is_named() {
    says(&read_cifar10(&[], "data_batch_3.bin").unwrap_err(), &["data_batch_3.bin", "3073"]);
}

#[test]
fn a_wrong_gzip_checksum_is_noticed() {
    let mut bytes = gzip(&idx(&[2, 8, 8], &pixels(2, 64)));
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    assert!(matches!(read_idx_images(&bytes, "a.gz"), Err(SourceError::Gzip { .. })));
}

#[test]
fn a_truncated_file_inside_a_whole_gzip_stream() {
    let whole = idx(&[2, 3, 4], &pixels(2, 12));
    let error = read_idx_images(&gzip(&whole[..30]), "a.gz").unwrap_err();
    says(&error, &["byte 30 of the decompressed data", "expected 40"]);
}

#[test]
fn trailing_bytes_are_refused() {
    let mut bytes = idx(&[2, 2, 2], &pixels(2, 4));
    bytes.push(0);
    let error = read_idx_images(&bytes, "a.idx").unwrap_err();
    says(&error, &["a.idx", "go on after byte 24", "2 x 2 x 2"]);
    assert!(matches!(
        read_idx_images(&gzip(&bytes), "a.gz"),
        Err(SourceError::Trailing { offset: 24, .. })
    ));
}

#[test]
fn dimensions_that_overflow_are_refused() {
    let error = read_idx_images(&idx(&[u32::MAX; 3], &[0; 9]), "a.idx").unwrap_err();
    assert!(matches!(error, SourceError::Dimensions { .. }));
    says(&error, &["4294967295 x 4294967295", "byte 4"]);
}

#[test]
fn a_header_cannot_make_the_reader_allocate() {
    // 64 GiB promised by 16 bytes: an error, and at once.
    let error = read_idx_images(&idx(&[1 << 16, 1 << 10, 1 << 10], &[]), "a.idx").unwrap_err();
    assert!(matches!(error, SourceError::Truncated { .. }), "{error}");
    // A gzip stream cannot hold 1033 times its length.
    let bomb = gzip(&idx(&[1 << 16, 1 << 10, 1 << 10], &vec![0; 1 << 20]));
    let error = read_idx_images(&bomb, "a.gz").unwrap_err();
    assert!(matches!(error, SourceError::Dimensions { .. }), "{error}");
    // More data than promised are not decompressed any further.
    let bomb = gzip(&idx(&[1, 2, 2], &vec![0; 1 << 24]));
    assert!(matches!(read_idx_images(&bomb, "a.gz"), Err(SourceError::Trailing { .. })));
}

#[test]
fn label_count_must_be_image_count() {
    let images = idx(&[3, 2, 2], &pixels(3, 4));
    let labels = idx(&[2], &[0, 1]);
    let error = ImageSet::from_idx_bytes(
        ("i", &images),
        Some(("l", &labels)),
        None,
        &SourceOptions::default(),
    )
    .unwrap_err();
    says(&error, &["i holds 3 images", "l 2 labels", "one label per image"]);
}

#[test]
fn a_set_without_images_is_refused() {
    for dims in [[0, 28, 28], [0, u32::MAX, u32::MAX], [5, 0, 28]] {
        let error = ImageSet::from_idx_bytes(
            ("empty", &idx(&dims, &[])),
            None,
            None,
            &SourceOptions::default(),
        )
        .unwrap_err();
        says(&error, &["empty", "no image"]);
    }
}

#[test]
fn one_pixel_is_no_image() {
    for (dims, size) in [([2, 1, 1], "1 x 1"), ([2, 1, 8], "8 x 1")] {
        let values = pixels(2, (dims[1] * dims[2]) as usize);
        let error = ImageSet::from_idx_bytes(
            ("dot", &idx(&dims, &values)),
            None,
            None,
            &SourceOptions::default(),
        )
        .unwrap_err();
        assert!(matches!(error, SourceError::ImageTooSmall { .. }));
        says(&error, &["dot", size, "at least 2 x 2", "--size"]);
    }
}

#[test]
fn the_hash_is_of_the_content() {
    let open = |bytes: &[u8], labels: &[u8]| {
        let labels = idx(&[labels.len() as u32], labels);
        let set = ImageSet::from_idx_bytes(
            ("i", bytes),
            Some(("l", &labels)),
            None,
            &SourceOptions::default(),
        );
        set.unwrap().source.blake3
    };
    let plain = idx(&[2, 2, 3], &pixels(2, 6));
    let reference = open(&plain, &[0, 1]);
    assert_eq!(reference, open(&gzip(&plain), &[0, 1]));
    assert_ne!(reference, open(&plain, &[1, 1]));
    assert_ne!(reference, open(&idx(&[2, 3, 2], &pixels(2, 6)), &[0, 1]));
    let mut other = plain.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_ne!(reference, open(&other, &[0, 1]));
}

#[test]
fn targets_span_the_range() {
    let images = idx(&[1, 2, 2], &[0, 51, 204, 255]);
    let set = ImageSet::from_idx_bytes(("i", &images), None, None, &SourceOptions::default());
    let set = set.unwrap();
    assert_eq!(set.target(0, [0.0, 1.0]), [0.0, 0.2, 0.8, 1.0]);
    assert_eq!(set.target(0, [-1.0, 1.0])[0], -1.0);
    assert_eq!(set.target(0, [-1.0, 1.0])[3], 1.0);
    assert_eq!(set.label(0), -1);
}

fn cifar_record(label: u8, salt: u8) -> Vec<u8> {
    let mut record = vec![label];
    for plane in 0..3u8 {
        record.extend((0..1024u32).map(|i| (i % 64) as u8 + plane * 64 + salt));
    }
    record
}

#[test]
fn cifar_planes_are_interleaved() {
    let bytes = [cifar_record(3, 0), cifar_record(9, 1)].concat();
    let records = read_cifar10(&bytes, "batch").unwrap();
    assert_eq!(records.labels, [3, 9]);
    assert_eq!(records.pixels.len(), 2 * 3072);
    assert_eq!(records.pixels[..6], [0, 64, 128, 1, 65, 129]);
    assert_eq!(records.pixels[3072..3075], [1, 65, 129]);
}

#[test]
fn cifar_lengths_and_labels_are_checked() {
    let bytes = [cifar_record(3, 0), cifar_record(10, 1)].concat();
    let error = read_cifar10(&bytes, "batch.bin").unwrap_err();
    says(&error, &["batch.bin", "byte 3073", "label 10", "0 to 9"]);
    let error = read_cifar10(&bytes[..4000], "batch.bin").unwrap_err();
    says(&error, &["batch.bin", "ends at byte 4000", "6146", "records of 3073"]);
}

#[test]
fn cifar_class_names() {
    assert_eq!(read_cifar_names(b"airplane\r\nbird\n\n"), ["airplane", "bird"]);
}

proptest! {
    #[test]
    fn idx_round_trips(count in 1usize..5, height in 1usize..7, width in 1usize..7, zip: bool) {
        let values = pixels(count, height * width);
        let bytes = idx(&[count as u32, height as u32, width as u32], &values);
        let bytes = if zip { gzip(&bytes) } else { bytes };
        let expected = IdxImages { count, height, width, pixels: values };
        prop_assert_eq!(read_idx_images(&bytes, "x").unwrap(), expected);
    }

    #[test]
    fn truncation_anywhere_is_an_error(cut in 0.0f64..1.0, zip: bool) {
        let bytes = idx(&[3, 4, 5], &pixels(3, 20));
        let bytes = if zip { gzip(&bytes) } else { bytes };
        let at = (bytes.len() as f64 * cut) as usize;
        prop_assert!(read_idx_images(&bytes[..at], "x").is_err());
    }

    #[test]
    fn random_bytes_never_panic(
        head in prop::sample::select(vec![
            &b""[..], b"\0\0\x08\x03", b"\0\0\x08\x01", b"\x1f\x8b\x08\0", b"\0\0\x08\x03\0\0\0\x01",
        ]),
        tail in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [head, &tail].concat();
        let _ = read_idx_images(&bytes, "x");
        let _ = read_idx_labels(&bytes, "x");
        let _ = read_cifar10(&bytes, "x");
        let _ = read_cifar_names(&bytes);
    }

    #[test]
    fn a_flipped_bit_in_gzip_is_an_error_or_nothing(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let bytes = gzip(&idx(&[3, 4, 5], &pixels(3, 20)));
        let whole = read_idx_images(&bytes, "x").unwrap();
        let mut damaged = bytes.clone();
        let at = at.index(bytes.len());
        damaged[at] ^= 1 << bit;
        // Flags and times in the gzip header may change without harm; data may not.
        if let Ok(read) = read_idx_images(&damaged, "x") {
            prop_assert_eq!(read, whole);
        }
    }

    #[test]
    fn cifar_truncation_is_an_error(cut in 1usize..2 * CIFAR_RECORD) {
        prop_assume!(cut != CIFAR_RECORD);
        let bytes = [cifar_record(0, 0), cifar_record(1, 1)].concat();
        prop_assert!(read_cifar10(&bytes[..cut], "x").is_err());
    }
}
