//! What the readers of capture files read from.

use std::io::Read;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::window::Window;

/// The largest window, in bytes.
pub(super) const WINDOW_BYTES_MAX: usize = 1 << 20;

/// Waits a little for a stream that does not block and has nothing now.
pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// A window that knows how a file ends too early.
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

    /// The unread bytes that are there.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        self.window.bytes()
    }

    /// Sees to it that the window has `bytes` bytes, [`WINDOW_BYTES_MAX`] at most; `false`
    /// where the source ends before.
    #[inline]
    pub(super) fn want(&mut self, bytes: usize) -> Result<bool> {
        let bytes = bytes.min(WINDOW_BYTES_MAX);
        if self.window().len() < bytes {
            self.window.fill(bytes)?;
        }
        Ok(self.window().len() >= bytes)
    }

    /// Moves the window on by `bytes` of it.
    #[inline]
    pub(super) fn consume(&mut self, bytes: usize) {
        self.window.consume(bytes);
    }

    /// Moves the window on by any number of bytes, which are taken off `bytes`; `false` where the
    /// source ends before. After an error of the source, the call can be repeated.
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

    /// The error that ends a damaged file: where, and what is wrong there.
    pub(super) fn damaged(&self, why: impl Into<String>) -> Error {
        Error::new(
            Kind::Format,
            format!("read {} past byte {}", self.name(), self.offset()),
            why,
        )
    }
}
