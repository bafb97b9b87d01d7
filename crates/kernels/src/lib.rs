//! Weightlab's WGSL compute shaders as data: no GPU, no wgpu.
//!
//! The files live in `shaders/` at the root of the project. `build.rs` composes them (a few
//! directives, see `src/compose.rs`), validates them with naga and generates the statics below,
//! so a typo in WGSL is a build failure and a shader is a name, not a string. Files in a folder `templates`
//! are composed when the program knows the sizes: see [`Template`]. What a shader and Rust must compute
//! alike (random numbers) has its Rust twin here.

mod compose;
pub mod philox;

use std::collections::BTreeMap;
use std::sync::Mutex;

/// How a shader binds one buffer of group 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// `var<uniform>`; always binding 0.
    Uniform,
    /// `var<storage, read>`.
    ReadOnly,
    /// `var<storage, read_write>`.
    ReadWrite,
}

/// One compute shader with the entry point `main`.
#[derive(Debug)]
pub struct Shader {
    /// Path below `shaders/` without extension, `/` written as `_`.
    pub name: &'static str,
    /// Composed WGSL.
    pub source: &'static str,
    /// Bindings of group 0, in order.
    pub bindings: &'static [Binding],
    /// Pipeline-overridable constants that have no default.
    pub overrides: &'static [&'static str],
}

/// A shader with values for its overridable constants: one specialisation that a device can be asked for.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The shader.
    pub shader: &'static Shader,
    /// Its constants.
    pub constants: Vec<(&'static str, u32)>,
    /// Workgroup memory it needs, bytes; 0 if within the WebGPU default.
    pub workgroup_bytes: u64,
}

/// A shader whose text depends on sizes known at run time, where `override` constants do not suffice.
#[derive(Debug)]
pub struct Template {
    /// Path below `shaders/` without extension and the folder `templates`, `/` written as `_`.
    pub name: &'static str,
    /// Text with directives.
    text: &'static str,
    /// Bindings of group 0, in order.
    bindings: &'static [Binding],
}

/// The shaders made of templates, by name. They live as long as the program, as all others do.
static MADE: Mutex<BTreeMap<String, &'static Shader>> = Mutex::new(BTreeMap::new());

impl Template {
    /// The shader for these values of the template's names; its own name ends in the values.
    ///
    /// # Panics
    /// If a name is unknown to the template's expressions, or they make no sense with these values: a mistake
    /// in the caller.
    pub fn shader(&'static self, values: &[(&str, u32)]) -> &'static Shader {
        let mut name = self.name.to_owned();
        for (_, value) in values {
            name += &format!("_{value}");
        }
        let mut made = MADE.lock().expect("not poisoned");
        if let Some(shader) = made.get(&name) {
            return shader;
        }
        let source = compose::compose(self.text, values)
            .unwrap_or_else(|e| panic!("template {} with {values:?}: {e}", self.name));
        let shader: &'static Shader = Box::leak(Box::new(Shader {
            name: Box::leak(name.clone().into_boxed_str()),
            source: Box::leak(source.into_boxed_str()),
            bindings: self.bindings,
            overrides: &[],
        }));
        made.insert(name, shader);
        shader
    }
}

mod generated {
    use super::{Binding::*, Shader, Template};
    include!(concat!(env!("OUT_DIR"), "/shaders.rs"));
}
pub use generated::*;
