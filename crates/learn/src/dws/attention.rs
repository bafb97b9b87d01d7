//! Set attention of all heads of all set maps over the same number of positions. Kernels: `shaders/learn/attention*.wgsl`.

use crate::calls::{Calls, Groups, Operand, word};
use bytemuck::{Pod, Zeroable};
use weightlab_kernels as kernels;

/// Scores that one workgroup holds.
const SCORES: usize = 1024;
/// Most positions: a block has at least four rows.
pub(crate) const MAX_POSITIONS: usize = SCORES / 4;

/// One head of one set map: its columns, in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unit {
    pub q: usize,
    pub k: usize,
    pub v: usize,
    pub o: usize,
    pub width: usize,
    pub scale: f32,
}

/// All heads of one group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attention {
    pub units: Vec<Unit>,
    pub positions: usize,
    /// Numbers from one position to the next.
    pub y_stride: usize,
    pub o_stride: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Uniform {
    positions: u32,
    block_rows: u32,
    y_stride: u32,
    o_stride: u32,
}

impl Attention {
    /// o = q + softmax(scale q k^T) v
    pub fn forward(&self, calls: &mut Calls, nets: usize, y: Operand, o: Operand) {
        let shader =
            if self.wide() { &kernels::LEARN_ATTENTION } else { &kernels::LEARN_ATTENTION_NARROW };
        self.call(calls, shader, nets, &[y, o]);
    }

    /// Gradients of the columns of Q, K and V in `dy`, which no other unit uses.
    pub fn backward(&self, calls: &mut Calls, nets: usize, y: Operand, g: Operand, dy: Operand) {
        let shader = if self.wide() {
            &kernels::LEARN_ATTENTION_BACK
        } else {
            &kernels::LEARN_ATTENTION_BACK_NARROW
        };
        self.call(calls, shader, nets, &[y, g, dy]);
    }

    fn wide(&self) -> bool {
        self.units.iter().all(|u| [u.q, u.k, u.v, u.o, u.width].iter().all(|n| n % 4 == 0))
    }

    fn call(
        &self,
        calls: &mut Calls,
        shader: &'static weightlab_kernels::Shader,
        nets: usize,
        operands: &[Operand],
    ) {
        if self.units.is_empty() {
            return;
        }
        let mut words = Vec::new();
        for u in &self.units {
            words.extend([u.q, u.k, u.v, u.o, u.width].map(word));
            words.extend([u.scale.to_bits(), 0, 0]);
        }
        let table: Operand = calls.table("attention", words).into();
        let padded = self.positions.next_multiple_of(4);
        let uniform = Uniform {
            positions: word(self.positions),
            block_rows: word((SCORES / padded / 4 * 4).min(padded)),
            y_stride: word(self.y_stride),
            o_stride: word(self.o_stride),
        };
        let mut all = vec![table];
        all.extend(operands);
        calls.call(
            shader,
            &[],
            &uniform,
            &all,
            Groups::Plane(word(self.units.len()), word(nets)),
        );
    }
}
