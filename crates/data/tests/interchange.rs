//! Zoos out to PyTorch and safetensors and back.

mod common;

use std::collections::BTreeMap;

use common::{Killed, PLAN, block, fixture, manifest, mlp, says, shard};
use weightlab_data::{
    ImportOptions, MemStore, Shard, Store, TorchError, Value, Zoo, ZooError, export_safetensors,
    export_torch, import_safetensors, import_torch, is_unfinished_export, read_torch,
    write_torch_net,
};
use weightlab_nets::{Activation, Convention, Mlp};

fn zoo(splits: Option<BTreeMap<String, Vec<[u32; 2]>>>) -> Zoo<MemStore> {
    let mut manifest = manifest(PLAN, 4);
    manifest.splits = splits;
    let mut zoo = block(Zoo::create(MemStore::new(), manifest)).unwrap();
    for (first, end) in [(0, 4), (4, 8), (8, 10)] {
        block(zoo.append(&shard(&PLAN, &mlp(), first, end))).unwrap();
    }
    zoo
}

fn options(nets_per_shard: u32) -> ImportOptions {
    ImportOptions { nets_per_shard, ..ImportOptions::default() }
}

/// All that a `.pth` file carries, as bits.
fn essence(shard: &Shard) -> (Vec<u32>, Vec<i64>, Vec<i64>, Vec<i64>) {
    let bits = shard.params.iter().map(|p| p.to_bits()).collect();
    (bits, shard.labels.clone(), shard.objects.clone(), shard.views.clone())
}

#[test]
fn the_layout_is_that_of_the_reference_code() {
    let out = MemStore::new();
    let splits = BTreeMap::from([
        ("train".to_string(), vec![[10, 12], [14, 15]]),
        ("val".to_string(), vec![[12, 13]]),
    ]);
    let report = block(export_torch(&zoo(Some(splits)), &out, "zoo-pth")).unwrap();
    // Object 13 is in no split.
    assert_eq!((report.nets, report.splits), (10, [8, 2, 0]));
    let json: serde_json::Value =
        serde_json::from_slice(&block(out.read("splits.json")).unwrap()).unwrap();
    assert_eq!(json["test"], serde_json::json!([]));
    assert_eq!(
        json["val"],
        serde_json::json!(["zoo-pth/view_000/2/000012.pth", "zoo-pth/view_001/2/000012.pth"])
    );
    let first = json["train"][0].as_str().unwrap();
    assert_eq!(first.rsplit('/').nth(2), Some("view_000"), "the view is third from the end");
    // After the folder's own name comes the file's place in it.
    let file = first.strip_prefix("zoo-pth/").unwrap();
    let net = read_torch(&block(out.read(file)).unwrap(), file).unwrap();
    assert_eq!(net.get("label"), Some(&Value::Int(0)));
    let weight = net.get("seq.0.weight").unwrap().tensor().unwrap();
    assert_eq!((weight.shape(), weight.to_f32()[0]), (&[3, 2][..], 10.0));
}

#[test]
fn out_to_pytorch_and_back_is_the_same_bit_for_bit() {
    let splits = BTreeMap::from([
        ("test".to_string(), vec![[12, 15]]),
        ("train".to_string(), vec![[10, 12]]),
    ]);
    let zoo = zoo(Some(splits.clone()));
    let out = MemStore::new();
    block(export_torch(&zoo, &out, "anything")).unwrap();
    let (back, report) = block(import_torch(&out, MemStore::new(), &options(4))).unwrap();
    assert_eq!(essence(&block(back.load_all()).unwrap()), essence(&block(zoo.load_all()).unwrap()));
    assert_eq!(back.manifest().mlp, mlp());
    assert_eq!(back.manifest().splits, Some(splits));
    assert_eq!((report.nets, report.unlabelled, report.converted), (10, 0, 0));
    assert_eq!(report.assumed, None);
    assert_eq!(report.views, ["view_000", "view_001"]);
    assert_eq!(report.splits, BTreeMap::from([("test".into(), 6), ("train".into(), 4)]));
    assert_eq!(
        block(back.load_all()).unwrap(),
        block(zoo.load_all()).unwrap(),
        "PSNR and steps too"
    );

    // The files of others do not say how the fits went.
    block(out.remove("weightlab.json")).unwrap();
    let (back, report) = block(import_torch(&out, MemStore::new(), &options(4))).unwrap();
    let all = block(back.load_all()).unwrap();
    assert!(all.psnr.iter().all(|p| p.is_nan()) && all.steps.iter().all(|&s| s == 0));
    assert_eq!((report.assumed, report.diverged), (Some(Convention::Dwsnets), 0));
}

