//! Runs the main function of a long-running program, with a printer for its messages, and derives its exit code.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::{Level, Messages, Printer, Stream};
use crate::error::Result;
use crate::visible::visible_lines;

/// Runs `main` with a queue for its messages and returns the exit code of the program: 0, that of
/// the error that `main` returns, or 1 after a panic. `notice` formats the line that reports how
/// many messages of a stream were dropped.
pub fn run(
    program: &'static str,
    notice: impl Fn(Stream, u64) -> String + Send + 'static,
    main: impl FnOnce(&Messages) -> Result<()>,
) -> ExitCode {
    run_to_code(program, notice, |messages| match main(messages) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            messages.tell(
                Level::Error,
                Stream::Errors,
                visible_lines(&format!("{program}: {e}")),
            );
            ExitCode::from(e.exit_code())
        }
    })
}

/// Runs `main` as [`run`] does. `main` prints its errors itself, and returns the exit code.
pub fn run_to_code(
    program: &'static str,
    notice: impl Fn(Stream, u64) -> String + Send + 'static,
    main: impl FnOnce(&Messages) -> ExitCode,
) -> ExitCode {
    // Both signals would end or stop a program because of a write: SIGXFSZ beyond the limit of file
    // sizes, SIGTTOU to a terminal from the background.
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
    // The panic hook has already queued the message of a panic.
    let code = catch_unwind(AssertUnwindSafe(|| main(&messages))).unwrap_or(ExitCode::FAILURE);
    printer.finish();
    code
}

/// Sends the messages of panics through the queue. The hook of the standard library writes to
/// standard error, which can block the panicking thread for ever.
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
    // SAFETY: SIG_IGN installs no handler that could run in a signal context.
    let _ = unsafe { sigaction(signal, &action) };
}
