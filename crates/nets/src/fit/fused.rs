//! The fused fit: one workgroup per network, many Adam steps per dispatch.
//!
//! Kernel: `shaders/siren/parts/fit_fused.wgsl`, in three placements of its memory. This file chooses
//! the specialisation, converts between the parameter vector and the kernel's padded layout, and
//! paces the dispatches.

use super::pace::Pace;
use super::{FitError, FitPath, FitPlan, FitSettings, GpuState, NetOutcome, Problem, Status};
use crate::layers::planar;
use crate::{Activation, Mlp};
use std::sync::Arc;
use web_time::Duration;
use weightlab_gpu::{Buffer, Gpu, Pipeline};
use weightlab_kernels::Shader;

/// Most steps of one dispatch: the length of the schedule in the uniform block.
const MAX_STEPS: usize = 64;

/// Most points of a signal. One workgroup walks all points of its network, so beyond this a dispatch of
/// a single step takes too long on slow devices and the tiled path spreads the work better.
const MAX_POINTS: usize = 16_384;

/// Mesa's llvmpipe silently ends all loops of an invocation after 65,535 iterations in total. Every
/// CPU adapter is held below that; see [`Shape::iterations_per_step`].
const CPU_LOOP_BUDGET: u64 = 60_000;

/// Where the kernel keeps parameters and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Both in workgroup memory.
    Workgroup,
    /// Parameters in storage, activations in workgroup memory.
    Mixed,
    /// Both in storage.
    Storage,
}

/// Register tile of one thread, by the kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 8 neurons x 8 points: what a GPU's registers hold.
    Gpu,
    /// 16 neurons x 16 points: a software renderer pays by the load and has no registers to run out of.
    Software,
}

impl Tile {
    fn neurons(self) -> u32 {
        match self {
            Tile::Gpu => 8,
            Tile::Software => 16,
        }
    }

    /// Points / 4.
    fn quads(self) -> u32 {
        match self {
            Tile::Gpu => 2,
            Tile::Software => 4,
        }
    }

    /// Threads that a workgroup should have: what the device executes together.
    fn threads(self) -> u32 {
        match self {
            Tile::Gpu => 32,
            Tile::Software => 8,
        }
    }
}

/// A specialisation of the kernel. All sizes in vec4 of 16 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Register tile of a thread.
    pub tile: Tile,
    /// Neuron groups: padded hidden width / neurons of a register tile.
    pub gn: u32,
    /// Point groups: points of a tile / points of a register tile.
    pub gp: u32,
    /// Hidden layers.
    pub hl: u32,
    /// Inputs.
    pub ins: u32,
    /// Outputs.
    pub outs: u32,
    /// Memory placement.
    pub placement: Placement,
}

impl Shape {
    /// The best specialisation for this architecture on this device; None if the kernel cannot take
    /// the architecture or that many points.
    pub fn choose(gpu: &Gpu, mlp: &Mlp, points: usize) -> Option<Shape> {
        if points > MAX_POINTS {
            return None;
        }
        let bytes = gpu.report().max_workgroup_bytes;
        if !gpu.is_cpu() {
            return Shape::choose_within(bytes, Tile::Gpu, mlp);
        }
        Shape::choose_within(bytes, Tile::Software, mlp)
            .or_else(|| Shape::choose_within(bytes, Tile::Gpu, mlp))
            .filter(|shape| shape.iterations_per_step(shape.tiles(points)) <= CPU_LOOP_BUDGET)
    }

    fn tiles(&self, points: usize) -> u64 {
        points.div_ceil(self.tile_points()) as u64
    }

