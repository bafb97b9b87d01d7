//! State dicts of the published code: they load, and the model says what the published one said.

mod common;

use pollster::block_on;
use safetensors::{Dtype, SafeTensors};
use std::path::PathBuf;
use weightlab_lab::train::{StateDict, pack_state, read_state, write_state};
use weightlab_learn::train::{Evaluator, Statistics};
use weightlab_learn::{DwsConfig, ModelConfig, Network};
use weightlab_tensor::{Optimizer, ParamStore};

fn golden(file: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden/dws");
    std::fs::read(folder.join(file)).unwrap()
}

/// Tensors of the golden file whose names begin with `prefix`.
fn tensors(prefix: &str) -> StateDict {
    let bytes = golden("dws_img.safetensors");
    let all = SafeTensors::deserialize(&bytes).unwrap();
    let read = |view: &safetensors::tensor::TensorView<'_>| -> Vec<f32> {
        let data = view.data();
        match view.dtype() {
            Dtype::F64 => {
                data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect()
            }
            Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            other => panic!("{other:?}"),
        }
    };
    all.iter()
        .filter_map(|(name, view)| {
            Some((name.strip_prefix(prefix)?.to_owned(), (view.shape().to_vec(), read(&view))))
        })
        .collect()
}

const DIMS: [usize; 4] = [2, 32, 32, 1];

fn network(hidden: usize) -> Network {
    let dws = DwsConfig { hidden, hidden_layers: 2, ..DwsConfig::default() };
    Network::new(&ModelConfig::Dws(dws), &DIMS, 10).unwrap()
}

/// Nets in the layout of files.
fn nets() -> Vec<f32> {
    let input = tensors("in.");
    let mut out = Vec::new();
    for b in 0..2 {
        for (l, d) in DIMS.windows(2).enumerate() {
            let (weight, bias) = (&input[&format!("w.{l}")].1, &input[&format!("b.{l}")].1);
            for c in 0..d[1] {
                out.extend((0..d[0]).map(|r| weight[(b * d[0] + r) * d[1] + c]));
            }
            out.extend(&bias[b * d[1]..][..d[1]]);
        }
    }
    out
}

#[test]
fn both_forms_of_a_published_state_dict_give_the_published_logits() {
    let gpu = common::gpu();
    let network = network(8);
    let expected = tensors("logits").remove("").unwrap().1;
    let params = tensors("param.");
    // Through our own writing, whose names are therefore the published ones.
    let (packed, _) = pack_state(&network, &params, "golden").unwrap();
    let ours = write_state(&network.unpack(&packed), "a test").unwrap();
    for (file, bytes) in [("ours", ours), ("dws_img.pth", golden("dws_img.pth"))] {
        let state = read_state(&bytes, file).unwrap();
        assert!(state == params, "{file}");
        let (packed, statistics) = pack_state(&network, &state, file).unwrap();
        let optimizer = Optimizer::Sgd { momentum: 0.0 };
        let store = ParamStore::new(&gpu, network.set(), &packed, &statistics, &optimizer).unwrap();
        let none = Statistics::none(network.net_len());
        let mut evaluator = Evaluator::new(&gpu, &network, &store, &none, &nets()).unwrap();
        let logits = block_on(evaluator.logits()).unwrap();
        let error = logits.iter().zip(&expected).fold(0f32, |m, (x, g)| m.max((x - g).abs()));
        println!("{file}: {error:.1e}");
        // The manifest's tolerance of these logits is 6e-7 and more.
        assert!(error < 6e-7, "{file}: {logits:?} {expected:?}");
    }
}

#[test]
fn parameters_of_another_model_are_named() {
    let bytes = golden("dws_img.pth");
    let state = read_state(&bytes, "a.pth").unwrap();
    let said = |network: &Network, state: &StateDict| {
        pack_state(network, state, "a.pth").unwrap_err().to_string()
    };
    let wide = said(&network(16), &state);
    assert!(
        wide.starts_with("a.pth: tensor layers.layers.0") && wide.contains("found ["),
        "{wide}"
    );
    let mut more = state.clone();
    more.insert("encoder.weight".to_owned(), (vec![1], vec![0.0]));
    assert!(said(&network(8), &more).contains("encoder.weight"));
    let mut less = state;
    let first = less.keys().next().unwrap().clone();
    less.remove(&first);
    assert!(said(&network(8), &less).contains(&first));
    for bad in [&b"PK nothing"[..], b"", b"{}"] {
        assert!(read_state(bad, "a.pth").unwrap_err().to_string().contains("a.pth"));
    }
}
