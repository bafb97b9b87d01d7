//! The library crates as the browser gets them: no blocking or absent calls, no native-only dependencies.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::run::{capture, cargo, root, run, shown, target_dir};

/// The crates that have to compile for the browser.
const LIBRARIES: [&str; 8] = [
    "weightlab-app",
    "weightlab-kernels",
    "weightlab-gpu",
    "weightlab-tensor",
    "weightlab-nets",
    "weightlab-learn",
    "weightlab-data",
    "weightlab-lab",
];

/// What must not be among their dependencies there, and why.
const BANNED: [(&str, &str); 6] = [
    ("rayon", "runs on one thread in a browser, without a word"),
    ("tokio", "needs threads and sockets"),
    ("wgpu-core", "the native implementation of WebGPU: megabytes that the browser has already"),
    ("wgpu-hal", "as wgpu-core"),
    ("naga", "the browser has its own WGSL compiler; shaders are checked at build time"),
    ("pollster", "blocks, and so deadlocks a page"),
];

const TARGET: &str = "wasm32-unknown-unknown";
/// Must be in the graph: shows that the list which is searched is the right one.
const EXPECTED: &str = "wgpu";

fn for_browser(args: &[&str]) -> std::process::Command {
    let mut command = cargo(args);
    command.args(["--locked", "--target", TARGET]);
    command
}

/// clippy for the browser's target, with the list of banned calls.
pub fn clippy() -> Result<()> {
    let mut command = for_browser(&["clippy", "--release"]);
    command.args(LIBRARIES.iter().flat_map(|name| ["--package", name]));
    run(command
        .env("CLIPPY_CONF_DIR", root().join("lints/wasm32"))
        .args(["--", "-D", "warnings"]))?;
    banned_calls_are_reported()
}

/// Lints code that calls everything on the list: an entry that clippy does not report (misspelt, moved) bans nothing.
fn banned_calls_are_reported() -> Result<()> {
    let list = std::fs::read_to_string(root().join("lints/wasm32/clippy.toml"))?;
    let banned = std_paths(&list);
    let mut command =
        for_browser(&["clippy", "--manifest-path", "lints/wasm32/must-fail/Cargo.toml"]);
    command.env("CLIPPY_CONF_DIR", root().join("lints/wasm32"));
    command.arg("--target-dir").arg(target_dir()?.join("must-fail")).args(["--", "-D", "warnings"]);
    println!("$ {}", shown(&command));
    let output = capture(&mut command)?;
    let unreported: Vec<_> = banned
        .iter()
        .filter(|path| !output.stderr.contains(&format!("disallowed method `{path}`")))
        .collect();
    if banned.is_empty() || !unreported.is_empty() || output.success {
        bail!(
            "clippy has to report each call in lints/wasm32/must-fail/src/lib.rs; it did not report {unreported:?}\n{}",
            output.stderr
        );
    }
    println!("{} banned calls of std, each reported by clippy", banned.len());
    Ok(())
}

/// The paths into std that clippy's list bans.
fn std_paths(list: &str) -> BTreeSet<&str> {
    let paths =
        list.lines().filter_map(|line| line.trim().strip_prefix("{ path = \"")?.split('"').next());
    paths.filter(|path| path.starts_with("std::")).collect()
}

/// No native-only package in the browser's dependency graph.
pub fn graph() -> Result<()> {
    // Without no-proc-macro the crates that only run inside the compiler would be listed too.
    let mut command = for_browser(&[
        "tree",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    command.args(LIBRARIES.iter().flat_map(|name| ["--package", name]));
    println!("$ {}", shown(&command));
    let output = capture(&mut command)?;
    if !output.success {
        bail!("`{}` failed:\n{}", shown(&command), output.stderr);
    }
    let packages = package_names(&output.stdout);
    if !packages.contains(EXPECTED) {
        bail!(
            "{EXPECTED} is not in the graph, so this is not the graph that was meant:\n{}",
            output.stdout
        );
    }
    let present: Vec<_> = BANNED.iter().filter(|(name, _)| packages.contains(name)).collect();
    for (name, reason) in &present {
        println!("error: {name} is in the graph of {TARGET}: {reason}");
        run(&mut for_browser(&["tree", "--edges", "normal,no-proc-macro", "--invert", name]))?;
    }
    if !present.is_empty() {
        bail!("{} banned packages in the graph of {TARGET}", present.len());
    }
    let banned = BANNED.map(|(name, _)| name).join(", ");
    println!("{} packages for {TARGET}; none of {banned}", packages.len());
    Ok(())
}

/// The names in the output of `cargo tree --prefix none --format {p}`: `name v1.2.3 (..)`.
fn package_names(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_words() {
        let tree = "weightlab-gpu v0.1.0 (/somewhere)\nwgpu v30.0.1\nrayon-core v1.0.0\n\nwgpu v30.0.1 (*)\n";
        let names = package_names(tree);
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["rayon-core", "weightlab-gpu", "wgpu"]);
    }

    #[test]
    fn the_list_of_banned_calls_is_read() {
        let list = "# std::no\n    { path = \"std::fs::read\", reason = \"..\" },\n    { path = \"wgpu::Device::poll\", reason = \"..\" },\n";
        assert_eq!(std_paths(list).into_iter().collect::<Vec<_>>(), ["std::fs::read"]);
    }
}
