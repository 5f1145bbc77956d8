//! The time at which the next frame is sent.

use std::time::{Duration, Instant};

use hpcap::units::Rate;
use hpcap_source::SourceSpec;
use hpcap_source::generator::{BACKLOG, Schedule};
use hpcap_source::pcap::Speed;

use super::content::Chunk;

/// Largest number of frames that are sent while the NIC is locked once.
pub(super) const BURST: usize = 64;

/// The condition on which a sender sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Room in the NIC: a frame is sent when the NIC has room for it, so that none is missed. A
    /// real wire cannot wait like this, but tests of everything behind the NIC need it.
    Room,
    /// The clock.
    Rate(Rate),
    /// The source, which returns a frame when it is due.
    Source,
    /// No condition: frames are sent as fast as the NIC can process them.
    Flood,
}

impl Pace {
    /// Returns the pace of `source` itself.
    #[must_use]
    pub fn of(source: &SourceSpec) -> Self {
        match source {
            SourceSpec::Generator(spec) => spec.rate.map_or(Self::Room, Self::Rate),
            SourceSpec::Pcap(spec) if spec.speed == Speed::Max => Self::Room,
            _ => Self::Source,
        }
    }
}

/// Decides whether a sender may send now.
#[derive(Debug)]
pub(super) struct Due {
    schedule: Option<Schedule>,
    started: Instant,
    /// Time after which no frame is due. Stalls of the NIC move this time, so that the number of
    /// frames stays that of the rate.
    end: Option<Duration>,
}

/// The frames of a chunk that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Now {
    /// This number of frames, which is at least 1, is due.
    Send(usize),
    /// No frame is due for this time.
    Wait(Duration),
    /// No frame will be due any more.
    End,
}

impl Due {
    /// Starts the clock. After the time `end`, no frame is due.
    pub(super) fn new(pace: Pace, end: Option<Duration>) -> Self {
        let schedule = match pace {
            Pace::Rate(rate) => Some(Schedule::new(rate)),
            Pace::Room | Pace::Source | Pace::Flood => None,
        };
        Self {
            schedule,
            started: Instant::now(),
            end,
        }
    }

    /// Returns how many frames of `chunk`, from number `from` on, are due, but at most [`BURST`].
    /// If there is a rate, the caller must send all of them.
    pub(super) fn look(&mut self, chunk: &Chunk, from: usize) -> Now {
        self.look_at(chunk, from, self.started.elapsed())
    }

    fn look_at(&mut self, chunk: &Chunk, from: usize, elapsed: Duration) -> Now {
        let Some(schedule) = &mut self.schedule else {
            return match self.end {
                Some(end) if elapsed >= end => Now::End,
                _ => Now::Send(BURST.min(chunk.len() - from)),
            };
        };
        let ns = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let elapsed_ns = ns(elapsed);
        // After a stall, the burst that catches up is bounded, like the generator's.
        let late_ns = elapsed_ns.saturating_sub(schedule.due_ns());
        if late_ns > ns(BACKLOG) {
            let late = Duration::from_nanos(late_ns);
            schedule.delay(late);
            self.end = self.end.map(|end| end.saturating_add(late));
        }
        let end_ns = self.end.map_or(u64::MAX, ns);
        let mut frames = 0;
        while frames < BURST
            && let Some(frame) = chunk.get(from + frames)
        {
            let due_ns = schedule.due_ns();
            if due_ns >= end_ns && frames == 0 {
                return Now::End;
            }
            if due_ns >= end_ns || due_ns > elapsed_ns {
                break;
            }
            schedule.advance(u32::try_from(frame.len()).unwrap_or(u32::MAX));
            frames += 1;
        }
        match frames {
            0 => Now::Wait(Duration::from_nanos(
                schedule.due_ns().saturating_sub(elapsed_ns),
            )),
            _ => Now::Send(frames),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(frames: usize) -> Chunk {
        let mut chunk = Chunk::default();
        (0..frames).for_each(|_| chunk.push(&[0; 60]));
        chunk
    }

    fn due(source: &str, end: Option<Duration>) -> Due {
        Due::new(Pace::of(&source.parse().unwrap()), end)
    }

    #[test]
    fn pace_keeps_exact_rate() {
        let (mut due, chunk) = (due("gen:rate=1000pps", None), chunk(5000));
        let mut sent = 0;
        for ms in 0..1000 {
            match due.look_at(&chunk, sent, Duration::from_micros(ms * 1000 + 10)) {
                Now::Send(n) => sent += n,
                other => panic!("{other:?} at {ms} ms"),
            }
        }
        assert_eq!(sent, 1000);
        assert_eq!(
            due.look_at(&chunk, sent, Duration::from_micros(999_400)),
            Now::Wait(Duration::from_micros(600))
        );
    }

    #[test]
    fn pace_does_not_catch_up_after_stall() {
        let (mut due, chunk) = (due("gen:rate=1000pps", None), chunk(5000));
        assert_eq!(due.look_at(&chunk, 0, Duration::ZERO), Now::Send(1));
        let late = Duration::from_secs(10);
        assert_eq!(due.look_at(&chunk, 1, late), Now::Send(1));
        let late = late + Duration::from_millis(50);
        assert_eq!(due.look_at(&chunk, 2, late), Now::Send(50));
    }

    #[test]
    fn stalls_do_not_change_the_number_of_frames() {
        let end = Some(Duration::from_millis(20));
        let (mut due, chunk) = (due("gen:rate=1000pps", end), chunk(100));
        assert_eq!(
            due.look_at(&chunk, 0, Duration::from_millis(4)),
            Now::Send(5)
        );
        let late = Duration::from_secs(10);
        assert_eq!(due.look_at(&chunk, 5, late), Now::Send(1));
        let late = late + Duration::from_millis(90);
        assert_eq!(due.look_at(&chunk, 6, late), Now::Send(14));
        assert_eq!(due.look_at(&chunk, 20, late), Now::End);
    }

    #[test]
    fn duration_ends_by_the_clock() {
        let (end, chunk) = (Some(Duration::from_millis(50)), chunk(100));
        let mut paced = due("gen:rate=1000pps", end);
        assert_eq!(
            paced.look_at(&chunk, 0, Duration::from_millis(80)),
            Now::Send(50)
        );
        assert_eq!(
            paced.look_at(&chunk, 50, Duration::from_millis(80)),
            Now::End
        );
        let mut free = due("gen:", end);
        assert_eq!(
            free.look_at(&chunk, 10, Duration::from_millis(49)),
            Now::Send(BURST)
        );
        assert_eq!(
            free.look_at(&chunk, 10, Duration::from_millis(50)),
            Now::End
        );
    }
}
