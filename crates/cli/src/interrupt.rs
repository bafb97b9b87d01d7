//! Ctrl-C: a job that looks for it ends by itself within a fraction of a second; anything else, and a
//! job that is busy for longer, is ended. Files are written atomically, so that is safe at any moment.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The exit code of an interrupted program.
pub const CODE: u8 = 130;

/// Time for a job to end by itself; the promise is a second.
const GRACE: Duration = Duration::from_millis(700);

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// What to do after an interruption of the job that looks for one.
static REMEDY: OnceLock<&str> = OnceLock::new();

/// Takes over Ctrl-C.
pub fn install() {
    let handler = || {
        let again = REQUESTED.swap(true, Ordering::SeqCst);
        if !again && let Some(remedy) = REMEDY.get() {
            std::thread::sleep(GRACE);
            eprintln!("\ninterrupted; {remedy}");
        }
        std::process::exit(i32::from(CODE));
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        // The system's own handling ends the program too, only with fewer words.
        eprintln!("warning: Ctrl-C cannot be handled: {error}");
    }
}

/// From now on somebody calls [`requested`] all the time. `remedy` is told if that takes too long: what
/// is left, and what to do about it.
pub fn watch(remedy: &'static str) {
    REMEDY.get_or_init(|| remedy);
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
