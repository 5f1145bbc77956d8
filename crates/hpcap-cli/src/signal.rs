//! SIGUSR1, with which users ask a program for statistics.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// Makes SIGUSR1 harmless, which by default kills a process. A program that has statistics adds a
/// handler of its own; both are called.
///
/// The signal gets a handler instead of being ignored, because programs that this one starts would
/// inherit that it is ignored.
pub fn survive_sigusr1() {
    // Without the handler, SIGUSR1 keeps its default action.
    let _ = signal_hook::flag::register(SIGUSR1, Arc::new(AtomicBool::new(false)));
}

/// Makes SIGINT, SIGTERM and SIGHUP end the program, although it has handlers for them: its work is
/// done, what is left is to print, and the reader of the output may read nothing.
pub fn let_signals_end() {
    let always = Arc::new(AtomicBool::new(true));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Without the handler, the program ends when its output is read.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&always));
    }
}
