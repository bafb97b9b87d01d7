//! One layer of a group of networks over a chunk of points: typed wrappers of the tiled kernels
//! `shaders/siren/layer_{forward,backward,gradient}.wgsl`, and on software renderers of
//! `shaders/siren/templates/layer_{forward,backward,gradient}_lanes.wgsl`.

use crate::{Activation, Mlp};
use std::sync::Arc;
use weightlab_gpu::{Buffer, Gpu, GpuError, Pipeline, Recording};
use weightlab_kernels as kernels;

/// Points of a workgroup's tile; chunks are padded to whole tiles.
pub(crate) const TILE: usize = 64;

/// Points (over all networks) that one slice should carry through a whole network `passes` times: tens
/// of milliseconds on a software renderer and on a slow integrated GPU. A multiple of [`TILE`], at most
/// 65,536, so that activations of the widest layer stay within 64 MiB.
pub(crate) fn points_at_once(gpu: &Gpu, mlp: &Mlp, passes: usize) -> usize {
    let work = passes * mlp.dims.windows(2).map(|d| d[0] * d[1]).sum::<usize>();
    let (budget, most): (u64, u64) =
        if gpu.is_cpu() { (100_000_000, 16_384) } else { (4_000_000_000, 65_536) };
    (budget / work as u64).clamp(TILE as u64, most) as usize / TILE * TILE
}

/// `Layer` of the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct LayerBlock {
    pub inputs: u32,
    pub outputs: u32,
    pub weight: u32,
    pub bias: u32,
    pub param_count: u32,
    pub first: u32,
    pub chunk: u32,
    pub x_offset: u32,
    pub x_row: u32,
    pub x_slot: u32,
    pub segment: u32,
    pub accumulate: u32,
    pub segments: u32,
    pub omega: f32,
    pub offset: f32,
    pub pad: u32,
}

/// A group of networks and a chunk of points, for which the layers are recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// First of `active_nets`.
    pub first: u32,
    /// Networks.
    pub slots: u32,
    /// Padded points of the chunk: a multiple of [`TILE`].
    pub chunk: u32,
    /// First point of the chunk.
    pub start: u32,
    /// Padded points of the whole signal: the row stride of the coordinates.
    pub stride: u32,
}

/// Neurons (or columns of a gradient) of a tile: one size for GPUs, two for software renderers, where
/// each is compiled anew; there 8 and 32 are slower than 16.
fn tile_side(software: bool, width: usize) -> usize {
    match (software, width) {
        (false, _) => TILE,
        (true, ..=4) => 4,
        (true, _) => 16,
    }
}

/// Tiles of a workgroup of the kernels for software renderers: one vector.
const VECTOR: usize = 8;

/// Points of such a tile.
const SOFTWARE_POINTS: usize = 32;

/// The pipelines and the shapes of every layer.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    mlp: Mlp,
    software: bool,
    /// By layer.
    forward: Vec<Arc<Pipeline>>,
    backward: Vec<Arc<Pipeline>>,
    gradient: Vec<Arc<Pipeline>>,
}

impl Layers {
    /// For evaluating, or with `gradients` for fitting.
    pub(crate) fn new(gpu: &Gpu, mlp: &Mlp, gradients: bool) -> Result<Layers, GpuError> {
        let software = gpu.is_cpu();
        let mut layers = Layers {
            mlp: mlp.clone(),
            software,
            forward: Vec::new(),
            backward: Vec::new(),
            gradient: Vec::new(),
        };
        for (l, layer) in mlp.layers().iter().enumerate() {
            let last = l + 1 == mlp.depth();
            let kind = match mlp.activation {
                _ if last => 2,
                Activation::Sine { .. } => 0,
                Activation::Relu => 1,
            };
            let slopes = u32::from(gradients && !last);
            let [rows, columns] =
                [layer.outputs, layer.inputs].map(|width| tile_side(software, width) as u32);
            let constants = [("KIND", kind), ("SLOPES", slopes)];
            layers.forward.push(if software {
                let values = [("ROWS", rows), ("KIND", kind), ("SLOPES", slopes)];
                gpu.pipeline(kernels::SIREN_LAYER_FORWARD_LANES.shader(&values), &[])?
            } else {
                gpu.pipeline(&kernels::SIREN_LAYER_FORWARD, &constants)?
            });
            if !gradients {
                continue;
            }
            let [backward, gradient] = if software {
                [
                    kernels::SIREN_LAYER_BACKWARD_LANES.shader(&[("ROWS", columns)]),
                    kernels::SIREN_LAYER_GRADIENT_LANES
                        .shader(&[("ROWS", rows), ("COLUMNS", columns)]),
                ]
            } else {
                [&kernels::SIREN_LAYER_BACKWARD, &kernels::SIREN_LAYER_GRADIENT]
            };
            layers.backward.push(gpu.pipeline(backward, &[])?);
            layers.gradient.push(gpu.pipeline(gradient, &[])?);
        }
        Ok(layers)
    }

