//! The optimiser on the GPU. Kernels: `shaders/tensor/{accumulate,gradient_norm,verdict,update}.wgsl`.

use crate::error::TensorError;
use crate::store::{Optimizer, ParamStore};
use std::sync::Arc;
use weightlab_gpu::{Buffer, Gpu, GpuError, Pipeline, Prepared};
use weightlab_kernels::{self as kernels, Shader};

/// What comes anew with every update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpdateSettings {
    /// Learning rate.
    pub lr: f32,
    /// Weight decay.
    pub weight_decay: f32,
    /// Number of this update, from 1.
    pub step: u32,
    /// Scale the gradients down so that the norm of all together is at most this.
    pub clip_norm: Option<f32>,
}

/// Learning rate with a linear warm-up: `base step / steps` below step `steps` (counted from 1), then `base`.
pub fn warm_up(base: f32, step: u32, steps: u32) -> f32 {
    if step < steps { (f64::from(base) * f64::from(step) / f64::from(steps)) as f32 } else { base }
}

/// What the last update met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientReport {
    /// Euclidean norm of all gradients, before clipping.
    pub norm: f32,
    /// Whether it was finite. If not, parameters and moments were left alone.
    pub finite: bool,
    /// Updates left out so far for that reason.
    pub skipped: u32,
}

/// `Settings` of `update.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Settings {
    rate: f32,
    correction: f32,
    decay: f32,
    l2: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    epsilon: f32,
    momentum: f32,
    clip: f32,
    weight: f32,
    keep: f32,
}

/// Arenas of moments that the kernel binds.
const MOMENTS: usize = 3;
/// Partial sums of the norm.
const PARTS: usize = 256;

/// Updates all parameters of a store: three dispatches, of which one writes parameters.
#[derive(Debug)]
pub struct Updater {
    gpu: Gpu,
    optimizer: Optimizer,
    settings: Buffer,
    verdict: Buffer,
    update: Prepared,
    /// The same on the sum of micro-batches, and the call that adds to it.
    summed: Option<(Prepared, Prepared)>,
    use_sum: bool,
}

impl Updater {
    /// For runs whose gradients are used as they are.
    ///
    /// # Errors
    /// The GPU.
    pub fn new(gpu: &Gpu, store: &ParamStore) -> Result<Updater, TensorError> {
        Self::make(gpu, store, false)
    }

    /// For sums over micro-batches: takes memory for one more gradient.
    ///
    /// # Errors
    /// The GPU.
    pub fn with_micro_batches(gpu: &Gpu, store: &ParamStore) -> Result<Updater, TensorError> {
        Self::make(gpu, store, true)
    }

    /// GPU bytes beside the store's.
    pub fn bytes(store: &ParamStore, micro_batches: bool) -> u64 {
        let sum = if micro_batches { crate::plan::bytes_of(store.places()) } else { 0 };
        let blocks: u64 = if micro_batches { 2 } else { 1 };
        sum + (size_of::<Settings>() as u64).next_multiple_of(16)
            + 16
            + 4 * PARTS as u64
            + 16 * (MOMENTS - store.optimizer().moments()) as u64
            + blocks * weightlab_gpu::Recording::uniform_bytes([16, 16, 16])
            + if micro_batches { weightlab_gpu::Recording::uniform_bytes([16]) } else { 0 }
    }

    fn make(gpu: &Gpu, store: &ParamStore, micro_batches: bool) -> Result<Updater, TensorError> {
        let optimizer = *store.optimizer();
        let settings = gpu.upload("update settings", &[Settings::default()])?;
        let verdict = gpu.upload("update verdict", &[0u32; 4])?;
        let parts = gpu.buffer("norm", 4 * PARTS as u64)?;
        // A binding for each moment that the optimiser does not have.
        let nothing = (optimizer.moments()..MOMENTS)
            .map(|_| gpu.buffer("no moments", 16))
            .collect::<Result<Vec<_>, _>>()?;
        let [values, gradients, _] = store.arenas();
        let quads = (store.places() / 4) as u32;
        let block = [quads, PARTS as u32, 0, 0];
        let moments: Vec<&Buffer> = store.moment_buffers().iter().chain(&nothing).collect();
        let prepare = |gradients: &Buffer| -> Result<Prepared, TensorError> {
            let mut recording = gpu.record();
            let norm = gpu.pipeline(&kernels::TENSOR_GRADIENT_NORM, &[])?;
            recording.dispatch(&norm, &block, &[gradients, &parts], [PARTS as u32, 1, 1]);
            let judge = gpu.pipeline(&kernels::TENSOR_VERDICT, &[])?;
            recording.dispatch(&judge, &block, &[&parts, &settings, &verdict], [1, 1, 1]);
            let buffers =
                [gradients, &settings, &verdict, &values, moments[0], moments[1], moments[2]];
            let update = pipeline(gpu, &optimizer)?;
            recording.dispatch_linear(&update, &block, &buffers, quads.div_ceil(64));
            Ok(recording.prepare()?)
        };
        let update = prepare(&gradients)?;
        let summed = if micro_batches {
            let sum = gpu.upload("sum of gradients", &vec![0f32; store.places()])?;
            let mut recording = gpu.record();
            let add = gpu.pipeline(&kernels::TENSOR_ACCUMULATE, &[])?;
            recording.dispatch_linear(
                &add,
                &block,
                &[&gradients, &settings, &sum],
                quads.div_ceil(64),
            );
            Some((prepare(&sum)?, recording.prepare()?))
        } else {
            None
        };
        Ok(Updater {
            gpu: gpu.clone(),
            optimizer,
            settings,
            verdict,
            update,
            summed,
            use_sum: false,
        })
    }

