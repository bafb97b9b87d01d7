//! Zoos as single files, out and back, and files that are none.

mod common;

use common::{Killed, PLAN, block, fixture, manifest, mlp, says, shard};
use std::io::{Cursor, Write};
use weightlab_data::{
    ExchangeError, FileFormat, ImportOptions, MemStore, Shard, Store, Targets, Zoo, export_file,
    export_zoos, import_files, import_zoos, write_torch_net,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn zoo() -> Zoo<MemStore> {
    let mut zoo = block(Zoo::create(MemStore::new(), manifest(PLAN, 4))).unwrap();
    for (first, end) in [(0, 4), (4, 8), (8, 10)] {
        block(zoo.append(&shard(&PLAN, &mlp(), first, end))).unwrap();
    }
    zoo
}

/// The images of [`zoo`].
fn targets() -> Targets {
    Targets {
        height: 2,
        width: 2,
        channels: 1,
        pixels: (0..20).collect(),
        labels: vec![0; 5],
        objects: (10..15).collect(),
        names: Vec::new(),
    }
}

fn import(name: &str, bytes: Vec<u8>) -> Result<Zoo<MemStore>, ExchangeError> {
    let files = [(name.to_owned(), bytes)];
    Ok(block(import_files(&files, MemStore::new(), &ImportOptions::default()))?.0)
}

/// All that every format carries, as bits.
fn essence(zoo: &Zoo<MemStore>) -> (Vec<u32>, Vec<i64>, Vec<i64>, Vec<i64>) {
    let all: Shard = block(zoo.load_all()).unwrap();
    (all.params.iter().map(|p| p.to_bits()).collect(), all.labels, all.objects, all.views)
}

#[test]
fn every_format_comes_back_as_it_was() {
    let zoo = zoo();
    for format in FileFormat::ALL {
        let bytes = block(export_file(&zoo, format, "my zoo")).unwrap();
        assert_eq!(bytes, block(export_file(&zoo, format, "my zoo")).unwrap(), "the same bytes");
        // The name says nothing: files are told by what is in them.
        let back = import("download", bytes).unwrap();
        assert_eq!(essence(&back), essence(&zoo), "{format:?}");
        assert_eq!(back.manifest().mlp, zoo.manifest().mlp, "{format:?}");
    }
}

#[test]
fn the_zoo_itself_loses_nothing() {
    let mut zoo = zoo();
    block(zoo.write_targets(&targets())).unwrap();
    let bytes = block(export_file(&zoo, FileFormat::Zip, "z")).unwrap();
    let back = import("z.zip", bytes.clone()).unwrap();
    assert_eq!(back.manifest(), zoo.manifest());
    assert_eq!(block(back.read_targets()).unwrap(), Some(targets()));
    // A flipped bit in a shard is seen.
    let mut damaged = bytes;
    let at = damaged.len() / 2;
    damaged[at] ^= 1;
    says(&import("z.zip", damaged).unwrap_err(), &["z.zip", "damaged"]);
}

#[test]
fn several_zoos_in_one_file() {
    let (one, mut other) = (zoo(), zoo());
    block(other.write_targets(&targets())).unwrap();
    let bytes = block(export_zoos(&[("b", &one), ("a (2)", &other)])).unwrap();
    let back = block(import_zoos(&bytes, "all.zip")).unwrap();
    let names: Vec<&str> = back.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["b", "a (2)"], "in their order");
    for ((_, back, report), zoo) in back.iter().zip([&one, &other]) {
        assert_eq!(back.manifest().to_json(), zoo.manifest().to_json());
        assert_eq!((essence(back), report.nets), (essence(zoo), 10));
    }
    assert_eq!(block(back[1].1.read_targets()).unwrap(), block(other.read_targets()).unwrap());
    // What takes one zoo says what to do.
    says(&import("all.zip", bytes.clone()).err().unwrap(), &["all.zip", "unpack it"]);
    // One zoo, and what is none, are for the other reader.
    let single = block(export_zoos(&[("b", &one)])).unwrap();
    assert!(block(import_zoos(&single, "b.zip")).unwrap().is_empty());
    assert_eq!(essence(&import("b.zip", single).unwrap()), essence(&one));
    assert!(block(import_zoos(b"no zip", "x")).unwrap().is_empty());
    // Damage in one of them is told, and with it its place.
    let mut damaged = bytes;
    let at = damaged.windows(4).rposition(|w| w == 0.5f32.to_le_bytes()).unwrap_or(4000);
    damaged[at] ^= 1;
    assert!(block(import_zoos(&damaged, "all.zip")).is_err());
}

