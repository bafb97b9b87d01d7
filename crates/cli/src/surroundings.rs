//! What the system would otherwise do behind the program's back.

#[cfg(unix)]
use crate::output::say;

/// Sees to it that reaching a file size limit is an error of the write like any other, and that
/// Vulkan's layers are quiet. To be called first.
pub fn settle() {
    #[cfg(unix)]
    outlive_size_limits();
    #[cfg(target_os = "linux")]
    hush_device_selection();
}

/// By default a write beyond `ulimit -f` ends the process without a word (SIGXFSZ). With any handler
/// in place the write fails instead, and is told like a full disk.
#[cfg(unix)]
fn outlive_size_limits() {
    let reached = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, reached) {
        say(&format!("warning: the signal of file size limits cannot be handled: {error}"));
    }
}

/// wgpu enables the Vulkan extension for Wayland windows wherever there is one, and Mesa's implicit
/// layer VK_LAYER_MESA_device_select takes that as a request to ask the compositor which GPU it uses.
/// Without XDG_RUNTIME_DIR, as in a container or on a cluster, libwayland prints an "error" on stderr
/// for each attempt. A display with an absolute path keeps it quiet: it is looked for, not found, and
/// everything else is as before. A process cannot change its own environment safely, so it replaces
/// itself, once.
#[cfg(target_os = "linux")]
fn hush_device_selection() {
    use std::os::unix::process::CommandExt;
    let absolute =
        |name: &str| std::env::var_os(name).is_some_and(|v| v.as_encoded_bytes().starts_with(b"/"));
    if absolute("XDG_RUNTIME_DIR")
        || absolute("WAYLAND_DISPLAY")
        || std::env::var_os("WAYLAND_SOCKET").is_some()
    {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut args = std::env::args_os();
    let mut again = std::process::Command::new(program);
    if let Some(name) = args.next() {
        again.arg0(name);
    }
    // Returns only if it fails; then the message is the worst that happens.
    let _still_here = again.args(args).env("WAYLAND_DISPLAY", "/nonexistent").exec();
}