#[test]
fn a_diverged_network_is_still_known_as_such() {
    let mut bare = manifest(PLAN, 16);
    bare.plan = None;
    let mut zoo = block(Zoo::create(MemStore::new(), bare)).unwrap();
    let mut nets = shard(&PLAN, &mlp(), 0, 4);
    (nets.psnr[1], nets.psnr[2]) = (f32::NAN, f32::NAN);
    // Of one of the two the parameters blew up too.
    let stride = nets.params.len() / 4;
    nets.params[2 * stride + 5] = f32::NAN;
    block(zoo.append(&nets)).unwrap();
    let out = MemStore::new();
    let report = block(export_torch(&zoo, &out, "z")).unwrap();
    assert_eq!(report.diverged, [(10, 1), (11, 0)]);
    let (back, report) = block(import_torch(&out, MemStore::new(), &options(4))).unwrap();
    assert_eq!(report.diverged, 2);
    let all = block(back.load_all()).unwrap();
    assert_eq!([0, 1, 2, 3].map(|i| all.diverged(i)), [false, true, true, false]);
    assert_eq!(essence(&all), essence(&nets));
    // Without that record it is a network that cannot be.
    block(out.remove("weightlab.json")).unwrap();
    let error = block(import_torch(&out, MemStore::new(), &options(4))).unwrap_err();
    says(&error, &["000011.pth", "diverged"]);
}

/// Wherever it ends, the folder is not taken for a whole one, and the next export into it is as one into a new folder.
#[test]
fn an_export_that_was_ended_is_replaced() {
    let zoo = zoo(None);
    let whole = MemStore::new();
    block(export_torch(&zoo, &whole, "z")).unwrap();
    let files = block(whole.list()).unwrap();
    // weightlab.json is written twice.
    for writes in 1..=files.len() {
        let out = Killed { inner: MemStore::new(), writes: writes.into() };
        assert!(block(export_torch(&zoo, &&out, "z")).is_err());
        assert!(block(is_unfinished_export(&out.inner)).unwrap(), "after {writes} writes");
        assert!(block(import_torch(&out.inner, MemStore::new(), &options(4))).is_err());
        block(out.inner.write("view_009/3/000000.pth", b"of another zoo")).unwrap();
        block(export_torch(&zoo, &out.inner, "z")).unwrap();
        assert_eq!(block(out.inner.list()).unwrap(), files);
        for file in &files {
            assert_eq!(block(out.inner.read(file)).unwrap(), block(whole.read(file)).unwrap());
        }
    }
    assert!(!block(is_unfinished_export(&whole)).unwrap(), "a whole one is not replaced");
    assert!(!block(is_unfinished_export(&MemStore::new())).unwrap());
    // Nor one in which somebody else has put something.
    let out = Killed { inner: MemStore::new(), writes: 3.into() };
    assert!(block(export_torch(&zoo, &&out, "z")).is_err());
    block(out.inner.write("thesis.tex", b"...")).unwrap();
    assert!(!block(is_unfinished_export(&out.inner)).unwrap());
}

/// An import that was ended is known as such, and replaced by the next one only.
#[test]
fn an_import_that_was_ended_is_replaced() {
    let source = MemStore::new();
    block(export_torch(&zoo(None), &source, "z")).unwrap();
    let (whole, _) = block(import_torch(&source, MemStore::new(), &options(4))).unwrap();
    for writes in 1..7 {
        let out = Killed { inner: MemStore::new(), writes: writes.into() };
        assert!(block(import_torch(&source, &out, &options(4))).is_err());
        let ended = block(Zoo::open(out.inner.clone())).unwrap();
        assert!(!ended.manifest().is_complete() && ended.refuse_remains().is_err());
        let other = manifest(PLAN, 4);
        let error = block(Zoo::create(out.inner.clone(), other)).unwrap_err();
        says(&error, &["of the 10 networks that `import`", "run that command again"]);
        let (again, _) = block(import_torch(&source, out.inner, &options(4))).unwrap();
        assert_eq!(again.manifest(), whole.manifest());
        block(again.verify()).unwrap();
    }
}

