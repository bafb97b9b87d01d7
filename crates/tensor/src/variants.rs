//! Every specialisation of the shaders of this crate: what the checks outside this program (Tint) must see.

use weightlab_kernels::Variant;

/// All variants.
pub fn all() -> Vec<Variant> {
    let mut variants = Vec::new();
    let mut add = |shader, constants: &[(&'static str, u32)]| {
        variants.push(Variant { shader, constants: constants.to_vec(), workgroup_bytes: 0 });
    };
    crate::ops::elementwise::variants(&mut add);
    crate::ops::reduce::variants(&mut add);
    crate::ops::matmul::variants(&mut add);
    crate::ops::rows::variants(&mut add);
    crate::ops::attention::variants(&mut add);
    crate::update::variants(&mut add);
    for &shader in weightlab_kernels::ALL {
        let known = variants.iter().any(|v: &Variant| std::ptr::eq(v.shader, shader));
        if !known && shader.name.starts_with("tensor_") && shader.overrides.is_empty() {
            variants.push(Variant { shader, constants: Vec::new(), workgroup_bytes: 0 });
        }
    }
    variants
}
