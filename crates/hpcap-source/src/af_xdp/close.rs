//! Ending a capture without losing the frames that it has already taken away from the network stack.

use std::time::Duration;

use hpcap::Result;
use hpcap::error::Context;

use super::AfXdp;

/// `MEMBARRIER_CMD_GLOBAL` of linux/membarrier.h.
const WAIT_FOR_EVERY_PROCESSOR: libc::c_long = 1;
/// A time in which each processor ends the batch of frames that it is handling, where the kernel does not say when.
const BATCH_ENDS: Duration = Duration::from_millis(20);

impl AfXdp {
    /// Lets the network stack have the frames again that arrive from now on. Returns whether there are sockets, whose frames can
    /// still be taken.
    pub(super) fn stop_serving(&mut self) -> Result<bool> {
        let Some(capture) = &self.capture else {
            return Ok(false);
        };
        for queue in &capture.queues {
            let stopped = capture.attached.program.stop_serving(queue.number);
            stopped.context(|| format!("give queue {} back to the network stack", queue.number))?;
        }
        wait_for_batches();
        self.closed = true;
        self.count()?;
        Ok(true)
    }

    /// Returns whether every frame that the kernel has put into the rings was taken.
    pub(super) fn is_drained(&mut self) -> bool {
        self.capture
            .as_mut()
            .is_none_or(|capture| capture.queues.iter_mut().all(|queue| !queue.refresh()))
    }
}

/// Waits until no processor runs the program with the sockets of before: the program runs, and the frames of a batch reach the
/// ring, while the processor is in a critical section of RCU, and the kernel's `membarrier` waits for the end of all of these.
fn wait_for_batches() {
    let (no_flags, any_processor) = (0_u32, 0_u32);
    // SAFETY: the call has no pointers, and only waits.
    let waited = unsafe {
        libc::syscall(
            libc::SYS_membarrier,
            WAIT_FOR_EVERY_PROCESSOR,
            no_flags,
            any_processor,
        )
    };
    // The kernel refuses where processors run without a clock tick (nohz_full).
    if waited != 0 {
        std::thread::sleep(BATCH_ENDS);
    }
}
