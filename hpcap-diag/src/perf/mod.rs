//! Rings of the kernel's perf events: opening them, emptying them, counting what they lost.
//!
//! `unsafe` code and the layout of the records are the crate `perf-event2`'s.

mod permission;

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use perf_event::data::{Record, Sample};
use perf_event::{Builder, ReadFormat, Sampler};

pub use permission::{Paranoia, denied};

/// Largest number of memory that all rings of a command take.
const RING_BYTES_MAX: usize = 64 << 20;
/// Bytes of a page of memory.
const PAGE_BYTES: usize = 4096;
/// Fewest and most pages of a ring that a command asks for itself.
const PAGES: (usize, usize) = (8, 128);

/// Calls of perf events that the crate does not offer.
mod request {
    // The number of PERF_EVENT_IOC_SET_FILTER contains the size of a pointer, and its argument is the pointer.
    nix::ioctl_write_ptr_bad!(
        /// Sets the filter of a tracepoint.
        set_filter,
        nix::request_code_write!(b'$', 6, size_of::<*const libc::c_char>()),
        libc::c_char
    );
}

/// Pages for each of `rings` rings, within the limit of memory: a power of two.
#[must_use]
pub fn pages_for(rings: usize) -> usize {
    let fit = RING_BYTES_MAX / PAGE_BYTES / rings.max(1);
    let power = (fit + 1).next_power_of_two() / 2;
    power.clamp(PAGES.0, PAGES.1)
}

/// Rings into which the kernel writes samples.
pub struct Rings {
    samplers: Vec<Sampler>,
    /// Whether the kernel counts the records that did not fit, for each ring.
    kernel_counts_losses: bool,
    /// Records that did not fit, where the kernel does not count them.
    lost: u64,
    throttled: u64,
}

impl std::fmt::Debug for Rings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rings")
            .field("rings", &self.samplers.len())
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

impl Rings {
    /// Opens a ring for each of `events`, of `pages` pages each, a power of two. None is enabled yet.
    ///
    /// # Errors
    /// The error of perf_event_open(2) or mmap(2) for the first ring that cannot be made.
    pub fn open(events: &[Builder<'_>], pages: usize) -> std::io::Result<Self> {
        let open = |format: ReadFormat| {
            let open = |event: &Builder<'_>| {
                let mut event = event.clone();
                event.read_format(format);
                event.build()?.sampled(pages * PAGE_BYTES)
            };
            events.iter().map(open).collect::<std::io::Result<Vec<_>>>()
        };
        // Kernels before 6.0 do not know this count, and refuse it as an invalid argument.
        let (samplers, kernel_counts_losses) = match open(ReadFormat::LOST) {
            Err(e) if e.kind() == std::io::ErrorKind::InvalidInput => {
                (open(ReadFormat::empty())?, false)
            }
            opened => (opened?, true),
        };
        Ok(Self {
            samplers,
            kernel_counts_losses,
            lost: 0,
            throttled: 0,
        })
    }

    /// Lets the kernel write only those samples of ring `ring` that match `filter`, a filter of tracepoints.
    ///
    /// # Errors
    /// That the kernel refuses the filter, or that there is no such ring.
    pub fn filter(&mut self, ring: usize, filter: &str) -> std::io::Result<()> {
        let sampler = self.samplers.get(ring);
        let sampler = sampler.ok_or(std::io::ErrorKind::NotFound)?;
        let filter = CString::new(filter)?;
        // SAFETY: the descriptor is that of an open perf event, and the kernel only reads the text, which ends with a
        // zero byte.
        unsafe { request::set_filter(sampler.as_raw_fd(), filter.as_ptr()) }?;
        Ok(())
    }

    /// Lets the kernel write samples.
    ///
    /// # Errors
    /// An error of the kernel.
    pub fn enable(&mut self) -> Result<()> {
        let mut samplers = self.samplers.iter_mut();
        samplers
            .try_for_each(|sampler| sampler.enable())
            .context(|| "enable perf events")
    }

    /// Tells the kernel to write no more samples.
    pub fn disable(&mut self) {
        for sampler in &mut self.samplers {
            // A thread that has ended has no samples to stop.
            let _ = sampler.disable();
        }
    }

