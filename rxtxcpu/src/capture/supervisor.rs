//! The thread that watches the capture: signals, limits, the interface and the CPUs.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hpcap::Error;
use hpcap_service::Signals;
use hpcap_source::af_packet::streams::Group;

use super::counters::Counters;
use super::live::Live;
use super::watch::{CpuWatch, InterfaceWatch};
use super::{Request, Shared};
use crate::failure::Failure;
use crate::plan::Plan;
use crate::say::say;

/// Time between two looks at the interface and the CPUs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The watching thread.
pub(super) struct Supervisor<'a> {
    plan: &'a Plan,
    shared: &'a Shared,
    interface: InterfaceWatch<'a>,
    cpus: CpuWatch<'a>,
    counters: &'a [Counters],
    live: Option<Live<'a>>,
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        shared: &'a Shared,
        group: Option<&'a Group>,
        counters: &'a [Counters],
        live: Option<Live<'a>>,
    ) -> Self {
        Self {
            plan,
            shared,
            interface: InterfaceWatch::new(&plan.interface),
            cpus: CpuWatch::new(plan, group),
            counters,
            live,
        }
    }

    /// Watches until there is a reason to stop.
    pub(super) fn run(mut self, signals: &Signals<Request>) -> Result<(), Failure> {
        let start = Instant::now();
        while !self.shared.stop.is_requested() && !signals.take(Request::Stop) {
            if signals.take(Request::Statistics) {
                self.tell();
            }
            let left = match self.plan.duration {
                Some(limit) => limit.saturating_sub(start.elapsed()),
                None => Duration::MAX,
            };
            if left.is_zero() {
                break;
            }
            let table = self.live.as_ref().map_or(LOOK_EVERY, Live::due_in);
            self.sleep(signals, LOOK_EVERY.min(left).min(table))?;
            if let Some(live) = &mut self.live {
                live.print_if_due();
            }
            self.interface.look()?;
            if self.cpus.look()? {
                self.shared.cpu_changes.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Says how many frames were captured so far.
    fn tell(&self) {
        let streams = self.counters.iter().map(|counters| counters.read(0));
        let captured: u64 = streams.map(|counts| counts.captured()).sum();
        say(format_args!("{captured} packets captured so far."));
    }

    fn sleep(&self, signals: &Signals<Request>, time: Duration) -> Result<(), Failure> {
        let poll = |fd: i32| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        let mut polled = [
            poll(signals.as_fd().as_raw_fd()),
            poll(self.shared.stop.as_fd().as_raw_fd()),
        ];
        // A millisecond more, so that the last sleep of a limited time is not repeated.
        let time = i32::try_from(time.as_millis() + 1).unwrap_or(i32::MAX);
        // SAFETY: the call gets an array of two structures, which outlives it.
        let n = unsafe { libc::poll(polled.as_mut_ptr(), 2, time) };
        let error = std::io::Error::last_os_error();
        match n < 0 && error.kind() != std::io::ErrorKind::Interrupted {
            true => Err(Error::io("wait for the workers", error).into()),
            false => Ok(()),
        }
    }
}
