//! Fitting a batch of networks to signals with full-batch Adam.
//!
//! Loss: mean over points and outputs of (f(x) - target)^2. At every step the loss of the current
//! parameters is evaluated first; a network whose loss is below the target stops there, and a
//! non-finite loss freezes it as diverged. What a network becomes depends on its identity, the seed,
//! its target and the settings, never on which other networks share its batch.

pub mod fused;
mod host;
mod pace;
mod snapshot;
pub mod tiled;

pub use snapshot::FitSnapshot;

use crate::eval::EvalError;
use crate::{Device, Mlp, MlpError};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use web_time::Duration;
use weightlab_gpu::GpuError;

/// Which network: the same (seed, object, view) gives the same initial parameters in any batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetId {
    /// Index of the signal in its source.
    pub object: u32,
    /// Which of several fits of that signal.
    pub view: u32,
}

/// The optimiser: Adam without weight decay (Kingma & Ba 2015).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitSettings {
    /// Learning rate.
    pub learning_rate: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// Most updates of one network.
    pub max_steps: u32,
    /// Stop a network once its PSNR exceeds this many dB.
    pub until_psnr: Option<f32>,
}

impl Default for FitSettings {
    /// The recipe of the published data sets: lr 5e-4, at most 1000 steps, stop above 40 dB.
    fn default() -> FitSettings {
        FitSettings {
            learning_rate: 5e-4,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            max_steps: 1000,
            until_psnr: Some(40.0),
        }
    }
}

impl FitSettings {
    /// Checks the numbers a user can get wrong.
    ///
    /// # Errors
    /// The first setting that makes no sense.
    pub fn validate(&self) -> Result<(), FitError> {
        let bad = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return bad("learning rate (--lr)", self.learning_rate, "finite and above 0");
        }
        for (name, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return bad(name, beta, "at least 0 and below 1");
            }
        }
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return bad("epsilon", self.epsilon, "finite and above 0");
        }
        match self.until_psnr {
            Some(db) if !db.is_finite() => bad("PSNR to stop at (--until-psnr)", db, "finite"),
            _ => Ok(()),
        }
    }

    /// The loss below which a network stops; 0 for never.
    fn target_mse(&self, mlp: &Mlp) -> f32 {
        self.until_psnr.map_or(0.0, |db| mlp.mse_at_psnr(f64::from(db)) as f32)
    }

    /// (lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t)) of step t, from 1.
    fn rates(&self, t: u32) -> [f32; 2] {
        let power = |beta: f32| 1.0 - f64::from(beta).powf(f64::from(t));
        [
            (f64::from(self.learning_rate) / power(self.beta1)) as f32,
            (1.0 / power(self.beta2).sqrt()) as f32,
        ]
    }
}

/// How far a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not finished.
    Running,
    /// Stopped at the wanted PSNR.
    ReachedTarget,
    /// All steps were done.
    StepsDone,
    /// Its loss became NaN or infinite; its parameters are those that gave it.
    Diverged,
}

/// State of one network of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetOutcome {
    /// How far it is.
    pub status: Status,
    /// Adam updates applied.
    pub steps: u32,
    /// Loss last evaluated, output units squared: of the stored parameters once it is not running.
    pub mse: f32,
}

/// Which kernels fit an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FitPath {
    /// Many steps per dispatch, by one workgroup or one invocation per network: widths to 64, 3 inputs, 3
    /// outputs.
    Fused,
    /// Tiled matrix products over the points, several dispatches per step: widths to 256.
    Tiled,
    /// No kernel: the processor, where there is no GPU.
    Host,
}

/// What a fit will take, known before anything is allocated.
#[derive(Clone, Debug, Serialize)]
pub struct FitPlan {
    /// Which kernels.
    pub path: FitPath,
    /// Most networks that one batch can hold within the device's limits.
    pub nets_per_batch: usize,
    /// Bytes of GPU buffers for a batch of the size asked for (at most `nets_per_batch`).
    pub bytes: u64,
    /// Specialisation chosen, for people.
    pub kernel: String,
    /// What of the specialisation fixes the bits of a result, on one device: the same for any number
    /// of networks, so that parts of a job can be compared.
    pub arithmetic: String,
}

