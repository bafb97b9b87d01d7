//! One network per invocation, for software renderers: `shaders/siren/templates/fit_lanes.wgsl` composed for an
//! architecture.

use crate::{Activation, Mlp};
use weightlab_kernels::{SIREN_FIT_LANES, Shader};

/// Most parameters of a network. Every parameter is a variable and every product is written out, and compiling takes
/// more than in proportion: 1.5 to 3 s for the 1,185 of 2-32-32-1, about four times that at this limit.
const MAX_PARAMS: usize = 2_400;

/// Most points times parameters of a network: some 30 ms a step on one core.
const MAX_WORK: usize = 16_000_000;

/// vec4 that a segment of the parameters should have at most: its moves cost a square of that.
const SEGMENT: u32 = 80;

/// The kernel for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    dims: Vec<u32>,
    /// Place of each layer in the parameter vector.
    starts: Vec<u32>,
    segments: u32,
    /// vec4 of a segment.
    size: u32,
    /// Networks of a workgroup.
    vector: u32,
}

impl Lanes {
    /// Lanes of a vector of Mesa's software renderer: a workgroup of so many networks is one vector.
    pub const MESA: u32 = 8;
    /// Lanes of a vector of SwiftShader, the software renderer of browsers.
    pub const SWIFTSHADER: u32 = 4;

    /// The kernel for this architecture, with so many networks in a workgroup; None if it is not a sine network or too
    /// large.
    pub fn choose(mlp: &Mlp, points: usize, vector: u32) -> Option<Lanes> {
        let count = mlp.param_count();
        let suits = matches!(mlp.activation, Activation::Sine { .. })
            && count <= MAX_PARAMS
            && points.checked_mul(count)? <= MAX_WORK;
        suits.then(|| {
            let quads = count.div_ceil(4) as u32;
            let segments = quads.div_ceil(SEGMENT);
            Lanes {
                dims: mlp.dims.iter().map(|&d| d as u32).collect(),
                starts: mlp.layers().iter().map(|layer| layer.weight as u32).collect(),
                segments,
                size: quads.div_ceil(segments),
                vector,
            }
        })
    }

    /// The shader, composed once per architecture.
    pub fn kernel(&self) -> &'static Shader {
        let numbered = |name: &str, numbers: &[u32]| -> Vec<(String, u32)> {
            numbers.iter().enumerate().map(|(i, &n)| (format!("{name}{i}"), n)).collect()
        };
        let mut values = vec![("LAYERS".to_owned(), self.starts.len() as u32)];
        values.extend(numbered("WIDTH", &self.dims));
        values.extend(numbered("AT", &self.starts));
        values.push(("SEGMENTS".to_owned(), self.segments));
        values.push(("SIZE".to_owned(), self.size));
        values.push(("VECTOR".to_owned(), self.vector));
        let values: Vec<_> = values.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        SIREN_FIT_LANES.shader(&values)
    }

    /// Networks of a workgroup.
    pub(super) fn vector(&self) -> usize {
        self.vector as usize
    }

    /// vec4 of one network's parameters.
    pub(super) fn param_quads(&self) -> u32 {
        self.segments * self.size
    }

    /// Loop iterations of an invocation: of a dispatch without steps, and of each step.
    pub(super) fn iterations(&self, points: usize) -> (u64, u64) {
        let quads = u64::from(self.param_quads());
        (2 * quads, 1 + points as u64 + quads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Convention;

    fn lanes(dims: &[usize], points: usize) -> Option<Lanes> {
        Lanes::choose(&Mlp::new(dims, Convention::Dwsnets).unwrap(), points, Lanes::MESA)
    }

    #[test]
    fn takes_small_networks_only() {
        assert!(lanes(&[2, 32, 32, 1], 784).is_some());
        assert!(lanes(&[3, 32, 32, 32, 3], 4096).is_some());
        assert!(lanes(&[2, 64, 64, 1], 784).is_none(), "too long to compile");
        assert!(lanes(&[2, 32, 32, 1], 128 * 128).is_none(), "too long a step");
        assert!(lanes(&[2, 32, 32, 1], usize::MAX).is_none());
    }

    /// Segments hold all parameters and waste less than one vec4 each.
    #[test]
    fn segments_cover_the_parameters() {
        for width in 1..=32 {
            let mlp = Mlp::new(&[2, width, width, 3], Convention::Dwsnets).unwrap();
            let lanes = Lanes::choose(&mlp, 100, Lanes::MESA).unwrap();
            let spare = 4 * lanes.param_quads() as usize - mlp.param_count();
            assert!(spare < 4 * (1 + lanes.segments as usize), "{width}: {lanes:?}");
            assert!(lanes.size <= SEGMENT, "{width}: {lanes:?}");
        }
    }

    /// The values that the build checks the template with are those of this architecture.
    #[test]
    fn template_defaults_are_the_usual_network() {
        let usual = lanes(&[2, 32, 32, 1], 784).unwrap().kernel();
        assert_eq!(usual.source(), SIREN_FIT_LANES.shader(&[]).source());
        assert_eq!(usual.name, "siren_fit_lanes_3_2_32_32_1_0_96_1152_4_75_8");
    }
}
