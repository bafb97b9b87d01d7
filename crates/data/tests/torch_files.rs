//! Single PyTorch files: read what PyTorch wrote, write what it reads, refuse everything else.

mod common;

use common::{fixture, mlp, says};
use proptest::prelude::*;
use weightlab_data::{Dtype, TorchError, Value, read_torch, write_torch_net};

/// start, start + step, ...
fn ramp(n: usize, start: f64, step: f64) -> Vec<f64> {
    (0..n).map(|i| start + step * i as f64).collect()
}

fn values(value: &Value, key: &str) -> Vec<f64> {
    value.get(key).and_then(Value::tensor).unwrap_or_else(|| panic!("{key}")).to_f64()
}

/// What `make_fixtures.py` put into both files of one network.
fn check_net(net: &Value) {
    let dims = [2, 3, 2, 1];
    for l in 0..3 {
        let weight = net.get(&format!("seq.{l}.weight")).or(net.get(&format!("{l}.weight")));
        let weight = weight.and_then(Value::tensor).unwrap();
        assert_eq!((weight.dtype(), weight.shape()), (Dtype::F32, &[dims[l + 1], dims[l]][..]));
        assert_eq!(weight.to_f64(), ramp(dims[l] * dims[l + 1], l as f64, 0.25));
        let bias = net.get(&format!("seq.{l}.bias")).or(net.get(&format!("{l}.bias")));
        let bias = bias.and_then(Value::tensor).unwrap();
        assert_eq!(
            (bias.shape(), bias.to_f64()),
            (&[dims[l + 1]][..], ramp(dims[l + 1], 0.0 - l as f64, -0.5))
        );
    }
}

#[test]
fn reads_networks_that_pytorch_wrote() {
    let net = read_torch(&fixture("net-2-3-2-1.pth"), "net").unwrap();
    check_net(&net);
    assert_eq!(net.get("label"), Some(&Value::Int(7)));
    let Value::Dict(entries) = &net else { panic!() };
    let keys: Vec<&Value> = entries.iter().map(|(k, _)| k).collect();
    let expected = [
        "seq.0.weight",
        "seq.0.bias",
        "seq.1.weight",
        "seq.1.bias",
        "seq.2.weight",
        "seq.2.bias",
        "label",
    ];
    assert_eq!(keys, expected.map(|k| Value::Str(k.into())).iter().collect::<Vec<_>>());
    check_net(&read_torch(&fixture("state-dict-2-3-2-1.pth"), "net").unwrap());
}

#[test]
fn reads_every_type_and_view() {
    let all = read_torch(&fixture("values.pth"), "values").unwrap();
    for key in ["f32", "f64", "bf16"] {
        assert_eq!(values(&all, key), [0.0, 0.25, 0.5], "{key}");
    }
    // 6e-8 lies below half precision's normal numbers; its nearest subnormal is 2^-24.
    assert_eq!(values(&all, "f16"), [1.5, -2.0, 2f64.powi(-24), 65504.0, f64::INFINITY]);
    let whole = |key: &str| all.get(key).unwrap().tensor().unwrap().to_i64().unwrap();
    assert_eq!(whole("i64"), [-(1 << 40), 0, 1 << 40]);
    assert_eq!(whole("i32"), [-5, 5]);
    assert_eq!(whole("i16"), [-300, 300]);
    assert_eq!(whole("i8"), [-128, 127]);
    assert_eq!(whole("u8"), [0, 255]);
    assert_eq!(whole("bool"), [1, 0]);
    assert_eq!(all.get("f32").unwrap().tensor().unwrap().to_i64(), None);

    let base = ramp(24, 0.0, 1.0);
    assert_eq!(values(&all, "base"), base);
    let transposed: Vec<f64> = (0..24).map(|i| base[i % 4 * 6 + i / 4]).collect();
    assert_eq!(all.get("transposed").unwrap().tensor().unwrap().shape(), [6, 4]);
    assert_eq!(values(&all, "transposed"), transposed);
    assert_eq!(values(&all, "slice"), [6.0, 8.0, 10.0, 12.0, 14.0, 16.0]);
    assert_eq!(values(&all, "scalar"), [3.5]);
    assert_eq!(all.get("scalar").unwrap().tensor().unwrap().shape(), [0usize; 0]);
    assert_eq!(all.get("empty").unwrap().tensor().unwrap().shape(), [0, 4]);
    assert!(values(&all, "empty").is_empty());
    assert_eq!(values(&all, "parameter"), ramp(4, 0.0, 0.25));
    let Some(Value::List(shared)) = all.get("shared") else { panic!() };
    assert_eq!((shared.len(), &shared[0]), (2, all.get("base").unwrap()));

    let ints = |n: i64| Value::Tuple((1..=n).map(Value::Int).collect());
    let plain = Value::List(vec![
        Value::None,
        Value::Bool(true),
        Value::Bool(false),
        Value::Int(1),
        Value::Int(300),
        Value::Int(70000),
        Value::Int(-1),
        Value::Int(1 << 40),
        Value::Float(2.5),
        Value::Str("text".into()),
        ints(0),
        ints(1),
        ints(2),
        ints(4),
    ]);
    let Some(Value::List(found)) = all.get("plain") else { panic!() };
    // (1, 2, 3, 4) stands last; PyTorch writes tuples of up to three differently.
    assert_eq!(found[..13], plain_items(&plain)[..13]);
    assert_eq!(found[13], ints(4));
    let Value::Dict(entries) = &all else { panic!() };
    let (key, nested) = entries.last().unwrap();
    assert_eq!(key, &Value::Int(5));
    let deeper = nested.get("nested").and_then(|n| n.get("deeper")).unwrap();
    let one = Value::List(vec![Value::Int(1)]);
    assert_eq!(deeper, &Value::List(vec![one, Value::Dict(Vec::new())]));
}

