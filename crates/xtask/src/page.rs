//! The page: the tools that make it, a server for it, and its tests.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{capture, cargo, command, first_line, root, run, shown, target_dir};
use crate::setup::{self, Need, apt_install, cargo_tool, found, missing, npm_packages, version_in};

/// Newer ones want a newer compiler than the project does.
const TRUNK: &str = "0.21.14";
/// Where the page's npm packages and its tests lie.
const DIR: &str = "tools/page";
/// Where trunk puts the page.
const DIST: &str = "dist";
/// What the page fetches when a bench needs it, and not before.
const LATER: [&str; 2] = ["zoo", "classifier"];
/// Most bytes of the whole page, every file gzipped, without the zoo and the classifier that it may fetch later. Raise it by hand,
/// with a reason in the commit. The aim is 1,200,000, of which the program alone takes 1,105,000.
const BUDGET: u64 = 1_200_000;
/// The names under which browsers of the Chromium family are found.
const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// trunk, wasm-bindgen in the version of the lock file, and wasm-opt with the other npm packages.
pub fn tools() -> Result<()> {
    let bindgen = locked_version("wasm-bindgen")?;
    // The newest versions of its dependencies: those it was locked with may be of yesterday's compilers.
    cargo_tool(
        "wasm-bindgen",
        "wasm-bindgen-cli",
        &bindgen,
        &["--bin", "wasm-bindgen"],
        |version| version_in(version) == version_in(&bindgen),
    )?;
    // Without the check for updates and the TLS that goes with it, which is half of what it takes to build.
    cargo_tool("trunk", "trunk", TRUNK, &["--locked", "--no-default-features"], |version| {
        version_in(version) == version_in(TRUNK)
    })?;
    npm_packages(DIR, "binaryen", "120 MB")
}

/// The version of a package in the lock file.
fn locked_version(package: &str) -> Result<String> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock")?;
    version_in_lock(&lock, package).with_context(|| format!("{package} is not in Cargo.lock"))
}

fn version_in_lock(lock: &str, package: &str) -> Option<String> {
    let entry = lock
        .split("[[package]]")
        .find(|entry| entry.lines().any(|line| line == format!("name = \"{package}\"")))?;
    let line = entry.lines().find_map(|line| line.strip_prefix("version = \""))?;
    Some(line.trim_end_matches('"').to_owned())
}

/// A Chromium; installed where there is none.
pub fn chromium() -> Result<PathBuf> {
    let look = || {
        let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
        let all = named.into_iter().chain(BROWSERS.map(PathBuf::from));
        all.filter_map(|program| {
            let version = first_line(Command::new(&program).arg("--version"))?;
            Some((program, version))
        })
        .next()
    };
    let mut browser = look();
    if browser.is_none() {
        missing("Chromium", "from Debian's packages");
        apt_install(
            &["chromium"],
            "install Chromium or Chrome, or set CHROMIUM to one that is installed elsewhere",
        )?;
        browser = look();
    }
    let (program, version) = browser.context("Chromium does not run")?;
    found("Chromium", &version);
    Ok(on_path(&program).unwrap_or(program))
}

