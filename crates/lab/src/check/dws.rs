//! The group `dws` of the golden sets: models, what they compute on the way, and their gradients.

use super::golden::{Golden, Set};
use super::symmetry::malformed;
use super::{Case, Worst, to_f64};
use crate::error::LabError;
use serde_json::Value;
use std::collections::BTreeMap;
use weightlab_data::Store;
use weightlab_gpu::Gpu;
use weightlab_learn::calls::{Kind, Temp};
use weightlab_learn::dws::{
    Dws, DwsConfig, Init, Pooling, Recorded, SetLayer, Wanted, parameters, state,
};
use weightlab_learn::{ModelConfig, Network};
use weightlab_tensor::{Graph, Optimizer, ParamSet, ParamStore, Pass, Program, Target, Var};

/// Models.
pub(super) const DWS: &str = "dws";
/// The case that is about fresh parameters.
const INIT: &str = "init_law";

/// A part of the group.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// Logits, loss, gradients of parameters and nets, running statistics.
    Model(String),
    /// Outputs of maps, blocks and layers.
    Layers(String),
    /// Fresh parameters.
    Init,
}

/// The parts of a case of the manifest.
pub(super) fn tasks(case: &str) -> Vec<Task> {
    match case {
        INIT => vec![Task::Init],
        _ => vec![Task::Model(case.to_owned()), Task::Layers(case.to_owned())],
    }
}

pub(super) async fn run<S: Store>(
    gpu: &Gpu,
    set: &mut Set<S>,
    task: &Task,
) -> Result<Vec<Case>, LabError> {
    match task {
        Task::Init => init(set),
        Task::Model(case) => Given::read(set, case).await?.model(gpu, set).await,
        Task::Layers(case) => Given::read(set, case).await?.layers(gpu, set).await,
    }
}

/// A model and its inputs, as the set has them.
struct Given {
    case: String,
    file: String,
    prefix: String,
    config: DwsConfig,
    dims: Vec<usize>,
    batch: usize,
    /// Parameters by name.
    values: BTreeMap<String, Vec<f32>>,
    /// `[batch, P]` in the layout of files.
    nets: Vec<f32>,
    /// `[batch, classes]`
    targets: Vec<f32>,
}

fn config(of: &Value) -> Option<DwsConfig> {
    let options = of.get("options")?;
    let number = |v: &Value, key: &str| v.get(key)?.as_u64().map(|n| n as usize);
    let flag = |key: &str| options.get(key).and_then(Value::as_bool).unwrap_or(false);
    Some(DwsConfig {
        hidden: number(of, "hidden_dim")?,
        hidden_layers: number(of, "n_hidden")?,
        classes: number(of, "n_classes")?,
        set_layer: match options.get("set_layer")?.as_str()? {
            "sab" => SetLayer::Sab,
            "ds" => SetLayer::Ds,
            _ => return None,
        },
        pooling: match options.get("reduction")?.as_str()? {
            "max" => Pooling::Max,
            "mean" => Pooling::Mean,
            "sum" => Pooling::Sum,
            _ => return None,
        },
        heads: number(options, "num_heads")?,
        last_heads: number(options, "last_layer_heads")?,
        map_depth: number(options, "n_fc_layers")?,
        head_depth: number(options, "n_out_fc")?,
        batch_norm: flag("bn"),
        diagonal: flag("diagonal"),
        layer_skip: flag("add_layer_skip"),
        model_skip: flag("add_skip"),
        ..DwsConfig::default()
    })
}

impl Given {
    async fn read<S: Store>(set: &mut Set<S>, case: &str) -> Result<Given, LabError> {
        let wrong = |expected: &str| malformed(DWS, case, expected);
        let of = set.case(DWS, case).cloned().unwrap_or_default();
        let text = |key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
        let file = text("file").ok_or_else(|| wrong("a `file`"))?;
        let prefix = text("prefix").ok_or_else(|| wrong("a `prefix`"))?;
        let config = config(&of).ok_or_else(|| wrong("the options of a model"))?;
        let dims: Vec<usize> = of
            .get("dims")
            .and_then(|d| serde_json::from_value(d.clone()).ok())
            .ok_or_else(|| wrong("widths `dims`"))?;
        config.validate(&dims).map_err(|e| wrong(&e.to_string()))?;
        let mut values = BTreeMap::new();
        for param in parameters(&config, &dims) {
            let golden = set.unlisted(&file, &format!("{prefix}param.{}", param.name)).await?;
            if golden.shape != param.shape {
                return Err(wrong(&format!("{} of shape {:?}", param.name, param.shape)));
            }
            values.insert(param.name, golden.to_f32());
        }
        let mut given = Given {
            case: case.to_owned(),
            file,
            prefix,
            config,
            dims,
            batch: 0,
            values,
            nets: Vec::new(),
            targets: Vec::new(),
        };
        given.nets = given.nets_of(set, "in").await?.0.iter().map(|&x| x as f32).collect();
        given.batch = given.nets.len() / given.net_len();
        given.targets = given.read_targets(set).await?;
        Ok(given)
    }

