//! The f64 DWS model against the published code's numbers, and its laws.

mod common;

use common::{Golden, Lcg};
use weightlab_learn::DwsConfig;
use weightlab_learn::dws::reference::{Mode, Model, State};
use weightlab_learn::dws::{Pooling, SetLayer, parameters, state};

/// Golden values were computed in f64, but large tensors and gradients are stored as f32.
const STORED: f64 = 1e-6;

#[test]
fn golden_forward() {
    let golden = Golden::open();
    let cases = golden.cases();
    assert_eq!(cases.len(), 9, "{cases:?}");
    for case in cases {
        let model = golden.model(&case);
        let input = golden.input(&case);
        let trace = model.forward(&input, Mode::Train);
        let mut worst = 0.0;
        let mut compared = 0;
        for (name, tensor) in &trace.tensors {
            let Some(expected) = golden.values(&case, name) else { continue };
            worst = f64::max(worst, difference(&tensor.data, &expected));
            compared += 1;
        }
        let layers = model.config.layers();
        assert!(compared >= layers * (model.dims.len() - 1) * 2, "{case}: {compared} tensors");
        let logits = golden.values(&case, "logits").expect("logits");
        worst = f64::max(worst, difference(&trace.logits, &logits));
        if model.config.batch_norm {
            let mut after = model.clone();
            for (name, value) in &trace.statistics {
                let expected = golden.values(&case, &format!("buf.{name}")).expect("a buffer");
                worst = f64::max(worst, difference(value, &expected));
                after.values.insert(name.clone(), value.clone());
            }
            assert_eq!(trace.statistics.len(), 12);
            let logits = golden.values(&case, "logits_eval").expect("evaluated logits");
            let here = after.forward(&input, Mode::Eval).logits;
            worst = f64::max(worst, difference(&here, &logits));
        }
        println!("{case}: {compared} tensors, relative error {worst:.1e}");
        assert!(worst < STORED, "{case}: {worst}");
    }
}

#[test]
fn a_wrong_parameter_shows() {
    let golden = Golden::open();
    let mut model = golden.model("dws_odd");
    let name = "layers.layers.3.weight_to_bias.layers.2_0.layer.0.bias";
    model.values.get_mut(name).expect("it exists")[0] += 1e-3;
    let logits = model.forward(&golden.input("dws_odd"), Mode::Train).logits;
    let expected = golden.values("dws_odd", "logits").expect("logits");
    assert!(difference(&logits, &expected) > STORED);
}

#[test]
fn parameters_are_those_of_the_published_code() {
    let golden = Golden::open();
    for case in golden.cases() {
        let model = golden.model(&case);
        let mut here: Vec<_> =
            parameters(&model.config, &model.dims).into_iter().map(|p| (p.name, p.shape)).collect();
        here.sort();
        assert_eq!(here, golden.parameters(&case), "{case}");
        assert_eq!(
            here.iter().map(|(_, s)| s.iter().product::<usize>()).sum::<usize>(),
            golden.parameter_count(&case),
            "{case}"
        );
    }
}

/// Permuting hidden neurons of the nets leaves the logits as they are.
#[test]
fn permutations_change_nothing() {
    let mut random = Lcg(7);
    for (dims, set_layer, pooling) in [
        (vec![2, 5, 7, 3], SetLayer::Sab, Pooling::Max),
        (vec![1, 4, 6, 3, 2], SetLayer::Ds, Pooling::Mean),
        (vec![3, 4, 3, 5, 4, 2], SetLayer::Sab, Pooling::Sum),
    ] {
        let config = DwsConfig {
            hidden: 8,
            hidden_layers: 2,
            set_layer,
            pooling,
            batch_norm: true,
            layer_skip: true,
            model_skip: true,
            ..DwsConfig::default()
        };
        let mut model =
            Model { config: config.clone(), dims: dims.clone(), values: Default::default() };
        for param in parameters(&config, &dims) {
            let scale = 1.0 / (param.shape[param.shape.len() - 1] as f64).sqrt();
            let values = (0..param.len()).map(|_| scale * random.normal()).collect();
            model.values.insert(param.name, values);
        }
        for (name, len, start) in state(&config, &dims) {
            model.values.insert(name, vec![f64::from(start); len]);
        }
        let size: usize = dims.windows(2).map(|d| d[1] * (d[0] + 1)).sum();
        let nets: Vec<f64> = (0..3 * size).map(|_| random.normal()).collect();
        let moved: Vec<f64> =
            nets.chunks_exact(size).flat_map(|net| random.permute(&dims, net)).collect();
        assert_ne!(nets, moved);
        let [a, b] = [&nets, &moved]
            .map(|nets| model.forward(&State::of_nets(&dims, nets), Mode::Train).logits);
        // The logits do depend on the nets.
        assert!(difference(&a[..10], &a[10..20]) > 1e-2, "{dims:?}");
        let error = difference(&a, &b);
        println!("{dims:?}: {error:.1e}");
        assert!(error < 1e-6, "{dims:?}: {error}");
    }
}

/// Largest difference in units of the largest golden value.
fn difference(here: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(here.len(), expected.len());
    let scale = expected.iter().fold(1e-300, |m: f64, x| m.max(x.abs()));
    here.iter().zip(expected).fold(0.0, |worst, (x, g)| {
        let error = (x - g).abs() / scale;
        if error.is_nan() { f64::INFINITY } else { f64::max(worst, error) }
    })
}