/// Progress of a batch.
#[derive(Clone, Copy, Debug)]
pub struct FitProgress {
    /// Networks in the batch.
    pub nets: usize,
    /// Of these, not running any more.
    pub nets_done: usize,
    /// Updates applied so far, summed over networks.
    pub steps: u64,
    /// Mean loss over networks whose loss is finite.
    pub mse: f64,
    /// Whether every network is done.
    pub finished: bool,
}

/// Why a fit cannot start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FitError {
    /// The GPU.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The architecture.
    #[error(transparent)]
    Mlp(#[from] MlpError),
    /// Evaluation of the result.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A setting out of range.
    #[error("{name} = {value}; it must be {expected}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f32,
        /// What is possible.
        expected: &'static str,
    },
    /// Only sine networks are fitted.
    #[error("only sine networks can be fitted; this architecture uses another activation")]
    Activation,
    /// Data of the wrong length.
    #[error("{what}: {got} numbers, {expected} expected")]
    Length {
        /// Which argument.
        what: &'static str,
        /// Its length.
        got: usize,
        /// What it must be.
        expected: usize,
    },
    /// A number in the data is NaN or infinite.
    #[error("{what}: the number at index {index} is not finite")]
    NotFinite {
        /// Which argument.
        what: &'static str,
        /// Where.
        index: usize,
    },
    /// One network alone exceeds the device.
    #[error(
        "one network of {dims} on {points} points needs a buffer of {bytes} bytes; this device binds \
         at most {limit}. Use fewer points (--size) or narrower layers"
    )]
    TooLarge {
        /// The architecture.
        dims: String,
        /// Points per network.
        points: usize,
        /// Largest buffer of one network.
        bytes: u64,
        /// The device's limit.
        limit: u64,
    },
}

/// What a fit will take on this device.
///
/// # Errors
/// An architecture that cannot be fitted, or one network that alone exceeds the device.
pub fn plan_fit(
    device: impl Into<Device>,
    mlp: &Mlp,
    points: usize,
    nets: usize,
) -> Result<FitPlan, FitError> {
    mlp.validate()?;
    let Device::Gpu(gpu) = &device.into() else { return Ok(host::plan(nets)) };
    match fused::Form::choose(gpu, mlp, points) {
        Some(form) => fused::plan(gpu, mlp, &form, points, nets),
        None => tiled::plan(gpu, mlp, points, nets),
    }
}

/// Networks of one architecture on one coordinate grid, on a device.
#[derive(Debug)]
pub struct FitBatch {
    path: Path,
    outcomes: Vec<NetOutcome>,
}

/// Floating-point operations of one step of one network: a multiplication and an addition per weight
/// and point in each of three products (forward, gradient, back).
pub fn flop_per_step(mlp: &Mlp, points: usize) -> f64 {
    let weights: usize = mlp.dims.windows(2).map(|d| d[0] * d[1]).sum();
    6.0 * points as f64 * weights as f64
}

/// Which kernel a batch runs on.
#[derive(Clone, Debug)]
pub enum Kernel {
    /// What [`plan_fit`] says.
    Best,
    /// One of the fused kernels, specialised.
    Fused(fused::Form),
    /// The tiled kernels.
    Tiled,
}

#[derive(Debug)]
enum Path {
    Fused(Box<fused::Fused>),
    Tiled(Box<tiled::Tiled>),
    Host(Box<host::Host>),
}

/// The inputs of a fit, checked.
struct Problem<'a> {
    mlp: &'a Mlp,
    omega_0: f32,
    /// `[points, d_0]`
    coords: &'a [f32],
    /// `[nets, points, d_M]`
    targets: &'a [f32],
    settings: FitSettings,
    points: usize,
    nets: usize,
}

