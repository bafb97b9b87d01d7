//! The tiled fit: matrix products over all points of a signal, several dispatches per step.
//!
//! For wide networks and large signals, where one workgroup per network is too little. Points go
//! through in chunks and networks in groups, so that memory and the length of a slice are bounded;
//! sums over points are made in a fixed order.

use super::pace::Pace;
use super::{
    FitError, FitPath, FitPlan, FitSettings, FitSnapshot, GpuState, NetOutcome, Problem, Status,
};
use crate::Mlp;
use crate::layers::{Layers, TILE, Work, planar, points_at_once};
use std::sync::Arc;
use web_time::Duration;
use weightlab_gpu::{Buffer, Gpu, Pipeline, Recording};
use weightlab_kernels as kernels;

/// Points of a block of `output_error.wgsl`.
const BLOCK: usize = 1024;

/// How a fit is cut. A unit of work is one chunk of points of one group of networks.
#[derive(Clone, Debug)]
struct Cut {
    /// Points of a chunk, a multiple of [`TILE`].
    chunk: usize,
    /// Chunks of a signal.
    chunks: usize,
    /// Networks of a group.
    slots: usize,
    /// Points of a gradient segment.
    segment: usize,
    /// Gradient segments of a chunk, each with a copy of the gradient.
    segments: usize,
    /// Loss blocks of a signal.
    blocks: usize,
}

impl Cut {
    fn new(gpu: &Gpu, mlp: &Mlp, points: usize, nets: usize) -> Cut {
        let at_once = points_at_once(gpu, mlp, 3);
        let padded = points.next_multiple_of(TILE);
        let chunk = padded.min(at_once);
        let chunks = padded.div_ceil(chunk);
        // Up to 32 copies of the gradient keep many workgroups busy without flooding memory.
        let segment = chunk.div_ceil(32).next_multiple_of(TILE).clamp(256.min(chunk), chunk);
        Cut {
            chunk,
            chunks,
            slots: (at_once / chunk).clamp(1, nets.max(1)),
            segment,
            segments: chunk.div_ceil(segment),
            blocks: chunks * chunk.div_ceil(BLOCK),
        }
    }

    /// (label, bytes) of every buffer for `nets` networks.
    fn buffers(&self, mlp: &Mlp, nets: usize) -> Vec<(&'static str, u64)> {
        let params = mlp.param_count();
        let stride = self.chunk * self.chunks;
        let mut all = vec![
            ("active nets", nets * 4),
            ("coordinates", mlp.inputs() * stride * 4),
            ("targets", nets * mlp.outputs() * stride * 4),
            ("parameters", nets * params * 4),
            ("moments", nets * params * 8),
            ("states", nets * 16),
            ("gradients", self.slots * self.segments * params * 4),
            ("loss blocks", self.slots * self.blocks * 4),
            ("outputs", self.slots * mlp.outputs() * self.chunk * 4),
        ];
        for width in &mlp.dims[1..mlp.depth()] {
            all.push(("activations", self.slots * width * self.chunk * 4));
            all.push(("slopes", self.slots * width * self.chunk * 4));
        }
        all.into_iter().map(|(label, bytes)| (label, bytes as u64)).collect()
    }
}

pub(super) fn plan(gpu: &Gpu, mlp: &Mlp, points: usize, nets: usize) -> Result<FitPlan, FitError> {
    let limit = gpu.report().max_binding_bytes;
    let largest = |nets| {
        let cut = Cut::new(gpu, mlp, points, nets);
        cut.buffers(mlp, nets).iter().map(|(_, bytes)| *bytes).max().unwrap_or(0)
    };
    if largest(1) > limit {
        let dims = mlp.dims_text();
        return Err(FitError::TooLarge { dims, points, bytes: largest(1), limit });
    }
    // The largest batch that fits, by bisection: buffers only grow with the number of networks.
    let (mut fits, mut too_many) = (1, nets.max(1) + 1);
    while fits + 1 < too_many {
        let middle = usize::midpoint(fits, too_many);
        if largest(middle) <= limit { fits = middle } else { too_many = middle }
    }
    let cut = Cut::new(gpu, mlp, points, nets.clamp(1, fits));
    let bytes = cut.buffers(mlp, nets.clamp(1, fits)).iter().map(|(_, b)| b).sum();
    let kernel =
        format!("tiled, {} points x {} nets at once, {} chunks", cut.chunk, cut.slots, cut.chunks);
    let arithmetic = format!("tiled, chunks of {} points", cut.chunk);
    Ok(FitPlan { path: FitPath::Tiled, nets_per_batch: fits, bytes, kernel, arithmetic })
}

