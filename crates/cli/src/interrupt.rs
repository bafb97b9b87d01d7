//! Ctrl-C: a job that looks for it ends by itself within a fraction of a second; anything else, and a
//! job that is busy for longer, is ended. Files are written atomically, so that is safe at any moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The exit code of an interrupted program.
pub const CODE: u8 = 130;

/// Time for a job to end by itself; the promise is a second.
const GRACE: Duration = Duration::from_millis(700);

static REQUESTED: AtomicBool = AtomicBool::new(false);
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Takes over Ctrl-C.
pub fn install() {
    let handler = || {
        let again = REQUESTED.swap(true, Ordering::SeqCst);
        if !again && WATCHED.load(Ordering::SeqCst) {
            std::thread::sleep(GRACE);
            eprintln!(
                "\ninterrupted; what was stored is intact: run the same command with --resume"
            );
        }
        std::process::exit(i32::from(CODE));
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        // The system's own handling ends the program too, only with fewer words.
        eprintln!("warning: Ctrl-C cannot be handled: {error}");
    }
}

/// From now on somebody calls [`requested`] all the time.
pub fn watch() {
    WATCHED.store(true, Ordering::SeqCst);
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