    fn net_len(&self) -> usize {
        self.dims.windows(2).map(|d| d[1] * (d[0] + 1)).sum()
    }

    async fn tensor<S: Store>(&self, set: &mut Set<S>, name: &str) -> Result<Golden, LabError> {
        set.tensor(&self.file, &format!("{}{name}", self.prefix)).await
    }

    fn has<S: Store>(&self, set: &Set<S>, name: &str) -> bool {
        set.has(&self.file, &format!("{}{name}", self.prefix))
    }

    /// Tensors `kind.w.i` and `kind.b.i` as nets in the layout of files, with the tolerance of every number.
    async fn nets_of<S: Store>(
        &self,
        set: &mut Set<S>,
        kind: &str,
    ) -> Result<(Vec<f64>, Vec<f64>), LabError> {
        let mut parts = Vec::new();
        for i in 0..self.dims.len() - 1 {
            let weight = self.tensor(set, &format!("{kind}.w.{i}")).await?;
            let bias = self.tensor(set, &format!("{kind}.b.{i}")).await?;
            parts.push((weight, bias));
        }
        let first = parts.first().and_then(|p| p.0.shape.first());
        let batch = *first.ok_or_else(|| malformed(DWS, &self.case, "inputs"))?;
        let (mut out, mut tolerances) = (Vec::new(), Vec::new());
        let mut push = |from: &Golden, at: usize| {
            let value = from.values.get(at).copied().unwrap_or(f64::NAN);
            out.push(value);
            tolerances.push(from.tolerance.at(value));
        };
        for b in 0..batch {
            for (d, (weight, bias)) in self.dims.windows(2).zip(&parts) {
                // Files have (out, in).
                for c in 0..d[1] {
                    (0..d[0]).for_each(|r| push(weight, (b * d[0] + r) * d[1] + c));
                }
                (0..d[1]).for_each(|c| push(bias, b * d[1] + c));
            }
        }
        Ok((out, tolerances))
    }

    async fn read_targets<S: Store>(&self, set: &mut Set<S>) -> Result<Vec<f32>, LabError> {
        if self.has(set, "soft_labels") {
            return Ok(self.tensor(set, "soft_labels").await?.to_f32());
        }
        let labels = self.tensor(set, "labels").await?.values;
        let one_hot = |label: f64| {
            (0..self.config.classes).map(move |c| if c as f64 == label { 1.0 } else { 0.0 })
        };
        Ok(labels.into_iter().flat_map(one_hot).collect())
    }