fn archive(method: CompressionMethod, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::DEFAULT.compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn npy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), data].concat()
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Two networks 2-1-1 of 64-bit floats and 32-bit labels, as somebody else would save them.
#[test]
fn numpy_files_of_others_are_understood() {
    let labels: Vec<u8> = [7i32, 8].iter().flat_map(|v| v.to_le_bytes()).collect();
    let members = |order| {
        [
            ("seq.0.weight.npy", npy("<f8", order, "2, 1, 2", &doubles(&[1.0, 2.0, 4.0, 0.5]))),
            ("seq.0.bias.npy", npy("<f8", "False", "2, 1", &doubles(&[0.25, 3.0]))),
            ("seq.1.weight.npy", npy("<f8", "False", "2, 1, 1", &doubles(&[5.0, 6.0]))),
            ("seq.1.bias.npy", npy("<f8", "False", "2, 1", &doubles(&[0.1, -0.5]))),
            ("label.npy", npy("<i4", "False", "2,", &labels)),
        ]
    };
    let packed = |order| {
        let members = members(order);
        let members: Vec<_> = members.iter().map(|(n, b)| (*n, b.as_slice())).collect();
        archive(CompressionMethod::Deflated, &members)
    };
    let back = import("theirs.npz", packed("False")).unwrap();
    let all = block(back.load_all()).unwrap();
    assert_eq!(all.params, [1.0, 2.0, 0.25, 5.0, 0.1, 4.0, 0.5, 3.0, 6.0, -0.5]);
    assert_eq!((all.labels, all.objects), (vec![7, 8], vec![0, 1]));
    let error = import("theirs.npz", packed("True")).unwrap_err();
    says(&error, &["theirs.npz", "seq.0.weight.npy", "columns first"]);
}

#[test]
fn arrays_that_are_none_are_named() {
    let bad = |bytes: Vec<u8>| {
        let packed = archive(CompressionMethod::Stored, &[("seq.0.weight.npy", &bytes)]);
        import("x.npz", packed).unwrap_err()
    };
    says(&bad(b"text".to_vec()), &["x.npz", "seq.0.weight.npy", "4 bytes"]);
    says(&bad(npy("<c16", "False", "1, 1, 1", &[0; 16])), &["\"<c16\"", "astype('float32')"]);
    says(&bad(npy("<f4", "False", "3, 1, 1", &[0; 8])), &["8 bytes", "[3, 1, 1]"]);
    let huge = "4294967296, 4294967296, 4294967296";
    says(&bad(npy("<f4", "False", huge, &[0; 8])), &["8 bytes"]);
    // Cut anywhere, it is an error and no panic.
    let whole = npy("<f4", "False", "1, 1, 1", &[0; 4]);
    for cut in 0..whole.len() {
        bad(whole[..cut].to_vec());
    }
}

#[test]
fn single_networks_are_numbered_in_the_order_of_their_names() {
    let all = shard(&PLAN, &mlp(), 0, 2);
    let net = |i: usize| write_torch_net(&mlp(), all.net(i), Some(i as i64));
    let files = [("b.pth".to_owned(), net(1)), ("a.pth".to_owned(), net(0))];
    let (zoo, _) = block(import_files(&files, MemStore::new(), &ImportOptions::default())).unwrap();
    let back = block(zoo.load_all()).unwrap();
    assert_eq!((&back.params, &back.labels), (&all.params, &vec![0, 1]));
    assert_eq!((back.objects, back.views), (vec![0, 1], vec![0, 0]));
    assert_eq!(import("one.pth", net(0)).unwrap().nets(), 1);
    // In folders of an archive that has no list.
    let packed = archive(CompressionMethod::Stored, &[("x/a.pth", &net(0)), ("y/a.pth", &net(1))]);
    assert_eq!(import("nets.zip", packed).unwrap().nets(), 2);
    // Numbers say which objects they are.
    let packed = archive(CompressionMethod::Stored, &[("x/12.pth", &net(1)), ("y/7.pth", &net(0))]);
    let back = block(import("nets.zip", packed).unwrap().load_all()).unwrap();
    assert_eq!((back.objects, back.labels), (vec![7, 12], vec![0, 1]));
}

#[test]
fn what_is_no_zoo_is_refused_in_a_sentence() {
    let refused = |name: &str, bytes: &[u8]| import(name, bytes.to_vec()).unwrap_err();
    says(&refused("notes.txt", b"dear diary"), &["notes.txt", "neither"]);
    says(&refused("empty.zip", b""), &["empty.zip", "neither"]);
    says(&refused("cut.zip", b"PK\x03\x04"), &["cut.zip", "damaged"]);
    let other = archive(CompressionMethod::Stored, &[("readme.md", b"hello")]);
    says(&refused("other.zip", &other), &["other.zip", "holds neither a zoo.json"]);
    let evil = refused("down/evil.pth", &fixture("evil.pth"));
    says(&evil, &["evil.pth"]);
    assert!(!evil.to_string().contains("down"), "{evil}");
    // A member outside the archive.
    let outside = archive(CompressionMethod::Stored, &[("../zoo.json", b"{}"), ("a", b"")]);
    says(&refused("out.zip", &outside), &["out.zip", "../zoo.json"]);
    // A bomb: a thousand times its size.
    let zeros = vec![0; 50_000_000];
    let bomb = archive(CompressionMethod::Deflated, &[("zoo.json", &zeros)]);
    assert!(bomb.len() < 100_000);
    says(&refused("bomb.zip", &bomb), &["bomb.zip", "would expand"]);
    let mixed = [("a.pth".to_owned(), fixture("net-2-3-2-1.pth")), ("b.txt".to_owned(), vec![1])];
    let error = block(import_files(&mixed, MemStore::new(), &ImportOptions::default()));
    says(&error.unwrap_err(), &["b.txt", "torch.save"]);
}

#[test]
fn a_copy_is_whole_or_not_there() {
    let zoo = zoo();
    let full = Killed { inner: MemStore::new(), writes: 2.into() };
    assert!(block(weightlab_data::copy_zoo(&zoo, &&full)).is_err());
    assert!(!block(full.inner.exists("zoo.json")).unwrap());
    assert_eq!(block(full.inner.list()).unwrap().len(), 2);
}
