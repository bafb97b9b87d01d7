//! The golden DWS models, and random numbers.

#![allow(dead_code, reason = "each test uses its part")]

pub mod runner;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use weightlab_learn::DwsConfig;
use weightlab_learn::dws::reference::{Model, State, Tensor};
use weightlab_learn::dws::{Pooling, SetLayer};

/// The group `dws` of the golden set.
pub struct Golden {
    manifest: Value,
    /// By file and name. Read once: a header of thousands of tensors takes milliseconds to parse.
    files: BTreeMap<String, BTreeMap<String, Tensor>>,
}

impl Golden {
    pub fn open() -> Golden {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden/dws");
        let manifest = std::fs::read(folder.join("manifest.json")).expect("the golden manifest");
        let files = ["dws_odd", "dws_img", "dws_deep", "dws_variants"]
            .map(|file| {
                let path = folder.join(format!("{file}.safetensors"));
                let bytes = std::fs::read(path).expect("a golden file");
                let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
                let all = tensors.iter().map(|(name, view)| (name.to_owned(), read(&view)));
                (file.to_owned(), all.collect())
            })
            .into();
        Golden { manifest: serde_json::from_slice(&manifest).expect("JSON"), files }
    }

    /// Names of the models.
    pub fn cases(&self) -> Vec<String> {
        let cases = self.manifest["cases"]["dws"].as_object().expect("cases");
        cases.iter().filter(|(_, c)| c.get("dims").is_some()).map(|(n, _)| n.clone()).collect()
    }

    fn case(&self, case: &str) -> &Value {
        &self.manifest["cases"]["dws"][case]
    }

    fn tensors(&self, case: &str) -> (&BTreeMap<String, Tensor>, &str) {
        let of = self.case(case);
        let file = of["file"].as_str().expect("a file");
        (&self.files[file], of["prefix"].as_str().expect("a prefix"))
    }

    pub fn tensor(&self, case: &str, name: &str) -> Option<Tensor> {
        let (tensors, prefix) = self.tensors(case);
        tensors.get(&format!("{prefix}{name}")).cloned()
    }

    pub fn values(&self, case: &str, name: &str) -> Option<Vec<f64>> {
        self.tensor(case, name).map(|t| t.data)
    }

    /// `(name, shape)` of all parameters, sorted.
    pub fn parameters(&self, case: &str) -> Vec<(String, Vec<usize>)> {
        let (tensors, prefix) = self.tensors(case);
        let prefix = format!("{prefix}param.");
        tensors
            .iter()
            .filter_map(|(name, t)| Some((name.strip_prefix(&prefix)?.to_owned(), t.shape.clone())))
            .collect()
    }

    pub fn parameter_count(&self, case: &str) -> usize {
        self.case(case)["n_params"].as_u64().expect("a count") as usize
    }

    pub fn model(&self, case: &str) -> Model {
        let of = self.case(case);
        let options = &of["options"];
        let number = |v: &Value| v.as_u64().expect("a number") as usize;
        let flag = |name: &str| options[name].as_bool().unwrap_or(false);
        let config = DwsConfig {
            hidden: number(&of["hidden_dim"]),
            hidden_layers: number(&of["n_hidden"]),
            classes: number(&of["n_classes"]),
            set_layer: match options["set_layer"].as_str() {
                Some("sab") => SetLayer::Sab,
                Some("ds") => SetLayer::Ds,
                other => panic!("{other:?}"),
            },
            pooling: match options["reduction"].as_str() {
                Some("max") => Pooling::Max,
                Some("mean") => Pooling::Mean,
                Some("sum") => Pooling::Sum,
                other => panic!("{other:?}"),
            },
            heads: number(&options["num_heads"]),
            last_heads: number(&options["last_layer_heads"]),
            map_depth: number(&options["n_fc_layers"]),
            head_depth: number(&options["n_out_fc"]),
            batch_norm: flag("bn"),
            diagonal: flag("diagonal"),
            layer_skip: flag("add_layer_skip"),
            model_skip: flag("add_skip"),
            ..DwsConfig::default()
        };
        let dims: Vec<usize> = of["dims"].as_array().expect("widths").iter().map(number).collect();
        config.validate(&dims).expect("a golden model");
        let mut values: BTreeMap<String, Vec<f64>> = self
            .parameters(case)
            .into_iter()
            .map(|(name, _)| {
                let value = self.values(case, &format!("param.{name}")).expect("listed");
                (name, value)
            })
            .collect();
        for (name, len, start) in weightlab_learn::dws::state(&config, &dims) {
            values.insert(name, vec![f64::from(start); len]);
        }
        Model { config, dims, values }
    }