/// Where on PATH a program is: Playwright starts only files. None for what is a path already.
fn on_path(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return None;
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// trunk, with the project's tools first on its PATH.
fn trunk(args: &[&str]) -> Result<Command> {
    let tools = setup::tools_dir()?.join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let packages = root().join(DIR).join("node_modules/.bin");
    let places = [tools.clone(), packages].into_iter().chain(std::env::split_paths(&path));
    let path: OsString = std::env::join_paths(places)?;
    let local = tools.join(format!("trunk{}", std::env::consts::EXE_SUFFIX));
    let mut trunk = command(if local.exists() { local } else { PathBuf::from("trunk") });
    // NO_COLOR=1 is what people set, and trunk takes only true or false.
    trunk.args(args).env("PATH", path).env_remove("NO_COLOR");
    Ok(trunk)
}

fn run_trunk(args: &[&str]) -> Result<()> {
    let mut trunk = trunk(args)?;
    println!("$ trunk {}", args.join(" "));
    let status = trunk.status().with_context(|| format!("cannot start `{}`", shown(&trunk)))?;
    ensure!(status.success(), "`trunk {}` failed: {status}", args.join(" "));
    Ok(())
}

/// `cargo xtask serve`: sets up, builds, and serves the page on this computer only, until Ctrl-C.
pub fn serve(port: u16) -> Result<ExitCode> {
    setup::provide(&[Need::Wasm, Need::Page])?;
    println!(
        "\nThe page will be at http://localhost:{port}/ once it is built; Ctrl-C ends this.\n"
    );
    let port = port.to_string();
    run_trunk(&[
        "serve",
        "--release",
        "--locked",
        "--no-autoreload=true",
        "--address=127.0.0.1",
        "--port",
        &port,
    ])?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the page as it is shipped.
pub fn build() -> Result<()> {
    run_trunk(&["build", "--release", "--locked"])
}

/// The test stage: builds the page, weighs it, and does in a browser what a person does.
pub fn check() -> Result<()> {
    build()?;
    weigh(&root().join(DIST))?;
    // The program, whose results the page's are held against.
    run(&mut cargo(&["build", "--release", "--locked", "-p", "weightlab"]))?;
    // What the worker's messages mean, which the tests look at.
    run(&mut cargo(&[
        "build",
        "--release",
        "--locked",
        "-p",
        "weightlab-app",
        "--example",
        "explain",
    ]))?;
    let target = target_dir()?;
    let out = target.join("page");
    std::fs::create_dir_all(&out)?;
    let built = |name| target.join(format!("release/{name}{}", std::env::consts::EXE_SUFFIX));
    let mut test = command("node");
    test.arg(format!("{DIR}/test.mjs")).arg(DIST).arg(&out);
    test.env("CHROMIUM", chromium()?).env("WEIGHTLAB", built("weightlab"));
    test.env("EXPLAIN", built("examples/explain"));
    run(&mut test).with_context(|| format!("what the browser showed is in {}", out.display()))
}

/// Gzips every file but those fetched later, and compares the sum with the budget.
fn weigh(dist: &Path) -> Result<()> {
    let mut files = Vec::new();
    collect(dist, &mut files)?;
    let mut sum = 0;
    for file in &files {
        let size = gzipped(file)?;
        sum += size;
        let name = file.strip_prefix(dist).unwrap_or(file);
        if size > 20_000 {
            println!("{:>9} bytes gzipped  {}", size, name.display());
        }
    }
    println!("{sum:>9} bytes gzipped  the whole page, {} files; budget {BUDGET}", files.len());
    if sum > BUDGET {
        bail!(
            "the page has {sum} bytes gzipped, more than its budget of {BUDGET}: make it smaller, or raise BUDGET in \
             crates/xtask/src/page.rs and say why"
        );
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if LATER.iter().all(|later| !path.ends_with(format!("{DIST}/{later}"))) {
                collect(&path, files)?;
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn gzipped(file: &Path) -> Result<u64> {
    // node is there for the tests anyway.
    let script = "process.stdout.write(String(require('zlib').gzipSync(require('fs').readFileSync(process.argv[1]), \
                  { level: 9 }).length))";
    let output = capture(command("node").args(["-e", script]).arg(file))?;
    output.stdout.trim().parse().with_context(|| format!("{}: {}", file.display(), output.stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_tells_versions() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(version_in_lock(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in_lock(lock, "bindgen"), None);
        assert!(locked_version("wasm-bindgen").is_ok());
    }

    #[test]
    fn programs_are_found_on_the_path() {
        let shell = on_path(Path::new("sh")).unwrap();
        assert!(shell.is_absolute() && shell.is_file(), "{}", shell.display());
        assert_eq!(on_path(&shell), None);
        assert_eq!(on_path(Path::new("no-such-program")), None);
    }

    #[test]
    fn a_page_over_budget_is_refused() {
        let folder = std::env::temp_dir().join(format!("weightlab-weigh-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("below")).unwrap();
        std::fs::write(folder.join("small.txt"), b"small").unwrap();
        assert!(weigh(&folder).is_ok());
        // Numbers without a pattern do not get smaller by packing.
        let mut state = 1u32;
        let noise: Vec<u8> = (0..BUDGET as usize + 1000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        std::fs::write(folder.join("below/large.bin"), noise).unwrap();
        let refused = weigh(&folder).unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(refused.contains("budget"), "{refused}");
    }
}
