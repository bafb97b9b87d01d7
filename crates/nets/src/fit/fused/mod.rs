//! The fused fit: many Adam steps of every network in one dispatch.
//!
//! Two kernels do that. On GPUs a workgroup owns a network ([`workgroup`]); on software renderers, if networks are
//! small, a vector of invocations owns as many networks as it has lanes ([`lanes`]), and larger ones are tiled. This file chooses, holds the
//! buffers and paces the dispatches.

pub mod lanes;
pub mod workgroup;

pub use lanes::Lanes;
pub use workgroup::{Placement, Shape};

use super::pace::Pace;
use super::{
    FitError, FitPath, FitPlan, FitSettings, FitSnapshot, GpuState, NetOutcome, Problem, Status,
};
use crate::Mlp;
use crate::layers::planar;
use std::sync::Arc;
use web_time::Duration;
use weightlab_gpu::{Buffer, Gpu, GpuError, Pipeline};

/// Most steps of one dispatch: the length of the schedule.
const MAX_STEPS: usize = 64;

/// Mesa's llvmpipe silently ends all loops of an invocation after 65,535 iterations in total. Every
/// CPU adapter is held below that; see [`Form::most_steps`].
const CPU_LOOP_BUDGET: u64 = 60_000;

/// Most workgroups that have scratch at the same time. Enough to fill any GPU with those shapes that
/// need scratch, which have 64 threads and long steps.
const MAX_SLOTS: u64 = 256;

/// A kernel, specialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A workgroup owns a network.
    Workgroup(Shape),
    /// An invocation owns a network.
    Lanes(Lanes),
}

impl Form {
    /// The best fused kernel for this architecture on this device; None if none can take the architecture or that
    /// many points, or if the tiled path is faster. It does not depend on the number of networks, so that their results do not.
    pub fn choose(gpu: &Gpu, mlp: &Mlp, points: usize) -> Option<Form> {
        if gpu.is_cpu() {
            let in_browser = gpu.report().backend == "browser webgpu";
            let vector = if in_browser { Lanes::SWIFTSHADER } else { Lanes::MESA };
            // What the lane kernel does not take is left to the tiled path, whose kernels for software renderers are
            // twice as fast there as the workgroup kernel, and compile in a fraction of its time.
            Lanes::choose(mlp, points, vector).map(Form::Lanes)
        } else {
            Shape::choose(gpu, mlp, points).map(Form::Workgroup)
        }
    }

    fn pipeline(&self, gpu: &Gpu) -> Result<Arc<Pipeline>, GpuError> {
        match self {
            Form::Workgroup(shape) => {
                let (shader, constants) = shape.kernel();
                gpu.pipeline(shader, &constants)
            }
            Form::Lanes(lanes) => gpu.pipeline(lanes.kernel(), &[]),
        }
    }

    /// Specialisation, for people.
    fn description(&self) -> String {
        match self {
            Form::Workgroup(shape) => format!(
                "fused, {:?} memory, {} threads, tiles of {} points",
                shape.placement,
                shape.gn * shape.gp,
                shape.tile_points()
            )
            .to_lowercase(),
            Form::Lanes(lanes) => {
                format!("fused, a lane per network, vectors of {}", lanes.vector())
            }
        }
    }

    /// Networks of a workgroup.
    fn nets_per_group(&self) -> usize {
        match self {
            Form::Workgroup(_) => 1,
            Form::Lanes(lanes) => lanes.vector(),
        }
    }

    /// vec4 of one network's parameters.
    fn param_quads(&self) -> usize {
        match self {
            Form::Workgroup(shape) => shape.param_quads() as usize,
            Form::Lanes(lanes) => lanes.param_quads() as usize,
        }
    }

    /// Index in floats of every parameter of `mlp` within the kernel's layout, in parameter order.
    fn positions(&self, mlp: &Mlp) -> Vec<usize> {
        match self {
            Form::Workgroup(shape) => shape.positions(mlp),
            Form::Lanes(_) => (0..mlp.param_count()).collect(),
        }
    }

    /// Points as the kernel counts them: whole tiles.
    fn padded(&self, points: usize) -> usize {
        match self {
            Form::Workgroup(shape) => shape.tiles(points) * shape.tile_points(),
            Form::Lanes(_) => points,
        }
    }

    /// Data of one signal, `[points, channels]`, as the kernel reads it.
    fn signal(&self, data: &[f32], channels: usize) -> Vec<f32> {
        match self {
            Form::Workgroup(_) => planar(data, channels, self.padded(data.len() / channels)),
            Form::Lanes(_) => data.to_vec(),
        }
    }

