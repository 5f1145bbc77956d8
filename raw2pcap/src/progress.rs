//! A progress bar with the time left, on a terminal only, and a line of progress at SIGUSR1.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hpcap::units::Bytes;
use hpcap::visible::{visible, visible_lines};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::SIGUSR1;
use signal_hook::iterator::Signals;

const TEMPLATE: &str =
    "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left  {wide_msg}";

/// A progress bar, hidden if standard error is not a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// The position that the bar shows.
    position: u64,
    /// The exact position, which SIGUSR1 prints.
    bytes: Arc<AtomicU64>,
}

/// Bytes between two updates of the bar.
const STEP_BYTES: u64 = 4 << 20;

impl Progress {
    /// Creates a bar for `total` bytes. It is visible if `wanted` is set and standard error is a
    /// terminal.
    pub(crate) fn new(name: &'static str, total: u64, wanted: bool) -> Self {
        let target = match wanted && std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr_with_hz(5),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        let bytes = Arc::default();
        print_on_signal(bar.clone(), Arc::clone(&bytes));
        Self {
            bar,
            position: 0,
            bytes,
        }
    }

    /// Sets the number of bytes done so far. The call is cheap enough for every frame.
    #[inline]
    pub(crate) fn set_bytes(&mut self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
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
        self.bar.suspend(|| hpcap_cli::say(line));
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

/// Prints `bytes`, the position of `bar`, at each SIGUSR1. A thread does it, because the program may
/// wait for its input.
fn print_on_signal(bar: ProgressBar, bytes: Arc<AtomicU64>) {
    let Ok(mut signals) = Signals::new([SIGUSR1]) else {
        return;
    };
    let print = move || {
        for _ in signals.forever() {
            let line = line(&bar, bytes.load(Ordering::Relaxed));
            bar.suspend(|| {
                // A user who asks for the progress and has closed standard error gets none.
                let _ = writeln!(std::io::stderr(), "{line}");
            });
        }
    };
    // Without the thread, the program works all the same.
    let _ = std::thread::Builder::new()
        .name("statistics".into())
        .spawn(print);
}

fn line(bar: &ProgressBar, bytes: u64) -> String {
    let name = bar.prefix();
    let item = match bar.message() {
        item if item.is_empty() => item,
        item => format!(", at {item}"),
    };
    // Standard input has no size.
    match bar.length() {
        Some(total) if total > 0 => {
            format!("{name}: {} of {} done{item}", Bytes(bytes), Bytes(total))
        }
        _ => format!("{name}: {} done{item}", Bytes(bytes)),
    }
}
