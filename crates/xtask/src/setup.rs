//! Finding what the project needs, and installing what is missing. Never silently: each line says what was found and
//! each installation is announced with its command before it starts. Doing it again changes nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{capture, cargo, command, first_line, root, run, target_dir};
use crate::{page, tint};

/// cargo-deny reads its own configuration strictly, so exactly this version.
const CARGO_DENY: &str = "0.20.2";
/// Installed where there is none; a present one will do from `NEXTEST_LEAST` on.
const CARGO_NEXTEST: &str = "0.9.143";
const NEXTEST_LEAST: [u32; 3] = [0, 9, 100];
/// What npm `webgpu` is known to run with.
const NODE_LEAST: [u32; 3] = [18, 0, 0];

const WASM: &str = "wasm32-unknown-unknown";

/// One thing that a command or a test stage needs on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// A Vulkan loader and a driver: wgpu's way to a GPU, or to a software one, on Linux.
    Vulkan,
    /// rustfmt and clippy.
    Components,
    /// The standard library for wasm32.
    Wasm,
    /// cargo-nextest, the test runner.
    Nextest,
    /// cargo-deny: licences, bans and sources of the dependencies.
    Deny,
    /// node with npm `webgpu`, which brings Tint, the WGSL compiler of Chrome and Edge.
    Tint,
    /// trunk, wasm-bindgen and wasm-opt, which make the page, and what tests it from npm.
    Page,
    /// A Chromium for the page's tests.
    Chromium,
}

impl Need {
    /// Everything, in the order of installation.
    pub const ALL: [Need; 8] = [
        Need::Vulkan,
        Need::Components,
        Need::Wasm,
        Need::Nextest,
        Need::Deny,
        Need::Tint,
        Need::Page,
        Need::Chromium,
    ];
}

/// Sees to every need of the list, and prints what it finds and installs.
pub fn provide(needs: &[Need]) -> Result<()> {
    if !needs.is_empty() {
        println!("== setup");
    }
    for need in Need::ALL.into_iter().filter(|need| needs.contains(need)) {
        match need {
            Need::Vulkan => vulkan(),
            Need::Components => components(),
            Need::Wasm => wasm(),
            Need::Nextest => nextest().map(|_| ()),
            Need::Deny => deny().map(|_| ()),
            Need::Tint => npm_packages(tint::DIR, "webgpu", "130 MB"),
            Need::Page => page::tools(),
            Need::Chromium => page::chromium().map(|_| ()),
        }
        .with_context(|| format!("setup of {need:?}"))?;
    }
    Ok(())
}

pub fn found(what: &str, which: &str) {
    println!("found      {what}: {which}");
}

pub fn missing(what: &str, plan: &str) {
    println!("installing {what}: {plan}");
}

/// Vulkan's loader and a driver. Elsewhere than on Linux the system's own graphics interface serves.
fn vulkan() -> Result<()> {
    if !cfg!(target_os = "linux") {
        found("GPU driver", "the system's own (Metal or Direct3D 12)");
        return Ok(());
    }
    if let (Some(loader), drivers @ [_, ..]) = (vulkan_loader(), vulkan_drivers().as_slice()) {
        let names: Vec<_> = drivers.iter().filter_map(|d| d.file_stem()?.to_str()).collect();
        found("Vulkan", &format!("{}, drivers {}", loader.display(), names.join(" ")));
        return Ok(());
    }
    missing("Vulkan", "loader and Mesa's drivers, among them a software GPU");
    apt_install(
        &["libvulkan1", "mesa-vulkan-drivers"],
        "install your GPU's Vulkan driver, or Mesa's (with its software driver 'lavapipe' / 'llvmpipe'), and the Vulkan loader libvulkan.so.1",
    )?;
    let (Some(loader), [_, ..]) = (vulkan_loader(), vulkan_drivers().as_slice()) else {
        bail!(
            "libvulkan.so.1 or a driver file in /usr/share/vulkan/icd.d is still missing after the installation"
        );
    };
    found("Vulkan", &loader.display().to_string());
    Ok(())
}

