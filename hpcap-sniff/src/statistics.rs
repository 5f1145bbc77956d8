//! Prints the counts so far at SIGUSR1.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hpcap::Result;
use hpcap::error::Context;
use hpcap::message::{Level, Messages, Stream};
use signal_hook::consts::SIGUSR1;

use crate::totals::Totals;

/// Tells the counts to standard error when a signal asks for them.
#[derive(Debug)]
pub struct Statistics {
    asked: Arc<AtomicBool>,
    messages: Messages,
}

impl Statistics {
    /// Installs the handler of the signal.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn on_signal(messages: &Messages) -> Result<Self> {
        let asked = Arc::default();
        signal_hook::flag::register(SIGUSR1, Arc::clone(&asked))
            .context(|| "prepare for SIGUSR1")?;
        Ok(Self {
            asked,
            messages: messages.clone(),
        })
    }

    /// Prints `totals` if SIGUSR1 has come since the last call.
    pub(crate) fn tell_if_asked(&self, totals: &Totals) {
        // This is called for each frame, and a load costs less than a swap.
        if self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Relaxed) {
            let text = format!("so far: {totals}");
            self.messages.tell(Level::Info, Stream::Errors, text);
        }
    }
}