    /// The best specialisation with a given tile and amount of workgroup memory; None if there is none.
    pub fn choose_within(workgroup_bytes: u32, tile: Tile, mlp: &Mlp) -> Option<Shape> {
        let hidden = mlp.widest_hidden();
        if !matches!(mlp.activation, Activation::Sine { .. })
            || hidden > 64
            || mlp.inputs() > 3
            || mlp.outputs() > 3
        {
            return None;
        }
        if tile == Tile::Software && mlp.depth() > 3 {
            return None;
        }
        let gn = (hidden as u32).div_ceil(tile.neurons()).next_power_of_two();
        let largest = gn.max(tile.threads() / gn);
        let shape = |gp, placement| Shape {
            tile,
            gn,
            gp,
            hl: (mlp.depth() - 1) as u32,
            ins: mlp.inputs() as u32,
            outs: mlp.outputs() as u32,
            placement,
        };
        // Everything in workgroup memory if that is possible with any tile of points, the largest first.
        let placements = match tile {
            Tile::Gpu => &[Placement::Workgroup, Placement::Mixed][..],
            Tile::Software => &[Placement::Workgroup],
        };
        for &placement in placements {
            let mut gp = largest;
            while gp >= gn {
                let candidate = shape(gp, placement);
                if candidate.workgroup_bytes() <= u64::from(workgroup_bytes) {
                    return Some(candidate);
                }
                gp /= 2;
            }
        }
        (tile == Tile::Gpu).then(|| shape(largest, Placement::Storage))
    }

    fn hp(&self) -> u32 {
        self.tile.neurons() * self.gn
    }

    fn tile_quads(&self) -> u32 {
        self.tile.quads() * self.gp
    }

    /// Points per tile.
    pub fn tile_points(&self) -> usize {
        4 * self.tile_quads() as usize
    }

    /// One hidden matrix with its biases.
    fn matrix(&self) -> u32 {
        (self.hp() + 1) * self.hp() / 4
    }

    /// Parameters of one network in the kernel's layout.
    pub fn param_quads(&self) -> u32 {
        2 * self.hp() + (self.hl - 1) * self.matrix() + 1
    }

    fn act_quads(&self) -> u32 {
        // `KEEP` of the shader: the slopes stay in registers.
        let keep = self.tile == Tile::Software;
        (if keep { self.hl } else { 2 * self.hl - 1 }) * self.hp() * self.tile_quads()
    }

    /// Scratch of one workgroup: running gradient sums with several hidden matrices, and the
    /// activations when they are in storage.
    fn scratch_quads(&self) -> u32 {
        let layer = (self.gp / self.gn) * self.hp() * self.hp() / 4 + self.gp * self.hp() / 4;
        let sums = if self.hl > 2 { (self.hl - 1) * layer } else { 0 };
        let acts = if self.placement == Placement::Storage { self.act_quads() } else { 0 };
        sums + acts
    }

    /// Workgroup memory of the kernel, bytes.
    pub fn workgroup_bytes(&self) -> u64 {
        let quads = self.outs * self.tile_quads()
            + self.gn * self.gp
            + match self.placement {
                Placement::Workgroup => self.param_quads() + self.act_quads(),
                Placement::Mixed => self.act_quads(),
                Placement::Storage => 0,
            };
        u64::from(quads) * 16 + 16
    }

    /// Loop iterations of one invocation in one optimiser step over `tiles` tiles: the sum over every
    /// loop of the kernel, nested ones multiplied out. An upper bound, for [`CPU_LOOP_BUDGET`].
    fn iterations_per_step(&self, tiles: u64) -> u64 {
        let [gn, gp, hl] = [self.gn, self.gp, self.hl].map(u64::from);
        let hp = u64::from(self.hp());
        let threads = gn * gp;
        let error_rounds = (u64::from(self.outs) * u64::from(self.tile_quads())).div_ceil(threads);
        let forward = (hl - 1) * (1 + hp / 4);
        let backward = (hl - 1) * (1 + u64::from(self.tile.quads()) * gn + hp);
        let tile = 1 + forward + error_rounds * (1 + gn) + backward;
        let adam_rounds = u64::from(self.param_quads()).div_ceil(threads);
        1 + tiles * tile + threads + adam_rounds * (1 + gp)
    }

