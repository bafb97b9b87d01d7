//! What Mesa's software renderer needs to be asked differently.
//!
//! Its Vulkan driver (lavapipe) copies a shader, replaces values of uniform blocks that steer control flow by
//! constants, optimises and compiles the copy, and does so **anew whenever such a value changes**. Layers of
//! different widths and chunks at different offsets change them in every dispatch: measured on Mesa 22.3, half
//! of the time went into compiling, and since the copies live as long as the device, a fit of one
//! photograph grew by 600 MB a step. Values read from storage buffers are left alone.
//!
//! So on this driver the uniform block of binding 0 becomes a read-only storage buffer with the same
//! bytes (a uniform block obeys the stricter layout rules of the two), copied to a private variable first,
//! because loads in loops are dear there. Real GPUs and browsers get the shader as it is written.

use std::borrow::Cow;
use weightlab_kernels::{Binding, Shader};

const DECLARATION: &str = "@group(0) @binding(0) var<uniform> ";

/// Whether the uniform block of `shader` goes into a storage buffer here: it must have one, and there must
/// be room among `most_storage_buffers`.
pub(crate) fn replaces_uniform(shader: &Shader, most_storage_buffers: u32) -> bool {
    shader.bindings.first() == Some(&Binding::Uniform)
        && shader.bindings.len() as u64 <= u64::from(most_storage_buffers)
}

/// The source with its uniform block in a storage buffer.
///
/// `var<uniform> layer: Layer;` becomes `var<storage, read> layer_block: Layer; var<private> layer: Layer;`
/// and `main` starts with `layer = layer_block;`.
pub(crate) fn without_uniform(source: &str) -> Cow<'_, str> {
    let replaced = || {
        let (before, rest) = source.split_once(DECLARATION)?;
        let (declared, rest) = rest.split_once(';')?;
        let (name, ty) = declared.split_once(':')?;
        let main = rest.find("fn main(")?;
        let body = main + rest[main..].find('{')? + 1;
        let (head, body) = rest.split_at(body);
        Some(format!(
            "{before}@group(0) @binding(0) var<storage, read> {name}_block:{ty};\n\
             var<private> {name}:{ty};{head}\n  {name} = {name}_block;{body}"
        ))
    };
    replaced().map_or(Cow::Borrowed(source), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every shader with a uniform block is found and rewritten, and has room in WebGPU's default limits.
    #[test]
    fn every_uniform_block_is_moved() {
        let mut seen = 0;
        for shader in weightlab_kernels::ALL {
            let source = shader.source();
            let moved = without_uniform(&source);
            if shader.bindings.first() == Some(&Binding::Uniform) {
                seen += 1;
                assert!(replaces_uniform(shader, 8), "{}: no room for the block", shader.name);
                assert!(!moved.contains("var<uniform>"), "{}", shader.name);
                assert_eq!(moved.matches("_block;").count(), 1, "{}", shader.name);
            } else {
                assert_eq!(moved, source, "{}", shader.name);
            }
        }
        assert!(seen > 10, "{seen} shaders with a uniform block");
    }
}
