//! The kernels of the fused fit against references, each asked for by name, and the laws of the one in which networks
//! share a vector.

mod common;

use common::golden::Set;
use common::{Case, gpu, gpu_like, worst};
use pollster::block_on;
use weightlab_nets::fit::{Kernel, fused, gradient_by};
use weightlab_nets::{
    FitBatch, FitPath, FitSettings, Mlp, NetOutcome, Status, image_grid, plan_fit,
};

/// As in `kernels.rs`: f32 sums of hundreds of products, magnified by omega_0 = 30 per layer, compared to the
/// largest entry.
const GRADIENT: f64 = 2e-4;

fn lanes_of(mlp: &Mlp, points: usize, vector: u32) -> Kernel {
    Kernel::Fused(fused::Lanes::choose(mlp, points, vector).unwrap().into())
}

fn lanes(mlp: &Mlp, points: usize) -> Kernel {
    lanes_of(mlp, points, fused::Lanes::MESA)
}

/// One, two and three hidden layers, any number of inputs and outputs, widths that are not multiples of four.
/// Narrow: these compile in less than a second, on a GPU too.
#[test]
fn lanes_agree_with_the_reference() {
    for (dims, points, nets) in
        [(&[1, 9, 1][..], 33, 1), (&[2, 5, 7, 3], 81, 11), (&[3, 6, 11, 4, 2], 130, 8)]
    {
        let case = Case::new(dims, points, nets, 7);
        let params = case.params();
        let kernel = lanes(&case.mlp, points);
        let got = gradient_by(gpu(), &case.mlp, &case.coords, &case.targets, &params, kernel);
        let got = block_on(got).unwrap();
        let expected = case.reference_gradients(&params);
        let error = worst(&got, &expected, case.gradient_scale(&expected));
        println!("gradient of {}: {error:.1e}", case.mlp.dims_text());
        assert!(error < GRADIENT, "gradient of {}: {error}", case.mlp.dims_text());
        // How many share a vector changes nothing.
        let kernel = lanes_of(&case.mlp, points, fused::Lanes::SWIFTSHADER);
        let by_four = gradient_by(gpu(), &case.mlp, &case.coords, &case.targets, &params, kernel);
        assert_eq!(block_on(by_four).unwrap(), got, "gradient of {}", case.mlp.dims_text());
    }
}

/// The recorded first ten steps of Adam on a 28 x 28 image, by every kernel that this device has.
#[test]
fn golden_trajectory() {
    let set = Set::open("siren_fit");
    let mlp = set.mlp("traj.init");
    let init: Vec<f32> = set.net("traj.init").iter().map(|&x| x as f32).collect();
    let (coords, target) = (image_grid(28, 28), set.f32s("target0"));
    let golden = set.values("traj.losses").len() as u32;
    let bytes = gpu().report().max_workgroup_bytes;
    let workgroup = fused::Shape::choose_within(bytes, &mlp).unwrap();
    let mut kernels = vec![Kernel::Fused(workgroup.into()), Kernel::Tiled];
    if gpu().is_cpu() {
        // Thousands of variables in an invocation are not for GPUs.
        kernels.push(lanes(&mlp, 784));
    }
    for kernel in kernels {
        let name = format!("{kernel:?}");
        let settings =
            |max_steps| FitSettings { max_steps, until_psnr: None, ..Default::default() };
        let run = |steps| {
            let kernel = kernel.clone();
            let settings = settings(steps);
            let mut batch =
                FitBatch::with_kernel(gpu(), &mlp, &coords, &target, &init, &settings, kernel)
                    .unwrap();
            while !block_on(batch.advance()).unwrap().finished {}
            batch
        };
        let losses: Vec<f32> = (0..golden).map(|k| run(k).outcomes()[0].mse).collect();
        let after = block_on(run(golden).params()).unwrap();
        let errors = [
            set.error("traj.losses", &losses),
            set.net_error(&format!("traj.after{golden}"), &after),
        ];
        println!("{name}: {errors:.3?} of the tolerance");
        assert!(errors.iter().all(|&e| e < 1.0), "{name}: {errors:?}");
    }
}

