//! A progress bar with the time left, on a terminal only.

use std::io::IsTerminal;

use hpcap::visible::{visible, visible_lines};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TEMPLATE: &str =
    "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left  {wide_msg}";

/// A progress bar, hidden if standard error is not a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    position: u64,
}

/// Bytes between two updates of the bar.
const STEP_BYTES: u64 = 4 << 20;

impl Progress {
    /// Creates a bar for `total` bytes. It is visible if `wanted` is set and standard error is a
    /// terminal.
    pub(crate) fn new(name: &'static str, total: u64, wanted: bool) -> Self {
        let bar = if wanted && std::io::stderr().is_terminal() {
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5))
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        Self { bar, position: 0 }
    }

    /// Sets the number of bytes done so far. The call is cheap enough for every frame.
    #[inline]
    pub(crate) fn set_bytes(&mut self, bytes: u64) {
        if bytes >= self.position + STEP_BYTES {
            self.position = bytes;
            self.bar.set_position(bytes);
        }
    }

    /// Sets the name of the current item.
    pub(crate) fn set_item(&self, what: impl Into<String>) {
        self.bar.set_message(visible(&what.into()).into_owned());
    }

    /// Prints a line to standard error, above the bar.
    pub(crate) fn print_line(&self, line: &str) {
        let line = visible_lines(line);
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Runs `work` while the bar is hidden.
    pub(crate) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }

    /// Removes the bar.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