    /// Absolute and relative tolerance of a tensor.
    pub fn tolerance(&self, case: &str, name: &str) -> [f64; 2] {
        let of = self.case(case);
        let name = format!("{}{name}", of["prefix"].as_str().expect("a prefix"));
        let tensors = &self.manifest["tensors"][of["file"].as_str().expect("a file")];
        [0, 1].map(|i| tensors[&name][3][i].as_f64().expect("a tolerance"))
    }

    /// Relative tolerance and floor of gradients.
    pub fn gradient_tolerance(&self, case: &str) -> (f64, f64) {
        let of = self.case(case);
        let name =
            format!("{}grad.<reference parameter name>", of["prefix"].as_str().expect("a prefix"));
        let tol = &self.manifest["patterns"][of["file"].as_str().expect("a file")][&name]["tol"];
        (tol["rel"].as_f64().expect("a number"), tol["floor"].as_f64().expect("a number"))
    }

    /// Probabilities, `[batch, classes]`.
    pub fn targets(&self, case: &str, classes: usize) -> Vec<f64> {
        if let Some(soft) = self.values(case, "targets").or(self.values(case, "soft_labels")) {
            return soft;
        }
        let labels = self.values(case, "labels").expect("labels");
        labels
            .iter()
            .flat_map(|&label| (0..classes).map(move |c| f64::from(c == label as usize)))
            .collect()
    }

    pub fn input(&self, case: &str) -> State {
        let part = |kind: &str| -> Vec<Tensor> {
            (0..).map_while(|i| self.tensor(case, &format!("in.{kind}.{i}"))).collect()
        };
        State { weights: part("w"), biases: part("b") }
    }
}

fn read(view: &TensorView<'_>) -> Tensor {
    let data = view.data();
    let data = match view.dtype() {
        Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect(),
        Dtype::I64 => data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
        other => panic!("{other:?}"),
    };
    Tensor { shape: view.shape().to_vec(), data }
}

/// A small generator for tests.
pub struct Lcg(pub u64);

impl Lcg {
    pub fn uniform(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    /// A net in the layout of files under random permutations of its hidden neurons.
    pub fn permute(&mut self, dims: &[usize], net: &[f64]) -> Vec<f64> {
        let mut out = Vec::with_capacity(net.len());
        let mut before: Vec<usize> = (0..dims[0]).collect();
        let mut at = 0;
        for (l, d) in dims.windows(2).enumerate() {
            let mut order: Vec<usize> = (0..d[1]).collect();
            if l + 2 < dims.len() {
                for i in (1..d[1]).rev() {
                    order.swap(i, self.below(i + 1));
                }
            }
            for &r in &order {
                out.extend(before.iter().map(|&c| net[at + r * d[0] + c]));
            }
            at += d[0] * d[1];
            out.extend(order.iter().map(|&r| net[at + r]));
            at += d[1];
            before = order;
        }
        out
    }
}

/// A device of one's own; its buffers are poisoned.
pub fn open(twins: bool) -> weightlab_gpu::Gpu {
    let options = weightlab_gpu::OpenOptions { poison: true, twins, ..Default::default() };
    let gpu = pollster::block_on(weightlab_gpu::Gpu::open(&options)).expect("an adapter");
    println!("adapter: {:?}", gpu.report());
    gpu
}

/// The best adapter; its buffers are poisoned.
pub fn gpu() -> &'static weightlab_gpu::Gpu {
    static GPU: std::sync::OnceLock<weightlab_gpu::Gpu> = std::sync::OnceLock::new();
    GPU.get_or_init(|| open(false))
}

/// The same with native twins of kernels, where it is a software renderer.
pub fn gpu_with_twins() -> &'static weightlab_gpu::Gpu {
    static GPU: std::sync::OnceLock<weightlab_gpu::Gpu> = std::sync::OnceLock::new();
    GPU.get_or_init(|| open(true))
}