    /// Gradients and running statistics of a model in training, then what it says in evaluation.
    async fn model<S: Store>(&self, gpu: &Gpu, set: &mut Set<S>) -> Result<Vec<Case>, LabError> {
        let dws =
            Dws::new(&self.config, &self.dims).map_err(weightlab_learn::NetworkError::from)?;
        let rig = Rig::new(gpu, self, &dws, Part::Train)?;
        let mut cases = Vec::new();
        let case = |part: &str, worst| Case::judged(DWS, format!("{}.{part}", self.case), worst);

        let mut worst = Worst::default();
        for (name, var) in [("logits", Some(rig.logits)), ("loss", rig.loss)] {
            let Some(var) = var else { continue };
            let golden = self.tensor(set, name).await?;
            see(&mut worst, name, &rig.program.read(var).await?, &golden);
        }
        cases.push(case("logits", worst));

        let mut worst = Worst::default();
        let pattern = format!("{}grad.<reference parameter name>", self.prefix);
        let limit = |set: &Set<S>, key: &str| {
            let value = set.pattern(&self.file, &pattern, key).and_then(Value::as_f64);
            value
                .ok_or_else(|| malformed(DWS, &self.case, &format!("a number at `{pattern}`{key}")))
        };
        let (rel, floor) = (limit(set, "/tol/rel")?, limit(set, "/tol/floor")?);
        let gradients = rig.store.gradients().await?;
        for entry in dws.arena().entries() {
            let name = &entry.param.name;
            let golden = set.unlisted(&self.file, &format!("{}grad.{name}", self.prefix)).await?;
            let top = golden.values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            let got = to_f64(&dws.arena().unpack(entry, &gradients));
            worst.see_all(name, &got, &golden.values, |_| rel * top + floor);
        }
        cases.push(case("gradients", worst));

        let mut worst = Worst::default();
        let (golden, tolerances) = self.nets_of(set, "gradin").await?;
        let contents = rig.contents().await?;
        let got = dws.input_gradient(&rig.recorded, &contents).unwrap_or_default();
        if got.len() == golden.len() {
            for (i, (&x, (&g, &t))) in got.iter().zip(golden.iter().zip(&tolerances)).enumerate() {
                worst.see("gradient of the nets", i, x.into(), g, t);
            }
        } else {
            worst.see_all("gradient of the nets", &to_f64(&got), &golden, |_| 0.0);
        }
        cases.push(case("input_gradients", worst));

        if self.config.batch_norm {
            let mut worst = Worst::default();
            let statistics = rig.store.state().await?;
            let mut rest = &statistics[..];
            for (name, len, _) in state(&self.config, &self.dims) {
                let (here, after) = rest.split_at(len.min(rest.len()));
                rest = after;
                let golden = self.tensor(set, &format!("buf.{name}")).await?;
                see(&mut worst, &name, here, &golden);
            }
            cases.push(case("statistics", worst));
            let evaluated = Rig::new(gpu, self, &dws, Part::Evaluate(&statistics))?;
            let mut worst = Worst::default();
            let golden = self.tensor(set, "logits_eval").await?;
            let got = evaluated.program.read(evaluated.logits).await?;
            see(&mut worst, "logits in evaluation", &got, &golden);
            cases.push(case("evaluation", worst));
        }
        Ok(cases)
    }

    /// Every output on the way that was recorded.
    async fn layers<S: Store>(&self, gpu: &Gpu, set: &mut Set<S>) -> Result<Vec<Case>, LabError> {
        // The published code recorded the last layer's output before this is added.
        let config = DwsConfig { model_skip: false, ..self.config.clone() };
        let dws =
            Dws::unmerged(&config, &self.dims).map_err(weightlab_learn::NetworkError::from)?;
        let rig = Rig::new(gpu, self, &dws, Part::Layers)?;
        let contents = rig.contents().await?;
        let mut worst = Worst::default();
        let (mut compared, mut layers) = (0, 0);
        for (name, tensor) in dws.outputs(&rig.recorded, &contents) {
            // A layer's output goes through the ReLU in the same kernel, so what is left of it is compared.
            let (recorded, relu) = match name.strip_prefix("relu.") {
                Some(rest) => (format!("layer.{rest}"), true),
                None => (name.clone(), false),
            };
            if !self.has(set, &recorded) {
                continue;
            }
            let mut golden = self.tensor(set, &recorded).await?;
            if relu {
                golden.values.iter_mut().for_each(|x| *x = x.max(0.0));
            }
            worst.see_all(&name, &tensor.data, &golden.values, |g| golden.tolerance.at(g));
            compared += 1;
            layers += usize::from(recorded.starts_with("layer."));
        }
        // Everything that the manifest lists was met.
        let listed = set
            .names(&self.file)
            .into_iter()
            .filter_map(|name| name.strip_prefix(&self.prefix))
            .filter(|name| ["sub.", "block.", "layer."].iter().any(|p| name.starts_with(p)))
            .count();
        worst.see("recorded outputs", layers, compared as f64, listed as f64, 0.0);
        Ok(vec![Case::judged(DWS, format!("{}.layers", self.case), worst)])
    }
}

fn see(worst: &mut Worst, name: &str, got: &[f32], golden: &Golden) {
    worst.see_all(name, &to_f64(got), &golden.values, |g| golden.tolerance.at(g));
}

/// What to run of a model.
enum Part<'a> {
    /// Forward and back.
    Train,
    /// Forward, keeping everything.
    Layers,
    /// Forward with these running statistics.
    Evaluate(&'a [f32]),
}

/// A model that has run once.
struct Rig {
    recorded: Recorded,
    store: ParamStore,
    program: Program,
    logits: Var,
    loss: Option<Var>,
    kept: BTreeMap<Temp, Var>,
}

