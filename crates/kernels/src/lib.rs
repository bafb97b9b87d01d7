//! Weightlab's WGSL compute shaders as data: no GPU, no wgpu.
//!
//! The files live in `shaders/` at the root of the project. `build.rs` composes them (two
//! directives, see `build/compose.rs`), validates them with naga and generates the statics below,
//! so a typo in WGSL is a build failure and a shader is a name, not a string. What a shader and Rust
//! must compute alike (random numbers) has its Rust twin here.

pub mod philox;

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

mod generated {
    use super::{Binding::*, Shader};
    include!(concat!(env!("OUT_DIR"), "/shaders.rs"));
}
pub use generated::*;
