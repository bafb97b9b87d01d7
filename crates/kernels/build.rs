//! Composes, parses, validates and reflects every shader under `shaders/`, and writes the typed
//! index that `src/lib.rs` includes. A mistake in a shader is a build failure with naga's message.

#![allow(
    clippy::disallowed_methods,
    reason = "the list is for browsers; this runs where cargo does"
)]

mod build {
    pub mod include;
    pub mod reflect;
}
#[path = "src/compose.rs"]
mod compose;

use build::{include, reflect};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../shaders");
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/compose.rs");

    let mut index = String::new();
    let [mut shaders, mut templates] = [Vec::new(), Vec::new()];
    let mut problems = Vec::new();
    let for_browsers = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32");
    for path in entry_files(&root) {
        let relative = path.strip_prefix(&root).expect("listed below root");
        let is_template = relative.parent().is_some_and(|folder| folder.ends_with("templates"));
        let mut name = relative.with_extension("").to_string_lossy().replace(['/', '\\'], "_");
        if is_template {
            name = name.replace("templates_", "");
        }
        let ident = name.to_uppercase();
        let path = relative.display();
        match checked(&root, relative).map(|(text, source, reflection)| {
            if for_browsers {
                (bare(&text), bare(&source), reflection)
            } else {
                (text, source, reflection)
            }
        }) {
            // A template is checked with its default values, and goes in as it is.
            Ok((text, _, reflect::Reflection { bindings, overrides })) if is_template => {
                if !overrides.is_empty() {
                    problems.push(format!("shaders/{path}: a template has no `override`"));
                }
                writeln!(
                    index,
                    "/// `shaders/{path}`.\npub static {ident}: Template = Template {{ \
                     name: {name:?}, text: {text:?}, bindings: &{bindings:?} }};",
                )
                .expect("writing to a String");
                templates.push(format!("&{ident}"));
            }
            Ok((_, source, reflect::Reflection { bindings, overrides })) => {
                writeln!(
                    index,
                    "/// `shaders/{path}`.\npub static {ident}: Shader = Shader {{ name: {name:?}, \
                     source: {source:?}, bindings: &{bindings:?}, overrides: &{overrides:?} }};",
                )
                .expect("writing to a String");
                shaders.push(format!("&{ident}"));
            }
            Err(problem) => problems.push(format!("shaders/{path}: {problem}")),
        }
    }
    // All of them at once: one build shows every mistake.
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    writeln!(
        index,
        "/// Every shader, by name.\npub static ALL: &[&Shader] = &[{}];\n\
         /// Every template, by name.\npub static TEMPLATES: &[&Template] = &[{}];",
        shaders.join(", "),
        templates.join(", "),
    )
    .expect("writing to a String");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("shaders.rs");
    fs::write(out, index).expect("OUT_DIR is writable");
}

/// The text with what it includes, the shader composed of it, and what naga says of that.
fn checked(root: &Path, relative: &Path) -> Result<(String, String, reflect::Reflection), String> {
    let text = include::resolve(root, relative)?;
    let source = compose::compose(&text, &[])?;
    let reflection = reflect::reflect(&source)?;
    Ok((text, source, reflection))
}

/// Without indentation and comments, which a browser would have to fetch; lines keep their numbers, and directives
/// (`//#`) their meaning.
fn bare(text: &str) -> String {
    let line = |line: &str| {
        let line = line.trim();
        let end = if line.starts_with("//#") { None } else { line.find("//") };
        line[..end.unwrap_or(line.len())].trim_end().to_owned() + "\n"
    };
    text.lines().map(line).collect()
}

/// Every `.wgsl` file that is an entry point: all but those in `shared/` and in a `parts/` folder.
fn entry_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let listing = fs::read_dir(&folder)
            .unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display()));
        for path in listing.map(|entry| entry.expect("readable entry").path()) {
            if path.is_dir() {
                if !path.ends_with("shared") && !path.ends_with("parts") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "wgsl") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