    fn scratch_quads(&self) -> u32 {
        match self {
            Form::Workgroup(shape) => shape.scratch_quads(),
            Form::Lanes(_) => 0,
        }
    }

    /// Most steps of a dispatch that a software renderer executes in full.
    fn most_steps(&self, points: usize) -> u32 {
        let (once, each) = match self {
            Form::Workgroup(shape) => (0, shape.iterations_per_step(points)),
            Form::Lanes(lanes) => lanes.iterations(points),
        };
        (CPU_LOOP_BUDGET.saturating_sub(once) / each).max(1) as u32
    }

    /// Bytes per network of the largest buffer, and of all buffers together with what networks share.
    fn bytes(&self, mlp: &Mlp, points: usize, nets: u64) -> (u64, u64) {
        let padded = self.padded(points) as u64;
        let params = self.param_quads() as u64 * 16;
        let targets = mlp.outputs() as u64 * padded * 4;
        let last = match self {
            Form::Workgroup(shape) => nets.min(MAX_SLOTS) * u64::from(shape.scratch_quads()) * 16,
            Form::Lanes(_) => size_of::<Schedule>() as u64,
        };
        let largest = (2 * params).max(targets);
        let shared = mlp.inputs() as u64 * padded * 4 + last;
        (largest, nets * (3 * params + targets + 16 + 4) + shared)
    }
}

impl From<Shape> for Form {
    fn from(shape: Shape) -> Form {
        Form::Workgroup(shape)
    }
}

impl From<Lanes> for Form {
    fn from(lanes: Lanes) -> Form {
        Form::Lanes(lanes)
    }
}

pub(super) fn plan(
    gpu: &Gpu,
    mlp: &Mlp,
    form: &Form,
    points: usize,
    nets: usize,
) -> Result<FitPlan, FitError> {
    let limit = gpu.report().max_binding_bytes;
    let (largest, _) = form.bytes(mlp, points, 1);
    if largest > limit {
        let dims = mlp.dims_text();
        return Err(FitError::TooLarge { dims, points, bytes: largest, limit });
    }
    let nets_per_batch = usize::try_from(limit / largest).unwrap_or(usize::MAX);
    let (_, bytes) = form.bytes(mlp, points, nets.min(nets_per_batch) as u64);
    let kernel = form.description();
    Ok(FitPlan { path: FitPath::Fused, nets_per_batch, bytes, arithmetic: kernel.clone(), kernel })
}

/// `FitParams` of the shaders, without the schedule.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct FitParams {
    nets: u32,
    points: u32,
    tiles: u32,
    steps: u32,
    max_steps: u32,
    omega: f32,
    offset: f32,
    target_mse: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    epsilon: f32,
    grad_scale: f32,
    loss_scale: f32,
    scratch_stride: u32,
    pad: u32,
}

/// Of each step of a dispatch what [`FitSettings::rates`] gives, as `fit_lanes.wgsl` reads it.
type Schedule = [[f32; 2]; MAX_STEPS];

/// The block of `fit_fused.wgsl`, whose schedule is in the block itself.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct FitParamsWithSchedule {
    params: FitParams,
    schedule: [[f32; 4]; MAX_STEPS],
}

/// A batch on the fused path.
#[derive(Debug)]
pub(super) struct Fused {
    gpu: Gpu,
    mlp: Mlp,
    form: Form,
    settings: FitSettings,
    pipeline: Arc<Pipeline>,
    base: FitParams,
    active: Buffer,
    coords: Buffer,
    targets: Buffer,
    params: Buffer,
    moments: Buffer,
    states: Buffer,
    /// Scratch of `fit_fused.wgsl`, or the schedule of `fit_lanes.wgsl`.
    last: Buffer,
    nets: usize,
    /// Most networks of one dispatch.
    slots: usize,
    /// Networks still running, in order.
    running: Vec<u32>,
    /// A round advances every running network by `round_steps`, slice by slice; the next slice starts
    /// at `cursor`.
    cursor: usize,
    round_steps: u32,
    /// Most steps of a round, if the caller wants fewer than fill a slice.
    most_steps: Option<u32>,
    /// Updates applied to every running network before this round.
    steps_done: u32,
    pace: Pace,
    /// Whether the kernel has run.
    compiled: bool,
}

