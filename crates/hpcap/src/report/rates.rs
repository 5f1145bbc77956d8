//! Frames and bits per second, from two readings of a ledger.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::counters::Delta;
use crate::units::{Bytes, Si};
use crate::{Count, Ledger, QueueName, Reason};

/// Frames and bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rate {
    /// Frames per second.
    pub frames_per_second: f64,
    /// Bits per second on an Ethernet link, where preamble, FCS and gap add 24 bytes to each
    /// frame.
    pub bits_per_second: f64,
}

/// The rates of a queue between two readings of its ledger.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rates {
    /// Seconds between the two readings.
    pub seconds: f64,
    /// All frames that came over the link.
    pub on_the_wire: Rate,
    /// The frames that the ring got.
    pub captured: Rate,
    /// The frames that were lost, for any reason.
    pub lost: Rate,
    /// Frames per second for each reason that kept frames out of the ring; reasons without frames
    /// are left out.
    pub reasons: BTreeMap<&'static str, f64>,
}

impl Rate {
    fn of(count: Count, time: Duration) -> Self {
        let frames = Delta::Grew(count.frames).per_second(time);
        let bytes = Delta::Grew(count.bytes).per_second(time);
        Self {
            frames_per_second: frames,
            bits_per_second: 8.0 * (bytes + 24.0 * frames),
        }
    }
}

impl Rates {
    /// Computes the rates between the ledgers `before` and `now`, read `time` apart.
    #[must_use]
    pub fn between(before: &Ledger, now: &Ledger, time: Duration) -> Self {
        let (mut wire, mut lost) = (Count::default(), Count::default());
        let mut reasons = BTreeMap::new();
        for reason in Reason::ledger() {
            let new = now[*reason] - before[*reason];
            wire += new;
            if reason.is_loss() {
                lost += new;
            }
            if *reason != Reason::Captured && !new.is_zero() {
                reasons.insert(reason.name(), Delta::Grew(new.frames).per_second(time));
            }
        }
        Self {
            seconds: time.as_secs_f64(),
            on_the_wire: Rate::of(wire, time),
            captured: Rate::of(now[Reason::Captured] - before[Reason::Captured], time),
            lost: Rate::of(lost, time),
            reasons,
        }
    }

    /// Formats a line for people. `listeners` is their number, `lag_bytes` the largest lag.
    #[must_use]
    pub fn line(&self, name: QueueName, listeners: usize, lag_bytes: u64) -> String {
        let mut line = format!(
            "{:<10} wire {}pps {}b/s, captured {}pps {}b/s, lost {}pps",
            name.to_string(),
            Si(self.on_the_wire.frames_per_second),
            Si(self.on_the_wire.bits_per_second),
            Si(self.captured.frames_per_second),
            Si(self.captured.bits_per_second),
            Si(self.lost.frames_per_second),
        );
        let mut open = " (";
        for (reason, rate) in &self.reasons {
            let _ = write!(line, "{open}{reason} {}pps", Si(*rate));
            open = ", ";
        }
        if !self.reasons.is_empty() {
            line.push(')');
        }
        let plural = if listeners == 1 { "" } else { "s" };
        let _ = write!(
            line,
            "; {listeners} listener{plural}, lag {}",
            Bytes(lag_bytes)
        );
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_come_from_two_ledgers() {
        let mut before = Ledger::default();
        before[Reason::Captured] = Count::new(1000, 60_000);
        before[Reason::RingFull] = Count::new(7, 420);
        let mut now = before;
        now[Reason::Captured] += Count::new(3000, 180_000);
        now[Reason::NicMissed] += Count::new(1000, 60_000);
        now[Reason::Filtered] += Count::new(500, 30_000);
        let rates = Rates::between(&before, &now, Duration::from_secs(2));
        assert_eq!(rates.on_the_wire.frames_per_second, 2250.0);
        assert_eq!(rates.captured.bits_per_second, 8.0 * 84.0 * 1500.0);
        assert_eq!(rates.lost.frames_per_second, 500.0);
        let line = rates.line(QueueName::new(0, 0), 1, 0);
        assert_eq!(
            line,
            "hpcap0     wire 2.25 kpps 1.51 Mb/s, captured 1.50 kpps 1.01 Mb/s, lost 500 pps \
             (filtered 250 pps, nic_missed 500 pps); 1 listener, lag 0 B"
        );
    }
}
