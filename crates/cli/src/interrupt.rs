//! Ctrl-C: a job that looks for it ends by itself within a fraction of a second; anything else, and a
//! job that is busy for longer (compiling a shader, say), is ended. Files are written atomically, so
//! that is safe at any moment.

use crate::output::{Out, say};
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The exit code of an interrupted program.
pub const CODE: u8 = 130;

/// Time for a job to end by itself; the promise is a second.
const GRACE: Duration = Duration::from_millis(700);
/// Time for the last words, if nobody reads what the program writes.
const WORDS: Duration = Duration::from_millis(150);

static REQUESTED: AtomicBool = AtomicBool::new(false);
static TOLD: AtomicBool = AtomicBool::new(false);
static MANNER: OnceLock<(Out, Option<String>)> = OnceLock::new();
/// Whether somebody looks at [`requested`], and deserves some time to do so.
static WATCHED: AtomicBool = AtomicBool::new(false);
/// What to do after an interruption of the job that looks for one.
static REMEDY: OnceLock<&str> = OnceLock::new();

/// Takes over Ctrl-C. `resume` is the command that would go on with the work, if there is one; `remedy` is told
/// where there is none.
pub fn install(out: Out, resume: Option<String>, remedy: Option<&'static str>) {
    if let Some(remedy) = remedy {
        REMEDY.get_or_init(|| remedy);
    }
    MANNER.get_or_init(|| (out, resume));
    let handler = || {
        let again = REQUESTED.swap(true, Ordering::SeqCst);
        if !again {
            if WATCHED.load(Ordering::SeqCst) {
                std::thread::sleep(GRACE);
            }
            // On a thread of its own: whoever should read stdout may have stopped doing so.
            let words = std::thread::spawn(|| tell(None));
            let mut waited = Duration::ZERO;
            while !words.is_finished() && waited < WORDS {
                let pause = Duration::from_millis(5);
                std::thread::sleep(pause);
                waited += pause;
            }
        }
        std::process::exit(i32::from(CODE));
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        // The system's own handling ends the program too, only with fewer words.
        say(&format!("warning: Ctrl-C cannot be handled: {error}"));
    }
}

/// From now on somebody calls [`requested`] all the time. `remedy` is told where there is no way to go
/// on: what is left, and what to do about it.
pub fn watch(remedy: &'static str) {
    REMEDY.get_or_init(|| remedy);
    WATCHED.store(true, Ordering::SeqCst);
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Says that the work was interrupted and how to go on with it, once. `stored` is how many networks
/// of how many are stored, where that is known.
pub fn tell(stored: Option<(u64, u64)>) {
    if TOLD.swap(true, Ordering::SeqCst) {
        return;
    }
    let Some((out, resume)) = MANNER.get() else { return };
    let (done, all) = stored.unzip();
    out.object(&match resume {
        Some(resume) => json!({"interrupted": {"nets_done": done, "nets": all, "resume": resume}}),
        None => json!({"interrupted": {"resume": Value::Null}}),
    });
    say(&words(stored, resume.as_deref(), REMEDY.get().copied()));
}

fn words(stored: Option<(u64, u64)>, resume: Option<&str>, remedy: Option<&str>) -> String {
    let mut text = "interrupted".to_owned();
    if let Some((done, all)) = stored {
        text += &format!(": {done} of {all} networks are stored");
    }
    match (resume, remedy) {
        (Some(resume), _) if stored.is_some() => text += &format!(". Continue with:\n  {resume}"),
        (Some(resume), _) => {
            text += &format!(": what was stored is intact. Continue with:\n  {resume}");
        }
        (None, Some(remedy)) => text += &format!("; {remedy}"),
        (None, None) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_resumed_is_said_to_be() {
        assert_eq!(
            words(Some((2, 8)), Some("weightlab fit a --resume"), Some("do this")),
            "interrupted: 2 of 8 networks are stored. Continue with:\n  weightlab fit a --resume"
        );
        assert_eq!(
            words(None, Some("x --resume"), None),
            "interrupted: what was stored is intact. Continue with:\n  x --resume"
        );
        assert_eq!(
            words(Some((2, 8)), None, Some("delete the folder")),
            "interrupted: 2 of 8 networks are stored; delete the folder"
        );
        assert_eq!(words(None, None, None), "interrupted");
    }
}
