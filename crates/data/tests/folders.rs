//! Folders in the layouts of MNIST and CIFAR-10.

mod common;

use std::fs;
use std::path::Path;

use common::{gzip, idx, pixels, says};
use weightlab_data::{SourceError, SourceKind, SourceOptions, Split, open_source};

fn write_pair(dir: &Path, stem: &str, count: u32, zip: bool) {
    let pack = |bytes: Vec<u8>| if zip { gzip(&bytes) } else { bytes };
    let end = if zip { ".gz" } else { "" };
    let images = pack(idx(&[count, 3, 2], &pixels(count as usize, 6)));
    fs::write(dir.join(format!("{stem}images-idx3-ubyte{end}")), images).unwrap();
    let labels: Vec<u8> = (0..count as u8).collect();
    let labels = pack(idx(&[count], &labels));
    fs::write(dir.join(format!("{stem}labels-idx1-ubyte{end}")), labels).unwrap();
}

fn with_split(split: Split) -> SourceOptions {
    SourceOptions { split: Some(split), ..SourceOptions::default() }
}

#[test]
fn the_shipped_images_in_their_original_layout() {
    let path = common::testdata("fashion-mnist");
    let train = open_source(&path, &SourceOptions::default()).unwrap();
    assert_eq!(train.source.kind, SourceKind::Idx);
    assert_eq!(train.source.split.as_deref(), Some("train"));
    assert_eq!(train.source.name, "fashion-mnist");
    assert_eq!((train.height, train.width, train.channels), (28, 28, 1));
    // The first labels of Fashion-MNIST's two files, as published.
    assert_eq!(train.labels.as_ref().unwrap()[..8], [9, 0, 0, 3, 0, 2, 7, 2]);
    let test = open_source(&path, &with_split(Split::Test)).unwrap();
    assert_eq!(test.source.split.as_deref(), Some("test"));
    assert_eq!(test.labels.as_ref().unwrap()[..8], [9, 2, 1, 1, 6, 1, 4, 6]);
    assert_ne!(train.source.blake3, test.source.blake3);
    for set in [train, test] {
        // 9 in both: the ankle boots with which both files begin.
        assert_eq!(set.class_names[9], "Ankle boot");
        assert_eq!(set.class_names.len(), 10);
    }
}

#[test]
fn data_sets_are_recognised_by_labels_or_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let write = |folder: &str, labels: &[u8]| {
        let folder = dir.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let count = labels.len() as u32;
        let images = idx(&[count, 3, 2], &pixels(labels.len(), 6));
        fs::write(folder.join("train-images-idx3-ubyte"), images).unwrap();
        fs::write(folder.join("train-labels-idx1-ubyte"), idx(&[count], labels)).unwrap();
        folder
    };
    let class = |folder: &Path| {
        let set = open_source(folder, &SourceOptions::default()).unwrap();
        set.class_names.get(7).cloned()
    };
    // The first labels of MNIST's training images, as published.
    let mnist = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6, 1, 7, 2, 8, 6, 9];
    assert_eq!(class(&write("anything", &mnist)).as_deref(), Some("digit 7"));
    assert_eq!(class(&write("anything", &mnist[1..])), None);
    assert_eq!(class(&write("MNIST", &mnist[1..])).as_deref(), Some("digit 7"));
    let raw = write("FashionMNIST/raw", &mnist[1..]);
    assert_eq!(class(&raw).as_deref(), Some("Sneaker"));
    assert_eq!(class(raw.parent().unwrap()).as_deref(), Some("Sneaker"));
    let outer = open_source(raw.parent().unwrap(), &SourceOptions::default()).unwrap();
    assert_eq!(outer.source.name, "FashionMNIST", "not the inner folder's name");
    assert_eq!(class(&write("MNIST/kmnist", &mnist[1..])), None, "another set within");
}

