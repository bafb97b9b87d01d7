//! Meshes as slices, and pictures in arrays of NumPy.

mod common;

use std::io::Write;

use common::{fixture, pixels, says};
use proptest::prelude::*;
use weightlab_data::{
    ImageSet, Mesh, SLICES, SourceError, SourceKind, SourceOptions, Split, open_source,
};

/// A box as an OBJ file of squares, seen from outside against the clock; without face `left_out`.
fn brick([x, y, z]: [f64; 3], left_out: Option<usize>) -> String {
    let mut text = String::from("# a brick\nmtllib none.mtl\n");
    for i in 0..8 {
        let side = |bit: usize, extent: f64| if i >> bit & 1 == 1 { extent } else { 0.0 };
        text += &format!("v {} {} {}\n", side(0, x), side(1, y), side(2, z));
    }
    let faces = ["1 3 4 2", "5 6 8 7", "1 2 6 5", "3 7 8 4", "1 5 7 3", "2 4 8 6"];
    for (i, face) in faces.iter().enumerate().filter(|(i, _)| Some(*i) != left_out) {
        // All the ways in which corners are written.
        let corners = face.split(' ').map(|c| match i {
            0 => format!("{c}/1/1"),
            1 => format!("{c}//2"),
            2 => format!("{}", c.parse::<i32>().unwrap() - 9),
            _ => c.to_owned(),
        });
        text += &format!("f {}\n", corners.collect::<Vec<_>>().join(" "));
    }
    text
}

fn triangles(obj: &str) -> Vec<[[f32; 3]; 3]> {
    let vertices: Vec<[f32; 3]> = obj
        .lines()
        .filter_map(|line| line.strip_prefix("v "))
        .map(|line| {
            let numbers: Vec<f32> = line.split(' ').map(|x| x.parse().unwrap()).collect();
            numbers.try_into().unwrap()
        })
        .collect();
    let corner = |word: &str| {
        let number: i32 = word.split('/').next().unwrap().parse().unwrap();
        vertices[if number < 0 { 8 + number } else { number - 1 } as usize]
    };
    let fan = |line: &str| {
        let c: Vec<_> = line.split(' ').map(corner).collect();
        [[c[0], c[1], c[2]], [c[0], c[2], c[3]]]
    };
    obj.lines().filter_map(|line| line.strip_prefix("f ")).flat_map(fan).collect()
}

fn text_stl(obj: &str) -> Vec<u8> {
    let mut text = String::from("solid brick\n");
    for triangle in triangles(obj) {
        text += " facet normal 0 0 0\n  outer loop\n";
        for [x, y, z] in triangle {
            text += &format!("   vertex {x} {y} {z}\n");
        }
        text += "  endloop\n endfacet\n";
    }
    (text + "endsolid brick\n").into_bytes()
}

fn binary_stl(obj: &str) -> Vec<u8> {
    let triangles = triangles(obj);
    // Some programs begin binary files with the word of text files.
    let mut bytes = b"solid".to_vec();
    bytes.resize(80, b' ');
    bytes.extend((triangles.len() as u32).to_le_bytes());
    for triangle in triangles {
        bytes.extend([0; 12]);
        bytes.extend(triangle.iter().flatten().flat_map(|x| x.to_le_bytes()));
        bytes.extend([0; 2]);
    }
    bytes
}

fn off(obj: &str, head: &str) -> Vec<u8> {
    let triangles = triangles(obj);
    let mut text = format!("{head}{} {} 0\n# corners\n\n", 3 * triangles.len(), triangles.len());
    for [x, y, z] in triangles.iter().flatten() {
        text += &format!("{x} {y} {z} 0.5 0.5 0.5\r\n");
    }
    for i in 0..triangles.len() {
        text += &format!("3  {} {} {} 255 0 0\n", 3 * i, 3 * i + 1, 3 * i + 2);
    }
    text.into_bytes()
}

/// Signed distance from a rectangle in the middle, of these half sides: below 0 within.
fn from_rectangle(x: f64, y: f64, [a, b]: [f64; 2]) -> f64 {
    let (dx, dy) = (x.abs() - a, y.abs() - b);
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0)
}

