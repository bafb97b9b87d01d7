//! How a device matches and assigns: threads, and where cost matrices lie.

use super::{MAX_MATCH_WIDTH, Method};
use crate::Mlp;
use crate::symmetry::hidden_count;
use weightlab_gpu::Gpu;
use weightlab_kernels::{self as kernels, Shader};

/// Widest hidden layer that one thread of a software renderer matches alone.
pub const LANE_WIDTH: usize = 32;

/// A specialisation of the assignment solver and of the matching around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Hidden neurons that one thread per pair has room for, eight of them in a workgroup (`match_lanes.wgsl`), instead of one workgroup
    /// per pair (`match.wgsl`), which is then 0. What follows is about the latter, and about assignments.
    pub lanes: u32,
    /// Threads of a workgroup.
    pub threads: u32,
    /// Columns per thread.
    pub per_thread: u32,
    /// Row stride of the cost matrix.
    pub side: u32,
    /// Room for the neurons of any layer.
    pub widest: u32,
    /// Whether the cost matrix lies in storage instead of workgroup memory.
    pub in_storage: bool,
}

impl Shape {
    /// For hidden layers of at most `hidden` and any layers of at most `widest` neurons.
    pub fn choose(gpu: &Gpu, hidden: usize, widest: usize) -> Shape {
        Shape::choose_within(gpu.report().max_workgroup_bytes, gpu.is_cpu(), hidden, widest)
    }

    /// The same for a given amount of workgroup memory and kind of device.
    pub fn choose_within(bytes: u32, software: bool, hidden: usize, widest: usize) -> Shape {
        let side = if hidden <= 32 {
            32
        } else if hidden <= 64 {
            64
        } else {
            MAX_MATCH_WIDTH as u32
        };
        // A software renderer runs as many threads as its vectors are wide at once, and pays for barriers by
        // the thread; a GPU wants a column per thread.
        let threads = if software { (side / 8).max(8) } else { side.min(64) };
        let mut shape = Shape {
            lanes: if software && hidden <= LANE_WIDTH {
                hidden.next_multiple_of(8).max(8) as u32
            } else {
                0
            },
            threads,
            per_thread: side / threads,
            side,
            widest: if widest <= 64 { 64 } else { 256 },
            in_storage: false,
        };
        shape.in_storage = shape.workgroup_bytes() > u64::from(bytes);
        shape
    }

    /// Workgroup memory of the matching, bytes.
    pub fn workgroup_bytes(&self) -> u64 {
        let [side, widest] = [self.side, self.widest].map(u64::from);
        let costs = if self.in_storage { 1 } else { side * side };
        4 * costs + 16 * widest + 24 * side + 16 * 64 + 64
    }

    /// Constants of `align/assign`.
    pub fn assign_constants(&self) -> [(&'static str, u32); 3] {
        [("WG", self.threads), ("PER", self.per_thread), ("N", self.side)]
    }

    /// Whether a thread matches a pair alone.
    pub fn alone(&self) -> bool {
        self.lanes > 0
    }

    /// The kernel of the matching, with its constants.
    pub fn match_kernel(&self, method: Method) -> (&'static Shader, Vec<(&'static str, u32)>) {
        let signed = ("SIGNED", u32::from(method == Method::Signed));
        if self.alone() {
            let values = [("N", self.lanes), signed];
            return (kernels::ALIGN_MATCH_LANES.shader(&values), Vec::new());
        }
        let constants = vec![
            ("WG", self.threads),
            ("PER", self.per_thread),
            ("N", self.side),
            ("WIDEST", self.widest),
            ("PLACE", u32::from(self.in_storage)),
            ("NEAR", if self.in_storage { 1 } else { self.side * self.side }),
            signed,
        ];
        (&kernels::ALIGN_MATCH, constants)
    }

    /// Bytes of storage per pair beside its moves and state.
    pub(super) fn scratch_bytes(&self, mlp: &Mlp) -> u64 {
        let costs = if self.in_storage && !self.alone() { u64::from(self.side).pow(2) } else { 0 };
        4 * (hidden_count(mlp) as u64 + costs)
    }

    /// Loop iterations of one invocation in one visit, at most: the solver's steps and swaps, the tiles of
    /// the cost matrix and the loops over neurons.
    pub(super) fn iterations_per_visit(&self, mlp: &Mlp) -> u64 {
        let threads = u64::from(self.threads);
        let widths = || mlp.dims.iter().map(|&d| d as u64);
        let n = widths().skip(1).take(mlp.depth() - 1).max().unwrap_or(1);
        let widest = widths().max().unwrap_or(1);
        if self.alone() {
            // Loads of all terms, rounds of the solver, loops over neurons, visits passed over: the lanes of a
            // vector count together, each loop with its longest.
            return (2 * widest + 1) * (1 + n.div_ceil(4))
                + 1200
                + 5 * n
                + 8 * mlp.depth() as u64
                + 64;
        }
        let tiles = (n.div_ceil(4) * n.div_ceil(4)).div_ceil(threads);
        let solver = n * (n + 1) + 2 * n * u64::from(self.per_thread) + 4 * n;
        let rounds = n.div_ceil(threads);
        tiles * (1 + 2 * widest) + solver + 2 * widest.div_ceil(threads) + rounds * (2 + 4 * widest)
    }
}
