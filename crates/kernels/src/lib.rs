//! Weightlab's WGSL compute shaders as data: no GPU, no wgpu.
//!
//! The files live in `shaders/` at the root of the project. `build.rs` composes them (a few
//! directives, see `src/compose.rs`), validates them with naga and generates the statics below,
//! so a typo in WGSL is a build failure and a shader is a name, not a string. The program carries the files and composes
//! them when a device wants them. Those in a folder `templates` want sizes for that: see [`Template`]. What a shader and Rust must compute
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
    /// Path below `shaders/`.
    file: &'static str,
    /// What it is composed with.
    values: &'static [(&'static str, u32)],
    /// Bindings of group 0, in order.
    pub bindings: &'static [Binding],
    /// Pipeline-overridable constants that have no default.
    pub overrides: &'static [&'static str],
}

impl Shader {
    /// WGSL, composed.
    ///
    /// # Panics
    /// If a template was given values that make no sense: a mistake in the caller. All others were composed by the build.
    pub fn source(&self) -> String {
        let text_of = |file: &str| {
            let at = FILES.binary_search_by_key(&file, |&(path, _)| path).ok()?;
            Some(FILES[at].1)
        };
        compose::compose(self.file, &text_of, self.values)
            .unwrap_or_else(|e| panic!("shaders/{} with {:?}: {e}", self.file, self.values))
    }
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
    /// Path below `shaders/`.
    file: &'static str,
    /// Bindings of group 0, in order.
    bindings: &'static [Binding],
}

/// The shaders made of templates, by name. They live as long as the program, as all others do.
static MADE: Mutex<BTreeMap<String, &'static Shader>> = Mutex::new(BTreeMap::new());

impl Template {
    /// The shader for these values of the template's names; its own name ends in the values.
    ///
    /// # Panics
    /// If another thread panicked in here.
    pub fn shader(&'static self, values: &[(&str, u32)]) -> &'static Shader {
        let mut name = self.name.to_owned();
        for (_, value) in values {
            name += &format!("_{value}");
        }
        let mut made = MADE.lock().expect("not poisoned");
        if let Some(shader) = made.get(&name) {
            return shader;
        }
        let kept: Vec<(&str, u32)> =
            values.iter().map(|&(name, value)| (&*name.to_owned().leak(), value)).collect();
        let shader: &'static Shader = Box::leak(Box::new(Shader {
            name: Box::leak(name.clone().into_boxed_str()),
            file: self.file,
            values: kept.leak(),
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
