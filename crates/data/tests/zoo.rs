//! The zoo format: round trips, and every way a zoo can be damaged.

mod common;

use common::{PLAN, block, manifest, mlp, says, shard, zoo_in};
use proptest::prelude::*;
use weightlab_data::{
    MANIFEST_FILE, MemStore, Part, Plan, Shard, Store, Targets, Zoo, ZooError, ZooManifest,
    blake3_hex, shard_file,
};
use weightlab_nets::{Convention, Mlp};

fn edit_json(store: &MemStore, from: &str, to: &str) {
    let text = String::from_utf8(block(store.read(MANIFEST_FILE)).unwrap()).unwrap();
    assert!(text.contains(from), "{text}");
    block(store.write(MANIFEST_FILE, text.replacen(from, to, 1).as_bytes())).unwrap();
}

#[test]
fn what_is_appended_is_read_back() {
    let store = MemStore::new();
    let zoo = zoo_in(&store);
    assert!(zoo.manifest().is_complete());
    let again = block(Zoo::open(store.clone())).unwrap();
    assert_eq!(again.manifest(), zoo.manifest());
    assert_eq!(block(again.read_shard(1)).unwrap(), shard(&PLAN, &mlp(), 4, 8));
    assert_eq!(block(again.load_all()).unwrap(), shard(&PLAN, &mlp(), 0, 10));
    block(again.verify()).unwrap();
    assert_eq!(
        block(store.list()).unwrap(),
        [shard_file(0), shard_file(1), shard_file(2), MANIFEST_FILE.to_string()]
    );
}

#[test]
fn a_shard_has_the_promised_keys_and_layout() {
    // Read with the plain crate, as a stranger would.
    let bytes = shard(&PLAN, &mlp(), 0, 3).to_bytes(&mlp()).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let text = &header.metadata().as_ref().unwrap()["weightlab"];
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(json["mlp"]["dims"], serde_json::json!([2, 3, 2, 1]));
    assert_eq!(
        (json["convention"].as_str(), json["format_version"].as_u64()),
        (Some("dwsnets"), Some(1))
    );
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor("seq.1.weight").unwrap();
    assert_eq!((tensor.dtype(), tensor.shape()), (safetensors::Dtype::F32, &[3, 2, 3][..]));
    // Network 1 is object 10, view 1; seq.1.weight begins after 2 * 3 + 3 parameters.
    let first = f32::from_le_bytes(tensor.data()[24..28].try_into().unwrap());
    assert_eq!(first, 10.0 + 1.0 / 16.0 + 9.0 / 1024.0);
    assert_eq!(file.tensor("seq.2.bias").unwrap().shape(), [3, 1]);
    for (key, dtype) in [
        ("label", safetensors::Dtype::I64),
        ("object", safetensors::Dtype::I64),
        ("view", safetensors::Dtype::I64),
        ("psnr", safetensors::Dtype::F32),
        ("steps", safetensors::Dtype::I64),
    ] {
        let tensor = file.tensor(key).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (dtype, &[3][..]), "{key}");
    }
}

#[test]
fn equal_contents_are_equal_bytes() {
    let (a, b) = (MemStore::new(), MemStore::new());
    zoo_in(&a);
    zoo_in(&b);
    for name in block(a.list()).unwrap() {
        assert_eq!(block(a.read(&name)).unwrap(), block(b.read(&name)).unwrap(), "{name}");
    }
}

#[test]
fn not_a_number_survives_and_is_found() {
    let mut one = shard(&PLAN, &mlp(), 0, 2);
    let stride = mlp().param_count();
    one.params[stride + 3] = f32::from_bits(0x7fc0_1234);
    one.psnr[0] = f32::NAN;
    let read = Shard::from_bytes(&one.to_bytes(&mlp()).unwrap(), "s", &mlp()).unwrap();
    assert_eq!(read.params[stride + 3].to_bits(), 0x7fc0_1234);
    assert_eq!(read.first_non_finite(), Some((1, 3)));
    assert!(read.psnr[0].is_nan());
}