impl Fused {
    pub(super) fn new(
        gpu: &Gpu,
        problem: &Problem<'_>,
        form: Form,
        params: &[f32],
    ) -> Result<Fused, FitError> {
        let Problem { mlp, settings, points, nets, .. } = *problem;
        // Refuses what would not fit before anything is allocated.
        plan(gpu, mlp, &form, points, nets)?;
        let pipeline = form.pipeline(gpu)?;

        let floats = 4 * form.param_quads();
        let mut packed = vec![0f32; nets * floats];
        pack(&form.positions(mlp), params, &mut packed, floats);
        let states = vec![GpuState { status: 0, steps: 0, mse: f32::NAN, pad: 0 }; nets];
        let scale = 1.0 / (points as f64 * mlp.outputs() as f64);
        let base = FitParams {
            nets: 0,
            points: points as u32,
            tiles: match &form {
                Form::Workgroup(shape) => shape.tiles(points) as u32,
                Form::Lanes(_) => 0,
            },
            steps: 0,
            max_steps: settings.max_steps,
            omega: problem.omega_0,
            offset: mlp.output_offset,
            target_mse: settings.target_mse(mlp),
            one_minus_beta1: (1.0 - f64::from(settings.beta1)) as f32,
            beta2: settings.beta2,
            one_minus_beta2: (1.0 - f64::from(settings.beta2)) as f32,
            epsilon: settings.epsilon,
            grad_scale: (2.0 * scale) as f32,
            loss_scale: scale as f32,
            scratch_stride: form.scratch_quads(),
            pad: 0,
        };
        let slots = if base.scratch_stride == 0 { nets } else { nets.min(MAX_SLOTS as usize) };
        let last = match &form {
            Form::Workgroup(_) => {
                gpu.buffer("scratch", slots as u64 * u64::from(base.scratch_stride) * 16)?
            }
            Form::Lanes(_) => gpu.buffer("schedule", size_of::<Schedule>() as u64)?,
        };
        let channels = mlp.outputs();
        let targets: Vec<f32> = problem
            .targets
            .chunks_exact(points * channels)
            .flat_map(|net| form.signal(net, channels))
            .collect();
        let moments = gpu.buffer("moments", (nets * floats * 8) as u64)?;
        gpu.write(&moments, 0, &vec![0f32; nets * floats * 2]);
        Ok(Fused {
            gpu: gpu.clone(),
            mlp: mlp.clone(),
            settings,
            pipeline,
            base,
            active: gpu.buffer("active nets", nets as u64 * 4)?,
            coords: gpu.upload("coordinates", &form.signal(problem.coords, mlp.inputs()))?,
            targets: gpu.upload("targets", &targets)?,
            params: gpu.upload("parameters", &packed)?,
            moments,
            states: gpu.upload("states", &states)?,
            last,
            form,
            nets,
            slots,
            running: (0..nets as u32).collect(),
            cursor: 0,
            round_steps: 0,
            most_steps: None,
            steps_done: 0,
            pace: Pace::new(gpu, super::flop_per_step(mlp, points)),
            compiled: false,
        })
    }

    /// One slice: some steps of some of the running networks.
    pub(super) async fn advance(&mut self, outcomes: &mut [NetOutcome]) -> Result<(), FitError> {
        if self.running.is_empty() {
            return Ok(());
        }
        let units = self.pace.units();
        if self.cursor == 0 {
            self.round_steps = self.steps_for(units);
        }
        let nets = self.nets_for(units);
        let slice = &self.running[self.cursor..self.cursor + nets];
        self.gpu.write(&self.active, 0, slice);
        self.pace.start(u64::from(self.round_steps) * nets as u64);
        self.dispatch(nets)?;
        self.cursor += nets;

        let end_of_round = self.cursor == self.running.len();
        if end_of_round {
            let states: Vec<GpuState> = self.gpu.read(&self.states, 0, self.nets).await?;
            self.stop();
            for (outcome, state) in outcomes.iter_mut().zip(states) {
                *outcome = state.outcome();
            }
            self.running.retain(|&net| outcomes[net as usize].status == Status::Running);
            self.steps_done += self.round_steps;
            self.cursor = 0;
        } else {
            self.gpu.finish().await?;
            self.stop();
        }
        Ok(())
    }

    /// The slice is done. In the first one the driver may have compiled the kernel.
    fn stop(&mut self) {
        if std::mem::replace(&mut self.compiled, true) {
            self.pace.stop();
        } else {
            self.pace.skip();
        }
    }