/// Slices of a brick are rectangles, whose signed distances have a formula. The longest side is 0.8 of the picture.
#[test]
fn slices_of_a_brick_are_distances_from_rectangles() {
    // Extents, and half sides of the rectangle to the right and upwards: across z, across x, across y.
    for (extents, half) in [
        ([2.0, 4.0, 1.0], [0.4, 0.8]),
        ([1.0, 4.0, 2.0], [0.4, 0.8]),
        ([2.0, 1.0, 4.0], [0.4, 0.8]),
    ] {
        let side = 40;
        let slices = Mesh::read(brick(extents, None).as_bytes(), "brick.obj").unwrap().slices(side);
        assert_eq!(slices.len(), SLICES * side * side);
        for (i, &grey) in slices.iter().enumerate() {
            let at = |i: usize| (2 * (i % side) + 1) as f64 / side as f64 - 1.0;
            let distance = from_rectangle(at(i), at(i / side), half);
            let expected = 255.0 * (0.5 - 2.0 * distance).clamp(0.0, 1.0);
            // Rounding to a level.
            assert!(
                (f64::from(grey) - expected).abs() <= 0.51,
                "{extents:?} at {i}: {grey}, {expected}"
            );
        }
    }
}

#[test]
fn all_formats_say_the_same() {
    let obj = brick([2.0, 3.0, 1.0], None);
    let slices = |bytes: &[u8], file: &str| Mesh::read(bytes, file).unwrap().slices(16);
    let expected = slices(obj.as_bytes(), "brick.obj");
    for (bytes, file) in [
        (off(&obj, "OFF\n"), "brick.off"),
        // As ModelNet's files begin.
        (off(&obj, "OFF"), "brick.OFF"),
        (off(&obj, "COFF\n"), "colours.off"),
        (text_stl(&obj), "text.stl"),
        (binary_stl(&obj), "binary.stl"),
    ] {
        assert_eq!(slices(&bytes, file), expected, "{file}");
    }
}

#[test]
fn inside_needs_a_closed_surface() {
    let slices = |text: &str| Mesh::read(text.as_bytes(), "x.obj").unwrap().slices(16);
    let whole = slices(&brick([2.0, 2.0, 1.0], None));
    assert!(whole.iter().any(|&grey| grey > 200));
    // Without one of the sides that slices cut, nothing is within.
    let open = slices(&brick([2.0, 2.0, 1.0], Some(4)));
    assert!(open.iter().all(|&grey| grey <= 128));
    // Inside out is as good.
    let turned: String = brick([2.0, 2.0, 1.0], None)
        .lines()
        .map(|line| match line.strip_prefix("f ") {
            Some(face) => format!("f {}\n", face.split(' ').rev().collect::<Vec<_>>().join(" ")),
            None => format!("{line}\n"),
        })
        .collect();
    assert_eq!(slices(&turned), whole);
    // So is one with a face that looks the other way: what is within lies between two walls.
    let face = "f 2 4 8 6";
    let odd = brick([2.0, 2.0, 1.0], None).replace(face, "f 6 8 4 2");
    assert!(odd.contains("f 6 8 4 2"));
    assert_eq!(slices(&odd), whole);
}

#[test]
fn a_mesh_is_a_set_of_its_slices() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Brick.OBJ");
    std::fs::write(&path, brick([2.0, 2.0, 1.0], None)).unwrap();
    let set = open_source(&path, &SourceOptions::default()).unwrap();
    assert_eq!((set.source.kind, set.source.name.as_str()), (SourceKind::Mesh, "Brick.OBJ"));
    assert_eq!((set.len(), set.height, set.width, set.channels), (SLICES, 128, 128, 1));
    assert_eq!(set.names[15], "slice 16");
    let small = SourceOptions { size: Some((32, 48)), ..SourceOptions::default() };
    let set = open_source(&path, &small).unwrap();
    assert_eq!((set.height, set.width), (32, 48));
    let split = SourceOptions { split: Some(Split::Test), ..SourceOptions::default() };
    assert!(matches!(open_source(&path, &split), Err(SourceError::NoSuchSplit { .. })));
}

#[test]
fn damaged_meshes_are_named() {
    let bad = |bytes: &[u8], file: &str| Mesh::read(bytes, file).unwrap_err();
    says(
        &bad(b"OFF\n3 1 0\n0 0 0\n1 zero 0\n", "a.off"),
        &["a.off", "line 4", "“1 zero 0”", "three numbers"],
    );
    says(&bad(b"OFF\n3 1 0\n0 0 0\n", "a.off"), &["a.off", "the end of the file", "3 vertices"]);
    says(&bad(b"OFF\n99999999999999 1 0\n", "a.off"), &["the end of the file"]);
    says(&bad(b"PLY\n", "a.off"), &["line 1", "“PLY”", "OFF"]);
    says(&bad(b"OFF\n1 1 0\n0 0 0\n3 0 0\n", "a.off"), &["line 4", "corners"]);
    says(&bad(b"OFF\n1 1 0\n0 0 0\n3 0 0 7\n", "a.off"), &["vertex 7", "1 there are"]);
    says(&bad(b"v 0 0 0\nf 1 2 0\n", "b.obj"), &["b.obj", "line 2", "counted from 1"]);
    says(&bad(b"v 0 0 0\nf -2 1 1\n", "b.obj"), &["line 2"]);
    says(&bad(b"v 0 0 0\nf 1 2 9\n", "b.obj"), &["b.obj", "vertex 1 ", "1 there are"]);
    says(&bad(b"v 0 0 nan\nf 1 1 1\n", "b.obj"), &["no number"]);
    says(&bad(b"v 0 0 0\nv 1 0 0\nf 1 2 1\n", "b.obj"), &["without extent"]);
    says(&bad(b"a letter", "b.obj"), &["b.obj", "no face", "OFF, OBJ or STL"]);
    says(&bad(b"vertex 1 2", "c.stl"), &["c.stl", "line 1", "three numbers"]);
    says(&bad(b"", "c.stl"), &["no face"]);
    let cut = &binary_stl(&brick([2.0, 3.0, 1.0], None))[..300];
    says(&bad(cut, "c.stl"), &["c.stl", "300 bytes", "684 for its 12 triangles", "cut off"]);
}

