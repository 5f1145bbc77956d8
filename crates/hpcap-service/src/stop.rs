//! Signals that end a program which has no other requests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::is_ignored;

/// The signals that ask a program to end. SIGHUP, which comes when the terminal goes away, is none of
/// them if it was ignored when the program started, as under nohup(1).
fn stop_signals() -> impl Iterator<Item = i32> {
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    [SIGINT, SIGTERM].into_iter().chain(hangup)
}

/// Returns a flag that SIGINT, SIGTERM and SIGHUP set. A signal that arrives again changes nothing, because
/// timeout(1) sends its signal both to the program and to its process group.
///
/// # Errors
/// Returns an error of the operating system.
pub fn stop_flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in stop_signals() {
        register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Makes the signals of [`stop_flag`] end the program, although it has handlers for them: its work is
/// done, what is left is to print, and the reader of the output may read nothing.
pub fn let_signals_end() {
    let always = Arc::new(AtomicBool::new(true));
    for signal in stop_signals() {
        // Without the handler, the program ends when its output is read.
        let _ = register_conditional_shutdown(signal, 1, Arc::clone(&always));
    }
}
