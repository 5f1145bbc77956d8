//! Messages on stderr. A program whose messages nobody reads neither waits for a reader nor ends.

use std::fmt::Arguments;
use std::process::ExitCode;
use std::sync::OnceLock;

use hpcap::message::{self, Level, Messages, Stream};
use hpcap::visible::visible_lines;

/// The queue of the thread that prints.
static MESSAGES: OnceLock<Messages> = OnceLock::new();

/// Runs `main`, whose messages a thread prints, and returns its exit code.
pub(crate) fn with_messages(program: &'static str, main: impl FnOnce() -> ExitCode) -> ExitCode {
    let notice =
        move |_, dropped| format!("{program}: {dropped} messages were dropped: nobody read them");
    message::run_to_code(program, notice, |messages| {
        let _ = MESSAGES.set(messages.clone());
        main()
    })
}

/// Says a line. Names in it can have control characters, which become visible.
pub(crate) fn say(line: Arguments<'_>) {
    say_text(&visible_lines(&line.to_string()));
}

/// Prints text unchanged.
pub(crate) fn say_text(text: &str) {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if let Some(messages) = MESSAGES.get() {
        messages.tell(Level::Info, Stream::Errors, text);
    }
}