impl FitBatch {
    /// A batch with fresh parameters drawn for `ids` from `seed`.
    ///
    /// `coords` is `[points, d_0]`, and `targets` is `[nets, points, d_M]` in output units.
    ///
    /// # Errors
    /// Lengths that do not fit, numbers that are not finite, settings out of range, or the GPU.
    pub async fn new(
        device: impl Into<Device>,
        mlp: &Mlp,
        coords: &[f32],
        targets: &[f32],
        ids: &[NetId],
        seed: u64,
        settings: &FitSettings,
    ) -> Result<FitBatch, FitError> {
        let device = &device.into();
        let params = crate::init::init(device, mlp, ids, seed).await?;
        FitBatch::from_params(device, mlp, coords, targets, &params, settings)
    }

    /// A batch that starts at given parameters, `[nets, P]`.
    ///
    /// # Errors
    /// As [`FitBatch::new`].
    pub fn from_params(
        device: impl Into<Device>,
        mlp: &Mlp,
        coords: &[f32],
        targets: &[f32],
        params: &[f32],
        settings: &FitSettings,
    ) -> Result<FitBatch, FitError> {
        FitBatch::with_kernel(device, mlp, coords, targets, params, settings, Kernel::Best)
    }

    /// As [`FitBatch::from_params`] on a given kernel, which must suit the architecture: for tests and
    /// comparisons. The processor has none to choose from.
    ///
    /// # Errors
    /// As [`FitBatch::new`].
    pub fn with_kernel(
        device: impl Into<Device>,
        mlp: &Mlp,
        coords: &[f32],
        targets: &[f32],
        params: &[f32],
        settings: &FitSettings,
        kernel: Kernel,
    ) -> Result<FitBatch, FitError> {
        FitBatch::build(&device.into(), mlp, coords, targets, params, settings, kernel)
    }

    /// [`FitBatch::with_kernel`], compiled once.
    fn build(
        device: &Device,
        mlp: &Mlp,
        coords: &[f32],
        targets: &[f32],
        params: &[f32],
        settings: &FitSettings,
        kernel: Kernel,
    ) -> Result<FitBatch, FitError> {
        mlp.validate()?;
        settings.validate()?;
        let crate::Activation::Sine { omega_0 } = mlp.activation else {
            return Err(FitError::Activation);
        };
        let nets = params.len() / mlp.param_count();
        let points = coords.len() / mlp.inputs();
        let lengths = [
            ("parameters", params.len(), nets.max(1) * mlp.param_count()),
            ("coordinates", coords.len(), points.max(1) * mlp.inputs()),
            ("targets", targets.len(), nets * points * mlp.outputs()),
        ];
        for (what, got, expected) in lengths {
            if got != expected {
                return Err(FitError::Length { what, got, expected });
            }
        }
        for (what, data) in [("parameters", params), ("coordinates", coords), ("targets", targets)]
        {
            if let Some(index) = data.iter().position(|x| !x.is_finite()) {
                return Err(FitError::NotFinite { what, index });
            }
        }
        let problem = Problem { mlp, omega_0, coords, targets, settings: *settings, points, nets };
        let path = match device {
            Device::Host => Path::Host(Box::new(host::Host::new(&problem, params))),
            Device::Gpu(gpu) => {
                let form = match kernel {
                    Kernel::Best => fused::Form::choose(gpu, mlp, points),
                    Kernel::Fused(form) => Some(form),
                    Kernel::Tiled => None,
                };
                match form {
                    Some(form) => {
                        Path::Fused(Box::new(fused::Fused::new(gpu, &problem, form, params)?))
                    }
                    None => Path::Tiled(Box::new(tiled::Tiled::new(gpu, &problem, params)?)),
                }
            }
        };
        let running = NetOutcome { status: Status::Running, steps: 0, mse: f32::NAN };
        Ok(FitBatch { path, outcomes: vec![running; nets] })
    }

    /// One bounded slice of work (tens of milliseconds), then fresh outcomes of every network.
    ///
    /// # Errors
    /// The GPU.
    pub async fn advance(&mut self) -> Result<FitProgress, FitError> {
        match &mut self.path {
            Path::Fused(fused) => fused.advance(&mut self.outcomes).await?,
            Path::Tiled(tiled) => tiled.advance(&mut self.outcomes).await?,
            Path::Host(host) => host.advance(&mut self.outcomes),
        }
        Ok(self.progress())
    }