fn vulkan_loader() -> Option<PathBuf> {
    const NAME: &str = "libvulkan.so.1";
    // ldconfig is not on every user's PATH; its cache is what the dynamic linker itself uses.
    let listed = ["ldconfig", "/sbin/ldconfig"].into_iter().find_map(|program| {
        let list = capture(Command::new(program).arg("-p")).ok()?.stdout;
        list.lines()
            .find(|l| l.contains(NAME))
            .and_then(|l| Some(PathBuf::from(l.split("=> ").nth(1)?.trim())))
    });
    let searched = || {
        let path = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let usual = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/run/opengl-driver/lib"]
            .map(PathBuf::from);
        std::env::split_paths(&path)
            .chain(usual)
            .map(|dir| dir.join(NAME))
            .find(|file| file.exists())
    };
    listed.or_else(searched)
}

/// The files that name drivers to the loader, from where the loader looks for them.
fn vulkan_drivers() -> Vec<PathBuf> {
    for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        if let Some(files) = std::env::var_os(name) {
            return std::env::split_paths(&files).filter(|file| file.is_file()).collect();
        }
    }
    let data =
        std::env::var_os("XDG_DATA_DIRS").unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    let places = std::env::split_paths(&data).chain(["/etc", "/usr/share"].map(PathBuf::from));
    let mut files: Vec<PathBuf> = places
        .filter_map(|place| std::fs::read_dir(place.join("vulkan/icd.d")).ok())
        .flat_map(|dir| dir.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|file| file.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    files.dedup();
    files
}

/// Installs Debian packages, or says what to do where that cannot be done from here.
pub fn apt_install(packages: &[&str], otherwise: &str) -> Result<()> {
    if first_line(Command::new("apt-get").arg("--version")).is_none() {
        bail!("there is no apt-get here: {otherwise}, then run this command again");
    }
    let list = packages.join(" ");
    if first_line(Command::new("id").arg("-u")).as_deref() != Some("0") {
        bail!(
            "only root can install packages. Run this, then the same command again:\n  \
             sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}"
        );
    }
    let apt =
        |args: &[&str]| run(command("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(args));
    apt(&["update", "-q"])?;
    apt(&[&["install", "-y", "-q", "--no-install-recommends"], packages].concat())
}

fn components() -> Result<()> {
    for (component, program) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let version = || first_line(&mut cargo(&[program, "--version"]));
        if version().is_none() {
            missing(component, "a component of the Rust toolchain, by rustup");
            run(command("rustup").args(["component", "add", component]))
                .with_context(|| format!("install {component} for the toolchain in use"))?;
        }
        found(component, &version().with_context(|| format!("`cargo {program}` does not run"))?);
    }
    Ok(())
}

fn wasm() -> Result<()> {
    // Asks the compiler, not rustup: a toolchain from a distribution has no rustup.
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let present = || -> Result<bool> {
        let sysroot = first_line(command(&rustc).args(["--print", "sysroot"]))
            .context("rustc does not run")?;
        Ok(Path::new(&sysroot).join("lib/rustlib").join(WASM).join("lib").is_dir())
    };
    if !present()? {
        missing(WASM, "the Rust standard library for that target, by rustup");
        run(command("rustup").args(["target", "add", WASM]))
            .with_context(|| format!("install the Rust standard library for {WASM}"))?;
        if !present()? {
            bail!("rustc still has no {WASM}: does rustup manage the rustc that is first on PATH?");
        }
    }
    let version = first_line(command(&rustc).arg("--version")).unwrap_or_default();
    found(WASM, &version);
    Ok(())
}

/// A runnable cargo-nextest.
pub fn nextest() -> Result<PathBuf> {
    let good = |version: &str| version_in(version).is_some_and(|v| v >= NEXTEST_LEAST);
    cargo_tool(
        "cargo-nextest",
        "cargo-nextest",
        CARGO_NEXTEST,
        &["--locked", "--no-default-features", "--features", "default-no-update"],
        good,
    )
}

/// A runnable cargo-deny.
pub fn deny() -> Result<PathBuf> {
    cargo_tool("cargo-deny", "cargo-deny", CARGO_DENY, &["--locked"], |version| {
        version_in(version) == version_in(CARGO_DENY)
    })
}

/// Where tools are built that the machine does not have.
pub fn tools_dir() -> Result<PathBuf> {
    Ok(target_dir()?.join("tools"))
}

/// A tool that is on PATH or below the build folder in a version that will do; otherwise built from source into the latter.
pub fn cargo_tool(
    name: &str,
    package: &str,
    pin: &str,
    options: &[&str],
    good: impl Fn(&str) -> bool,
) -> Result<PathBuf> {
    let tools = tools_dir()?;
    let local = tools.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let version = |program: &Path| {
        // The second word: cargo-nextest wants its own name there even when started directly.
        let sub = name.strip_prefix("cargo-").filter(|_| name == "cargo-nextest");
        first_line(Command::new(program).args(sub).arg("--version")).filter(|v| good(v))
    };
    for program in [Path::new(name), &local] {
        if let Some(version) = version(program) {
            found(name, &version);
            return Ok(program.to_path_buf());
        }
    }
    missing(name, &format!("{pin}, from source into {}; takes minutes, once", tools.display()));
    let mut install = cargo(&["install", package, "--version", pin, "--quiet", "--root"]);
    install.arg(&tools).args(options);
    // It has to be there soon, not to be fast.
    install.envs([
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
        ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ]);
    run(&mut install)?;
    let version = version(&local).with_context(|| format!("{} does not run", local.display()))?;
    found(name, &version);
    Ok(local)
}

/// node, and the npm packages of a folder, among them `main`; `size` is what they take.
pub fn npm_packages(folder: &str, main: &str, size: &str) -> Result<()> {
    node()?;
    // npm ci is slow and has no "nothing to do", so remember for which lock file it last succeeded.
    let dir = root().join(folder);
    let lock = std::fs::read(dir.join("package-lock.json"))
        .with_context(|| format!("{folder}/package-lock.json"))?;
    let stamp = dir.join("node_modules/.installed-lock.json");
    if std::fs::read(&stamp).ok().as_ref() != Some(&lock) {
        missing(
            "npm packages",
            &format!("those of {folder}/package-lock.json, among them {main} ({size})"),
        );
        // No install scripts: none of the packages needs one, and they could do anything.
        run(command("npm").current_dir(&dir).args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]))?;
        std::fs::write(&stamp, &lock)?;
    }
    let version = capture(command("node").current_dir(&dir).args([
        "-p",
        &format!(
            "JSON.parse(require('fs').readFileSync('node_modules/{main}/package.json')).version"
        ),
    ]))?;
    found(&format!("npm {main}"), version.stdout.trim());
    Ok(())
}

