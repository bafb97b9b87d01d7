//! stdout for results, stderr for everything else.

use serde::Serialize;
use serde_json::json;
use std::io::{ErrorKind, Write};

/// Where results and remarks go.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// Results are JSON objects, one per line.
    pub json: bool,
    /// No remarks.
    pub quiet: bool,
}

impl Out {
    /// A line for people on stdout, unless JSON is wanted there.
    pub fn line(&self, text: &str) {
        if !self.json {
            write_line(text);
        }
    }

    /// A JSON object on stdout, if that is wanted.
    pub fn object(&self, value: &impl Serialize) {
        if self.json {
            object_always(value);
        }
    }

    /// A remark on stderr.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// The JSON form of an error, if that is wanted.
    pub fn failed(&self, what: &str, hint: &str) {
        self.object(&json!({"failed": {"what": what, "hint": hint}}));
    }
}

/// A line on stderr. Who has closed it, or whose log has no room, does not want to hear of it; the work
/// goes on.
pub fn say(text: &str) {
    let _unheard = writeln!(std::io::stderr(), "{text}");
}

/// A JSON object on stdout, whatever is wanted.
pub fn object_always(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => write_line(&text),
        Err(error) => say(&format!("error: a result could not be written as JSON: {error}")),
    }
}

fn write_line(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    if let Err(error) = written {
        // A reader that has seen enough (`| head`) is no reason for words.
        if error.kind() != ErrorKind::BrokenPipe {
            say(&format!("error: cannot write to stdout: {error}"));
        }
        std::process::exit(1);
    }
}
