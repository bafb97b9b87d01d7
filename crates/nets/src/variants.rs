//! Every specialisation of the shaders of this crate, that is of all but the tensor engine's: what the checks outside
//! this program (Tint) must see.

use crate::align::{Method, Shape as MatchShape};
use crate::fit::fused::{Lanes, Shape};
use crate::{Convention, MAX_LAYERS, Mlp};
use std::collections::BTreeSet;
use weightlab_kernels::Variant;

/// All variants; of templates, representative ones. Those of the fused fit are what [`Shape::choose_within`] gives
/// over all architectures it takes and the amounts of workgroup memory that devices have.
pub fn all() -> Vec<Variant> {
    let mut variants = Vec::new();
    let mut seen = BTreeSet::new();
    for bytes in [16_384, 32_768, 49_152, 65_536] {
        for width in [8, 16, 32, 64] {
            for layers in 2..=MAX_LAYERS {
                for (inputs, outputs) in [(1, 1), (2, 1), (2, 2), (2, 3), (3, 1)] {
                    let mut dims = vec![width; layers + 1];
                    dims[0] = inputs;
                    dims[layers] = outputs;
                    let Ok(mlp) = Mlp::new(&dims, Convention::Dwsnets) else { continue };
                    let Some(shape) = Shape::choose_within(bytes, &mlp) else { continue };
                    let (shader, constants) = shape.kernel();
                    if seen.insert((shader.name, constants)) {
                        let needed = shape.workgroup_bytes();
                        variants.push(Variant {
                            shader,
                            constants: constants.to_vec(),
                            workgroup_bytes: if needed > 16_384 { needed } else { 0 },
                        });
                    }
                }
            }
        }
    }
    // Composed for each architecture; these have one, two and three hidden layers, widths that are not
    // multiples of four, and every number of inputs and outputs.
    for dims in [&[2, 32, 32, 1][..], &[1, 9, 1], &[2, 5, 7, 3], &[3, 6, 11, 4, 2]] {
        for vector in [Lanes::MESA, Lanes::SWIFTSHADER] {
            let mlp = Mlp::new(dims, Convention::Dwsnets).ok();
            let lanes = mlp.and_then(|mlp| Lanes::choose(&mlp, 1, vector));
            variants.extend(lanes.map(|lanes| Variant {
                shader: lanes.kernel(),
                constants: Vec::new(),
                workgroup_bytes: 0,
            }));
        }
    }
    for side in [4, 16] {
        let of = |shader| Variant { shader, constants: Vec::new(), workgroup_bytes: 0 };
        let rows = ("ROWS", side);
        for kind in 0..3 {
            for slopes in 0..2 {
                let values = [rows, ("KIND", kind), ("SLOPES", slopes)];
                variants.push(of(weightlab_kernels::SIREN_LAYER_FORWARD_LANES.shader(&values)));
            }
        }
        variants.push(of(weightlab_kernels::SIREN_LAYER_BACKWARD_LANES.shader(&[rows])));
        for columns in [4, 16] {
            let values = [rows, ("COLUMNS", columns)];
            variants.push(of(weightlab_kernels::SIREN_LAYER_GRADIENT_LANES.shader(&values)));
        }
    }
    for kind in 0..3 {
        for slopes in 0..2 {
            variants.push(Variant {
                shader: &weightlab_kernels::SIREN_LAYER_FORWARD,
                constants: vec![("KIND", kind), ("SLOPES", slopes)],
                workgroup_bytes: 0,
            });
        }
    }
    let mut shapes = Vec::new();
    for software in [false, true] {
        for bytes in [16_384, 32_768, 49_152, 65_536, 131_072] {
            for (hidden, widest) in [(8, 64), (32, 64), (32, 256), (64, 64), (64, 256), (128, 256)]
            {
                let shape = MatchShape::choose_within(bytes, software, hidden, widest);
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                }
            }
        }
    }
    let mut seen_matches = BTreeSet::new();
    for shape in shapes {
        for method in [Method::WeightMatching, Method::Signed] {
            let needed = if shape.alone() { 0 } else { shape.workgroup_bytes() };
            let (shader, constants) = shape.match_kernel(method);
            if seen_matches.insert((shader.name, constants.clone())) {
                variants.push(Variant {
                    shader,
                    constants,
                    workgroup_bytes: if needed > 16_384 { needed } else { 0 },
                });
            }
        }
        variants.push(Variant {
            shader: &weightlab_kernels::ALIGN_ASSIGN,
            constants: shape.assign_constants().to_vec(),
            workgroup_bytes: 0,
        });
    }
    for (shader, name, values) in [
        (&weightlab_kernels::ALIGN_DRAW_LAMBDAS, "KIND", 0..3),
        (&weightlab_kernels::ALIGN_MIX_LABELS, "LARGER", 0..2),
        (&weightlab_kernels::SYMMETRY_DRAW_BITS, "KIND", 0..2),
        (&weightlab_kernels::SYMMETRY_DRAW_MOVES, "KIND", 0..2),
        (&weightlab_kernels::SYMMETRY_INPUT_MAP, "KIND", 0..4),
    ] {
        for value in values {
            variants.push(Variant { shader, constants: vec![(name, value)], workgroup_bytes: 0 });
        }
    }
    for lanes in [8, 64] {
        let constants = vec![("LANES", lanes)];
        let shader = &weightlab_kernels::SYMMETRY_SPREAD;
        variants.push(Variant { shader, constants, workgroup_bytes: 0 });
    }
    for run in [4, 16] {
        let constants = vec![("RUN", run)];
        for shader in [&weightlab_kernels::SYMMETRY_PICK, &weightlab_kernels::SYMMETRY_SHIFT] {
            let constants = constants.clone();
            variants.push(Variant { shader, constants, workgroup_bytes: 0 });
        }
        for given in 0..2 {
            let constants = vec![("GIVEN", given), ("RUN", run)];
            let shader = &weightlab_kernels::SYMMETRY_NOISE;
            variants.push(Variant { shader, constants, workgroup_bytes: 0 });
        }
    }
    for (rows, per_layer) in [(0, 0), (1, 0), (1, 1)] {
        let constants = vec![("ROWS", rows), ("PER_LAYER", per_layer)];
        let shader = &weightlab_kernels::SYMMETRY_SIGN_BITS;
        variants.push(Variant { shader, constants, workgroup_bytes: 0 });
    }
    for step in [1, 64] {
        let constants = vec![("STEP", step)];
        let shader = &weightlab_kernels::SYMMETRY_COPY;
        variants.push(Variant { shader, constants, workgroup_bytes: 0 });
        for kind in 0..2 {
            let constants = vec![("KIND", kind), ("STEP", step)];
            let shader = &weightlab_kernels::SYMMETRY_BITS;
            variants.push(Variant { shader, constants, workgroup_bytes: 0 });
        }
    }
    for (sources, factors) in [(0, 1), (1, 0), (1, 1)] {
        let mut constants = vec![("SOURCES", sources), ("FACTORS", factors)];
        variants.push(Variant {
            shader: &weightlab_kernels::SYMMETRY_MOVE_LANES,
            constants: constants.clone(),
            workgroup_bytes: 0,
        });
        constants.push(("STEP", 64));
        let shader = &weightlab_kernels::SYMMETRY_MOVE;
        variants.push(Variant { shader, constants, workgroup_bytes: 0 });
    }
    for &shader in weightlab_kernels::ALL {
        let elsewhere = ["tensor_", "learn_"].iter().any(|p| shader.name.starts_with(p));
        if shader.overrides.is_empty() && !elsewhere {
            variants.push(Variant { shader, constants: Vec::new(), workgroup_bytes: 0 });
        }
    }
    variants
}
