//! `cargo xtask demo`: from a fresh clone to fitted networks and a report.

use std::process::ExitCode;

use anyhow::Result;

use crate::run::{cargo, command, run, shown, target_dir};
use crate::setup::{self, Need};

/// Sets up a driver, builds the program and runs its demo. Its exit code becomes ours.
pub fn demo(args: &[String]) -> Result<ExitCode> {
    setup::provide(&[Need::Vulkan])?;
    run(&mut cargo(&["build", "--release", "--locked", "--package", "weightlab"]))?;
    let program =
        target_dir()?.join("release").join(format!("weightlab{}", std::env::consts::EXE_SUFFIX));
    let mut demo = command(program);
    demo.arg("demo").args(args);
    println!("$ {}", shown(&demo));
    become_command(demo)
}

/// Replaces this process, so that Ctrl-C and the exit code are the demo's own.
#[cfg(unix)]
fn become_command(mut command: std::process::Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(anyhow::Error::new(error).context(format!("cannot start `{}`", shown(&command))))
}

#[cfg(not(unix))]
fn become_command(mut command: std::process::Command) -> Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