    /// The shader and its constants.
    pub fn kernel(&self) -> (&'static Shader, [(&'static str, u32); 5]) {
        use weightlab_kernels as k;
        let shader = match (self.tile, self.placement) {
            (Tile::Software, _) => &k::SIREN_FIT_FUSED_SOFTWARE,
            (Tile::Gpu, Placement::Workgroup) => &k::SIREN_FIT_FUSED_WORKGROUP,
            (Tile::Gpu, Placement::Mixed) => &k::SIREN_FIT_FUSED_MIXED,
            (Tile::Gpu, Placement::Storage) => &k::SIREN_FIT_FUSED_STORAGE,
        };
        let constants = [
            ("GN", self.gn),
            ("GP", self.gp),
            ("HL", self.hl),
            ("INS", self.ins),
            ("OUTS", self.outs),
        ];
        (shader, constants)
    }

    /// Index in floats of every parameter of `mlp` within the kernel's layout, in parameter order.
    fn positions(&self, mlp: &Mlp) -> Vec<usize> {
        let (hp, hv) = (self.hp() as usize, self.hp() as usize / 4);
        let swizzle = |row: usize| (row ^ (row >> 2)) & 7.min(hv - 1);
        let matrix = self.matrix() as usize;
        let last = hp + (self.hl as usize - 1) * matrix;
        let mut at = Vec::with_capacity(mlp.param_count());
        for (l, layer) in mlp.layers().iter().enumerate() {
            for o in 0..layer.outputs {
                for i in 0..layer.inputs {
                    at.push(if l == 0 {
                        4 * o + i
                    } else if l + 1 == mlp.depth() {
                        4 * (last + i) + o
                    } else {
                        let row = hp + (l - 1) * matrix + o * hv;
                        4 * (row + ((i / 4) ^ swizzle(o))) + i % 4
                    });
                }
            }
            for o in 0..layer.outputs {
                at.push(if l == 0 {
                    4 * o + 3
                } else if l + 1 == mlp.depth() {
                    4 * (last + hp) + o
                } else {
                    4 * (hp + (l - 1) * matrix + hp * hv) + o
                });
            }
        }
        at
    }
}

/// Most workgroups that have scratch at the same time. Enough to fill any GPU with those shapes that
/// need scratch, which have 64 threads and long steps.
const MAX_SLOTS: u64 = 256;

/// Bytes per network of the largest buffer, and of all buffers together with what networks share.
fn bytes(shape: &Shape, points: usize, nets: u64) -> (u64, u64) {
    let quads = points.div_ceil(shape.tile_points()) as u64 * u64::from(shape.tile_quads());
    let params = u64::from(shape.param_quads()) * 16;
    let targets = u64::from(shape.outs) * quads * 16;
    let scratch = u64::from(shape.scratch_quads()) * 16;
    let largest = (2 * params).max(targets);
    let shared = u64::from(shape.ins) * quads * 16 + nets.min(MAX_SLOTS) * scratch;
    let total = nets * (3 * params + targets + 16 + 4) + shared;
    (largest, total)
}

pub(super) fn plan(
    gpu: &Gpu,
    mlp: &Mlp,
    shape: &Shape,
    points: usize,
    nets: usize,
) -> Result<FitPlan, FitError> {
    let limit = gpu.report().max_binding_bytes;
    let (largest, _) = bytes(shape, points, 1);
    if largest > limit {
        let dims = mlp.dims_text();
        return Err(FitError::TooLarge { dims, points, bytes: largest, limit });
    }
    let nets_per_batch = usize::try_from(limit / largest).unwrap_or(usize::MAX);
    let (_, total) = bytes(shape, points, nets.min(nets_per_batch) as u64);
    let kernel = format!(
        "fused, {:?} tile, {:?} memory, {} threads, tiles of {} points",
        shape.tile,
        shape.placement,
        shape.gn * shape.gp,
        shape.tile_points()
    );
    Ok(FitPlan {
        path: FitPath::Fused,
        nets_per_batch,
        bytes: total,
        arithmetic: kernel.to_lowercase(),
        kernel: kernel.to_lowercase(),
    })
}

/// `FitParams` of the shader.
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
    schedule: [[f32; 4]; MAX_STEPS],
}

/// A batch on the fused path.
#[derive(Debug)]
pub(super) struct Fused {
    gpu: Gpu,
    mlp: Mlp,
    shape: Shape,
    settings: FitSettings,
    pipeline: Arc<Pipeline>,
    base: FitParams,
    active: Buffer,
    coords: Buffer,
    targets: Buffer,
    params: Buffer,
    moments: Buffer,
    states: Buffer,
    scratch: Buffer,
    nets: usize,
    /// Most networks of one dispatch.
    slots: usize,
    /// Networks still running, in order.
    running: Vec<u32>,
    /// A round advances every running network by `round_steps`, slice by slice; the next slice starts
    /// at `cursor`.
    cursor: usize,
    round_steps: u32,
    /// Updates applied to every running network before this round.
    steps_done: u32,
    pace: Pace,
}

