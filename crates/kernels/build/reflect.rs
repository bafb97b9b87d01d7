//! Parses and validates one composed shader with naga and reads off what Rust must know.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess};

/// Printed with `{:?}` into the generated index, so the names equal those of `src/lib.rs`.
#[derive(Debug)]
pub enum Binding {
    Uniform,
    ReadOnly,
    ReadWrite,
}

pub struct Reflection {
    /// Bindings of group 0, in order.
    pub bindings: Vec<Binding>,
    /// Names of the pipeline-overridable constants without a default.
    pub overrides: Vec<String>,
}

pub fn reflect(source: &str) -> Result<Reflection, String> {
    let module = naga::front::wgsl::parse_str(source)
        .map_err(|e| e.emit_to_string_with_path(source, "composed"))?;
    Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|e| e.emit_to_string_with_path(source, "composed"))?;

    match module.entry_points.as_slice() {
        [only] if only.name == "main" => {}
        _ => return Err("a shader has exactly one entry point, named `main`".to_owned()),
    }

    let mut bindings = Vec::new();
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = &variable.binding else { continue };
        if binding.group != 0 {
            return Err(format!("binding {binding:?}: only group 0 is used"));
        }
        let kind = match variable.space {
            AddressSpace::Uniform => Binding::Uniform,
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                Binding::ReadWrite
            }
            AddressSpace::Storage { .. } => Binding::ReadOnly,
            _ => return Err(format!("binding {binding:?}: not a buffer")),
        };
        bindings.push((binding.binding, kind));
    }
    bindings.sort_by_key(|(index, _)| *index);
    if bindings.iter().enumerate().any(|(i, (index, _))| i as u32 != *index) {
        return Err("bindings must be numbered 0, 1, 2, .. without gaps".to_owned());
    }
    let storage = bindings.iter().filter(|(_, k)| !matches!(k, Binding::Uniform)).count();
    if storage > 8 {
        return Err(format!("{storage} storage buffers; WebGPU promises 8"));
    }
    if bindings.iter().skip(1).any(|(_, k)| matches!(k, Binding::Uniform)) {
        return Err("at most one uniform buffer, and it is binding 0".to_owned());
    }

    let overrides = module
        .overrides
        .iter()
        .filter(|(_, o)| o.init.is_none())
        .filter_map(|(_, o)| o.name.clone())
        .collect();
    Ok(Reflection { bindings: bindings.into_iter().map(|(_, k)| k).collect(), overrides })
}
