//! Set attention of all heads of all set maps over the same number of positions. Kernels: `shaders/learn/attention*.wgsl`.

use crate::calls::{Calls, Groups, Kind, Operand, word};
use bytemuck::{Pod, Zeroable};
use weightlab_kernels::{self as kernels, Shader};

/// Scores that one workgroup holds.
const SCORES: usize = 1024;

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

/// `Block` of `shaders/learn/parts/attention{,_lanes}.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub positions: u32,
    /// Rows of a block, or nets.
    pub count: u32,
    pub y_stride: u32,
    pub o_stride: u32,
}

/// Most positions, and rows of a block, of the kernels that keep all scores in registers.
const LANE_POSITIONS: usize = 32;
const LANE_ROWS: usize = 16;

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// One workgroup per unit and net.
    Wide,
    /// The same, number by number.
    Narrow,
    /// One thread per unit and net.
    Lanes,
}

impl Attention {
    /// o = q + softmax(scale q k^T) v
    pub fn forward(&self, calls: &mut Calls, nets: usize, y: Operand, o: Operand) {
        let shader = match self.way(calls.kind()) {
            Way::Wide => &kernels::LEARN_ATTENTION,
            Way::Narrow => &kernels::LEARN_ATTENTION_NARROW,
            Way::Lanes => &kernels::LEARN_ATTENTION_SOFTWARE,
        };
        self.call(calls, shader, nets, &[y, o], self.positions.div_ceil(LANE_ROWS));
    }

    /// Gradients of the columns of Q, K and V in `dy`, which no other unit uses.
    pub fn backward(&self, calls: &mut Calls, nets: usize, y: Operand, g: Operand, dy: Operand) {
        let shader = match self.way(calls.kind()) {
            Way::Wide => &kernels::LEARN_ATTENTION_BACK,
            Way::Narrow => &kernels::LEARN_ATTENTION_BACK_NARROW,
            Way::Lanes => &kernels::LEARN_ATTENTION_BACK_SOFTWARE,
        };
        self.call(calls, shader, nets, &[y, g, dy], 1);
    }

    fn way(&self, kind: Kind) -> Way {
        let quads = |u: &Unit| [u.q, u.k, u.v, u.o, u.width].iter().all(|n| n % 4 == 0);
        if !self.units.iter().all(quads) {
            return Way::Narrow;
        }
        match kind {
            Kind::Software if self.positions <= LANE_POSITIONS => Way::Lanes,
            _ => Way::Wide,
        }
    }

    fn call(
        &self,
        calls: &mut Calls,
        shader: &'static Shader,
        nets: usize,
        operands: &[Operand],
        lane_blocks: usize,
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
        let units = word(self.units.len());
        let (count, groups) = match self.way(calls.kind()) {
            Way::Lanes => (nets, Groups::Space(word(nets.div_ceil(8)), units, word(lane_blocks))),
            _ => ((SCORES / padded / 4 * 4).min(padded), Groups::Space(units, word(nets), 1)),
        };
        let uniform = Uniform {
            positions: word(self.positions),
            count: word(count),
            y_stride: word(self.y_stride),
            o_stride: word(self.o_stride),
        };
        let mut all = vec![table];
        all.extend(operands);
        calls.call(shader, &[], &uniform, &all, groups);
    }
}