/// A zoo of another convention and frequency than those that are assumed, exported.
fn exported_with_its_own_convention() -> (Mlp, MemStore) {
    let mut own = Mlp::new(&[2, 3, 2, 1], Convention::Sitzmann).unwrap();
    own.activation = Activation::Sine { omega_0: 17.3 };
    let mut manifest = weightlab_data::ZooManifest::new(own.clone(), 1);
    manifest.image_shape = Some([5, 7, 1]);
    let mut zoo = block(Zoo::create(MemStore::new(), manifest)).unwrap();
    block(zoo.append(&shard(&PLAN, &own, 0, 2))).unwrap();
    let out = MemStore::new();
    block(export_torch(&zoo, &out, "z")).unwrap();
    (own, out)
}

#[test]
fn the_convention_survives_the_way_to_pytorch_and_back() {
    let (own, out) = exported_with_its_own_convention();
    let (back, report) = block(import_torch(&out, MemStore::new(), &options(4))).unwrap();
    assert_eq!(back.manifest().mlp, own);
    assert_eq!(back.manifest().convention, own.convention().map(|c| c.name().to_string()));
    assert_eq!(back.manifest().image_shape, Some([5, 7, 1]));
    assert_eq!(report.assumed, None);

    // The file is for others too: its fields are spelt out.
    let json: serde_json::Value =
        serde_json::from_slice(&block(out.read("weightlab.json")).unwrap()).unwrap();
    assert_eq!(json["mlp"]["dims"], serde_json::json!([2, 3, 2, 1]));
    assert_eq!(json["mlp"]["target_range"], serde_json::json!([-1.0, 1.0]));

    let dwsnets = ImportOptions { convention: Some(Convention::Dwsnets), ..options(4) };
    let error = block(import_torch(&out, MemStore::new(), &dwsnets)).unwrap_err();
    says(&error, &["weightlab.json", "dwsnets, as was asked for"]);
}

#[test]
fn a_recorded_architecture_must_be_that_of_the_tensors() {
    let (own, out) = exported_with_its_own_convention();
    let put = |value: &serde_json::Value| {
        block(out.write("weightlab.json", value.to_string().as_bytes())).unwrap();
        let store = MemStore::new();
        let error = block(import_torch(&out, store.clone(), &options(4))).unwrap_err();
        assert_eq!(block(store.list()).unwrap(), Vec::<String>::new(), "nothing was begun");
        error
    };
    let mut wider = own.clone();
    wider.dims[1] = 4;
    says(&put(&serde_json::json!({"mlp": wider})), &["weightlab.json", "2-4-2-1", "2-3-2-1"]);
    let rgb = serde_json::json!({"mlp": own, "image_shape": [5, 7, 3]});
    says(&put(&rgb), &["weightlab.json", "image_shape", "5 x 7 x 3"]);
    says(&put(&serde_json::json!({"mlp": own, "omega": 3})), &["weightlab.json", "omega"]);
    wider.dims[1] = 100_000;
    says(&put(&serde_json::json!({"mlp": wider})), &["weightlab.json", "100000"]);
}

#[test]
fn networks_without_a_label() {
    let mut manifest = manifest(PLAN, 16);
    manifest.plan = None;
    let mut zoo = block(Zoo::create(MemStore::new(), manifest)).unwrap();
    let mut nets = shard(&PLAN, &mlp(), 0, 2);
    nets.labels = vec![-1, -1];
    block(zoo.append(&nets)).unwrap();
    let out = MemStore::new();
    block(export_torch(&zoo, &out, "z")).unwrap();
    assert!(block(out.exists("view_001/unlabelled/000010.pth")).unwrap());
    let (back, report) = block(import_torch(&out, MemStore::new(), &options(4))).unwrap();
    assert_eq!(report.unlabelled, 2);
    assert_eq!(block(back.load_all()).unwrap().labels, [-1, -1]);
}