#[test]
fn another_format_version_is_named_whatever_else_it_holds() {
    let store = MemStore::new();
    zoo_in(&store);
    edit_json(&store, "\"format_version\": 1", "\"from_the_future\": 9, \"format_version\": 2");
    let error = block(Zoo::open(store)).unwrap_err();
    assert!(matches!(error, ZooError::Version { found: 2, .. }));
    says(&error, &["zoo.json", "version 2", "reads version 1", "use the program version"]);
}

#[test]
fn manifests_are_read_strictly() {
    type Edit = (&'static str, &'static str, &'static [&'static str]);
    let edits: [Edit; 10] = [
        ("\"seed\": 5", "\"sede\": 5", &["zoo.json", "line", "sede"]),
        ("\"seed\": 5", "\"seed\": -5", &["line", "-5"]),
        ("\"seed\": 5,", "", &["missing field `seed`"]),
        ("nets-00001", "nets-00007", &["shard 1", "nets-00007", "expected nets-00001"]),
        ("nets-00001.safetensors", "../secret", &["shard 1", "../secret"]),
        ("\"nets\": 4", "\"nets\": 3", &["shard 0", "3 networks"]),
        ("\"nets_per_shard\": 4", "\"nets_per_shard\": 0", &["nets_per_shard", "at least 1"]),
        ("\"views\": 2", "\"views\": 1", &["10 networks", "at most the 5"]),
        ("\"part\": null", "\"part\": {\"index\": 4, \"count\": 4}", &["--shard 4/4"]),
        ("      2,\n", "      999999,\n", &["width 999999", "widths are 1 to 256"]),
    ];
    for (from, to, parts) in edits {
        let store = MemStore::new();
        zoo_in(&store);
        edit_json(&store, from, to);
        says(&block(Zoo::open(store)).unwrap_err(), parts);
    }
    let store = MemStore::new();
    block(store.write(MANIFEST_FILE, b"")).unwrap();
    says(&block(Zoo::open(store)).unwrap_err(), &["line 1"]);
    says(&block(Zoo::open(MemStore::new())).unwrap_err(), &["no zoo.json"]);
}

#[test]
fn any_flipped_bit_in_a_shard_is_a_hash_mismatch() {
    let store = MemStore::new();
    let zoo = zoo_in(&store);
    let name = shard_file(1);
    let whole = block(store.read(&name)).unwrap();
    for at in [0, 8, 100, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        block(store.write(&name, &bytes)).unwrap();
        let error = block(zoo.read_shard(1)).unwrap_err();
        assert!(matches!(error, ZooError::Hash { .. }), "{error}");
        says(&error, &[&name, &blake3_hex(&bytes), &blake3_hex(&whole), "damaged"]);
    }
    block(store.write(&name, &whole[..whole.len() - 4])).unwrap();
    assert!(matches!(block(zoo.read_shard(1)), Err(ZooError::Hash { .. })));
    block(store.remove(&name)).unwrap();
    assert!(matches!(block(zoo.read_shard(1)), Err(ZooError::Missing { .. })));
    says(&block(Zoo::open(store)).unwrap_err(), &[&name, "listed in zoo.json"]);
}

#[test]
fn a_shard_of_other_networks_is_refused_even_with_its_right_hash() {
    let store = MemStore::new();
    let zoo = zoo_in(&store);
    let other = Mlp::new(&[2, 3, 2, 1], Convention::Sitzmann).unwrap();
    let bytes = shard(&PLAN, &mlp(), 4, 8).to_bytes(&other).unwrap();
    let old = block(store.read(&shard_file(1))).unwrap();
    block(store.write(&shard_file(1), &bytes)).unwrap();
    edit_json(&store, &blake3_hex(&old), &blake3_hex(&bytes));
    drop(zoo);
    let zoo = block(Zoo::open(store.clone())).unwrap();
    says(&block(zoo.read_shard(1)).unwrap_err(), &["sitzmann", "dwsnets", "architecture"]);
    // And one with fewer networks than are listed.
    let fewer = shard(&PLAN, &mlp(), 4, 7).to_bytes(&mlp()).unwrap();
    block(store.write(&shard_file(1), &fewer)).unwrap();
    edit_json(&store, &blake3_hex(&bytes), &blake3_hex(&fewer));
    let zoo = block(Zoo::open(store)).unwrap();
    says(&block(zoo.read_shard(1)).unwrap_err(), &["3 networks", "the 4"]);
}

