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
            layer: [[0; 4]; 8],
            neuron: [[0; 4]; 8],
        };
        for (l, layer) in mlp.layers().iter().enumerate() {
            block.layer[l] =
                [layer.weight, layer.bias, layer.inputs, layer.outputs].map(|x| x as u32);
        }
        for (l, start) in neuron_starts(mlp).into_iter().enumerate() {
            block.neuron[l][0] = start as u32;
        }
        block
    }

    /// Workgroups of 64 threads over `units` per net in x, and over nets in y and z.
    pub(crate) fn grid(&self, gpu: &Gpu, units: usize) -> [u32; 3] {
        let limit = gpu.report().max_workgroups;
        let y = self.nets.min(limit);
        [(units as u32).div_ceil(64), y, self.nets.div_ceil(y.max(1))]
    }
}