    /// Progress as of the last [`FitBatch::advance`].
    pub fn progress(&self) -> FitProgress {
        let nets_done = self.outcomes.iter().filter(|o| o.status != Status::Running).count();
        let finite: Vec<f64> =
            self.outcomes.iter().map(|o| f64::from(o.mse)).filter(|m| m.is_finite()).collect();
        FitProgress {
            nets: self.outcomes.len(),
            nets_done,
            steps: self.outcomes.iter().map(|o| u64::from(o.steps)).sum(),
            mse: finite.iter().sum::<f64>() / finite.len() as f64,
            finished: nets_done == self.outcomes.len(),
        }
    }

    /// State of every network.
    pub fn outcomes(&self) -> &[NetOutcome] {
        &self.outcomes
    }

    /// Fixes the work of a slice, instead of adapting it to the time it takes: for tests and benchmarks.
    /// The unit is a step of a network on the fused path, and a chunk of points of a group of networks on
    /// the tiled path.
    pub fn fix_slices(&mut self, units: u64) {
        match &mut self.path {
            Path::Fused(fused) => fused.fix_slices(units),
            Path::Tiled(tiled) => tiled.fix_slices(units),
            // The clock cuts its slices, and nothing in a result depends on where.
            Path::Host(_) => {}
        }
    }

    /// The longest slice of work so far, waiting for its result included: what cancelling may have
    /// to wait for. The first slice of a kernel, in which the driver compiles it, does not count.
    pub fn longest_slice(&self) -> Duration {
        match &self.path {
            Path::Fused(fused) => fused.longest_slice(),
            Path::Tiled(tiled) => tiled.longest_slice(),
            Path::Host(host) => host.longest_slice(),
        }
    }

    /// Parameters, `[nets, P]`.
    ///
    /// # Errors
    /// The GPU.
    pub async fn params(&self) -> Result<Vec<f32>, FitError> {
        match &self.path {
            Path::Fused(fused) => fused.params().await,
            Path::Tiled(tiled) => tiled.params().await,
            Path::Host(host) => Ok(host.params()),
        }
    }
}

/// Gradient `[nets, P]` of the loss at `params`, by the same kernels that fit. Arguments as
/// [`FitBatch::from_params`].
///
/// It is the first moment after one step with beta1 = 0, which is the gradient to the last bit.
///
/// # Errors
/// As [`FitBatch::new`].
pub async fn gradient(
    device: impl Into<Device>,
    mlp: &Mlp,
    coords: &[f32],
    targets: &[f32],
    params: &[f32],
) -> Result<Vec<f32>, FitError> {
    gradient_by(device, mlp, coords, targets, params, Kernel::Best).await
}

/// As [`gradient`], by a given kernel.
///
/// # Errors
/// As [`FitBatch::new`].
pub async fn gradient_by(
    device: impl Into<Device>,
    mlp: &Mlp,
    coords: &[f32],
    targets: &[f32],
    params: &[f32],
    kernel: Kernel,
) -> Result<Vec<f32>, FitError> {
    let settings =
        FitSettings { beta1: 0.0, max_steps: 1, until_psnr: None, ..FitSettings::default() };
    let mut batch = FitBatch::with_kernel(device, mlp, coords, targets, params, &settings, kernel)?;
    while !batch.advance().await?.finished {}
    let [first, _] = batch.moments().await?;
    Ok(first)
}

/// A network's state as the kernels keep it (`NetState` in the shaders).
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct GpuState {
    status: u32,
    steps: u32,
    mse: f32,
    pad: u32,
}

impl GpuState {
    fn of(outcome: &NetOutcome) -> GpuState {
        let status = match outcome.status {
            Status::Running => 0,
            Status::ReachedTarget => 1,
            Status::StepsDone => 2,
            Status::Diverged => 3,
        };
        GpuState { status, steps: outcome.steps, mse: outcome.mse, pad: 0 }
    }

    fn outcome(self) -> NetOutcome {
        let status = match self.status {
            0 => Status::Running,
            1 => Status::ReachedTarget,
            2 => Status::StepsDone,
            _ => Status::Diverged,
        };
        NetOutcome { status, steps: self.steps, mse: self.mse }
    }
}