/// A folder of files as others lay them out.
fn folder(splits: &str, files: &[(&str, Vec<u8>)]) -> MemStore {
    let store = MemStore::new();
    block(store.write("splits.json", splits.as_bytes())).unwrap();
    for (name, bytes) in files {
        block(store.write(name, bytes)).unwrap();
    }
    store
}

fn net(value: f32, label: Option<i64>) -> Vec<u8> {
    write_torch_net(&mlp(), &vec![value; mlp().param_count()], label)
}

#[test]
fn pytorchs_own_files_import() {
    let input = folder(
        r#"{"train": ["/home/them/data/a/0/net.pth"], "test": ["/home/them/data/b/0/dict.pth"]}"#,
        &[
            ("a/0/net.pth", fixture("net-2-3-2-1.pth")),
            ("b/0/dict.pth", fixture("state-dict-2-3-2-1.pth")),
        ],
    );
    let (zoo, report) = block(import_torch(&input, MemStore::new(), &options(4))).unwrap();
    assert_eq!(report.views, ["a", "b"]);
    let all = block(zoo.load_all()).unwrap();
    assert_eq!((all.labels.clone(), all.net(0)), (vec![7, -1], all.net(1)));
    // seq.0.weight, seq.0.bias, seq.1.weight as make_fixtures.py wrote them.
    assert_eq!(all.net(0)[..10], [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 0.0, -0.5, -1.0, 1.0]);
}

#[test]
fn splits_of_the_second_form_bring_their_labels() {
    let input = folder(
        r#"{"train": {"path": ["x/ckpt/model.pth", "y/ckpt/model.pth"], "label": [3, 4]},
            "test": {"path": ["z/ckpt/model.pth"], "label": [5]}}"#,
        &[
            ("x/ckpt/model.pth", net(1.0, None)),
            ("y/ckpt/model.pth", net(2.0, None)),
            ("z/ckpt/model.pth", net(3.0, Some(9))),
        ],
    );
    let (zoo, report) = block(import_torch(&input, MemStore::new(), &options(2))).unwrap();
    let all = block(zoo.load_all()).unwrap();
    assert_eq!((all.objects, all.views), (vec![0, 1, 2], vec![0, 0, 0]));
    assert_eq!(all.labels, [3, 4, 9], "a label in the file goes first");
    assert!(report.views.is_empty());
    assert_eq!(zoo.manifest().splits.as_ref().unwrap()["test"], [[2, 3]]);
}

#[test]
fn files_without_numbers_are_numbered_in_order() {
    let input = folder(
        r#"{"val": ["one/c/b.pth", "two/c/b.pth"], "train": ["one/c/a.pth"]}"#,
        &[
            ("one/c/a.pth", net(1.0, Some(0))),
            ("one/c/b.pth", net(2.0, Some(1))),
            ("two/c/b.pth", net(3.0, Some(1))),
        ],
    );
    let (zoo, _) = block(import_torch(&input, MemStore::new(), &options(2))).unwrap();
    let all = block(zoo.load_all()).unwrap();
    assert_eq!((all.objects.as_slice(), all.views.as_slice()), (&[0, 1, 1][..], &[0, 0, 1][..]));
    assert_eq!([all.net(0)[0], all.net(1)[0], all.net(2)[0]], [1.0, 2.0, 3.0]);
}