    /// Dispatches of an update.
    pub fn dispatches(&self) -> usize {
        self.update.len()
    }

    /// Adds `weight` times the gradients of the last run to the sum that the next update uses; the `first` of a sum
    /// begins it. Weights of a mean are the micro-batches' shares.
    ///
    /// # Errors
    /// The GPU.
    ///
    /// # Panics
    /// If this was not made [`with_micro_batches`](Updater::with_micro_batches).
    pub fn accumulate(&mut self, weight: f32, first: bool) -> Result<(), TensorError> {
        let (_, add) = self.summed.as_ref().expect("made with micro-batches");
        let settings = Settings { weight, keep: f32::from(!first), ..Settings::default() };
        self.gpu.write(&self.settings, 0, &[settings]);
        self.use_sum = true;
        Ok(add.submit()?)
    }

    /// One update of all parameters. Does not wait. A norm that is not finite leaves everything as it is.
    ///
    /// # Errors
    /// The GPU.
    pub fn step(&mut self, settings: &UpdateSettings) -> Result<(), TensorError> {
        let block = block(&self.optimizer, settings);
        self.gpu.write(&self.settings, 0, &[block]);
        let prepared = match &self.summed {
            Some((update, _)) if std::mem::take(&mut self.use_sum) => update,
            _ => &self.update,
        };
        Ok(prepared.submit()?)
    }

    /// What the last update met.
    ///
    /// # Errors
    /// The GPU.
    pub async fn verdict(&self) -> Result<GradientReport, TensorError> {
        let words: Vec<u32> = self.gpu.read(&self.verdict, 0, 4).await?;
        Ok(GradientReport {
            norm: f32::from_bits(words[0]),
            finite: words[2] != 0,
            skipped: words[3],
        })
    }
}

fn pipeline(gpu: &Gpu, optimizer: &Optimizer) -> Result<Arc<Pipeline>, GpuError> {
    let (kind, amsgrad) = match *optimizer {
        Optimizer::Sgd { .. } => (0, false),
        Optimizer::Adam { amsgrad, .. } | Optimizer::AdamW { amsgrad, .. } => (1, amsgrad),
    };
    gpu.pipeline(&kernels::TENSOR_UPDATE, &[("KIND", kind), ("AMSGRAD", amsgrad.into())])
}

/// Corrections and products of settings are made in f64, as PyTorch makes them.
fn block(optimizer: &Optimizer, settings: &UpdateSettings) -> Settings {
    let UpdateSettings { lr, weight_decay, step, clip_norm } = *settings;
    let clip = clip_norm.unwrap_or(f32::INFINITY).min(f32::MAX);
    let adam = |beta1: f32, beta2: f32, epsilon: f32, apart: bool| {
        let power = |beta: f32| 1.0 - f64::from(beta).powf(f64::from(step));
        Settings {
            rate: (f64::from(lr) / power(beta1)) as f32,
            correction: (1.0 / power(beta2).sqrt()) as f32,
            decay: if apart { (f64::from(lr) * f64::from(weight_decay)) as f32 } else { 0.0 },
            l2: if apart { 0.0 } else { weight_decay },
            one_minus_beta1: (1.0 - f64::from(beta1)) as f32,
            beta2,
            one_minus_beta2: (1.0 - f64::from(beta2)) as f32,
            epsilon,
            clip,
            ..Settings::default()
        }
    };
    match *optimizer {
        Optimizer::Sgd { momentum } => {
            Settings { rate: lr, l2: weight_decay, momentum, clip, ..Settings::default() }
        }
        Optimizer::Adam { beta1, beta2, epsilon, .. } => adam(beta1, beta2, epsilon, false),
        Optimizer::AdamW { beta1, beta2, epsilon, .. } => adam(beta1, beta2, epsilon, true),
    }
}

/// Specialisations of the kernels.
pub(crate) fn variants(add: &mut impl FnMut(&'static Shader, &[(&'static str, u32)])) {
    for (kind, amsgrad) in [(0, 0), (1, 0), (1, 1)] {
        add(&kernels::TENSOR_UPDATE, &[("KIND", kind), ("AMSGRAD", amsgrad)]);
    }
}