impl Fused {
    pub(super) fn new(
        gpu: &Gpu,
        problem: &Problem<'_>,
        shape: Shape,
        params: &[f32],
    ) -> Result<Fused, FitError> {
        let Problem { mlp, settings, points, nets, .. } = *problem;
        // Refuses what would not fit before anything is allocated.
        plan(gpu, mlp, &shape, points, nets)?;
        let (shader, constants) = shape.kernel();
        let pipeline = gpu.pipeline(shader, &constants)?;
        let tiles = points.div_ceil(shape.tile_points());
        let padded = tiles * shape.tile_points();

        let quads = shape.param_quads() as usize;
        let positions = shape.positions(mlp);
        let mut packed = vec![0f32; nets * quads * 4];
        for (net, into) in
            params.chunks_exact(mlp.param_count()).zip(packed.chunks_exact_mut(quads * 4))
        {
            for (value, &at) in net.iter().zip(&positions) {
                into[at] = *value;
            }
        }
        let states = vec![GpuState { status: 0, steps: 0, mse: f32::NAN, pad: 0 }; nets];
        let scale = 1.0 / (points as f64 * mlp.outputs() as f64);
        let base = FitParams {
            nets: 0,
            points: points as u32,
            tiles: tiles as u32,
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
            scratch_stride: shape.scratch_quads(),
            pad: 0,
            schedule: [[0.0; 4]; MAX_STEPS],
        };
        let slots = if shape.scratch_quads() == 0 { nets } else { nets.min(MAX_SLOTS as usize) };
        let moments = gpu.buffer("moments", (nets * quads * 32) as u64)?;
        gpu.write(&moments, 0, &vec![0f32; nets * quads * 8]);
        Ok(Fused {
            gpu: gpu.clone(),
            mlp: mlp.clone(),
            settings,
            pipeline,
            base,
            active: gpu.buffer("active nets", nets as u64 * 4)?,
            coords: gpu.upload("coordinates", &planar(problem.coords, mlp.inputs(), padded))?,
            targets: gpu.upload("targets", &planar_targets(problem, padded))?,
            params: gpu.upload("parameters", &packed)?,
            moments,
            states: gpu.upload("states", &states)?,
            scratch: gpu.buffer("scratch", slots as u64 * u64::from(shape.scratch_quads()) * 16)?,
            shape,
            nets,
            slots,
            running: (0..nets as u32).collect(),
            cursor: 0,
            round_steps: 0,
            steps_done: 0,
            pace: Pace::new(gpu, super::flop_per_step(mlp, points)),
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
        let nets = (units / u64::from(self.round_steps)).clamp(1, u64::MAX) as usize;
        let nets = nets.min(self.running.len() - self.cursor).min(self.slots);
        let slice = &self.running[self.cursor..self.cursor + nets];
        self.gpu.write(&self.active, 0, slice);

        let mut block = self.base;
        block.nets = nets as u32;
        block.steps = self.round_steps;
        for s in 0..self.round_steps {
            let [rate, correction] = self.settings.rates(self.steps_done + s + 1);
            block.schedule[s as usize] = [rate, correction, 0.0, 0.0];
        }
        let mut recording = self.gpu.record();
        recording.dispatch_linear(
            &self.pipeline,
            &block,
            &[
                &self.active,
                &self.coords,
                &self.targets,
                &self.params,
                &self.moments,
                &self.states,
                &self.scratch,
            ],
            nets as u32,
        );
        self.pace.start(u64::from(self.round_steps) * nets as u64);
        recording.submit()?;
        self.cursor += nets;

        let end_of_round = self.cursor == self.running.len();
        if end_of_round {
            let states: Vec<GpuState> = self.gpu.read(&self.states, 0, self.nets).await?;
            self.pace.stop();
            for (outcome, state) in outcomes.iter_mut().zip(states) {
                *outcome = state.outcome();
            }
            self.running.retain(|&net| outcomes[net as usize].status == Status::Running);
            self.steps_done += self.round_steps;
            self.cursor = 0;
        } else {
            self.gpu.finish().await?;
            self.pace.stop();
        }
        Ok(())
    }

    /// Steps of a round: as many as fill a slice with all running networks, within the limits.
    fn steps_for(&self, units: u64) -> u32 {
        let mut steps = (units / self.running.len() as u64).clamp(1, MAX_STEPS as u64);
        if self.gpu.is_cpu() {
            let each = self.shape.iterations_per_step(u64::from(self.base.tiles));
            steps = steps.min(CPU_LOOP_BUDGET / each).max(1);
        }
        steps as u32
    }

    pub(super) fn fix_slices(&mut self, units: u64) {
        self.pace.fix(units);
    }

    pub(super) fn longest_slice(&self) -> Duration {
        self.pace.longest()
    }

    pub(super) async fn params(&self) -> Result<Vec<f32>, FitError> {
        let quads = self.shape.param_quads() as usize;
        let packed: Vec<f32> = self.gpu.read(&self.params, 0, self.nets * quads * 4).await?;
        Ok(self.unpack(&packed, quads * 4))
    }

    /// First moments, `[nets, P]`.
    pub(super) async fn first_moments(&self) -> Result<Vec<f32>, FitError> {
        let quads = self.shape.param_quads() as usize;
        let packed: Vec<f32> = self.gpu.read(&self.moments, 0, self.nets * quads * 8).await?;
        Ok(self.unpack(&packed, quads * 8))
    }

    /// Parameter vectors from the kernel's layout, of which one network takes `stride` floats.
    fn unpack(&self, packed: &[f32], stride: usize) -> Vec<f32> {
        let positions = self.shape.positions(&self.mlp);
        packed.chunks_exact(stride).flat_map(|net| positions.iter().map(|&at| net[at])).collect()
    }
}

fn planar_targets(problem: &Problem<'_>, padded: usize) -> Vec<f32> {
    let channels = problem.mlp.outputs();
    problem
        .targets
        .chunks_exact(problem.points * channels)
        .flat_map(|net| planar(net, channels, padded))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Convention;

    /// The positions of a network's parameters are distinct and within the padded layout, for every
    /// depth and odd widths.
    #[test]
    fn layout_is_injective() {
        for dims in
            [&[2, 32, 32, 1][..], &[1, 1, 1], &[3, 7, 64, 9, 3], &[2, 33, 20, 8, 8, 8, 8, 8, 1]]
        {
            let mlp = Mlp::new(dims, Convention::Dwsnets).unwrap();
            let shape = Shape::choose_within(32_768, Tile::Gpu, &mlp).unwrap();
            let mut positions = shape.positions(&mlp);
            assert_eq!(positions.len(), mlp.param_count());
            positions.sort_unstable();
            assert!(positions.windows(2).all(|w| w[0] < w[1]), "{dims:?}");
            assert!(*positions.last().unwrap() < 4 * shape.param_quads() as usize);
        }
    }

    /// Partial gradients at the end of a step take the place of the activations.
    #[test]
    fn partial_gradients_fit_into_the_activations() {
        for variant in crate::variants::all() {
            if !variant.shader.name.starts_with("siren_fit_fused") {
                continue;
            }
            let get = |name| variant.constants.iter().find(|(n, _)| *n == name).unwrap().1;
            let tile =
                if variant.shader.name.ends_with("software") { Tile::Software } else { Tile::Gpu };
            let placement = if variant.shader.name.ends_with("storage") {
                Placement::Storage
            } else {
                Placement::Workgroup
            };
            let [gn, gp, hl, ins, outs] = ["GN", "GP", "HL", "INS", "OUTS"].map(get);
            let shape = Shape { tile, gn, gp, hl, ins, outs, placement };
            let hidden = if hl == 2 {
                (gp / gn) * shape.hp() * shape.hp() / 4 + gp * shape.hp() / 4
            } else {
                0
            };
            assert!(2 * gp * shape.hp() + hidden <= shape.act_quads(), "{shape:?}");
            // The threads' shares of the outputs lie where the last delta will be.
            assert!(outs * gn * shape.tile_quads() <= shape.hp() * shape.tile_quads(), "{shape:?}");
        }
    }
}
