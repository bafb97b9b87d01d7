//! Dropout. Kernel: `shaders/tensor/dropout.wgsl`.

use crate::graph::gradient::FLAG;
use crate::graph::{Emit, Graph, STEP};
use crate::shape::Var;
use std::mem::offset_of;
use weightlab_kernels as kernels;
use weightlab_kernels::philox::Purpose;

/// `Dropout` of the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    count: u32,
    accumulate: u32,
    below: u32,
    factor: f32,
    site: u32,
    purpose: u32,
    x_place: u32,
    y_place: u32,
}
const _: () = assert!(offset_of!(Block, accumulate) == FLAG);

impl Graph {
    fn dropout_call(&mut self, x: Var, rate: f32, site: u32, to: Var) {
        let block = Block {
            count: x.len() as u32,
            accumulate: 0,
            below: ((1.0 - f64::from(rate)) * 2f64.powi(32)) as u32,
            factor: 1.0 / (1.0 - rate),
            site,
            purpose: Purpose::Dropout as u32,
            x_place: self.place(&x) as u32,
            y_place: self.place(&to) as u32,
        };
        self.call(&Emit {
            name: "dropout",
            shader: &kernels::TENSOR_DROPOUT,
            constants: &[],
            uniform: &block,
            buffers: &[STEP, x.tensor, to.tensor],
            groups: self.linear_groups(x.len().div_ceil(256)),
        });
    }

    /// Sets elements to zero with probability `rate` and divides the others by `1 - rate`. Which, depends on the
    /// seed and step of the [`Pass`](crate::Pass) and on how many dropouts the graph had before.
    #[track_caller]
    pub fn dropout(&mut self, x: Var, rate: f32) -> Var {
        assert!((0.0..1.0).contains(&rate), "dropout rate {rate}: from 0 to below 1");
        if rate == 0.0 {
            return x;
        }
        let site = self.dropouts;
        self.dropouts += 1;
        let source = self.in_order(x);
        let y = self.result("dropout", x.shape(), &[x]);
        self.dropout_call(source, rate, site, y);
        self.on_backward(y, move |g, dy| {
            let dy = g.in_order(dy);
            if x.is_contiguous() {
                g.deliver(x, |g, to| g.dropout_call(dy, rate, site, to));
            } else {
                let dx = g.temp("gradient of dropout", x.shape());
                g.dropout_call(dy, rate, site, dx);
                g.contribute(x, dx, 1.0);
            }
        });
        y
    }
}
