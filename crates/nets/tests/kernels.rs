//! Every kernel against plain f64 Rust, on the adapter at hand; and what the processor does where there is none.

mod common;

use common::{Case, gpu, gpu_like, small_gpu, worst};
use proptest::prelude::*;
use weightlab_nets::fit::{Kernel, fused, gradient};
use weightlab_nets::{
    Device, FitBatch, FitSettings, NetId, Status, evaluate, init, plan_fit, reference, sine,
};

/// f32 sums of hundreds of products of numbers near one, times omega_0 = 30 per layer: about 30 * 2^-24
/// per layer, with a margin for cancellation.
const FORWARD: f64 = 2e-5;
/// Gradients carry one more factor of omega_0 per layer and are compared to their largest entry.
const GRADIENT: f64 = 2e-4;

fn check_outputs(device: impl Into<Device>, case: &Case) {
    pollster::block_on(async {
        let params = case.params();
        let got = evaluate(device, &case.mlp, &params, case.nets, &case.coords).await.unwrap();
        let expected = case.reference_outputs(&params);
        let error = worst(&got, &expected, 1.0);
        assert!(error < FORWARD, "outputs of {}: {error}", case.mlp.dims_text());
    });
}

fn check_gradient(device: impl Into<Device>, case: &Case, kernel: Kernel) {
    pollster::block_on(async {
        let params = case.params();
        let name = format!("{} on {kernel:?}", case.mlp.dims_text());
        // beta1 = 0 makes the first update lr * sign-like of the gradient; the moments are not public
        // for a given kernel, so compare losses and parameters after three ordinary steps.
        let settings = FitSettings {
            max_steps: 3,
            until_psnr: None,
            learning_rate: 1e-4,
            ..Default::default()
        };
        let mut batch = FitBatch::with_kernel(
            device,
            &case.mlp,
            &case.coords,
            &case.targets,
            &params,
            &settings,
            kernel,
        )
        .unwrap();
        while !batch.advance().await.unwrap().finished {}
        let got = batch.params().await.unwrap();
        let count = case.mlp.param_count();
        for net in 0..case.nets {
            let (expected, loss) = case.reference_fit(&params, net, &settings);
            let outcome = batch.outcomes()[net];
            assert_eq!((outcome.status, outcome.steps), (Status::StepsDone, 3), "{name}");
            let relative = (f64::from(outcome.mse) - loss).abs() / loss;
            assert!(relative < 1e-3, "loss of {name}: {} for {loss}", outcome.mse);
            // Adam divides by the gradient's size, so tiny gradients may step either way: compare the
            // mean distance with the length of the three steps.
            let mine = &got[net * count..(net + 1) * count];
            let off =
                mine.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).sum::<f64>();
            assert!(off / count as f64 / 3e-4 < 0.02, "parameters of {name} are off by {off}");
        }
    });
}

fn check_exact_gradient(device: impl Into<Device>, case: &Case) {
    pollster::block_on(async {
        let params = case.params();
        let got = gradient(device, &case.mlp, &case.coords, &case.targets, &params).await.unwrap();
        let expected = case.reference_gradients(&params);
        let error = worst(&got, &expected, case.gradient_scale(&expected));
        assert!(error < GRADIENT, "gradient of {}: {error}", case.mlp.dims_text());
    });
}

/// One architecture per kind of hidden structure: compiling a specialisation takes a software renderer
/// seconds, so the random part is the data and the sizes that do not change the kernel.
#[test]
fn fused_gradients_agree_with_the_reference() {
    for (dims, points, nets) in [
        (&[2, 32, 32, 1][..], 784, 2),
        (&[2, 5, 7, 3], 81, 3),
        (&[1, 9, 1], 33, 1),
        (&[3, 20, 17, 24, 2], 130, 2),
    ] {
        let case = Case::new(dims, points, nets, 7);
        check_outputs(gpu(), &case);
        check_exact_gradient(gpu(), &case);
    }
}