#[test]
fn only_what_the_plan_has_next_is_appended() {
    let mut zoo = block(Zoo::create(MemStore::new(), manifest(PLAN, 4))).unwrap();
    for (first, end) in [(0, 3), (1, 5), (0, 5), (0, 0)] {
        let error = block(zoo.append(&shard(&PLAN, &mlp(), first, end))).unwrap_err();
        assert!(matches!(error, ZooError::OffPlan { .. }), "{error}");
    }
    block(zoo.append(&shard(&PLAN, &mlp(), 0, 4))).unwrap();
    assert!(block(zoo.append(&shard(&PLAN, &mlp(), 0, 4))).is_err(), "the same again");
    let mut short = shard(&PLAN, &mlp(), 4, 8);
    short.psnr.pop();
    says(&block(zoo.append(&short)).unwrap_err(), &["psnr", "3 values", "expected 4"]);
    assert_eq!(zoo.nets(), 4);
}

#[test]
fn messages_about_parts_and_positions() {
    says(&"0/0".parse::<Part>().unwrap_err(), &["0/0", "at least 1", "0/1"]);
    says(&"4/4".parse::<Part>().unwrap_err(), &["0/4", "3/4"]);
    let error = weightlab_data::ZooManifest::from_json(b"{ 5", "zoo.json").unwrap_err();
    says(&error, &["zoo.json: line 1, column 3: "]);
    assert_eq!(error.to_string().matches("line 1").count(), 1, "{error}");
}