fn plain_items(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_published_statistics() {
    let all = read_torch(&fixture("neural-graphs_mnist_statistics.pth"), "s").unwrap();
    // Sums as PyTorch 2.15 computes them from its own reading, in double precision.
    let expected = [
        ("weights", "mean", [-0.002698211832466768, -0.0007736807269278501, 0.0025235574987618747]),
        ("weights", "std", [4.015988010913134, 18.70623030513525, 3.773164689540863]),
        ("biases", "mean", [0.0001734388276304344, 0.00011895481657120399, -0.01239530649036169]),
        ("biases", "std", [0.6827051751315594, 0.35213989205658436, 0.09989194571971893]),
    ];
    for (kind, what, sums) in expected {
        let Some(Value::List(tensors)) = all.get(kind).and_then(|v| v.get(what)) else { panic!() };
        for (tensor, sum) in tensors.iter().zip(sums) {
            let found: f64 = tensor.tensor().unwrap().to_f64().iter().sum();
            // Only the order of summation differs.
            assert!((found - sum).abs() < 1e-11, "{kind} {what}: {found} {sum}");
        }
    }
}

#[test]
fn what_is_written_is_read_back_and_equals_pytorchs_own() {
    let mut params = Vec::new();
    for l in 0..3usize {
        let dims = [2, 3, 2, 1];
        params.extend(ramp(dims[l] * dims[l + 1], l as f64, 0.25));
        params.extend(ramp(dims[l + 1], 0.0 - l as f64, -0.5));
    }
    let params: Vec<f32> = params.into_iter().map(|v| v as f32).collect();
    let bytes = write_torch_net(&mlp(), &params, Some(7));
    let ours = read_torch(&bytes, "ours").unwrap();
    assert_eq!(ours, read_torch(&fixture("net-2-3-2-1.pth"), "theirs").unwrap());
    assert_eq!(bytes, write_torch_net(&mlp(), &params, Some(7)));
    assert_eq!(
        read_torch(&write_torch_net(&mlp(), &params, None), "x").unwrap().get("label"),
        None
    );
    let large = write_torch_net(&mlp(), &params, Some(1 << 40));
    assert_eq!(read_torch(&large, "x").unwrap().get("label"), Some(&Value::Int(1 << 40)));
}

#[test]
fn members_are_stored_and_aligned_as_pytorch_lays_them() {
    let members = |bytes: &[u8]| {
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut all = Vec::new();
        for i in 0..zip.len() {
            let entry = zip.by_index(i).unwrap();
            assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
            let start = entry.data_start().unwrap();
            assert_eq!(start % 64, 0, "{}", entry.name().unwrap());
            let name = entry.name().unwrap().to_string();
            all.push(name.split_once('/').unwrap().1.to_string());
        }
        all
    };
    let ours = members(&write_torch_net(&mlp(), &vec![0.5; mlp().param_count()], None));
    let theirs = members(&fixture("net-2-3-2-1.pth"));
    for needed in ["data.pkl", "byteorder", "version", "data/0", "data/5"] {
        assert!(ours.iter().any(|n| n == needed) && theirs.iter().any(|n| n == needed), "{needed}");
    }
}

#[test]
fn code_is_refused_by_name_and_place() {
    let bytes = fixture("evil.pth");
    let error = read_torch(&bytes, "evil.pth").unwrap_err();
    let TorchError::Global { offset, name, .. } = &error else { panic!("{error}") };
    assert_eq!(name, "posix system");
    says(&error, &["evil.pth", "posix system", "nothing was run", "state_dict"]);
    // The offset is that of the opcode in data.pkl.
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
    let mut pickle = Vec::new();
    let mut member = zip.by_name("evil/data.pkl").unwrap();
    std::io::Read::read_to_end(&mut member, &mut pickle).unwrap();
    assert!(pickle[*offset as usize..].starts_with(b"cposix\nsystem\n"));
}

/// An archive around a pickle and storages, made by the zip crate.
fn archive(pickle: &[u8], storages: &[&[u8]], deflate: bool) -> Vec<u8> {
    use std::io::Write;
    use zip::write::SimpleFileOptions;
    let method =
        if deflate { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("a/data.pkl", options).unwrap();
    zip.write_all(pickle).unwrap();
    for (i, storage) in storages.iter().enumerate() {
        zip.start_file(format!("a/data/{i}"), options).unwrap();
        zip.write_all(storage).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A pickle of one float tensor with the given storage length, offset, shape and strides, each
/// below 256.
fn tensor_pickle(elements: u8, offset: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let mut p = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu".to_vec();
    p.extend([b'K', elements]);
    p.extend(b"tQ");
    p.extend([b'K', offset]);
    for tuple in [shape, strides] {
        p.push(b'(');
        tuple.iter().for_each(|&n| p.extend([b'K', n]));
        p.push(b't');
    }
    p.extend(b"\x89ccollections\nOrderedDict\n)RtR.");
    p
}

#[test]
fn tensors_stay_within_their_storage() {
    let storage: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let read = |elements, offset, shape: &[u8], strides: &[u8]| {
        read_torch(
            &archive(&tensor_pickle(elements, offset, shape, strides), &[&storage], false),
            "t",
        )
    };
    let fine = read(6, 1, &[2, 2], &[3, 1]).unwrap();
    assert_eq!(fine.tensor().unwrap().to_f32(), [1.0, 2.0, 4.0, 5.0]);
    // A dimension of one may have any stride, and one of zero reaches nothing.
    assert_eq!(read(6, 5, &[1], &[255]).unwrap().tensor().unwrap().to_f32(), [5.0]);
    assert!(read(6, 200, &[0, 3], &[1, 1]).unwrap().tensor().unwrap().to_f32().is_empty());
    for (elements, offset, shape, strides) in [
        (6u8, 0u8, &[7u8][..], &[1u8][..]),
        (6, 2, &[2, 2], &[3, 2]),
        (6, 6, &[1], &[1]),
        (7, 0, &[6], &[1]),
        (5, 0, &[5], &[1]),
        (6, 0, &[2, 3], &[1]),
    ] {
        let error = read(elements, offset, shape, strides).unwrap_err();
        assert!(matches!(error, TorchError::Tensor { .. }), "{error}");
        says(&error, &["storage 0", "save it again"]);
    }
    // Strides of zero: 255^3 elements of one number are 66 MB out of 1 kB.
    let error = read(6, 0, &[255, 255, 255], &[0, 0, 0]).unwrap_err();
    says(&error, &["more elements than its file can hold"]);
}

#[test]
fn bombs_are_refused() {
    // A megabyte of zeros deflates to a thousandth.
    let zeros = vec![0; 1 << 22];
    let pickle = tensor_pickle(6, 0, &[6], &[1]);
    let error = read_torch(&archive(&pickle, &[&zeros], true), "bomb").unwrap_err();
    assert!(matches!(error, TorchError::Bomb { .. }), "{error}");
    says(&error, &["bomb", "data/0", "64 times"]);
    // Thirty doublings through the memo: a billion values if they were written out.
    let mut laughs = b"\x80\x02]q\0K\x01a".to_vec();
    for i in 0..30u8 {
        laughs.extend([b']', b'q', i + 1, b'h', i, b'a', b'h', i, b'a']);
    }
    laughs.push(b'.');
    let error = read_torch(&archive(&laughs, &[], false), "laughs").unwrap_err();
    says(&error, &["far too many"]);
    // A list in itself.
    let error = read_torch(&archive(b"\x80\x02]q\0h\0a.", &[], false), "loop").unwrap_err();
    says(&error, &["contain themselves"]);
}

#[test]
fn pickles_that_make_no_sense() {
    let long_tuple = [&b"\x80\x02ccollections\nOrderedDict\n("[..], &[b'N'; 9], b"tR."].concat();
    let cases: [(&[u8], &str); 14] = [
        (b"\x80\x02", "ends after 2 bytes"),
        (b"\x80\x02.", "more values than there are"),
        (b"\x80\x01N.", "protocol 1"),
        (b"\x80\x02Nt.", "mark"),
        (b"\x80\x02h\x05.", "memo entry 5"),
        (b"\x80\x02(Na.", "where there is none"),
        (b"\x80\x02NNa.", "no list"),
        (b"\x80\x02}(Nu.", "key without a value"),
        (b"\x80\x02}]Ns.", "neither string nor number"),
        (b"\x80\x02NQ.", "no storage"),
        (b"\x80\x02N)R.", "cannot be called"),
        (b"\x80\x02ctorch\nFloatStorage\n.", "where a value should be"),
        (b"\x80\x02X\xff\xff\xff\xffa.", "inside an opcode"),
        (&long_tuple, "too many arguments"),
    ];
    for (pickle, says_what) in cases {
        let error = read_torch(&archive(pickle, &[], false), "p").unwrap_err();
        assert!(matches!(error, TorchError::Pickle { .. }), "{error}");
        says(&error, &["data.pkl, byte", says_what]);
    }
    // INST, OBJ, NEWOBJ, EXT1, and persistent ids as text: more ways to call or to reach out.
    for opcode in *b"io\x81\x82P" {
        let error = read_torch(&archive(&[0x80, 2, opcode], &[], false), "p").unwrap_err();
        assert!(matches!(error, TorchError::Opcode { offset: 2, .. }), "{error}");
    }
    for global in
        ["builtins\neval", "torch\nload", "torch.storage\n_load_from_bytes", "torch\nWeirdStorage"]
    {
        let pickle = [b"\x80\x02c", global.as_bytes(), b"\n."].concat();
        let error = read_torch(&archive(&pickle, &[], false), "p").unwrap_err();
        assert!(matches!(error, TorchError::Global { offset: 2, .. }), "{error}");
        says(&error, &[&global.replace('\n', " ")]);
    }
    // The same by protocol 4's opcode.
    let error = read_torch(&archive(b"\x80\x04\x8c\x02os\x8c\x06system\x93.", &[], false), "p");
    says(&error.unwrap_err(), &["os system"]);
}

#[test]
fn archives_that_are_none() {
    says(&read_torch(b"", "x").unwrap_err(), &["not a readable zip archive"]);
    // The format before PyTorch 1.6.
    says(
        &read_torch(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "x").unwrap_err(),
        &["PyTorch 1.6"],
    );
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("a/readme", zip::write::SimpleFileOptions::default()).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    says(&read_torch(&bytes, "x").unwrap_err(), &["data.pkl"]);
    let missing = archive(&tensor_pickle(6, 0, &[6], &[1]), &[], false);
    says(&read_torch(&missing, "x").unwrap_err(), &["a/data/0"]);
}

proptest! {
    #[test]
    fn random_pickles_never_panic(tail in prop::collection::vec(any::<u8>(), 0..120)) {
        let pickle = [b"\x80\x02", &tail[..]].concat();
        let _ = read_torch(&archive(&pickle, &[&[0; 8]], false), "x");
        let _ = read_torch(&tail, "x");
    }

    /// Damage inside data.pkl, past the checksum that would catch it.
    #[test]
    fn damaged_pickles_never_panic(at in any::<prop::sample::Index>(), value: u8, twice in any::<prop::sample::Index>()) {
        let mut pickle = tensor_pickle(6, 0, &[2, 3], &[3, 1]);
        let at = at.index(pickle.len());
        pickle[at] = value;
        let at = twice.index(pickle.len());
        pickle[at] ^= 1;
        if let Ok(Value::Tensor(tensor)) = read_torch(&archive(&pickle, &[&[0; 24]], false), "x") {
            let _ = tensor.to_f32();
        }
    }

    #[test]
    fn truncation_is_an_error(cut in any::<prop::sample::Index>()) {
        let bytes = fixture("net-2-3-2-1.pth");
        prop_assert!(read_torch(&bytes[..cut.index(bytes.len())], "x").is_err());
    }

    #[test]
    fn damaged_files_never_panic(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = fixture("net-2-3-2-1.pth");
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = read_torch(&bytes, "x");
    }

    #[test]
    fn any_network_round_trips(
        dims in prop::collection::vec(1usize..9, 3..7),
        label in prop::option::of(any::<i64>()),
        salt: u32,
    ) {
        let mlp = weightlab_nets::Mlp::new(&dims, weightlab_nets::Convention::Dwsnets).unwrap();
        // Any bits at all, NaN included.
        let params: Vec<f32> = (0..mlp.param_count() as u32)
            .map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b9) ^ salt))
            .collect();
        let read = read_torch(&write_torch_net(&mlp, &params, label), "x").unwrap();
        let mut found = Vec::new();
        for l in 0..mlp.depth() {
            for kind in ["weight", "bias"] {
                let tensor = read.get(&format!("seq.{l}.{kind}")).unwrap().tensor().unwrap();
                found.extend(tensor.to_f32());
            }
        }
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&found), bits(&params));
        prop_assert_eq!(read.get("label").cloned(), label.map(Value::Int));
    }
}