impl Rig {
    fn new(gpu: &Gpu, given: &Given, dws: &Dws, part: Part<'_>) -> Result<Rig, LabError> {
        let target = Target::of(gpu);
        let train = matches!(part, Part::Train);
        let recorded = dws.record(&Wanted {
            nets: given.batch,
            train: !matches!(part, Part::Evaluate(_)),
            backward: train,
            input_gradient: train,
            kind: if target.software { Kind::Software } else { Kind::Gpu },
        });
        let keep = match part {
            Part::Train => dws.inspected_input(&recorded),
            Part::Layers => dws.inspected(&recorded),
            Part::Evaluate(_) => Vec::new(),
        };
        let fresh = dws.fresh_state();
        let statistics = if let Part::Evaluate(given) = part { given } else { &fresh };
        let mut params = ParamSet::new();
        let id = params.add("dws", &[dws.arena().len()]);
        if !statistics.is_empty() {
            params.add_state("statistics", &[statistics.len()]);
        }
        let values = dws
            .arena()
            .pack(|p| given.values.get(&p.name).cloned())
            .map_err(|name| malformed(DWS, &given.case, &name))?;
        let optimizer = Optimizer::Sgd { momentum: 0.0 };
        let store = ParamStore::new(gpu, &params, &values, statistics, &optimizer)?;
        let mut graph = Graph::new(&params, &target);
        let nets = graph.input("nets", &[given.batch, given.net_len()]);
        let (out, kept) = recorded.clone().add_to(&mut graph, nets, id, &keep);
        let logits = graph.keep(out);
        let mut targets = None;
        let loss = train.then(|| {
            let probabilities = graph.input("targets", &[given.batch, given.config.classes]);
            targets = Some(probabilities);
            let loss = graph.cross_entropy(out, probabilities);
            let loss = graph.keep(loss);
            graph.backward(loss);
            loss
        });
        let mut program = Program::new(gpu, graph.plan()?, &store)?;
        program.write(nets, &given.nets)?;
        if let Some(targets) = targets {
            program.write(targets, &given.targets)?;
        }
        program.run(&Pass::default())?;
        let kept = kept.lock().expect("not poisoned").clone();
        Ok(Rig { recorded, store, program, logits, loss, kept })
    }

    async fn contents(&self) -> Result<BTreeMap<Temp, Vec<f32>>, LabError> {
        let mut contents = BTreeMap::new();
        for (&temp, &var) in &self.kept {
            contents.insert(temp, self.program.read(var).await?);
        }
        Ok(contents)
    }
}

/// Fresh parameters against the rule that the manifest has in words; its own measurement is of other draws.
fn init<S: Store>(set: &mut Set<S>) -> Result<Vec<Case>, LabError> {
    let of = set.case(DWS, "dws_odd").cloned().unwrap_or_default();
    let wrong = || malformed(DWS, INIT, "the model `dws_odd`");
    let config = config(&of).ok_or_else(wrong)?;
    let dims: Vec<usize> =
        of.get("dims").and_then(|d| serde_json::from_value(d.clone()).ok()).ok_or_else(wrong)?;
    let network = Network::new(&ModelConfig::Dws(config.clone()), &dims, config.classes)?;
    let drawn = network.unpack(&network.init(0));
    let mut worst = Worst::default();
    let mut ratios = Vec::new();
    for param in parameters(&config, &dims) {
        let Some(tensor) = drawn.iter().find(|t| t.name == param.name) else {
            return Err(malformed(DWS, INIT, &param.name));
        };
        let n = tensor.values.len() as f64;
        let square = |x: &f32| f64::from(*x).powi(2);
        let deviation = (tensor.values.iter().map(square).sum::<f64>() / n).sqrt();
        let (head, bias) = (param.name.starts_with("clf."), param.shape.len() == 1);
        let rule = match (head, bias, &param.shape[..]) {
            (false, false, &[outputs, inputs]) => {
                let (inputs, outputs) = (inputs as f64, outputs as f64);
                (2.0 / (inputs + outputs)).sqrt() * (2.0 * inputs / outputs).sqrt()
            }
            // Uniform numbers have a deviation of bound / sqrt(3).
            (false, ..) => 1e-4 / 3f64.sqrt(),
            _ => match param.init {
                Init::Uniform { bound } => bound / 3f64.sqrt(),
                _ => f64::NAN,
            },
        };
        // Of n numbers the deviation is known to 1 / sqrt(2 n); five of those are rare.
        worst.see(&param.name, 0, deviation / rule, 1.0, 5.0 / (2.0 * n).sqrt());
        if !head && !bias {
            ratios.push(deviation / rule);
        }
    }
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    worst.see("mean of the ratios", 0, mean, 1.0, 0.02);
    Ok(vec![Case::judged(DWS, INIT, worst)])
}