fn node() -> Result<()> {
    let good = |v: &String| version_in(v).is_some_and(|v| v >= NODE_LEAST);
    let node = || first_line(Command::new("node").arg("--version")).filter(good);
    let npm = || first_line(Command::new("npm").arg("--version"));
    if node().is_none() || npm().is_none() {
        let otherwise = format!("install Node.js {} or newer with npm", NODE_LEAST[0]);
        if let Some(old) = first_line(Command::new("node").arg("--version")).filter(|v| !good(v)) {
            bail!("node {old} is too old: {otherwise}");
        }
        missing("node and npm", "from Debian's packages");
        apt_install(&["nodejs", "npm"], &otherwise)?;
    }
    let node = node().context("node does not run")?;
    found("node", &format!("{node}, npm {}", npm().context("npm does not run")?));
    Ok(())
}

/// The first `major.minor.patch` in a line such as `cargo-deny 0.20.2` or `v20.20.2`.
pub fn version_in(line: &str) -> Option<[u32; 3]> {
    line.split_whitespace().find_map(|word| {
        let mut numbers =
            word.trim_start_matches('v').split(['.', '-', '+']).map(|n| n.parse().ok());
        Some([numbers.next()??, numbers.next()??, numbers.next()??])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_and_compared_as_numbers() {
        assert_eq!(version_in("cargo-deny 0.20.2"), Some([0, 20, 2]));
        assert_eq!(version_in("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)"), Some([0, 9, 143]));
        assert_eq!(version_in("v20.20.2"), Some([20, 20, 2]));
        assert_eq!(version_in("0.9.143-rc.1"), Some([0, 9, 143]));
        assert_eq!(version_in("10.8"), None);
        assert_eq!(version_in("no version"), None);
        assert!(
            version_in("0.9.99") < Some(NEXTEST_LEAST)
                && version_in("0.10.0") > Some(NEXTEST_LEAST)
        );
    }
}
