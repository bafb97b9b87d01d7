//! Starting other programs, always from the repository's root.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The repository's root.
pub fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run`; the compiled-in path serves a binary that is started by hand.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
    let manifest = manifest.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.ancestors().nth(2).expect("crates/xtask lies two folders below the root").to_path_buf()
}

/// Cargo's build folder: the one this program was built into.
pub fn target_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("cannot tell where xtask itself lies")?;
    let dir = exe.ancestors().nth(2).context("xtask does not lie in a build folder")?;
    Ok(dir.to_path_buf())
}

/// A command that will run in the root.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Cargo, the one that runs this program.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// The command as a person would type it.
pub fn shown(command: &Command) -> String {
    let env = command
        .get_envs()
        .filter_map(|(key, value)| Some(format!("{}={}", key.to_string_lossy(), relative(value?))));
    let program = Path::new(command.get_program());
    let name = if program.is_absolute() && program.file_stem() == Some(OsStr::new("cargo")) {
        "cargo".to_owned()
    } else {
        relative(command.get_program())
    };
    let words = env.chain([name]).chain(command.get_args().map(relative));
    words
        .map(|word| if word.contains(' ') { format!("'{word}'") } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

/// A path without the root in front, to be read from the root.
fn relative(text: &OsStr) -> String {
    let path = Path::new(text);
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// Prints the command and runs it with this program's own output; an exit code other than 0 is an error.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Prints the command, runs it, passes its stderr on line by line and also hands each line to `line`.
pub fn run_watching_stderr(command: &mut Command, mut line: impl FnMut(&str)) -> Result<()> {
    println!("$ {}", shown(command));
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always"); // stderr is a pipe for the command, which would lose its colours
    }
    let mut child =
        command.stderr(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    let stderr = child.stderr.take().expect("stderr is piped");
    for bytes in BufReader::new(stderr).split(b'\n') {
        let text = bytes.map(|b| String::from_utf8_lossy(&b).into_owned())?;
        eprintln!("{text}");
        line(&without_colours(&text));
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// What a command printed, and how it ended.
pub struct Captured {
    pub success: bool,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the command and keeps its output.
pub fn capture(command: &mut Command) -> Result<Captured> {
    let output = command.output().with_context(|| cannot_start(command))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Captured {
        success: output.status.success(),
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    })
}

/// The first line that a successful command prints (a version), or None.
pub fn first_line(command: &mut Command) -> Option<String> {
    let output = capture(command).ok().filter(|o| o.success)?;
    Some(output.stdout.lines().next()?.trim().to_owned())
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", command.get_program().to_string_lossy())
}

/// The text without terminal colour sequences (`ESC [ .. m`).
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(
            without_colours("\u{1b}[32;1m     Summary\u{1b}[0m [ 1.0s] 3 passed"),
            "     Summary [ 1.0s] 3 passed"
        );
        assert_eq!(without_colours("plain"), "plain");
    }

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = cargo(&["test", "two words"]);
        command.env("CONF", root().join("lints/wasm32"));
        assert_eq!(
            shown(&command),
            format!("CONF={} cargo test 'two words'", Path::new("lints/wasm32").display())
        );
    }
}