/// An `.npy` file: little-endian numbers of a type, in a shape as Python writes it.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\0".as_slice(), &length, header.as_bytes(), data].concat()
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::DEFAULT).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn arrays(bytes: &[u8], split: Option<Split>) -> Result<ImageSet, SourceError> {
    ImageSet::from_array_bytes(bytes, "x.npz", &SourceOptions { split, ..SourceOptions::default() })
}

/// Written by NumPy; the values are in `make_pictures.py`.
#[test]
fn what_numpy_wrote_is_read() {
    let bytes = fixture("pictures.npz");
    let train = arrays(&bytes, None).unwrap();
    assert_eq!((train.len(), train.height, train.width, train.channels), (3, 4, 5, 1));
    assert_eq!(train.pixels, (0..60).collect::<Vec<u8>>());
    assert_eq!(train.labels, Some(vec![3, 1, 2]));
    assert_eq!(
        (train.source.kind, train.source.split.as_deref()),
        (SourceKind::Arrays, Some("train"))
    );
    let test = arrays(&bytes, Some(Split::Test)).unwrap();
    assert_eq!((test.pixels[39], test.labels), (200 - 39, Some(vec![9, 8])));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mnist.npz");
    std::fs::write(&path, &bytes).unwrap();
    let named = open_source(&path, &SourceOptions::default()).unwrap();
    assert_eq!((named.source.name.as_str(), named.pixels), ("mnist.npz", train.pixels));
}

#[test]
fn shapes_and_types_of_arrays() {
    let of = |descr: &str, shape: &str, data: &[u8]| {
        let set = ImageSet::from_array_bytes(
            &npy(descr, shape, data),
            "x.npy",
            &SourceOptions::default(),
        );
        let set = set.unwrap();
        ([set.len(), set.height, set.width, set.channels], set.pixels)
    };
    let bytes = pixels(1, 24);
    assert_eq!(of("|u1", "(4, 6)", &bytes), ([1, 4, 6, 1], bytes.clone()));
    assert_eq!(of("|u1", "(2, 3, 4)", &bytes), ([2, 3, 4, 1], bytes.clone()));
    assert_eq!(
        of("|u1", "(2, 4, 3)", &bytes),
        ([1, 2, 4, 3], bytes.clone()),
        "colour, rather than narrow"
    );
    assert_eq!(of("|u1", "(2, 2, 2, 3)", &bytes), ([2, 2, 2, 3], bytes.clone()));
    // Channels first: the planes of one image.
    let (shape, planes) = of("|u1", "(2, 3, 2, 2)", &bytes);
    assert_eq!(shape, [2, 2, 2, 3]);
    assert_eq!(planes[..6], [bytes[0], bytes[4], bytes[8], bytes[1], bytes[5], bytes[9]]);
    let floats = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    assert_eq!(of("<f4", "(2, 2)", &floats(&[0.0, 0.5, 1.0, 0.1])).1, [0, 128, 255, 26]);
    assert_eq!(of("<f4", "(2, 2)", &floats(&[0.0, 0.6, 255.0, 7.0])).1, [0, 1, 255, 7]);
    assert_eq!(of("<f2", "(2, 2)", &[0, 0, 0, 0x38, 0, 0x3c, 0, 0x34]).1, [0, 128, 255, 64]);
    assert_eq!(of("|b1", "(2, 2)", &[0, 1, 1, 0]).1, [0, 255, 255, 0]);
    assert_eq!(of("<u2", "(2, 2)", &[0, 0, 1, 0, 255, 0, 7, 0]).1, [0, 1, 255, 7]);
    let whole: Vec<u8> = [0i64, 255, 3, 4].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(of("<i8", "(2, 2)", &whole).1, [0, 255, 3, 4]);

    let bad = |descr: &str, shape: &str, data: &[u8]| {
        arrays(&npz(&[("data", npy(descr, shape, data))]), None).unwrap_err()
    };
    says(&bad("<f4", "(2, 2)", &floats(&[0.0, -0.5, 1.0, 0.1])), &["x.npz", "data: ", "0 to 255"]);
    says(&bad("<f4", "(2, 2)", &floats(&[0.0, f32::NAN, 1.0, 0.1])), &["0 to 255"]);
    says(&bad("<i8", "(4,)", &[0; 32]), &["x.npz", "data [4]", "(count, height, width)"]);
    says(&bad("|u1", "(2, 2)", &[0; 3]), &["3 bytes", "[2, 2]"]);
    says(&bad("|u1", "(0, 2, 2)", &[]), &["holds no image"]);
    says(&arrays(&npz(&[]), None).unwrap_err(), &["x.npz", "no array"]);
    says(&arrays(b"PK not really", None).unwrap_err(), &["x.npz", "damaged"]);
    says(&arrays(b"a letter", None).unwrap_err(), &["x.npz", "8 bytes", "array of NumPy"]);
    let huge = npy("|u1", "(99999999999999999999, 2)", &[]);
    says(&arrays(&huge, None).unwrap_err(), &["fits into memory"]);
}