/// What the lane kernel does not take is tiled there, and a GPU's kernel stays for GPUs; however many networks.
#[test]
fn the_kernel_is_chosen_by_device_architecture_and_points() {
    let large =
        [(&[2, 48, 48, 1][..], 784), (&[2, 64, 64, 3], 1024), (&[2, 32, 32, 32, 32, 3], 1024)];
    for (dims, points) in large {
        let mlp = Mlp::new(dims, weightlab_nets::Convention::Dwsnets).unwrap();
        for nets in [1, 16, 1000] {
            let path = |gpu| plan_fit(gpu, &mlp, points, nets).unwrap().path;
            let expected = if gpu().is_cpu() { FitPath::Tiled } else { FitPath::Fused };
            assert_eq!(path(gpu()), expected, "{}", mlp.dims_text());
            assert_eq!(path(gpu_like()), FitPath::Fused, "{}", mlp.dims_text());
        }
    }
    let usual = Mlp::new(&[2, 32, 32, 1], weightlab_nets::Convention::Dwsnets).unwrap();
    assert_eq!(plan_fit(gpu(), &usual, 784, 1).unwrap().path, FitPath::Fused);
}

/// A driver compiles a kernel in the first slice that runs it, which says nothing of slices.
#[test]
fn compiling_does_not_count_as_a_slice() {
    let case = Case::new(&[2, 5, 7, 3], 60, 2, 5);
    for kernel in [lanes(&case.mlp, 60), Kernel::Tiled] {
        let name = format!("{kernel:?}");
        let settings = FitSettings { max_steps: 9, until_psnr: None, ..Default::default() };
        let (coords, targets, params) = (&case.coords, &case.targets, case.params());
        let mut batch =
            FitBatch::with_kernel(gpu(), &case.mlp, coords, targets, &params, &settings, kernel)
                .unwrap();
        batch.fix_slices(2);
        block_on(batch.advance()).unwrap();
        assert!(batch.longest_slice().is_zero(), "{name}: {:?}", batch.longest_slice());
        while !block_on(batch.advance()).unwrap().finished {}
        assert!(!batch.longest_slice().is_zero(), "{name}");
    }
}

/// Networks that share a vector do not see each other: eleven of them, of which some reach the target at different
/// steps and one diverges at once, become bit for bit what each becomes alone, however the work is cut.
#[test]
fn a_network_does_not_see_its_vector() {
    let (points, nets) = (60, 11);
    let mut case = Case::new(&[2, 5, 7, 3], points, nets, 12);
    let each = points * case.mlp.outputs();
    for (net, target) in case.targets.chunks_exact_mut(each).enumerate() {
        match net {
            // The square of this exceeds f32.
            4 => target.fill(1e25),
            // Near what a fresh network says, more or less: done after more or fewer steps.
            1 | 6 | 9 => target.fill(0.5 + 0.1 * net as f32),
            _ => {}
        }
    }
    let params = case.params();
    let settings = FitSettings {
        learning_rate: 5e-3,
        max_steps: 40,
        until_psnr: Some(12.0),
        ..Default::default()
    };
    let count = case.mlp.param_count();
    let fit = |nets: std::ops::Range<usize>, slice: Option<u64>| -> (Vec<f32>, Vec<NetOutcome>) {
        let mut batch = FitBatch::with_kernel(
            gpu(),
            &case.mlp,
            &case.coords,
            &case.targets[nets.start * each..nets.end * each],
            &params[nets.start * count..nets.end * count],
            &settings,
            lanes(&case.mlp, points),
        )
        .unwrap();
        if let Some(units) = slice {
            batch.fix_slices(units);
        }
        while !block_on(batch.advance()).unwrap().finished {}
        (block_on(batch.params()).unwrap(), batch.outcomes().to_vec())
    };
    // The loss of a diverged network is not a number, and not equal to itself.
    let bits = |o: &NetOutcome| (o.status, o.steps, o.mse.to_bits());
    let (all, outcomes) = fit(0..nets, None);
    let (cut, cut_outcomes) = fit(0..nets, Some(30));
    assert!(all == cut, "parameters depend on the slices");
    for net in 0..nets {
        let (alone, outcome) = fit(net..net + 1, Some(7));
        assert_eq!(bits(&outcome[0]), bits(&outcomes[net]), "network {net}");
        assert_eq!(bits(&cut_outcomes[net]), bits(&outcomes[net]), "network {net} in slices");
        assert!(
            alone == all[net * count..(net + 1) * count],
            "network {net} depends on its company"
        );
    }
    let statuses: Vec<_> = outcomes.iter().map(|o| o.status).collect();
    assert_eq!(statuses[4], Status::Diverged);
    assert_eq!(outcomes[4].steps, 0);
    assert!(statuses.contains(&Status::StepsDone), "{outcomes:?}");
    let stopped: std::collections::BTreeSet<u32> =
        outcomes.iter().filter(|o| o.status == Status::ReachedTarget).map(|o| o.steps).collect();
    assert!(stopped.len() >= 2, "stopped at different steps: {outcomes:?}");
}