#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct OutputParams {
    outputs: u32,
    chunk: u32,
    first: u32,
    start: u32,
    points: u32,
    point_stride: u32,
    first_block: u32,
    blocks: u32,
    grad_scale: f32,
    pad: [u32; 3],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct VerdictParams {
    slots: u32,
    first: u32,
    blocks: u32,
    max_steps: u32,
    loss_scale: f32,
    target_mse: f32,
    pad: [u32; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct AdamParams {
    param_count: u32,
    first: u32,
    segments: u32,
    pad0: u32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    epsilon: f32,
    rate: f32,
    correction: f32,
    pad: [u32; 2],
}

/// A batch on the tiled path.
#[derive(Debug)]
pub(super) struct Tiled {
    gpu: Gpu,
    mlp: Mlp,
    settings: FitSettings,
    cut: Cut,
    points: usize,
    nets: usize,
    target_mse: f32,
    layers: Layers,
    output_error: Arc<Pipeline>,
    verdict: Arc<Pipeline>,
    adam: Arc<Pipeline>,
    active: Buffer,
    coords: Buffer,
    targets: Buffer,
    params: Buffer,
    moments: Buffer,
    states: Buffer,
    gradients: Buffer,
    partials: Buffer,
    output: Buffer,
    activations: Vec<Buffer>,
    slopes: Vec<Buffer>,
    /// Networks still running, in order; they are the contents of `active`.
    running: Vec<u32>,
    /// Updates applied to every running network before this round.
    steps_done: u32,
    /// Next unit of this round: chunks fastest, then groups.
    unit: usize,
    pace: Pace,
    /// Whether the kernels of a unit have run, and those of an update.
    compiled: [bool; 2],
}

impl Tiled {
    pub(super) fn new(gpu: &Gpu, problem: &Problem<'_>, params: &[f32]) -> Result<Tiled, FitError> {
        let Problem { mlp, settings, points, nets, .. } = *problem;
        // Refuses what would not fit before anything is allocated.
        plan(gpu, mlp, points, nets)?;
        let cut = Cut::new(gpu, mlp, points, nets);
        let stride = cut.chunk * cut.chunks;
        let targets: Vec<f32> = problem
            .targets
            .chunks_exact(points * mlp.outputs())
            .flat_map(|net| planar(net, mlp.outputs(), stride))
            .collect();
        let running: Vec<u32> = (0..nets as u32).collect();
        let states = vec![GpuState { status: 0, steps: 0, mse: f32::NAN, pad: 0 }; nets];
        let hidden = &mlp.dims[1..mlp.depth()];
        let arrays = |label: &str| {
            hidden
                .iter()
                .map(|width| gpu.buffer(label, (cut.slots * width * cut.chunk * 4) as u64))
                .collect::<Result<Vec<_>, _>>()
        };
        let count = mlp.param_count();
        let slice_points = cut.chunk * cut.slots;
        Ok(Tiled {
            gpu: gpu.clone(),
            mlp: mlp.clone(),
            settings,
            points,
            nets,
            target_mse: settings.target_mse(mlp),
            layers: Layers::new(gpu, mlp, true)?,
            output_error: gpu.pipeline(&kernels::SIREN_OUTPUT_ERROR, &[])?,
            verdict: gpu.pipeline(&kernels::SIREN_VERDICT, &[])?,
            adam: gpu.pipeline(&kernels::SIREN_ADAM, &[])?,
            active: gpu.upload("active nets", &running)?,
            coords: gpu.upload("coordinates", &planar(problem.coords, mlp.inputs(), stride))?,
            targets: gpu.upload("targets", &targets)?,
            params: gpu.upload("parameters", params)?,
            moments: gpu.upload("moments", &vec![0f32; nets * count * 2])?,
            states: gpu.upload("states", &states)?,
            gradients: gpu.buffer("gradients", (cut.slots * cut.segments * count * 4) as u64)?,
            partials: gpu.buffer("loss blocks", (cut.slots * cut.blocks * 4) as u64)?,
            output: gpu.buffer("outputs", (cut.slots * mlp.outputs() * cut.chunk * 4) as u64)?,
            activations: arrays("activations")?,
            slopes: arrays("slopes")?,
            cut,
            running,
            steps_done: 0,
            unit: 0,
            pace: Pace::new(gpu, super::flop_per_step(mlp, slice_points)),
            compiled: [false; 2],
        })
    }

    /// One slice: some units of the current round.
    pub(super) async fn advance(&mut self, outcomes: &mut [NetOutcome]) -> Result<(), FitError> {
        if self.running.is_empty() {
            return Ok(());
        }
        let round = self.running.len().div_ceil(self.cut.slots) * self.cut.chunks;
        let units = (self.pace.units() as usize).min(round - self.unit);
        let mut recording = self.gpu.record();
        for unit in self.unit..self.unit + units {
            self.record_unit(&mut recording, unit / self.cut.chunks, unit % self.cut.chunks);
        }
        self.pace.start(units as u64);
        recording.submit()?;
        let updates = (self.unit + units) / self.cut.chunks > self.unit / self.cut.chunks;
        self.unit += units;
        if self.unit < round {
            self.gpu.finish().await?;
            self.stop(updates);
            return Ok(());
        }

        let states: Vec<GpuState> = self.gpu.read(&self.states, 0, self.nets).await?;
        self.stop(updates);
        for (outcome, state) in outcomes.iter_mut().zip(states) {
            *outcome = state.outcome();
        }
        let before = self.running.len();
        self.running.retain(|&net| outcomes[net as usize].status == Status::Running);
        if self.running.len() < before {
            self.gpu.write(&self.active, 0, &self.running);
        }
        self.steps_done += 1;
        self.unit = 0;
        Ok(())
    }

    /// The slice is done, with updates in it or without. Where kernels ran for the first time, the driver may have
    /// compiled them.
    fn stop(&mut self, updates: bool) {
        let ran = [true, updates || self.compiled[1]];
        if std::mem::replace(&mut self.compiled, ran) == ran {
            self.pace.stop();
        } else {
            self.pace.skip();
        }
    }

    /// Forward and back over one chunk of one group; after the last chunk also the update.
    fn record_unit(&self, recording: &mut Recording, group: usize, chunk: usize) {
        let cut = &self.cut;
        let depth = self.mlp.depth();
        let first = group * cut.slots;
        let slots = cut.slots.min(self.running.len() - first) as u32;
        let work = Work {
            first: first as u32,
            slots,
            chunk: cut.chunk as u32,
            start: (chunk * cut.chunk) as u32,
            stride: (cut.chunk * cut.chunks) as u32,
        };
        let input = |l: usize| if l == 0 { &self.coords } else { &self.activations[l - 1] };
        for l in 0..depth {
            let (y, slope) = if l + 1 == depth {
                (&self.output, &self.slopes[0])
            } else {
                (&self.activations[l], &self.slopes[l])
            };
            let buffers = [&self.active, &self.params, input(l), y, slope];
            self.layers.forward(recording, l, &work, buffers);
        }

        let scale = 1.0 / (self.points as f64 * self.mlp.outputs() as f64);
        let blocks = cut.chunk.div_ceil(BLOCK) as u32;
        let output = OutputParams {
            outputs: self.mlp.outputs() as u32,
            chunk: work.chunk,
            first: work.first,
            start: work.start,
            points: self.points as u32,
            point_stride: work.stride,
            first_block: chunk as u32 * blocks,
            blocks: cut.blocks as u32,
            grad_scale: (2.0 * scale) as f32,
            pad: [0; 3],
        };
        let buffers = [&self.active, &self.targets, &self.output, &self.partials];
        recording.dispatch(&self.output_error, &output, &buffers, [blocks, 1, slots]);

        let segments = [cut.segment as u32, u32::from(chunk > 0), cut.segments as u32];
        for l in (0..depth).rev() {
            let delta = if l + 1 == depth { &self.output } else { &self.slopes[l] };
            let buffers = [delta, input(l), &self.gradients];
            self.layers.gradient(recording, l, &work, segments, buffers);
            if l > 0 {
                let buffers = [&self.active, &self.params, delta, &self.slopes[l - 1]];
                self.layers.backward(recording, l, &work, buffers);
            }
        }

        if chunk + 1 == cut.chunks {
            self.record_update(recording, work.first, slots, scale);
        }
    }

    fn record_update(&self, recording: &mut Recording, first: u32, slots: u32, scale: f64) {
        let settings = &self.settings;
        let verdict = VerdictParams {
            slots,
            first,
            blocks: self.cut.blocks as u32,
            max_steps: settings.max_steps,
            loss_scale: scale as f32,
            target_mse: self.target_mse,
            pad: [0; 2],
        };
        let buffers = [&self.active, &self.partials, &self.states];
        recording.dispatch(&self.verdict, &verdict, &buffers, [slots.div_ceil(64), 1, 1]);

        let [rate, correction] = settings.rates(self.steps_done + 1);
        let adam = AdamParams {
            param_count: self.mlp.param_count() as u32,
            first,
            segments: self.cut.segments as u32,
            pad0: 0,
            one_minus_beta1: (1.0 - f64::from(settings.beta1)) as f32,
            beta2: settings.beta2,
            one_minus_beta2: (1.0 - f64::from(settings.beta2)) as f32,
            epsilon: settings.epsilon,
            rate,
            correction,
            pad: [0; 2],
        };
        let buffers = [&self.active, &self.states, &self.gradients, &self.params, &self.moments];
        let groups = [adam.param_count.div_ceil(64), slots, 1];
        recording.dispatch(&self.adam, &adam, &buffers, groups);
    }

    pub(super) fn fix_slices(&mut self, units: u64) {
        self.pace.fix(units);
    }

    pub(super) fn longest_slice(&self) -> Duration {
        self.pace.longest()
    }

    pub(super) async fn params(&self) -> Result<Vec<f32>, FitError> {
        Ok(self.gpu.read(&self.params, 0, self.nets * self.mlp.param_count()).await?)
    }

    /// First and second moments, `[nets, P]` each.
    pub(super) async fn moments(&self) -> Result<[Vec<f32>; 2], FitError> {
        let count = self.nets * self.mlp.param_count();
        let pairs: Vec<[f32; 2]> = self.gpu.read(&self.moments, 0, count).await?;
        Ok([0, 1].map(|which| pairs.iter().map(|pair| pair[which]).collect()))
    }

    pub(super) fn is_even(&self) -> bool {
        self.unit == 0
    }

    /// Takes over everything but the parameters.
    pub(super) fn restore(&mut self, snapshot: &FitSnapshot) {
        let [first, second] = &snapshot.moments;
        let pairs: Vec<[f32; 2]> = first.iter().zip(second).map(|(&m, &v)| [m, v]).collect();
        self.gpu.write(&self.moments, 0, &pairs);
        let states: Vec<GpuState> = snapshot.outcomes.iter().map(GpuState::of).collect();
        self.gpu.write(&self.states, 0, &states);
        self.running = snapshot.running();
        self.gpu.write(&self.active, 0, &self.running);
        self.steps_done = snapshot.steps_done();
    }
}
