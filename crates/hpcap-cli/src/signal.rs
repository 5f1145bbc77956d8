//! SIGUSR1, with which users ask a program for statistics.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGUSR1;

/// Makes SIGUSR1 harmless, which by default kills a process. A program that has statistics adds a
/// handler of its own; both are called.
///
/// The signal gets a handler instead of being ignored, because programs that this one starts would
/// inherit that it is ignored.
pub fn survive_sigusr1() {
    // Without the handler, SIGUSR1 keeps its default action.
    let _ = signal_hook::flag::register(SIGUSR1, Arc::new(AtomicBool::new(false)));
}
