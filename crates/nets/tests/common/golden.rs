//! The golden set in `testdata/golden/dws`: tensors by name with the tolerances of the manifest.

use super::nets::{f32s, one_to_one, upload};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::path::PathBuf;
use weightlab_gpu::Gpu;
use weightlab_nets::align::{AlignSettings, Aligned, align};
use weightlab_nets::{Convention, Mlp};

pub struct Set {
    manifest: Value,
    bytes: Vec<u8>,
    file: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden/dws")
}

impl Set {
    pub fn open(file: &str) -> Set {
        let manifest = std::fs::read(folder().join("manifest.json")).expect("the golden manifest");
        Set {
            manifest: serde_json::from_slice(&manifest).expect("JSON"),
            bytes: std::fs::read(folder().join(format!("{file}.safetensors"))).expect("the set"),
            file: file.to_owned(),
        }
    }

    pub fn cases(&self) -> Vec<(String, Value)> {
        let cases = self.manifest["cases"][&self.file].as_object().expect("cases");
        cases.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.manifest["tensors"][&self.file].get(name).is_some()
    }

    pub fn values(&self, name: &str) -> Vec<f64> {
        let tensors = SafeTensors::deserialize(&self.bytes).expect("safetensors");
        let view = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let data = view.data();
        match view.dtype() {
            Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            Dtype::F32 => {
                data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect()
            }
            Dtype::I64 => {
                data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect()
            }
            Dtype::I8 => data.iter().map(|&b| f64::from(b as i8)).collect(),
            Dtype::U8 => data.iter().map(|&b| f64::from(b)).collect(),
            other => panic!("{name}: {other:?}"),
        }
    }

    pub fn f32s(&self, name: &str) -> Vec<f32> {
        self.values(name).into_iter().map(|x| x as f32).collect()
    }

    pub fn indices(&self, name: &str) -> Vec<usize> {
        self.values(name).into_iter().map(|x| x as usize).collect()
    }

    /// Architecture of the net with this prefix, from the shapes of its weights.
    pub fn mlp(&self, prefix: &str) -> Mlp {
        let mut dims = Vec::new();
        for l in 0.. {
            let entry = &self.manifest["tensors"][&self.file][format!("{prefix}.seq.{l}.weight")];
            let Some(shape) = entry[1].as_array() else { break };
            if l == 0 {
                dims.push(shape[1].as_u64().unwrap() as usize);
            }
            dims.push(shape[0].as_u64().unwrap() as usize);
        }
        Mlp::new(&dims, Convention::Dwsnets).unwrap()
    }

    /// The parameter vector of the net with this prefix.
    pub fn net(&self, prefix: &str) -> Vec<f64> {
        let mut all = Vec::new();
        for l in 0..self.mlp(prefix).depth() {
            all.extend(self.values(&format!("{prefix}.seq.{l}.weight")));
            all.extend(self.values(&format!("{prefix}.seq.{l}.bias")));
        }
        all
    }

    /// Largest error of `got` against the net with this prefix, in units of the manifest's tolerance.
    pub fn net_error(&self, prefix: &str, got: &[f32]) -> f64 {
        let mut worst = 0.0;
        let mut rest = got;
        for l in 0..self.mlp(prefix).depth() {
            for part in ["weight", "bias"] {
                let name = format!("{prefix}.seq.{l}.{part}");
                let golden = self.values(&name);
                let (here, after) = rest.split_at(golden.len());
                worst = f64::max(worst, self.error(&name, here));
                rest = after;
            }
        }
        assert!(rest.is_empty());
        worst
    }

    pub fn error(&self, name: &str, got: &[f32]) -> f64 {
        let tolerance = &self.manifest["tensors"][&self.file][name][3];
        let at = |i: usize| tolerance[i].as_f64().unwrap_or(0.0);
        let golden = self.values(name);
        assert_eq!(golden.len(), got.len(), "{name}");
        golden.iter().zip(got).fold(0.0, |worst, (g, x)| {
            let error = (f64::from(*x) - g).abs();
            let allowed = at(0) + at(1) * g.abs();
            let share = if error == 0.0 { 0.0 } else { error / allowed };
            if share.is_nan() { f64::INFINITY } else { f64::max(worst, share) }
        })
    }
}

/// Puts one vector per hidden layer together.
pub fn layers<T>(count: usize, of: impl FnMut(usize) -> Vec<T>) -> Vec<T> {
    (0..count).flat_map(of).collect()
}

/// The recorded layer orders of a run.
pub fn orders(run: &Value) -> Vec<Vec<usize>> {
    serde_json::from_value(run["layer_orders"].clone()).unwrap()
}

/// Nets `a` and `b` of a set, aligned.
pub fn golden_pair(gpu: &Gpu, set: &Set, a: &str, b: &str, settings: &AlignSettings) -> Aligned {
    let mlp = set.mlp(a);
    let a = upload(gpu, &mlp, &f32s(&set.net(a)));
    let b = upload(gpu, &mlp, &f32s(&set.net(b)));
    pollster::block_on(align(&a, &b, &one_to_one(1), settings)).unwrap().remove(0)
}