/// The specialisation for GPUs, in its three placements, also where this machine would not choose it.
#[test]
fn every_placement_of_the_gpu_tile_agrees() {
    let case = Case::new(&[2, 32, 32, 1], 200, 2, 3);
    for bytes in [32_768, 16_384, 1_024] {
        let shape = fused::Shape::choose_within(bytes, &case.mlp).unwrap();
        check_gradient(gpu(), &case, Kernel::Fused(shape.into()));
    }
}

/// Also with several hidden matrices, whose gradients take another way.
#[test]
fn deep_networks_agree() {
    let case = Case::new(&[2, 14, 9, 16, 3], 70, 2, 4);
    for bytes in [32_768, 1_024] {
        let shape = fused::Shape::choose_within(bytes, &case.mlp).unwrap();
        check_gradient(gpu(), &case, Kernel::Fused(shape.into()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..Default::default() })]

    /// The tiled path has few specialisations for all architectures, so everything may be random.
    #[test]
    fn tiled_kernels_and_the_processor_agree_with_the_reference(
        dims in prop::collection::vec(1usize..=140, 1..5),
        inputs in 1usize..=5,
        outputs in 1usize..=4,
        points in 1usize..=300,
        nets in 1usize..=3,
        seed in any::<u64>(),
    ) {
        let mut all = vec![inputs];
        all.extend(dims);
        all.push(outputs);
        let case = Case::new(&all, points, nets, seed);
        for gpu in [gpu(), gpu_like()] {
            check_outputs(gpu, &case);
            check_gradient(gpu, &case, Kernel::Tiled);
        }
        check_outputs(Device::Host, &case);
        check_gradient(Device::Host, &case, Kernel::Best);
        check_exact_gradient(Device::Host, &case);
    }

    #[test]
    fn fresh_parameters_are_bit_exact(
        width in 1usize..=70, object in any::<u32>(), view in any::<u32>(), seed in any::<u64>(),
    ) {
        let mlp = Case::new(&[2, width, 3, 2], 1, 1, 0).mlp;
        let ids = [NetId { object, view }, NetId { object: object ^ 1, view }];
        let got = pollster::block_on(init::init(gpu(), &mlp, &ids, seed)).unwrap();
        let expected: Vec<f32> =
            ids.iter().flat_map(|&id| init::init_reference(&mlp, id, seed)).collect();
        prop_assert_eq!(got, expected);
    }
}

/// Several chunks of points, whose gradients are added up.
#[test]
fn a_signal_in_chunks_agrees() {
    let case = Case::new(&[2, 200, 180, 2], 2000, 1, 6);
    for gpu in [gpu(), gpu_like()] {
        check_gradient(gpu, &case, Kernel::Tiled);
        check_exact_gradient(gpu, &case);
    }
}

#[test]
fn works_within_the_default_limits() {
    pollster::block_on(async {
        let gpu = small_gpu();
        assert_eq!(gpu.report().max_workgroup_bytes, 16_384);
        let case = Case::new(&[2, 32, 32, 1], 100, 2, 9);
        let got =
            gradient(gpu, &case.mlp, &case.coords, &case.targets, &case.params()).await.unwrap();
        let expected = case.reference_gradients(&case.params());
        let error = worst(&got, &expected, case.gradient_scale(&expected));
        assert!(error < GRADIENT, "{error}");
    });
}