#[test]
fn targets_are_kept_and_checked() {
    let targets = Targets {
        height: 2,
        width: 2,
        channels: 1,
        pixels: (0..20).collect(),
        labels: vec![1, 2, 3, 4, -1],
        objects: vec![10, 11, 12, 13, 14],
        names: Vec::new(),
    };
    assert_eq!(targets.name(10), None);
    let store = MemStore::new();
    let mut zoo = zoo_in(&store);
    block(zoo.write_targets(&targets)).unwrap();
    let zoo = block(Zoo::open(store.clone())).unwrap();
    assert_eq!(block(zoo.read_targets()).unwrap(), Some(targets.clone()));
    assert_eq!(targets.find(12), Some(&[8, 9, 10, 11][..]));
    assert_eq!(targets.find(15), None);
    let mut bytes = block(store.read("targets.safetensors")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    block(store.write("targets.safetensors", &bytes)).unwrap();
    assert!(matches!(block(zoo.read_targets()), Err(ZooError::Hash { .. })));
    assert!(block(zoo.verify()).is_err());
    // Written again they are as before.
    let mut zoo = block(Zoo::resume(store.clone(), manifest(PLAN, 4))).unwrap();
    block(zoo.write_targets(&targets)).unwrap();
    block(zoo.verify()).unwrap();
    drop(zoo);
    // A resume does not mind that targets are there, and another shape is refused.
    block(Zoo::resume(store, manifest(PLAN, 4))).unwrap();
    let mut shaped = manifest(PLAN, 4);
    shaped.image_shape = Some([2, 3, 1]);
    let mut zoo = block(Zoo::create(MemStore::new(), shaped)).unwrap();
    says(&block(zoo.write_targets(&targets)).unwrap_err(), &["[2, 2, 1]", "[2, 3, 1]"]);
}

#[test]
fn targets_keep_the_names_of_their_files() {
    let names = ["a.png", "", "Zürich/ö.jpg"].map(str::to_owned).to_vec();
    let targets = Targets {
        height: 2,
        width: 2,
        channels: 1,
        pixels: (0..12).collect(),
        labels: vec![-1; 3],
        objects: vec![4, 5, 9],
        names,
    };
    let bytes = targets.to_bytes().unwrap();
    let back = Targets::from_bytes(&bytes, "x").unwrap();
    assert_eq!(back, targets);
    let found = [4, 5, 9, 6].map(|object| back.name(object));
    assert_eq!(found, [Some("a.png"), None, Some("Zürich/ö.jpg"), None]);
    // One too few, and ends that cut a letter in two or point beyond the text.
    let few = Targets { names: vec!["a.png".into()], ..targets.clone() };
    says(&few.to_bytes().unwrap_err(), &["12, 3 and 1 values"]);
    let ends: Vec<u8> = [5i64, 5, 19].iter().flat_map(|e| e.to_le_bytes()).collect();
    let at = bytes.windows(24).position(|w| w == ends).unwrap();
    for wrong in [[5i64, 7, 19], [5, 5, 18], [5, 5, 20], [5, 4, 19], [-1, 5, 19]] {
        let mut damaged = bytes.clone();
        let ends: Vec<u8> = wrong.iter().flat_map(|e| e.to_le_bytes()).collect();
        damaged[at..at + 24].copy_from_slice(&ends);
        says(&Targets::from_bytes(&damaged, "x").unwrap_err(), &["x", "name_end"]);
    }
}

#[test]
fn parts_count_from_zero() {
    assert_eq!("3/4".parse::<Part>().unwrap(), Part { index: 3, count: 4 });
    let error = "4/4".parse::<Part>().unwrap_err();
    says(&error, &["--shard 4/4", "counts from 0", "0/4 to 3/4"]);
    assert!("0/0".parse::<Part>().is_err());
    for text in ["", "1", "1/", "a/b", "-1/4", "1/4/2", "0.5/4"] {
        says(&text.parse::<Part>().unwrap_err(), &["--shard", "i/n"]);
    }
}

proptest! {
    #[test]
    fn parts_partition_the_objects(first in 0u32..1000, len in 0u32..5000, views in 1u32..4, count in 1u32..50) {
        let mut next = first;
        let mut nets = 0;
        for index in 0..count {
            let part = Some(Part::new(index, count).unwrap());
            let plan = Plan { objects: [first, first + len], views, part };
            let objects = plan.part_objects();
            prop_assert_eq!(objects.start, next);
            prop_assert!(objects.len() as u32 >= len / count && objects.len() as u32 <= len / count + 1);
            next = objects.end;
            nets += plan.nets();
        }
        prop_assert_eq!((next, nets), (first + len, u64::from(len) * u64::from(views)));
    }

    #[test]
    fn random_shards_and_manifests_never_panic(
        head in prop::collection::vec(any::<u8>(), 0..40),
        len in 0u64..64,
        json in "[ -~]{0,80}",
    ) {
        let _ = Shard::from_bytes(&head, "x", &mlp());
        let bytes = [&len.to_le_bytes()[..], json.as_bytes()].concat();
        let _ = Shard::from_bytes_alone(&bytes, "x");
        let _ = Targets::from_bytes(&bytes, "x");
        let _ = ZooManifest::from_json(json.as_bytes(), "x");
    }

    #[test]
    fn a_damaged_shard_never_panics_without_its_hash(at in any::<prop::sample::Index>(), value: u8) {
        let mut bytes = shard(&PLAN, &mlp(), 0, 3).to_bytes(&mlp()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = Shard::from_bytes_alone(&bytes, "x");
    }

    #[test]
    fn a_truncated_shard_is_an_error(cut in any::<prop::sample::Index>()) {
        let bytes = shard(&PLAN, &mlp(), 0, 3).to_bytes(&mlp()).unwrap();
        prop_assert!(Shard::from_bytes_alone(&bytes[..cut.index(bytes.len())], "x").is_err());
    }

    #[test]
    fn manifests_round_trip(seed: u64, objects in 0u32..100, views in 1u32..5, per in 1u32..100) {
        let mut manifest = manifest(Plan { objects: [3, 3 + objects], views, part: None }, per);
        manifest.seed = seed;
        let bytes = manifest.to_json();
        prop_assert_eq!(ZooManifest::from_json(&bytes, "x").unwrap(), manifest);
    }
}

#[test]
fn a_header_that_overflows_is_an_error() {
    // Offsets near the end of the address space: the sum with the header's length must not wrap.
    let huge = u64::MAX / 8;
    let mut entries = Vec::new();
    let mut at = 0u64;
    for i in 0..8 {
        entries.push(format!(
            "\"t{i}\":{{\"dtype\":\"U8\",\"shape\":[{huge}],\"data_offsets\":[{at},{}]}}",
            at + huge
        ));
        at += huge;
    }
    let json = format!("{{{}}}", entries.join(","));
    let bytes = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    assert!(Shard::from_bytes_alone(&bytes, "x").is_err());
}
