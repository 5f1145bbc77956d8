//! The buffered input of the readers of capture files.

use std::io::Read;
use std::time::Duration;

use hpcap_base::error::{Error, Kind, Result};
use hpcap_base::window::Window;

/// The largest window, in bytes.
pub(super) const WINDOW_BYTES_MAX: usize = 1 << 20;

/// Waits 5 ms for a non-blocking stream that has no bytes now.
pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// A window on the source, with errors for files that end too early.
#[derive(Debug)]
pub(super) struct Input<R> {
    window: Window<R>,
}

impl<R: Read> Input<R> {
    pub(super) fn new(source: R, name: String) -> Self {
        Self {
            window: Window::new(source, name, WINDOW_BYTES_MAX),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.window.name()
    }

    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// The unread bytes in the window.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        self.window.bytes()
    }

    /// Fills the window to `bytes` bytes, at most [`WINDOW_BYTES_MAX`]. Returns `false` when the
    /// source ends before that.
    #[inline]
    pub(super) fn want(&mut self, bytes: usize) -> Result<bool> {
        let bytes = bytes.min(WINDOW_BYTES_MAX);
        if self.window().len() < bytes {
            self.window.fill(bytes)?;
        }
        Ok(self.window().len() >= bytes)
    }

    /// Consumes `bytes` bytes of the window.
    #[inline]
    pub(super) fn consume(&mut self, bytes: usize) {
        self.window.consume(bytes);
    }

    /// Skips `bytes` bytes, which may be more than a window, and subtracts the skipped ones from
    /// `bytes`. Returns `false` when the source ends before that. After an error of the source, the
    /// call can be repeated.
    pub(super) fn skip(&mut self, bytes: &mut u64) -> Result<bool> {
        loop {
            let here = self.window().len() as u64;
            let step = here.min(*bytes);
            self.consume(usize::try_from(step).unwrap_or(0));
            *bytes -= step;
            if *bytes == 0 {
                return Ok(true);
            }
            if !self.want(1)? {
                return Ok(false);
            }
        }
    }

    /// Returns the error for a damaged file, with the present offset and the reason `why`.
    pub(super) fn damaged(&self, why: impl Into<String>) -> Error {
        Error::new(
            Kind::Format,
            format!("read {} past byte {}", self.name(), self.offset()),
            why,
        )
    }
}