/// What a network becomes does not depend on how its steps are cut into dispatches, nor on its company.
/// Asked for 130 steps at once, a software renderer may get no more than it can loop: llvmpipe silently
/// ends all loops of an invocation after 65,535 iterations, here after some 35 steps. Without the loop budget
/// this test fails there.
#[test]
fn results_do_not_depend_on_the_slices() {
    pollster::block_on(async {
        let points = 1600;
        let case = Case::new(&[2, 32, 32, 1], points, 3, 5);
        let settings = FitSettings { max_steps: 130, until_psnr: None, ..Default::default() };
        let params = case.params();
        let count = case.mlp.param_count();
        let fit = async |params: &[f32], targets: &[f32], slice: u64| {
            let coords = &case.coords;
            let mut batch =
                FitBatch::from_params(gpu(), &case.mlp, coords, targets, params, &settings)
                    .unwrap();
            batch.fix_slices(slice);
            while !batch.advance().await.unwrap().finished {}
            (batch.params().await.unwrap(), batch.outcomes().to_vec())
        };
        let (all, outcomes) = fit(&params, &case.targets, 7).await;
        let (one, outcome) = fit(&params[..count], &case.targets[..points], 130).await;
        assert_eq!((outcome[0].status, outcome[0].steps), (Status::StepsDone, 130));
        assert_eq!(outcome[0], outcomes[0]);
        assert_eq!(one, all[..count]);
    });
}

/// A fit that is taken off its device half-way and put back ends with the same bits, on both paths and on the processor; a network that has
/// already reached its target stays as it is.
#[test]
fn a_restored_fit_ends_as_if_nothing_had_happened() {
    pollster::block_on(async {
        let device = Device::from(gpu());
        for (device, dims) in
            [(&device, &[2, 32, 32, 1][..]), (&device, &[2, 70, 1]), (&Device::Host, &[2, 9, 7, 1])]
        {
            let case = Case::new(dims, 200, 3, 9);
            let (mlp, coords, params) = (&case.mlp, &case.coords, case.params());
            // What the first network draws to begin with, but for a little: it gets there at once.
            let drawn =
                evaluate(device, mlp, &params[..mlp.param_count()], 1, coords).await.unwrap();
            let mut targets = case.targets.clone();
            targets[..200].copy_from_slice(&drawn);
            targets[0] += 0.01;
            let settings = FitSettings { max_steps: 40, ..Default::default() };
            let fresh = || {
                FitBatch::from_params(device, mlp, coords, &targets, &params, &settings).unwrap()
            };
            let mut whole = fresh();
            while !whole.advance().await.unwrap().finished {}

            let mut half = fresh();
            half.limit_steps(Some(3));
            while half.outcomes()[1].steps < 15 || !half.is_even() {
                half.advance().await.unwrap();
            }
            assert_eq!(half.outcomes()[1].steps, 15, "three at a time");
            assert_eq!(half.outcomes()[0].status, Status::ReachedTarget);
            let snapshot = half.snapshot().await.unwrap().unwrap();
            drop(half);
            let mut rest =
                FitBatch::restore(device, mlp, coords, &targets, &settings, &snapshot).unwrap();
            assert_eq!(rest.snapshot().await.unwrap().unwrap(), snapshot);
            while !rest.advance().await.unwrap().finished {}
            assert_eq!(rest.outcomes(), whole.outcomes());
            assert_eq!(rest.params().await.unwrap(), whole.params().await.unwrap());
        }
    });
}

#[test]
fn memory_is_what_the_plan_says() {
    for (dims, points, nets) in
        [(&[2, 32, 32, 1][..], 784, 5), (&[2, 20, 20, 20, 3], 100, 3), (&[2, 100, 3], 500, 2)]
    {
        pollster::block_on(async {
            // A device of its own: others allocate at the same time.
            let gpu = common::open_gpu();
            let case = Case::new(dims, points, nets, 1);
            let plan = plan_fit(&gpu, &case.mlp, points, nets).unwrap();
            let settings = FitSettings { max_steps: 2, ..Default::default() };
            let before = gpu.live_bytes();
            let params = case.params();
            let (coords, targets) = (&case.coords, &case.targets);
            let mut batch =
                FitBatch::from_params(&gpu, &case.mlp, coords, targets, &params, &settings)
                    .unwrap();
            while !batch.advance().await.unwrap().finished {}
            let used = gpu.live_bytes() - before;
            // Buffers are rounded up to 16 bytes.
            assert!(used.abs_diff(plan.bytes) < 16 * 32, "{used} used, {} planned", plan.bytes);
            drop(batch);
            assert_eq!(gpu.live_bytes(), before);
        });
    }
}

