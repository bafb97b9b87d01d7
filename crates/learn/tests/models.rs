//! Every model that can be trained: gradients against differences, dropout, parameters by name.

mod common;

use common::{Lcg, gpu};
use pollster::block_on;
use weightlab_learn::network::ModelConfig;
use weightlab_learn::plain::{MlpConfig, TransformerConfig};
use weightlab_learn::{DwsConfig, Network};
use weightlab_tensor::{Graph, Optimizer, ParamStore, Pass, Program, Target, Var};

const DIMS: [usize; 4] = [2, 9, 6, 1];
const CLASSES: usize = 3;
const BATCH: usize = 5;

/// A model with the sum of its weighted logits as the loss.
struct Rig {
    store: ParamStore,
    program: Program,
    logits: Var,
    loss: Var,
}

fn rig(config: &ModelConfig, seed: u64) -> Rig {
    let network = Network::new(config, &DIMS, CLASSES).unwrap();
    let mut random = Lcg(seed);
    let mut values = network.init(seed);
    // Larger than fresh ones, so that what is wrong is not lost in the noise.
    values.iter_mut().filter(|x| **x != 0.0).for_each(|x| *x *= 1.5);
    let state = network.fresh_state();
    let store = ParamStore::new(gpu(), network.set(), &values, &state, &Optimizer::adam()).unwrap();
    let target = Target::of(gpu());
    let mut graph = Graph::new(network.set(), &target);
    let nets = graph.input("nets", &[BATCH, network.net_len()]);
    let weights = graph.input("weights", &[BATCH, CLASSES]);
    let out = network.record(&mut graph, &target, nets, true);
    let logits = graph.keep(out);
    let product = graph.mul(out, weights);
    let loss = graph.sum(product, &[0, 1], false);
    let loss = graph.keep(loss);
    graph.backward(loss);
    let program = Program::new(gpu(), graph.plan().unwrap(), &store).unwrap();
    let mut normal = |n: usize| (0..n).map(|_| random.normal() as f32).collect::<Vec<_>>();
    program.write(nets, &normal(nets.len())).unwrap();
    program.write(weights, &normal(weights.len())).unwrap();
    Rig { store, program, logits, loss }
}

impl Rig {
    fn loss(&mut self, values: &[f32], step: u32) -> f64 {
        self.store.write_params(values).unwrap();
        self.program.run(&Pass { seed: 4, step, row: 0 }).unwrap();
        f64::from(block_on(self.program.read(self.loss)).unwrap()[0])
    }

    fn logits(&mut self, step: u32) -> Vec<f32> {
        self.program.run(&Pass { seed: 4, step, row: 0 }).unwrap();
        block_on(self.program.read(self.logits)).unwrap()
    }
}

fn models(dropout: f32) -> Vec<ModelConfig> {
    let dws = DwsConfig { hidden: 8, hidden_layers: 1, dropout, ..DwsConfig::default() };
    vec![
        ModelConfig::Dws(dws.clone()),
        ModelConfig::Dws(DwsConfig {
            batch_norm: true,
            layer_skip: true,
            model_skip: true,
            pooling: weightlab_learn::dws::Pooling::Mean,
            ..dws
        }),
        ModelConfig::Mlp(MlpConfig { hidden: 24, hidden_layers: 2, dropout }),
        ModelConfig::Transformer(TransformerConfig {
            width: 16,
            layers: 2,
            heads: 4,
            expansion: 2,
            dropout,
        }),
    ]
}

/// Along the gradient, where it is largest, the loss changes as the gradient says; with dropout too, whose mask is that of the step.
#[test]
fn gradients_equal_differences() {
    for dropout in [0.0, 0.3] {
        for config in models(dropout) {
            let mut rig = rig(&config, 5);
            let values = block_on(rig.store.params()).unwrap();
            let here = rig.loss(&values, 7);
            let gradient = block_on(rig.store.gradients()).unwrap();
            let length = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            assert!(here.is_finite() && length > 1e-3, "{config:?}: {here} {length}");
            // Small against the kinks of ReLU and maximum, large against the rounding of f32.
            let step = 4e-3 * (1.0 + here.abs()) / length;
            let mut moved = |sign: f64| {
                let to: Vec<f32> = values
                    .iter()
                    .zip(&gradient)
                    .map(|(&x, &g)| (f64::from(x) + sign * step * f64::from(g) / length) as f32)
                    .collect();
                rig.loss(&to, 7)
            };
            let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
            let error = (slope / length - 1.0).abs();
            println!("{} dropout {dropout}: {slope:.5} {length:.5}", config.name());
            // A forgotten factor of dropout would be 0.3 and more.
            assert!(error < 0.02, "{config:?}: {slope} by differences, {length} here");
        }
    }
}

/// Other numbers are dropped in another step, the same in the same step; about as many as asked for.
#[test]
fn dropout_follows_the_step() {
    for config in models(0.5) {
        let mut rig = rig(&config, 6);
        let [a, b, again] = [1, 2, 1].map(|step| rig.logits(step));
        assert_eq!(a, again, "{}", config.name());
        assert!(a != b, "{}", config.name());
    }
    for config in models(0.0) {
        let mut rig = rig(&config, 6);
        assert_eq!(rig.logits(1), rig.logits(2), "{}", config.name());
    }
}

/// What is written by name is read by name; what is missing or has another shape is refused.
#[test]
fn parameters_have_names() {
    for config in models(0.0) {
        let network = Network::new(&config, &DIMS, CLASSES).unwrap();
        let values = network.init(3);
        let named = network.unpack(&values);
        assert_eq!(network.parameters(), named.iter().map(|t| t.values.len()).sum::<usize>());
        let find = |name: &str| {
            let of = named.iter().find(|t| t.name == name)?;
            Some((of.shape.clone(), of.values.clone()))
        };
        assert_eq!(network.pack(find).unwrap(), values);
        let first = named[0].name.clone();
        let without = network.pack(|name| find(name).filter(|_| name != first));
        assert!(without.unwrap_err().to_string().contains(&first));
        let error =
            network.pack(|name| find(name).map(|(shape, v)| ([shape, vec![1]].concat(), v)));
        assert!(error.unwrap_err().to_string().contains("found"));
        // Another seed, other numbers.
        assert!(network.init(4) != values);
    }
}

/// Sizes that would go beyond 32 bits, or never end, are refused by name.
#[test]
fn sizes_have_limits() {
    let dws = |hidden, hidden_layers| {
        ModelConfig::Dws(DwsConfig { hidden, hidden_layers, ..DwsConfig::default() })
    };
    let mlp = |hidden| ModelConfig::Mlp(MlpConfig { hidden, ..MlpConfig::default() });
    for (config, dims, name) in [
        (dws(1_000_000, 1), &DIMS[..], "hidden"),
        (dws(8, 100_000), &DIMS[..], "hidden_layers"),
        (mlp(1_000_000), &DIMS[..], "hidden"),
        // 270,337 parameters to 8192 features: more weights than 2^29.
        (mlp(8192), &[2, 512, 512, 1][..], "hidden"),
    ] {
        let said = Network::new(&config, dims, CLASSES).map(drop).unwrap_err().to_string();
        assert!(said.contains(&format!("`{name}`")), "{said}");
    }
}