    /// Waits until a ring is half full, for `limit`, or for a signal.
    ///
    /// # Errors
    /// An error of poll(2).
    pub fn wait(&self, limit: Duration) -> Result<()> {
        // SAFETY: the descriptors belong to the samplers, which outlive this function's borrow of them.
        let borrow = |sampler| unsafe { BorrowedFd::borrow_raw(AsRawFd::as_raw_fd(sampler)) };
        let fds: Vec<BorrowedFd<'_>> = self.samplers.iter().map(borrow).collect();
        let mut fds: Vec<PollFd<'_>> = fds
            .iter()
            .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN))
            .collect();
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            // The threads of these rings have ended, which poll(2) reports at once, for ever.
            Ok(ready) if ready > 0 && fds.iter().all(has_ended) => {
                std::thread::sleep(limit);
                Ok(())
            }
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(e) => Err(Error::io("wait for samples", e.into())),
        }
    }

    /// Takes all samples out of the rings, and gives each to `take`. Records that the kernel could not write are
    /// counted.
    ///
    /// # Errors
    /// [`Kind::Format`] if the kernel writes what its interface does not allow.
    pub fn drain(&mut self, mut take: impl FnMut(&Sample<'_>)) -> Result<()> {
        for sampler in &mut self.samplers {
            while let Some(record) = sampler.next_record() {
                let parsed = record.parse_record().map_err(|e| {
                    Error::new(Kind::Format, "read a sample of the kernel", e.to_string())
                })?;
                match parsed {
                    Record::Sample(sample) => take(&sample),
                    Record::Lost(lost) if !self.kernel_counts_losses => self.lost += lost.lost,
                    Record::LostSamples(lost) if !self.kernel_counts_losses => {
                        self.lost += lost.lost;
                    }
                    Record::Throttle(_) => self.throttled += 1,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Records that did not fit into a ring so far. Kernels before 6.0 report a loss only with the next record that fits,
    /// so that losses at the very end stay unknown there.
    ///
    /// # Errors
    /// An error of read(2).
    pub fn lost(&mut self) -> Result<u64> {
        if !self.kernel_counts_losses {
            return Ok(self.lost);
        }
        let counts = self.samplers.iter_mut().map(|sampler| {
            let data = sampler.read_full()?;
            Ok(data.lost().unwrap_or(0))
        });
        counts
            .sum::<std::io::Result<u64>>()
            .context(|| "read how many samples the kernel lost")
    }

    /// How often the kernel paused an event, because it came too often.
    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.throttled
    }
}

fn has_ended(fd: &PollFd<'_>) -> bool {
    let happened = fd.revents().unwrap_or(PollFlags::empty());
    happened.contains(PollFlags::POLLHUP) && !happened.contains(PollFlags::POLLIN)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use perf_event::SampleFlag;

    use super::*;

    #[test]
    fn rings_stay_within_their_memory() {
        for rings in [1, 2, 63, 64, 65, 512, 4096] {
            let pages = pages_for(rings);
            assert!(pages.is_power_of_two());
            assert!(pages == PAGES.0 || rings * pages * PAGE_BYTES <= RING_BYTES_MAX);
        }
        assert_eq!(pages_for(2), PAGES.1);
    }

    /// Computes for long enough that a ring of one page has no room for all samples.
    fn compute() {
        let start = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
        let used = || std::time::Duration::from(start.now().unwrap());
        let until = used() + std::time::Duration::from_millis(300);
        while used() < until {
            std::hint::black_box(used());
        }
    }

    #[test]
    fn samples_that_do_not_fit_are_counted_even_the_last() {
        let mut event = Builder::new(perf_event::events::Software::CPU_CLOCK);
        event
            .observe_self()
            .any_cpu()
            .sample(SampleFlag::TID | SampleFlag::IP)
            .sample_period(100_000);
        let mut rings = match Rings::open(&[event], 1) {
            Ok(rings) => rings,
            Err(e) => return testkit::skip(&format!("perf events are forbidden here ({e})")),
        };
        rings.enable().unwrap();
        compute();
        rings.disable();
        let mut taken = 0_u64;
        rings.drain(|_| taken += 1).unwrap();
        assert!(taken > 0);
        if !rings.kernel_counts_losses {
            return testkit::skip("this kernel reports a loss only with a later sample");
        }
        // No sample came later.
        assert!(rings.lost().unwrap() > 0);
    }
}
