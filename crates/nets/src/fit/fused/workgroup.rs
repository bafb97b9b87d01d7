//! One workgroup per network: the specialisations of `shaders/siren/parts/fit_fused.wgsl`, and their layout of a
//! network's parameters.

use super::CPU_LOOP_BUDGET;
use crate::{Activation, Mlp};
use weightlab_gpu::Gpu;
use weightlab_kernels::Shader;

/// Most points of a signal. One workgroup walks all points of its network, so beyond this a dispatch of
/// a single step takes too long on slow devices and the tiled path spreads the work better.
const MAX_POINTS: usize = 16_384;

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

/// Neurons of a thread's register tile, `NI` of the kernel.
const NEURONS: u32 = 8;
/// Points / 4 of a thread's register tile, `NQ` of the kernel.
const QUADS: u32 = 2;
/// Threads that a workgroup should have: what a GPU executes together.
const THREADS: u32 = 32;

/// A specialisation of the kernel. All sizes in vec4 of 16 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
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
        Shape::choose_within(bytes, mlp)
            .filter(|shape| !gpu.is_cpu() || shape.iterations_per_step(points) <= CPU_LOOP_BUDGET)
    }

    /// Tiles of a signal.
    pub(super) fn tiles(&self, points: usize) -> usize {
        points.div_ceil(self.tile_points())
    }

    /// The best specialisation with a given amount of workgroup memory; None if the kernel cannot take the
    /// architecture.
    pub fn choose_within(workgroup_bytes: u32, mlp: &Mlp) -> Option<Shape> {
        let hidden = mlp.widest_hidden();
        if !matches!(mlp.activation, Activation::Sine { .. })
            || hidden > 64
            || mlp.inputs() > 3
            || mlp.outputs() > 3
        {
            return None;
        }
        let gn = (hidden as u32).div_ceil(NEURONS).next_power_of_two();
        let largest = gn.max(THREADS / gn);
        let shape = |gp, placement| Shape {
            gn,
            gp,
            hl: (mlp.depth() - 1) as u32,
            ins: mlp.inputs() as u32,
            outs: mlp.outputs() as u32,
            placement,
        };
        // Everything in workgroup memory if that is possible with any tile of points, the largest first.
        for placement in [Placement::Workgroup, Placement::Mixed] {
            let mut gp = largest;
            while gp >= gn {
                let candidate = shape(gp, placement);
                if candidate.workgroup_bytes() <= u64::from(workgroup_bytes) {
                    return Some(candidate);
                }
                gp /= 2;
            }
        }
        Some(shape(largest, Placement::Storage))
    }

    fn hp(&self) -> u32 {
        NEURONS * self.gn
    }

    pub(super) fn tile_quads(&self) -> u32 {
        QUADS * self.gp
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
        (2 * self.hl - 1) * self.hp() * self.tile_quads()
    }

    /// Scratch of one workgroup: running gradient sums with several hidden matrices, and the
    /// activations when they are in storage.
    pub(super) fn scratch_quads(&self) -> u32 {
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

    /// Loop iterations of one invocation in one optimiser step over all points: the sum over every
    /// loop of the kernel, nested ones multiplied out. An upper bound, for [`CPU_LOOP_BUDGET`].
    pub(super) fn iterations_per_step(&self, points: usize) -> u64 {
        let [gn, gp, hl] = [self.gn, self.gp, self.hl].map(u64::from);
        let hp = u64::from(self.hp());
        let threads = gn * gp;
        let error_rounds = (u64::from(self.outs) * u64::from(self.tile_quads())).div_ceil(threads);
        let forward = (hl - 1) * (1 + hp / 4);
        let backward = (hl - 1) * (1 + u64::from(QUADS) * gn + hp);
        let tile = 1 + forward + error_rounds * (1 + gn) + backward;
        let adam_rounds = u64::from(self.param_quads()).div_ceil(threads);
        1 + self.tiles(points) as u64 * tile + threads + adam_rounds * (1 + gp)
    }

    /// The shader and its constants.
    pub fn kernel(&self) -> (&'static Shader, [(&'static str, u32); 5]) {
        use weightlab_kernels as k;
        let shader = match self.placement {
            Placement::Workgroup => &k::SIREN_FIT_FUSED_WORKGROUP,
            Placement::Mixed => &k::SIREN_FIT_FUSED_MIXED,
            Placement::Storage => &k::SIREN_FIT_FUSED_STORAGE,
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
    pub(super) fn positions(&self, mlp: &Mlp) -> Vec<usize> {
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
            let shape = Shape::choose_within(32_768, &mlp).unwrap();
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
            let placement = if variant.shader.name.ends_with("storage") {
                Placement::Storage
            } else {
                Placement::Workgroup
            };
            let [gn, gp, hl, ins, outs] = ["GN", "GP", "HL", "INS", "OUTS"].map(get);
            let shape = Shape { gn, gp, hl, ins, outs, placement };
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
