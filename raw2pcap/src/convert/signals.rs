//! Signals must not leave unfinished files behind.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use hpcap_service::is_ignored;
use nix::sys::signal::Signal;
use signal_hook::iterator::Signals;

/// Signals that end the process and that a process can catch. SIGUSR1 is none of them, because it
/// asks for the progress.
const FATAL_SIGNALS: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGALRM,
    Signal::SIGUSR2,
    Signal::SIGXCPU,
];

/// Path of the unfinished file; `None` until the first file is started.
static CURRENT_PART: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Registers `part` as the file to remove when a signal ends this process. It replaces the path
/// registered before.
pub(super) fn remove_on_signal(part: &Path) -> io::Result<()> {
    let mut under_way = CURRENT_PART.lock().unwrap_or_else(PoisonError::into_inner);
    let is_first = under_way.replace(part.to_owned()).is_none();
    if !is_first {
        return Ok(());
    }
    // A signal that is ignored, as under nohup(1), stays ignored.
    let fatal = FATAL_SIGNALS.map(|signal| signal as i32);
    let mut signals = Signals::new(fatal.into_iter().filter(|signal| !is_ignored(*signal)))?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let part = CURRENT_PART.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(part) = &*part {
                    let _ = std::fs::remove_file(part);
                }
                // The process ends by the signal, so that its parent sees the usual status.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        })?;
    Ok(())
}

/// Makes a write beyond the file size limit fail with EFBIG; by default SIGXFSZ kills the process.
pub(crate) fn survive_file_size_limit() {
    // Without the handler, SIGXFSZ keeps its default action.
    let _ = signal_hook::flag::register(Signal::SIGXFSZ as i32, Arc::new(AtomicBool::new(false)));
}
