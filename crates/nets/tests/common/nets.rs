//! Batches of random nets.

use super::{Case, gpu};
use weightlab_gpu::Gpu;
use weightlab_kernels::philox::{philox4x32, symmetric};
use weightlab_nets::align::Pair;
use weightlab_nets::symmetry::{Op, Per, augment};
use weightlab_nets::{Mlp, NetBatch, NetId};

pub fn ids(nets: usize) -> Vec<NetId> {
    (0..nets as u32).map(|object| NetId { object, view: 0 }).collect()
}

pub fn upload(gpu: &Gpu, mlp: &Mlp, params: &[f32]) -> NetBatch {
    NetBatch::upload(gpu, mlp, params, &ids(params.len() / mlp.param_count())).unwrap()
}

pub fn f32s(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

pub fn f64s(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Pair n of two batches of the same length.
pub fn one_to_one(nets: usize) -> Vec<Pair> {
    Pair::numbered(&(0..nets).map(|n| (n, n)).collect::<Vec<_>>())
}

pub fn numbers(stream: u32, count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| symmetric(philox4x32([i, stream, 0, 98], [1, 2])[0])).collect()
}

/// Random nets as after some training, and copies disturbed and moved. Noise comes first: shifts of whole half periods
/// would otherwise count as spread of the biases and drown them.
pub fn planted(
    mlp: &Mlp,
    nets: usize,
    seed: u64,
    noise: f32,
    signed: bool,
) -> (NetBatch, NetBatch) {
    let case = Case::new(&mlp.dims, 1, nets, seed);
    let a = upload(gpu(), mlp, &case.params());
    let noisy = augment(&a, &[Op::GaussianNoise { level: noise }], seed ^ 1).unwrap();
    let mut ops = vec![Op::Permutation];
    if signed {
        ops.push(Op::SirenNegation { probability: 0.5, per: Per::Neuron });
        ops.push(Op::SirenBias { k_max: 4 });
    }
    (a, augment(&noisy, &ops, seed).unwrap())
}