#[test]
fn both_splits_plain_or_zipped() {
    for zip in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        write_pair(dir.path(), "train-", 3, zip);
        write_pair(dir.path(), "t10k-", 2, zip);
        let open = |opts| open_source(dir.path(), &opts).unwrap();
        assert_eq!(open(SourceOptions::default()).len(), 3);
        assert_eq!(open(with_split(Split::Train)).len(), 3);
        let test = open(with_split(Split::Test));
        assert_eq!((test.len(), test.labels.unwrap()), (2, vec![0, 1]));
    }
}

#[test]
fn renamed_files_and_missing_splits() {
    let dir = tempfile::tempdir().unwrap();
    write_pair(dir.path(), "fmnist-4443-test-", 2, true);
    let set = open_source(dir.path(), &SourceOptions::default()).unwrap();
    assert_eq!((set.len(), set.source.split.as_deref()), (2, Some("test")));
    let error = open_source(dir.path(), &with_split(Split::Train)).unwrap_err();
    says(&error, &["no train split", "only test"]);
    let file = dir.path().join("fmnist-4443-test-images-idx3-ubyte.gz");
    let set = open_source(&file, &SourceOptions::default()).unwrap();
    assert_eq!((set.len(), set.labels.is_some()), (2, true));
    says(&open_source(&file, &with_split(Split::Train)).unwrap_err(), &["no train split"]);
}

#[test]
fn a_plain_copy_wins_over_its_gzip_and_strangers_are_ambiguous() {
    let dir = tempfile::tempdir().unwrap();
    write_pair(dir.path(), "train-", 3, false);
    write_pair(dir.path(), "train-", 3, true);
    assert_eq!(open_source(dir.path(), &SourceOptions::default()).unwrap().len(), 3);
    write_pair(dir.path(), "other-train-", 3, true);
    let error = open_source(dir.path(), &SourceOptions::default()).unwrap_err();
    says(&error, &["other-train-images-idx3-ubyte.gz", "train-images-idx3-ubyte", "one file"]);
}

#[test]
fn images_without_labels_and_torchvisions_inner_folder() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    fs::create_dir(&raw).unwrap();
    write_pair(&raw, "train-", 3, true);
    fs::remove_file(raw.join("train-labels-idx1-ubyte.gz")).unwrap();
    let set = open_source(dir.path(), &SourceOptions::default()).unwrap();
    assert_eq!((set.len(), set.labels), (3, None));
}

#[test]
fn label_files_of_another_length() {
    let dir = tempfile::tempdir().unwrap();
    write_pair(dir.path(), "train-", 3, false);
    fs::write(dir.path().join("train-labels-idx1-ubyte"), idx(&[2], &[0, 1])).unwrap();
    let error = open_source(dir.path(), &SourceOptions::default()).unwrap_err();
    assert!(matches!(error, SourceError::LabelCount { images: 3, labels: 2, .. }), "{error}");
}

fn batch(labels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &label in labels {
        bytes.push(label);
        bytes.extend([label * 10; 3072]);
    }
    bytes
}

#[test]
fn cifar_batches_in_order_with_class_names() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("data_batch_2_first1017.bin"), batch(&[5, 6])).unwrap();
    fs::write(dir.path().join("data_batch_1_first1017.bin"), batch(&[1])).unwrap();
    fs::write(dir.path().join("test_batch_first1017.bin"), batch(&[9])).unwrap();
    fs::write(dir.path().join("batches.meta.txt"), "airplane\nautomobile\n").unwrap();
    let train = open_source(dir.path(), &SourceOptions::default()).unwrap();
    assert_eq!(train.source.kind, SourceKind::Cifar10);
    assert_eq!(train.labels.as_deref(), Some(&[1, 5, 6][..]));
    assert_eq!((train.height, train.width, train.channels), (32, 32, 3));
    assert_eq!(train.image(1), [50; 3072]);
    assert_eq!(train.class_names, ["airplane", "automobile"]);
    let test = open_source(dir.path(), &with_split(Split::Test)).unwrap();
    assert_eq!(test.labels.as_deref(), Some(&[9][..]));
    // The ten are always the same, and their file gets lost easily.
    fs::remove_file(dir.path().join("batches.meta.txt")).unwrap();
    let test = open_source(dir.path(), &with_split(Split::Test)).unwrap();
    assert_eq!(test.class_names[9], "truck");
    let one = dir.path().join("data_batch_2_first1017.bin");
    let one = open_source(&one, &SourceOptions::default()).unwrap();
    assert_eq!((one.len(), one.source.split.as_deref()), (2, Some("train")));
    let opts = SourceOptions { size: Some((8, 8)), grey: Some(true), ..SourceOptions::default() };
    let small = open_source(dir.path(), &opts).unwrap();
    assert_eq!(small.pixels.len(), 3 * 64);
    assert_eq!(small.image(2), [60; 64]);
}

