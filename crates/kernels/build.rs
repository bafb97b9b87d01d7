//! Composes, parses, validates and reflects every shader under `shaders/`, and writes the typed
//! index that `src/lib.rs` includes. A mistake in a shader is a build failure with naga's message.

#![allow(
    clippy::disallowed_methods,
    reason = "the list is for browsers; this runs where cargo does"
)]

mod build {
    pub mod reflect;
}
#[path = "src/compose.rs"]
mod compose;

use build::reflect;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../shaders");
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/compose.rs");

    let texts = texts(&root);
    let mut index = String::new();
    let [mut shaders, mut templates] = [Vec::new(), Vec::new()];
    let mut problems = Vec::new();
    for path in texts.keys().filter(|path| is_entry(path)) {
        let is_template = folders(path).last() == Some("templates");
        let name = path.trim_end_matches(".wgsl").replace('/', "_").replace("templates_", "");
        let ident = name.to_uppercase();
        match checked(path, &texts) {
            // A template is checked with its default values.
            Ok(reflect::Reflection { bindings, overrides }) if is_template => {
                if !overrides.is_empty() {
                    problems.push(format!("shaders/{path}: a template has no `override`"));
                }
                writeln!(
                    index,
                    "/// `shaders/{path}`.\npub static {ident}: Template = Template {{ \
                     name: {name:?}, file: {path:?}, bindings: &{bindings:?} }};",
                )
                .expect("writing to a String");
                templates.push(format!("&{ident}"));
            }
            Ok(reflect::Reflection { bindings, overrides }) => {
                writeln!(
                    index,
                    "/// `shaders/{path}`.\npub static {ident}: Shader = Shader {{ name: {name:?}, \
                     file: {path:?}, values: &[], bindings: &{bindings:?}, overrides: &{overrides:?} }};",
                )
                .expect("writing to a String");
                shaders.push(format!("&{ident}"));
            }
            Err(problem) => problems.push(format!("shaders/{path}: {problem}")),
        }
    }
    // All of them at once: one build shows every mistake.
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    let for_browsers = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32");
    let files: Vec<(&str, String)> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), if for_browsers { bare(text) } else { text.clone() }))
        .collect();
    writeln!(
        index,
        "/// Every shader, by name.\npub static ALL: &[&Shader] = &[{}];\n\
         /// Every template, by name.\npub static TEMPLATES: &[&Template] = &[{}];\n\
         /// Every file's path below `shaders/` and text, by path.\n\
         pub(super) static FILES: &[(&str, &str)] = &{files:?};",
        shaders.join(", "),
        templates.join(", "),
    )
    .expect("writing to a String");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("shaders.rs");
    fs::write(out, index).expect("OUT_DIR is writable");
}

/// What naga says of the shader composed of a file.
fn checked(path: &str, texts: &BTreeMap<String, String>) -> Result<reflect::Reflection, String> {
    let text_of = |file: &str| texts.get(file).map(String::as_str);
    reflect::reflect(&compose::compose(path, &text_of, &[])?)
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

/// The folders that a path names.
fn folders(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.rsplit_once('/').map_or("", |(folders, _)| folders).split('/')
}

/// Whether a file is an entry point: all but those in `shared/` and in a `parts/` folder.
fn is_entry(path: &str) -> bool {
    folders(path).all(|folder| folder != "shared" && folder != "parts")
}

/// Every `.wgsl` file by its path below `shaders/`, with `/` on every system.
fn texts(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let listing = fs::read_dir(&folder)
            .unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display()));
        for path in listing.map(|entry| entry.expect("readable entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "wgsl") {
                let text = fs::read_to_string(&path)
                    .unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
                let relative = path.strip_prefix(root).expect("listed below root");
                found.insert(relative.to_string_lossy().replace('\\', "/"), text);
            }
        }
    }
    found
}
