//! Random problems and devices for the tests.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod golden;
pub mod nets;

use std::sync::OnceLock;
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_kernels::philox::{philox4x32, symmetric};
use weightlab_nets::{Convention, FitSettings, Mlp, reference};

fn open(options: OpenOptions) -> Gpu {
    let gpu = pollster::block_on(Gpu::open(&options)).expect("the tests need an adapter");
    println!("adapter: {:?}", gpu.report());
    gpu
}

/// A device that no other test uses.
pub fn open_gpu() -> Gpu {
    open(OpenOptions { poison: true, ..Default::default() })
}

/// The best adapter; its buffers are poisoned.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| open(OpenOptions { poison: true, ..Default::default() }))
}

/// The same, granted no more than the WebGPU default limits.
pub fn small_gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        open(OpenOptions { poison: true, default_limits: true, ..Default::default() })
    })
}

/// The same, with the kernels that GPUs get.
pub fn gpu_like() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| open(OpenOptions { poison: true, as_gpu: true, ..Default::default() }))
}

/// Networks, points and targets drawn from a seed.
pub struct Case {
    pub mlp: Mlp,
    pub nets: usize,
    pub coords: Vec<f32>,
    pub targets: Vec<f32>,
    seed: u64,
}

fn numbers(stream: u32, seed: u64, count: usize) -> Vec<f32> {
    (0..count as u32)
        .map(|i| symmetric(philox4x32([i, stream, 0, 99], [seed as u32, (seed >> 32) as u32])[0]))
        .collect()
}

impl Case {
    pub fn new(dims: &[usize], points: usize, nets: usize, seed: u64) -> Case {
        let mlp = Mlp::new(dims, Convention::Dwsnets).unwrap();
        let coords = numbers(0, seed, points * mlp.inputs());
        let targets = numbers(1, seed, nets * points * mlp.outputs());
        Case { mlp, nets, coords, targets, seed }
    }

    /// Parameters as after some training: larger than fresh ones, with biases.
    pub fn params(&self) -> Vec<f32> {
        let mut out = Vec::new();
        for net in 0..self.nets {
            let u = numbers(2 + net as u32, self.seed, self.mlp.param_count());
            for (l, layer) in self.mlp.layers().iter().enumerate() {
                let bound = 1.2 * self.mlp.init_bounds(l).0;
                out.extend(u[layer.weight..layer.bias].iter().map(|u| u * bound));
                out.extend(u[layer.bias..layer.bias + layer.outputs].iter().map(|u| u * 0.05));
            }
        }
        out
    }

    fn params_f64(&self, params: &[f32], net: usize) -> Vec<f64> {
        let count = self.mlp.param_count();
        params[net * count..(net + 1) * count].iter().map(|&p| f64::from(p)).collect()
    }

    pub fn coords_f64(&self) -> Vec<f64> {
        self.coords.iter().map(|&x| f64::from(x)).collect()
    }

    pub fn targets_f64(&self, net: usize) -> Vec<f64> {
        let each = self.targets.len() / self.nets;
        self.targets[net * each..(net + 1) * each].iter().map(|&x| f64::from(x)).collect()
    }

    pub fn reference_outputs(&self, params: &[f32]) -> Vec<f64> {
        (0..self.nets)
            .flat_map(|n| {
                reference::forward(&self.mlp, &self.params_f64(params, n), &self.coords_f64())
            })
            .collect()
    }

    pub fn reference_gradients(&self, params: &[f32]) -> Vec<f64> {
        (0..self.nets)
            .flat_map(|n| {
                let p = self.params_f64(params, n);
                reference::loss_and_gradient(
                    &self.mlp,
                    &p,
                    &self.coords_f64(),
                    &self.targets_f64(n),
                )
                .gradient
            })
            .collect()
    }

    /// The largest entry: gradients of one network differ by orders of magnitude between layers, and
    /// rounding follows the large ones.
    pub fn gradient_scale(&self, gradients: &[f64]) -> f64 {
        gradients.iter().fold(0.0, |m, g| m.max(g.abs()))
    }

    /// Parameters and loss of network `net` after `settings.max_steps` updates.
    pub fn reference_fit(
        &self,
        params: &[f32],
        net: usize,
        settings: &FitSettings,
    ) -> (Vec<f64>, f64) {
        let mut p = self.params_f64(params, net);
        let (coords, targets) = (self.coords_f64(), self.targets_f64(net));
        let mut adam = reference::Adam::new(p.len());
        for _ in 0..settings.max_steps {
            let g = reference::loss_and_gradient(&self.mlp, &p, &coords, &targets).gradient;
            adam.step(settings, &mut p, &g);
        }
        let loss = reference::loss_and_gradient(&self.mlp, &p, &coords, &targets).loss;
        (p, loss)
    }
}

/// Largest difference relative to `scale`; infinite for a NaN.
pub fn worst(got: &[f32], expected: &[f64], scale: f64) -> f64 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).fold(0.0, |worst, (a, b)| {
        let error = (f64::from(*a) - b).abs() / scale;
        if error.is_nan() { f64::INFINITY } else { f64::max(worst, error) }
    })
}