#[test]
fn what_cannot_be_imported_says_why() {
    let import = |splits: &str, files: &[(&str, Vec<u8>)]| {
        block(import_torch(&folder(splits, files), MemStore::new(), &options(4))).unwrap_err()
    };
    let one = r#"{"train": ["v/c/0.pth"]}"#;
    says(&import(one, &[]), &["splits.json", "v/c/0.pth", "no file lies there"]);
    says(&import(r#"{"train": ["../../etc/passwd"]}"#, &[]), &["no file lies there"]);
    says(&import("{", &[]), &["splits.json", "line 1", "expected {\"train\""]);
    says(&import(r#"{"train": 5}"#, &[]), &["splits.json", "expected {\"train\""]);
    says(&import(r#"{"train": []}"#, &[]), &["splits.json", "none", "at least one"]);
    says(&import(r#"{"a": {"path": ["x"], "label": []}}"#, &[]), &["1 paths but 0 labels"]);
    says(&import(r#"{"a": ["v/c/0.pth", "v/c/0.pth"]}"#, &[]), &["listed twice"]);
    let nan = net(f32::NAN, None);
    says(
        &import(one, &[("v/c/0.pth", nan)]),
        &["v/c/0.pth", "seq.0.weight", "NaN at position 0", "diverged"],
    );
    says(&import(one, &[("v/c/0.pth", fixture("values.pth"))]), &["f32", "expected a weight"]);
    says(&import(one, &[("v/c/0.pth", fixture("evil.pth"))]), &["posix system"]);
    let other = Mlp::new(&[2, 4, 1], Convention::Dwsnets).unwrap();
    let other = write_torch_net(&other, &vec![0.0; other.param_count()], None);
    let two = r#"{"train": ["v/c/0.pth", "v/c/1.pth"]}"#;
    let error = import(two, &[("v/c/0.pth", net(0.0, None)), ("v/c/1.pth", other)]);
    says(&error, &["v/c/1.pth", "2-4-1", "2-3-2-1", "one architecture"]);
    assert!(matches!(error, TorchError::Content { .. }));
    let none = block(import_torch(&MemStore::new(), MemStore::new(), &options(4))).unwrap_err();
    says(&none, &["splits.json", "no such file"]);
}

#[test]
fn one_stacked_file_and_back() {
    let zoo = zoo(None);
    let bytes = block(export_safetensors(&zoo)).unwrap();
    let import = |bytes: &[u8], options: &ImportOptions| {
        block(import_safetensors(bytes, "all.safetensors", MemStore::new(), options))
    };
    let (back, report) = import(&bytes, &options(4)).unwrap();
    assert_eq!(block(back.load_all()).unwrap(), block(zoo.load_all()).unwrap());
    assert_eq!((report.nets, back.manifest().shards.len()), (10, 3));
    assert_eq!(back.manifest().mlp, mlp());
    let asked = ImportOptions { convention: Some(Convention::Sitzmann), ..options(4) };
    says(&import(&bytes, &asked).unwrap_err(), &["dwsnets", "expected sitzmann"]);
}

#[test]
fn a_strangers_stacked_file() {
    let le = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let (w0, b0) = (le(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), le(&[0.5; 4]));
    let (w1, b1) = (le(&[9.0, 10.0, 11.0, 12.0]), le(&[13.0, 14.0]));
    let view = |shape: &[usize], data| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), data).unwrap()
    };
    let mut tensors = vec![
        ("seq.0.weight", view(&[2, 2, 2], &w0)),
        ("seq.0.bias", view(&[2, 2], &b0)),
        ("seq.1.weight", view(&[2, 1, 2], &w1)),
        ("seq.1.bias", view(&[2, 1], &b1)),
    ];
    let bytes = safetensors::serialize(tensors.clone(), None).unwrap();
    let asked = ImportOptions { convention: Some(Convention::Sitzmann), ..options(4) };
    let import = |bytes: &[u8]| block(import_safetensors(bytes, "s", MemStore::new(), &asked));
    let (zoo, report) = import(&bytes).unwrap();
    assert_eq!(zoo.manifest().mlp.dims, [2, 2, 1]);
    assert_eq!(zoo.manifest().convention.as_deref(), Some("sitzmann"));
    let all = block(zoo.load_all()).unwrap();
    assert_eq!(all.net(1), [5.0, 6.0, 7.0, 8.0, 0.5, 0.5, 11.0, 12.0, 14.0]);
    assert_eq!((all.labels, all.objects, all.views), (vec![-1, -1], vec![0, 1], vec![0, 0]));
    assert_eq!(report.unlabelled, 2);
    tensors[3] = ("seq.1.bias", view(&[2], &b1));
    let bytes = safetensors::serialize(tensors.clone(), None).unwrap();
    says(&import(&bytes).unwrap_err(), &["seq.1.bias", "shape [2]", "shape [2, 1]"]);
    tensors.pop();
    let bytes = safetensors::serialize(tensors, None).unwrap();
    says(&import(&bytes).unwrap_err(), &["seq.1.bias", "nothing"]);
    let error = import(b"not safetensors at all").unwrap_err();
    assert!(matches!(error, ZooError::Invalid { .. }), "{error}");
}
