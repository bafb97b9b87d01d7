//! The fused DWS model on the GPU against the f64 reference and the published code's numbers.

mod common;

use common::runner::Runner;
use common::{Golden, gpu};
use weightlab_learn::dws::reference::{Model, State, Tensor};
use weightlab_learn::dws::{Dws, Wanted};

/// Nets in the layout of files.
fn nets(state: &State) -> Vec<f32> {
    let batch = state.biases[0].shape[0];
    let mut out = Vec::new();
    for b in 0..batch {
        for (w, bias) in state.weights.iter().zip(&state.biases) {
            let [_, m, n, _] = w.shape[..] else { panic!("rank 4") };
            for c in 0..n {
                out.extend((0..m).map(|r| w.data[(b * m + r) * n + c] as f32));
            }
            out.extend(bias.data[b * n..][..n].iter().map(|&x| x as f32));
        }
    }
    out
}

/// A runner with the model's numbers and a batch in place.
fn run(model: &Model, dws: &Dws, input: &State, wanted: Wanted) -> Runner {
    let values = |name: &str| model.values[name].iter().map(|&x| x as f32).collect::<Vec<_>>();
    let params = dws.arena().pack(|p| Some(values(&p.name))).unwrap();
    let mut runner = Runner::new(gpu(), dws, &wanted, &params, &dws.fresh_state());
    runner.write(runner.recorded.nets, &nets(input));
    runner.forward();
    runner
}

/// Largest error in units of `tolerance(value)`.
fn worst(got: &[f32], expected: &[f64], tolerance: impl Fn(f64) -> f64) -> f64 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).fold(0.0, |worst, (&x, &g)| {
        let ratio = (f64::from(x) - g).abs() / tolerance(g);
        if ratio.is_nan() { f64::INFINITY } else { f64::max(worst, ratio) }
    })
}

fn logits(runner: &Runner, classes: usize) -> Vec<f32> {
    runner
        .read(runner.recorded.logits)
        .chunks_exact(runner.recorded.logits_stride)
        .flat_map(|row| row[..classes].to_vec())
        .collect()
}

#[test]
fn golden_logits_and_gradients() {
    let golden = Golden::open();
    for case in golden.cases() {
        let model = golden.model(&case);
        let input = golden.input(&case);
        let dws = Dws::new(&model.config, &model.dims).unwrap();
        let batch = input.biases[0].shape[0];
        let wanted = Wanted { nets: batch, train: true, backward: true, input_gradient: false };
        let mut runner = run(&model, &dws, &input, wanted);
        println!(
            "{case}: {} calls forward, {} backward",
            runner.recorded.forward.len(),
            runner.recorded.backward.len()
        );
        let classes = model.config.classes;
        let got = logits(&runner, classes);
        let expected = golden.tensor(&case, "logits").unwrap();
        let [atol, rtol] = golden.tolerance(&case, "logits");
        let error = worst(&got, &expected.data, |g| atol + rtol * g.abs());
        println!("{case}: logits {error:.3}");
        assert!(error <= 1.0, "{case}: {got:?} {:?}", expected.data);

        // Gradient of the mean cross entropy by the logits.
        let targets = golden.targets(&case, classes);
        let mut d = Vec::new();
        for (row, target) in expected.data.chunks_exact(classes).zip(targets.chunks_exact(classes)) {
            let top = row.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = row.iter().map(|x| (x - top).exp()).sum();
            d.extend(row.iter().zip(target).map(|(x, t)| {
                (((x - top).exp() / total - t) / batch as f64) as f32
            }));
            d.resize(d.len().next_multiple_of(4), 0.0);
        }
        runner.write(runner.recorded.d_logits, &d);
        runner.backward();
        let gradients = runner.read_gradients();
        let (rel, floor) = golden.gradient_tolerance(&case);
        let mut all = (0.0, String::new());
        for entry in dws.arena().entries() {
            let got = dws.arena().unpack(entry, &gradients);
            let expected = golden.values(&case, &format!("grad.{}", entry.param.name)).unwrap();
            let top = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            let error = worst(&got, &expected, |_| rel * top + floor);
            if error > all.0 {
                all = (error, entry.param.name.clone());
            }
        }
        println!("{case}: gradients {:.3} at {}", all.0, all.1);
        assert!(all.0 <= 1.0, "{case}: {all:?}");
    }
}
