//! One call of every std function that `../clippy.toml` bans. Nothing here runs: clippy has to report every line.

use std::sync::{Barrier, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

/// Blocking calls.
pub fn blocking(pair: (&Mutex<bool>, &Condvar), barrier: &Barrier) {
    std::thread::sleep(Duration::ZERO);
    std::thread::park();
    std::thread::park_timeout(Duration::ZERO);
    let (sender, receiver) = mpsc::sync_channel::<u8>(1);
    let _ = sender.send(1);
    let _ = receiver.recv();
    let _ = receiver.recv_timeout(Duration::ZERO);
    let _ = receiver.iter().next();
    let lock = || pair.0.lock().unwrap();
    drop(pair.1.wait(lock()));
    drop(pair.1.wait_while(lock(), |ready| !*ready));
    drop(pair.1.wait_timeout(lock(), Duration::ZERO));
    barrier.wait();
}

/// Threads, clocks, processes and the environment.
pub fn absent() {
    let _ = std::thread::spawn(|| ());
    std::thread::scope(|_| ());
    let _ = std::thread::Builder::new().spawn(|| ());
    let _ = std::thread::available_parallelism();
    let _ = Instant::now().elapsed();
    let _ = SystemTime::now().elapsed();
    let _ = std::process::Command::new("true");
    let _ = std::env::var("HOME");
    let _ = std::env::var_os("HOME");
    let _ = std::env::args();
    let _ = std::env::current_dir();
    let _ = std::env::temp_dir();
    if std::env::args().count() > 1 {
        std::process::abort();
    }
    std::process::exit(1);
}

/// Files.
pub fn files(path: &std::path::Path) {
    let _ = std::fs::File::open(path);
    let _ = std::fs::File::create(path);
    let _ = std::fs::OpenOptions::new().open(path);
    let _ = std::fs::canonicalize(path);
    let _ = std::fs::copy(path, path);
    let _ = std::fs::create_dir(path);
    let _ = std::fs::create_dir_all(path);
    let _ = std::fs::exists(path);
    let _ = std::fs::hard_link(path, path);
    let _ = std::fs::metadata(path);
    let _ = std::fs::read(path);
    let _ = std::fs::read_dir(path);
    let _ = std::fs::read_to_string(path);
    let _ = std::fs::remove_dir_all(path);
    let _ = std::fs::remove_file(path);
    let _ = std::fs::rename(path, path);
    let _ = std::fs::write(path, "");
    let _ = path.exists();
    let _ = path.is_dir();
    let _ = path.is_file();
    let _ = path.metadata();
    let _ = path.read_dir();
}
