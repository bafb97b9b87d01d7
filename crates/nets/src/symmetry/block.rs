//! The uniform block that all symmetry kernels share.

use crate::Mlp;
use weightlab_gpu::Gpu;

/// `Shape` of `shaders/symmetry/parts/shape.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Block {
    pub nets: u32,
    pub param_count: u32,
    pub layers: u32,
    pub hidden: u32,
    pub seed: [u32; 2],
    pub stream: u32,
    pub count: u32,
    pub numbers: [f32; 4],
    pub extra: [u32; 4],
    pub layer: [[u32; 4]; 8],
    pub neuron: [[u32; 4]; 8],
}

/// Number of the first neuron of every hidden layer, then the number of all hidden neurons.
pub(crate) fn neuron_starts(mlp: &Mlp) -> Vec<usize> {
    let mut at = 0;
    let mut starts = vec![0];
    for width in &mlp.dims[1..mlp.depth()] {
        at += width;
        starts.push(at);
    }
    starts
}

/// Number of hidden neurons of one network.
pub(crate) fn hidden_count(mlp: &Mlp) -> usize {
    mlp.dims[1..mlp.depth()].iter().sum()
}

/// `RUN` of `parts/run.wgsl`: parameters of an invocation.
pub(crate) fn run_length(gpu: &Gpu) -> u32 {
    if gpu.is_cpu() { 16 } else { 4 }
}

/// `STEP` of `parts/flat.wgsl`: quadruples between two of an invocation.
pub(crate) fn flat_step(gpu: &Gpu) -> u32 {
    if gpu.is_cpu() { 1 } else { 64 }
}

impl Block {
    pub(crate) fn new(mlp: &Mlp, nets: usize) -> Block {
        let mut block = Block {
            nets: nets as u32,
            param_count: mlp.param_count() as u32,
            layers: mlp.depth() as u32,
            hidden: hidden_count(mlp) as u32,
            seed: [0; 2],
            stream: 0,
            count: 0,
            numbers: [0.0; 4],
            extra: [0; 4],
            layer: [[u32::MAX, 0, 0, 0]; 8],
            neuron: [[u32::MAX, 0, 0, 0]; 8],
        };
        for (l, layer) in mlp.layers().iter().enumerate() {
            block.layer[l] =
                [layer.weight, layer.bias, layer.inputs, layer.outputs].map(|x| x as u32);
        }
        for (l, start) in neuron_starts(mlp).into_iter().enumerate() {
            // Widths are at most 256, and hidden neurons 7 * 256.
            let packed = (mlp.dims[l] - 1) | (mlp.dims[l + 1] - 1) << 8 | start << 16 | l << 27;
            block.neuron[l] = [start as u32, packed as u32, 0, 0];
        }
        block
    }

    /// Workgroups of the kernels that walk through a batch as one array (`parts/flat.wgsl`).
    pub(crate) fn flat_groups(&self) -> u32 {
        (self.nets as usize * self.param_count as usize).div_ceil(4 * 256) as u32
    }

    /// Workgroups of the kernels that go by runs of `run` parameters of a net (`parts/run.wgsl`).
    pub(crate) fn run_groups(&self, run: u32) -> u32 {
        (self.nets * self.param_count.div_ceil(run)).div_ceil(64)
    }

    /// Workgroups of 64 threads over `units` per net in x, and over nets in y and z.
    pub(crate) fn grid(&self, gpu: &Gpu, units: usize) -> [u32; 3] {
        let limit = gpu.report().max_workgroups;
        let y = self.nets.min(limit);
        [(units as u32).div_ceil(64), y, self.nets.div_ceil(y.max(1))]
    }
}
