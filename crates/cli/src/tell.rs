//! Errors in words, and as exit codes: 1 for failures, 2 for usage, 130 for an interruption.

use crate::output::{Out, say};
use anyhow::Error;
use std::fmt;
use std::process::ExitCode;
use weightlab_gpu::GpuError;
use weightlab_lab::LabError;

/// A mistake in the command line that only shows in the course of things.
#[derive(Debug)]
pub struct Usage {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: &'static str,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Usage {}

/// A job that ended with a message of failure.
#[derive(Debug)]
pub struct JobFailed {
    /// What happened.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for JobFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for JobFailed {}

/// Says what went wrong, on stderr and if wanted as JSON on stdout; the exit code for it.
pub fn error(out: &Out, error: &Error) -> ExitCode {
    // The messages of our own errors hold their causes already; others come as a chain.
    let ours = error.is::<LabError>() || error.is::<Usage>() || error.is::<JobFailed>();
    let what = if ours { error.to_string() } else { format!("{error:#}") };
    let mut said = false;
    let (hint, code) = if let Some(e) = error.downcast_ref::<LabError>() {
        said = e.has_remedy();
        (e.hint().to_owned(), if e.is_usage() { 2 } else { 1 })
    } else if let Some(e) = error.downcast_ref::<Usage>() {
        (e.hint.to_owned(), 2)
    } else if let Some(e) = error.downcast_ref::<JobFailed>() {
        said = e.what.contains(&e.hint);
        (e.hint.clone(), 1)
    } else {
        (String::new(), 1)
    };
    say(&format!("error: {what}"));
    if !hint.is_empty() && !said {
        say(&format!("  try: {hint}"));
    }
    if let Some(LabError::Gpu(GpuError::NoAdapter { .. })) = error.downcast_ref::<LabError>() {
        for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            if let Some(value) = std::env::var_os(name) {
                say(&format!(
                    "  note: {name} is set, so that only the drivers it names are looked for: {}",
                    value.to_string_lossy()
                ));
            }
        }
    }
    out.failed(&what, &hint);
    ExitCode::from(code)
}

/// clap's text as (what, hint): its first paragraph without `error:`, and its tips or how to get help.
pub fn split_usage(text: &str) -> (String, String) {
    let mut paragraphs =
        text.trim().split("\n\n").map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
    let hint = paragraphs
        .find_map(|p| p.strip_prefix("tip: ").map(str::to_owned))
        .unwrap_or_else(|| "`weightlab help` explains the options".to_owned());
    (what, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_errors_become_what_and_hint() {
        let text = "error: unexpected argument '--stesp' found\n\n  tip: a similar argument exists: '--steps'\n\nUsage: weightlab fit\n";
        let (what, hint) = split_usage(text);
        assert_eq!(what, "unexpected argument '--stesp' found");
        assert_eq!(hint, "a similar argument exists: '--steps'");
    }
}
