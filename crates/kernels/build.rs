//! Composes, parses, validates and reflects every shader under `shaders/`, and writes the typed
//! index that `src/lib.rs` includes. A mistake in a shader is a build failure with naga's message.

#![allow(
    clippy::disallowed_methods,
    reason = "the list is for browsers; this runs where cargo does"
)]

mod build {
    pub mod compose;
    pub mod reflect;
}

use build::{compose, reflect};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../shaders");
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed=build");

    let mut index = String::new();
    let mut names = Vec::new();
    let mut problems = Vec::new();
    for path in entry_files(&root) {
        let relative = path.strip_prefix(&root).expect("listed below root");
        let name = relative.with_extension("").to_string_lossy().replace(['/', '\\'], "_");
        match compose::compose(&root, relative)
            .and_then(|source| reflect::reflect(&source).map(|reflection| (source, reflection)))
        {
            Ok((source, reflection)) => {
                writeln!(
                    index,
                    "/// `shaders/{path}`.\npub static {ident}: Shader = Shader {{ name: {name:?}, \
                     source: {source:?}, bindings: &{bindings:?}, overrides: &{overrides:?} }};",
                    path = relative.display(),
                    ident = name.to_uppercase(),
                    bindings = reflection.bindings,
                    overrides = reflection.overrides,
                )
                .expect("writing to a String");
                names.push(name);
            }
            Err(problem) => problems.push(format!("shaders/{}: {problem}", relative.display())),
        }
    }
    // All of them at once: one build shows every mistake.
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    let all = names.iter().map(|n| format!("&{}", n.to_uppercase())).collect::<Vec<_>>().join(", ");
    writeln!(index, "/// Every shader, by name.\npub static ALL: &[&Shader] = &[{all}];")
        .expect("writing to a String");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("shaders.rs");
    fs::write(out, index).expect("OUT_DIR is writable");
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
