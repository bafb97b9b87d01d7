//! Every specialisation of the shaders of this crate: what the checks outside this program (Tint) must see.

use weightlab_kernels::{self as kernels, Variant};

/// All variants.
pub fn all() -> Vec<Variant> {
    let mut variants: Vec<Variant> = Vec::new();
    let mut add = |shader, constants| {
        variants.push(Variant { shader, constants, workgroup_bytes: 0 });
    };
    for (shader, name, values) in [
        (&kernels::LEARN_LINEAR, "RELU", 0..2),
        (&kernels::LEARN_LINEAR_SOFTWARE, "RELU", 0..2),
        (&kernels::LEARN_LINEAR_INPUT, "RELU", 0..2),
        (&kernels::LEARN_LINEAR_INPUT_SOFTWARE, "RELU", 0..2),
        (&kernels::LEARN_LINEAR_WEIGHT, "RELU", 0..2),
        (&kernels::LEARN_LINEAR_WEIGHT_SOFTWARE, "RELU", 0..2),
        (&kernels::LEARN_ROWS, "PICK", 0..2),
        (&kernels::LEARN_POOL_ENTRIES, "POOLING", 0..3),
        (&kernels::LEARN_POOL_POSITIONS, "POOLING", 0..3),
        (&kernels::LEARN_POOL_POSITIONS_BACK, "POOLING", 0..3),
    ] {
        for value in values {
            add(shader, vec![(name, value)]);
        }
    }
    // RELU, RELU_OUT, ACCUMULATE, PRODUCT, TERMS as the bits of a number.
    for bits in 0..32 {
        let names = ["RELU", "RELU_OUT", "ACCUMULATE", "PRODUCT", "TERMS"];
        let constants: Vec<_> = (0..5).map(|k| (names[k], (bits >> k) & 1)).collect();
        for shader in [&kernels::LEARN_ENTRIES, &kernels::LEARN_ENTRIES_SOFTWARE] {
            add(shader, constants.clone());
        }
        for pooling in 0..3 {
            for shader in [&kernels::LEARN_ENTRIES_INPUT, &kernels::LEARN_ENTRIES_INPUT_SOFTWARE] {
                let mut constants = constants.clone();
                constants.push(("POOLING", pooling));
                add(shader, constants);
            }
        }
    }
    for &shader in kernels::ALL {
        let known = variants.iter().any(|v| std::ptr::eq(v.shader, shader));
        if !known && shader.name.starts_with("learn_") && shader.overrides.is_empty() {
            variants.push(Variant { shader, constants: Vec::new(), workgroup_bytes: 0 });
        }
    }
    variants
}