/// A driver that compiles a shader anew for each value of a uniform keeps every copy: 29 MB a step here
/// before uniform blocks were moved for it (see `gpu::lavapipe`), nothing since.
#[cfg(target_os = "linux")]
#[test]
fn a_long_fit_does_not_grow() {
    let resident = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    pollster::block_on(async {
        let gpu = common::open_gpu();
        let case = Case::new(&[2, 128, 128, 128, 3], 2048, 1, 1);
        let settings = FitSettings { max_steps: 24, until_psnr: None, ..Default::default() };
        let (coords, targets, params) = (&case.coords, &case.targets, case.params());
        let mut batch =
            FitBatch::from_params(&gpu, &case.mlp, coords, targets, &params, &settings).unwrap();
        while batch.outcomes()[0].steps < 4 {
            batch.advance().await.unwrap();
        }
        let before = resident();
        while !batch.advance().await.unwrap().finished {}
        let grown = resident().saturating_sub(before);
        assert!(grown < 64, "grew by {grown} MB in 20 steps");
    });
}

#[test]
fn batches_respect_the_binding_limit() {
    for gpu in [gpu(), small_gpu()] {
        let mlp = Case::new(&[2, 32, 32, 1], 1, 1, 0).mlp;
        let plan = plan_fit(gpu, &mlp, 784, 1_000_000).unwrap();
        assert!(plan.nets_per_batch >= 4096 && plan.nets_per_batch < 1_000_000, "{plan:?}");
        // A large picture as wide layers.
        let wide = Case::new(&[2, 256, 256, 256, 3], 1, 1, 0).mlp;
        assert!(plan_fit(gpu, &wide, 1024 * 1024, 1).unwrap().bytes < 256 << 20);
        let large = Case::new(&[2, 256, 256, 3], 1, 1, 0).mlp;
        let plan = plan_fit(gpu, &large, 512 * 512, 1000).unwrap();
        assert!((1..1000).contains(&plan.nets_per_batch), "{plan:?}");
        assert!(plan_fit(gpu, &large, 1 << 30, 1).unwrap_err().to_string().contains("--size"));
    }
}

#[test]
fn sine_is_exact_to_three_ulp_of_one() {
    let (sin, cos) = pollster::block_on(sine::max_error(gpu())).unwrap();
    println!("largest error over |x| <= 200: sin {sin:.2e}, cos {cos:.2e}");
    assert!(sin < 3.6e-7 && cos < 3.6e-7, "sin {sin}, cos {cos}");
}

/// The reference itself, by central differences: a comparator that cannot be wrong in the same way.
#[test]
fn reference_gradient_agrees_with_finite_differences() {
    let case = Case::new(&[2, 4, 3, 2], 6, 1, 11);
    let params: Vec<f64> = case.params().iter().map(|&p| f64::from(p)).collect();
    let (coords, targets) = (case.coords_f64(), case.targets_f64(0));
    let loss = |p: &[f64]| reference::loss_and_gradient(&case.mlp, p, &coords, &targets).loss;
    let exact = reference::loss_and_gradient(&case.mlp, &params, &coords, &targets).gradient;
    for i in 0..params.len() {
        let h = 1e-6;
        let mut moved = params.clone();
        moved[i] += h;
        let up = loss(&moved);
        moved[i] -= 2.0 * h;
        let slope = (up - loss(&moved)) / (2.0 * h);
        assert!((slope - exact[i]).abs() < 1e-6 * (1.0 + slope.abs()), "{i}: {slope} {}", exact[i]);
    }
}