    /// Workgroups of a kernel whose tiles are `width` neurons by points.
    fn groups(&self, work: &Work, width: usize) -> [u32; 3] {
        let points = if self.software { VECTOR * SOFTWARE_POINTS } else { TILE };
        let tiles = width.div_ceil(tile_side(self.software, width));
        [work.chunk.div_ceil(points as u32), tiles as u32, work.slots]
    }

    /// The block of layer `l`, whose input is the coordinates for layer 0 and else the activations of
    /// the layer below.
    pub(crate) fn block(&self, l: usize, work: &Work) -> LayerBlock {
        let layer = self.mlp.layers()[l];
        let (x_offset, x_row, x_slot) = if l == 0 {
            (work.start, work.stride, 0)
        } else {
            (0, work.chunk, layer.inputs as u32 * work.chunk)
        };
        LayerBlock {
            inputs: layer.inputs as u32,
            outputs: layer.outputs as u32,
            weight: layer.weight as u32,
            bias: layer.bias as u32,
            param_count: self.mlp.param_count() as u32,
            first: work.first,
            chunk: work.chunk,
            x_offset,
            x_row,
            x_slot,
            omega: match self.mlp.activation {
                Activation::Sine { omega_0 } => omega_0,
                Activation::Relu => 1.0,
            },
            offset: self.mlp.output_offset,
            ..Default::default()
        }
    }

    /// `y = layer l (x)`; `slope` is written by hidden layers if this was made with gradients.
    pub(crate) fn forward(
        &self,
        recording: &mut Recording,
        l: usize,
        work: &Work,
        [active, params, x, y, slope]: [&Buffer; 5],
    ) {
        let groups = self.groups(work, self.mlp.layers()[l].outputs);
        let buffers = [active, params, x, y, slope];
        recording.dispatch(&self.forward[l], &self.block(l, work), &buffers, groups);
    }

    /// Turns the slopes of layer `l - 1` into its deltas, from those of layer `l`.
    pub(crate) fn backward(
        &self,
        recording: &mut Recording,
        l: usize,
        work: &Work,
        [active, params, delta, below]: [&Buffer; 4],
    ) {
        let groups = self.groups(work, self.mlp.layers()[l].inputs);
        let buffers = [active, params, delta, below];
        recording.dispatch(&self.backward[l], &self.block(l, work), &buffers, groups);
    }

    /// Gradient of layer `l` by segments of `segment` points; `accumulate` and `segments` as in the shader.
    pub(crate) fn gradient(
        &self,
        recording: &mut Recording,
        l: usize,
        work: &Work,
        [segment, accumulate, segments]: [u32; 3],
        [delta, x, gradients]: [&Buffer; 3],
    ) {
        let block = LayerBlock { segment, accumulate, segments, ..self.block(l, work) };
        let tiles = |width: u32| width.div_ceil(tile_side(self.software, width as usize) as u32);
        let across = tiles(block.inputs) * work.chunk.div_ceil(segment);
        let groups = if self.software {
            [(across * tiles(block.outputs)).div_ceil(VECTOR as u32), work.slots, 1]
        } else {
            [across, tiles(block.outputs), work.slots]
        };
        recording.dispatch(&self.gradient[l], &block, &[delta, x, gradients], groups);
    }
}

/// `[points, channels]` to `[channels, padded]`, zeros at the end.
pub(crate) fn planar(data: &[f32], channels: usize, padded: usize) -> Vec<f32> {
    let mut out = vec![0f32; channels * padded];
    for (p, point) in data.chunks_exact(channels).enumerate() {
        for (c, &value) in point.iter().enumerate() {
            out[c * padded + p] = value;
        }
    }
    out
}
