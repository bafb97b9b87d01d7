//! The stages of `cargo xtask test`, in their order: what is quick and often wrong first.

use anyhow::{Context, Result, bail};

use crate::run::{cargo, command, root, run, run_watching_stderr};
use crate::setup::{self, Need};
use crate::{golden, page, tint, wasm};

/// One stage.
pub struct Stage {
    /// What `--stage` takes and the table shows.
    pub name: &'static str,
    /// What it shows, in words.
    pub about: &'static str,
    /// What the machine must have for it.
    pub needs: &'static [Need],
    /// Runs it; Ok may carry the line that the whole run shall end with.
    pub run: fn() -> Result<Option<String>>,
}

/// Every stage.
pub const STAGES: [Stage; 13] = [
    Stage { name: "fmt", about: "formatting", needs: &[Need::Components], run: fmt },
    Stage {
        name: "deny",
        about: "licences, bans and sources of the dependencies",
        needs: &[Need::Deny],
        run: deny,
    },
    Stage {
        name: "wasm-graph",
        about: "no native-only package in the browser's graph",
        needs: &[],
        run: wasm_graph,
    },
    Stage { name: "clippy", about: "lints, native", needs: &[Need::Components], run: clippy },
    Stage {
        name: "clippy-wasm",
        about: "lints for the browser, with the calls banned there",
        needs: &[Need::Components, Need::Wasm],
        run: clippy_wasm,
    },
    Stage {
        name: "tint",
        about: "every shader through Chrome's compiler",
        needs: &[Need::Tint],
        run: tint_check,
    },
    Stage { name: "doc", about: "documentation builds without a warning", needs: &[], run: doc },
    Stage { name: "fuzz", about: "the fuzz targets compile", needs: &[], run: fuzz },
    Stage {
        name: "build",
        about: "the program, and every test",
        needs: &[Need::Nextest],
        run: build,
    },
    Stage {
        name: "doctest",
        about: "examples in the documentation",
        needs: &[Need::Vulkan],
        run: doctest,
    },
    Stage {
        name: "golden",
        about: "values of the reference code",
        needs: &[Need::Vulkan],
        run: golden_check,
    },
    Stage {
        name: "page",
        about: "the page in a browser, as a person uses it",
        needs: &[Need::Wasm, Need::Page, Need::Chromium],
        run: page_check,
    },
    Stage { name: "tests", about: "all tests", needs: &[Need::Vulkan, Need::Nextest], run: tests },
];

fn fmt() -> Result<Option<String>> {
    run(&mut cargo(&["fmt", "--all", "--check"])).context("`cargo fmt --all` mends it")?;
    Ok(None)
}

fn deny() -> Result<Option<String>> {
    // Not `advisories`: their database comes from the network at every run, and a green run must not depend on it.
    println!(
        "advisories are not part of this stage; with network access: cargo deny check advisories"
    );
    run(command(setup::deny()?).args([
        "--locked",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    Ok(None)
}

fn wasm_graph() -> Result<Option<String>> {
    wasm::graph().map(|()| None)
}

fn clippy() -> Result<Option<String>> {
    run(&mut cargo(&[
        "clippy",
        "--release",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    Ok(None)
}

fn clippy_wasm() -> Result<Option<String>> {
    wasm::clippy().map(|()| None)
}

fn tint_check() -> Result<Option<String>> {
    tint::check().map(|()| None)
}

fn doc() -> Result<Option<String>> {
    let mut doc = cargo(&["doc", "--release", "--locked", "--workspace", "--no-deps"]);
    run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(None)
}

fn fuzz() -> Result<Option<String>> {
    const MANIFEST: &str = "fuzz/Cargo.toml";
    if !root().join(MANIFEST).exists() {
        println!("there is no fuzz/: nothing checked");
        return Ok(None);
    }
    run(&mut cargo(&["check", "--release", "--locked", "--manifest-path", MANIFEST]))?;
    Ok(None)
}

fn build() -> Result<Option<String>> {
    run(&mut cargo(&["build", "--release", "--locked", "--package", "weightlab"]))?;
    run(command(setup::nextest()?).args([
        "nextest",
        "run",
        "--no-run",
        "--release",
        "--locked",
        "--workspace",
    ]))?;
    Ok(None)
}

fn doctest() -> Result<Option<String>> {
    run(&mut cargo(&["test", "--release", "--locked", "--doc", "--workspace"]))?;
    Ok(None)
}

fn golden_check() -> Result<Option<String>> {
    golden::check().map(|()| None)
}

fn page_check() -> Result<Option<String>> {
    page::check().map(|()| None)
}

fn tests() -> Result<Option<String>> {
    let mut summary = None;
    let mut nextest = command(setup::nextest()?);
    nextest.args(["nextest", "run", "--release", "--locked", "--workspace"]);
    run_watching_stderr(&mut nextest, |line| {
        if line.trim_start().starts_with("Summary [") {
            summary = Some(line.to_owned());
        }
    })?;
    match summary {
        Some(line) => Ok(Some(line)),
        None => bail!("nextest passed without a summary line, so how many tests ran is not known"),
    }
}
