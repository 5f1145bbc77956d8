//! What a signal must not leave behind.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::Signal;
use signal_hook::iterator::Signals;

/// Signals that end a process and can be waited for.
const FATAL_SIGNALS: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGALRM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGXCPU,
];

/// The file under way, once there was one.
static CURRENT_PART: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Removes `part` when a signal ends this process; the one named before is forgotten.
pub(super) fn remove_on_signal(part: &Path) -> io::Result<()> {
    let mut under_way = CURRENT_PART.lock().unwrap_or_else(PoisonError::into_inner);
    let is_first = under_way.replace(part.to_owned()).is_none();
    if !is_first {
        return Ok(());
    }
    let mut signals = Signals::new(FATAL_SIGNALS.map(|signal| signal as i32))?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let part = CURRENT_PART.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(part) = &*part {
                    let _ = std::fs::remove_file(part);
                }
                // Ends the process as the signal does by itself.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        })?;
    Ok(())
}

/// Has a write beyond the limit of a file's size fail (EFBIG) instead of killing the process.
pub(crate) fn survive_file_size_limit() {
    // Where it cannot be caught, it kills as before.
    let _ = signal_hook::flag::register(Signal::SIGXFSZ as i32, Arc::new(AtomicBool::new(false)));
}