#[test]
fn splits_and_labels_belong_together() {
    let three = npy("|u1", "(3, 2, 2)", &pixels(3, 4));
    let classes = npy("|u1", "(3, 1)", &[0, 1, 2]);
    // MedMNIST's names; a row of numbers that could be a picture too is labels.
    let bytes = npz(&[
        ("test_labels", npy("|u1", "(3, 1)", &[7, 7, 7])),
        ("train_images", three.clone()),
        ("train_labels", classes),
    ]);
    assert_eq!(arrays(&bytes, None).unwrap().labels, Some(vec![0, 1, 2]));
    let error = arrays(&bytes, Some(Split::Test)).unwrap_err();
    says(&error, &["x.npz", "no test split", "train_images"]);
    // Another number of labels is none of these pictures', unless it is for validation; whose split is not told, is whatever is wanted.
    let two = npy("|u1", "(2,)", &[0, 1]);
    let bytes = npz(&[("images", three.clone()), ("labels", two.clone())]);
    says(&arrays(&bytes, None).unwrap_err(), &["x.npz: images holds 3 images but labels 2 labels"]);
    let bytes = npz(&[("images", three.clone()), ("val_labels", two.clone()), ("sizes", two)]);
    let set = arrays(&bytes, Some(Split::Test)).unwrap();
    assert_eq!((set.labels, set.source.split), (None, None));
    // Words, and whatever else cannot be read, are no matter.
    let words = npy("<U2", "(2,)", &[0; 16]);
    let bytes = npz(&[("class_names", words.clone()), ("images", three)]);
    assert_eq!(arrays(&bytes, None).unwrap().len(), 3);
    says(
        &arrays(&npz(&[("class_names", words)]), None).unwrap_err(),
        &["class_names", "<U2", "astype"],
    );
    // As scikit-learn has digits: rows of numbers, and what they are.
    let rows = npy("|u1", "(3, 16)", &pixels(3, 16));
    let bytes = npz(&[("target", npy("<i2", "(3,)", &[1, 0, 2, 0, 3, 0])), ("data", rows.clone())]);
    let set = arrays(&bytes, None).unwrap();
    assert_eq!((set.len(), set.height, set.width, set.labels), (3, 4, 4, Some(vec![1, 2, 3])));
    let alone = arrays(&npz(&[("data", rows)]), None).unwrap();
    assert_eq!((alone.len(), alone.height, alone.width), (1, 3, 16));
}

proptest! {
    /// Damage is an error or another mesh, never a crash.
    #[test]
    fn damaged_files_do_no_harm(
        which in 0..4usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let obj = brick([2.0, 3.0, 1.0], None);
        let (mut bytes, file) = match which {
            0 => (obj.into_bytes(), "x.obj"),
            1 => (off(&obj, "OFF\n"), "x.off"),
            2 => (binary_stl(&obj), "x.stl"),
            _ => (fixture("pictures.npz"), "x.npz"),
        };
        let place = at.index(bytes.len());
        bytes[place] = byte;
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if which == 3 {
                let _read = arrays(bytes, None);
            } else if let Ok(mesh) = Mesh::read(bytes, file) {
                prop_assert_eq!(mesh.slices(8).len(), SLICES * 64);
            }
        }
    }
}
