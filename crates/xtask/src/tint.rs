//! Every shader, in every variant that is shipped, through Tint.

use anyhow::{Context, Result};

use crate::run::{cargo, command, run, target_dir};

/// Where the check and its npm packages lie.
pub const DIR: &str = "tools/tint";

/// Writes the composed shaders out and compiles them; also shows that the check rejects what it has to reject.
pub fn check() -> Result<()> {
    let out = target_dir()?.join("tint/shaders");
    // A shader of an earlier state would be reported as not listed.
    if out.exists() {
        std::fs::remove_dir_all(&out).with_context(|| format!("cannot empty {}", out.display()))?;
    }
    std::fs::create_dir_all(&out)?;
    let dump = [
        "run",
        "--release",
        "--locked",
        "--quiet",
        "--package",
        "weightlab-lab",
        "--example",
        "dump_shaders",
        "--",
    ];
    run(cargo(&dump).arg(&out))?;
    run(command("node").args(["tools/tint/check.mjs"]).arg(&out))?;
    run(command("node").args(["tools/tint/check.mjs", "--must-fail", "tools/tint/must-fail"]))
}
