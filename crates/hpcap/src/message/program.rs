//! The frame around a long-running program: its printer, its panics, its exit code.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::{Level, Messages, Printer, Stream};
use crate::error::Result;
use crate::visible::visible_lines;

/// Runs `main` with a queue for its messages, and returns the exit code of the program: that of
/// the error that `main` ends with, 1 after a panic. `notice` words the line that says how many
/// messages of a stream were dropped.
pub fn run(
    program: &'static str,
    notice: impl Fn(Stream, u64) -> String + Send + 'static,
    main: impl FnOnce(&Messages) -> Result<()>,
) -> ExitCode {
    // Both would end or stop a program for writing: past the limit of file sizes, or to a terminal
    // from the background.
    ignore(Signal::SIGXFSZ);
    ignore(Signal::SIGTTOU);
    let printer = match Printer::start(notice) {
        Ok(printer) => printer,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "{program}: {e}");
            return ExitCode::from(e.exit_code());
        }
    };
    let messages = printer.messages().clone();
    tell_panics(program, messages.clone());
    let code = match catch_unwind(AssertUnwindSafe(|| main(&messages))) {
        Ok(Ok(())) => 0,
        Ok(Err(e)) => {
            messages.tell(
                Level::Error,
                Stream::Errors,
                visible_lines(&format!("{program}: {e}")),
            );
            e.exit_code()
        }
        // The hook has told it.
        Err(_) => 1,
    };
    printer.finish();
    ExitCode::from(code)
}

/// The message of a panic goes through the queue, too: the hook of the standard library writes to
/// standard error, which can block the thread that panics for ever.
fn tell_panics(program: &'static str, messages: Messages) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        let mut text = format!("{program}: internal error in thread {name}: {panic}");
        let trace = std::backtrace::Backtrace::capture();
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            text.push_str(&format!("\n{trace}"));
        }
        messages.tell(Level::Error, Stream::Errors, text);
    }));
}

fn ignore(signal: Signal) {
    let action = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed.
    let _ = unsafe { sigaction(signal, &action) };
}

/// Whether `signal` was ignored when the program started, as nohup(1) does with SIGHUP: that is a
/// wish of whoever started it.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: zero bytes are a valid value of the plain structure, which sigaction(2) fills in.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: asks for the action of a signal, and changes nothing.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    asked == 0 && action.sa_sigaction == libc::SIG_IGN
}