    /// Submits `round_steps` steps of the first `nets` active networks.
    fn dispatch(&self, nets: usize) -> Result<(), GpuError> {
        let params = FitParams { nets: nets as u32, steps: self.round_steps, ..self.base };
        let mut schedule: Schedule = [[0.0; 2]; MAX_STEPS];
        for (s, rates) in schedule.iter_mut().take(self.round_steps as usize).enumerate() {
            *rates = self.settings.rates(self.steps_done + s as u32 + 1);
        }
        let buffers = [
            &self.active,
            &self.coords,
            &self.targets,
            &self.params,
            &self.moments,
            &self.states,
            &self.last,
        ];
        let groups = nets.div_ceil(self.form.nets_per_group()) as u32;
        let mut recording = self.gpu.record();
        match self.form {
            Form::Workgroup(_) => {
                let schedule = schedule.map(|[rate, correction]| [rate, correction, 0.0, 0.0]);
                let block = FitParamsWithSchedule { params, schedule };
                recording.dispatch_linear(&self.pipeline, &block, &buffers, groups);
            }
            Form::Lanes(_) => {
                self.gpu.write(&self.last, 0, &schedule);
                recording.dispatch_linear(&self.pipeline, &params, &buffers, groups);
            }
        }
        recording.submit()
    }

    /// Steps of a round: as many as fill a slice with all running networks, within the limits.
    ///
    /// On a GPU at most twice those of the round before, 1 at first: one network is one workgroup, and what that does in a second is not
    /// known from the rate of the device until few networks have been measured.
    fn steps_for(&self, units: u64) -> u32 {
        let most = u64::from(self.most_steps.unwrap_or(u32::MAX)).clamp(1, MAX_STEPS as u64);
        let steps = (units / self.running.len() as u64).clamp(1, most) as u32;
        if self.gpu.is_cpu() {
            steps.min(self.form.most_steps(self.base.points as usize))
        } else {
            steps.min((2 * self.round_steps).max(1))
        }
    }

    /// Networks of a slice of this round: whole workgroups while there are enough.
    fn nets_for(&self, units: u64) -> usize {
        let group = self.form.nets_per_group();
        let nets = (units / u64::from(self.round_steps)) as usize / group * group;
        nets.max(group).min(self.running.len() - self.cursor).min(self.slots)
    }

    pub(super) fn fix_slices(&mut self, units: u64) {
        self.pace.fix(units);
    }

    pub(super) fn longest_slice(&self) -> Duration {
        self.pace.longest()
    }

    pub(super) async fn params(&self) -> Result<Vec<f32>, FitError> {
        let floats = 4 * self.form.param_quads();
        let packed: Vec<f32> = self.gpu.read(&self.params, 0, self.nets * floats).await?;
        Ok(self.unpack(&packed, floats))
    }

    /// First and second moments, `[nets, P]` each.
    pub(super) async fn moments(&self) -> Result<[Vec<f32>; 2], FitError> {
        let floats = 4 * self.form.param_quads();
        let packed: Vec<f32> = self.gpu.read(&self.moments, 0, self.nets * floats * 2).await?;
        Ok([0, floats].map(|half| self.unpack(&packed[half..], floats * 2)))
    }

    pub(super) fn is_even(&self) -> bool {
        self.cursor == 0
    }

    pub(super) fn limit_steps(&mut self, most: Option<u32>) {
        self.most_steps = most;
    }

    /// Takes over everything but the parameters.
    pub(super) fn restore(&mut self, snapshot: &FitSnapshot) {
        let floats = 4 * self.form.param_quads();
        let mut packed = vec![0f32; self.nets * floats * 2];
        for (half, moments) in [0, floats].into_iter().zip(&snapshot.moments) {
            pack(&self.form.positions(&self.mlp), moments, &mut packed[half..], floats * 2);
        }
        self.gpu.write(&self.moments, 0, &packed);
        let states: Vec<GpuState> = snapshot.outcomes.iter().map(GpuState::of).collect();
        self.gpu.write(&self.states, 0, &states);
        self.running = snapshot.running();
        self.steps_done = snapshot.steps_done();
    }

    /// Parameter vectors from the kernel's layout, of which one network takes `stride` floats.
    fn unpack(&self, packed: &[f32], stride: usize) -> Vec<f32> {
        let positions = self.form.positions(&self.mlp);
        packed.chunks(stride).flat_map(|net| positions.iter().map(|&at| net[at])).collect()
    }
}

/// Parameter vectors into the kernel's layout, of which one network takes `stride` floats.
fn pack(positions: &[usize], plain: &[f32], packed: &mut [f32], stride: usize) {
    for (net, into) in plain.chunks_exact(positions.len()).zip(packed.chunks_mut(stride)) {
        for (value, &at) in net.iter().zip(positions) {
            into[at] = *value;
        }
    }
}