#[test]
fn a_broken_batch_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("data_batch_1.bin"), &batch(&[1])[..3000]).unwrap();
    let error = open_source(dir.path(), &SourceOptions::default()).unwrap_err();
    says(&error, &["data_batch_1.bin", "byte 3000", "3073"]);
    fs::write(dir.path().join("data_batch_1.bin"), b"").unwrap();
    says(
        &open_source(dir.path(), &SourceOptions::default()).unwrap_err(),
        &["data_batch_1.bin", "3073"],
    );
}

#[test]
fn what_is_not_recognised_lists_what_would_be() {
    let dir = tempfile::tempdir().unwrap();
    let error = open_source(dir.path(), &SourceOptions::default()).unwrap_err();
    assert!(matches!(error, SourceError::NothingRecognised { .. }));
    says(&error, &["empty folder", "images-idx3-ubyte", "data_batch_*.bin", "PNG or JPEG"]);
    fs::write(dir.path().join("a.txt"), "hello").unwrap();
    let error = open_source(dir.path(), &SourceOptions::default()).unwrap_err();
    says(&error, &["1 files, such as a.txt"]);
    let error = open_source(&dir.path().join("a.txt"), &SourceOptions::default()).unwrap_err();
    says(&error, &["a.txt", "68 65 6c 6c 6f", "Accepted are"]);
    // A single image is named by the path that was given, and known by its name.
    let (good, bad) = (dir.path().join("good.png"), dir.path().join("bad.jpg"));
    fs::write(&good, common::grey_png(4, 4)).unwrap();
    let set = open_source(&good, &SourceOptions::default()).unwrap();
    assert_eq!((set.source.name.as_str(), &set.names[..]), ("good.png", &["good.png".into()][..]));
    // The beginning of a JPEG file, about which the decoder has several lines to say.
    fs::write(&bad, b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01").unwrap();
    let error = open_source(&bad, &SourceOptions::default()).unwrap_err();
    says(&error, &[&bad.display().to_string(), "JPEG", "save the image again"]);
    assert!(!error.to_string().contains('\n'), "{error:?}");
    for path in [good, bad] {
        fs::remove_file(path).unwrap();
    }
    let error = open_source(&dir.path().join("nothing"), &SourceOptions::default()).unwrap_err();
    says(&error, &["nothing", "cannot open"]);
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::remove_file(dir.path().join("a.txt")).unwrap();
    let error = open_source(dir.path(), &SourceOptions::default()).unwrap_err();
    says(&error, &["folders without images", "sub"]);
}

#[test]
#[cfg(target_os = "linux")]
fn an_image_whose_name_is_no_text_is_not_left_out_silently() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let name = |bytes| dir.path().join(std::ffi::OsStr::from_bytes(bytes));
    fs::write(dir.path().join("a.png"), common::grey_png(4, 4)).unwrap();
    // What is no image does not matter.
    fs::write(name(b"caf\xe9.txt"), "").unwrap();
    assert_eq!(open_source(dir.path(), &SourceOptions::default()).unwrap().len(), 1);
    fs::write(name(b"caf\xe9.png"), common::grey_png(4, 4)).unwrap();
    let error = open_source(dir.path(), &SourceOptions::default()).unwrap_err();
    says(&error, &["caf", ".png", "not valid Unicode", "rename"]);
}
