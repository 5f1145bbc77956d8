//! The outcome of sending, as text and as JSON.

use std::fmt;

use hpcap::Count;
use hpcap::units::Si;
use hpcap_source::generator::WIRE_OVERHEAD_BYTES;
use serde::Serialize;

/// Frames that were not sent, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NotSent {
    /// Frames shorter than an Ethernet header.
    pub too_short: Count,
    /// Frames longer than the interface can send.
    pub too_long: Count,
    /// Frames that were due for too long (`late=miss`), or that the file reports as lost.
    pub late: Count,
}

/// The outcome of sending. Bytes are those that the source has of a frame, without FCS.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Outcome {
    /// The specification of the source.
    pub source: String,
    /// The interface that sent the frames.
    pub interface: String,
    /// The interface's MTU in bytes.
    pub mtu: u32,
    /// Frames that the interface has taken.
    pub sent: Count,
    /// Sent frames of which the file has only the first bytes; only these bytes were sent.
    pub cut: Count,
    /// Sent frames that are copies of frames sent before.
    pub copies: Count,
    /// Frames that were not sent.
    pub not_sent: NotSent,
    /// Number of attempts that found no room and were repeated.
    pub retries: u64,
    /// Duration of sending in seconds.
    pub seconds: f64,
    /// Whether a signal ended it.
    pub stopped: bool,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { frames, bytes } = self.sent;
        let seconds = self.seconds.max(1e-9);
        let bits = (bytes + frames * u64::from(WIRE_OVERHEAD_BYTES)) * 8;
        write!(
            f,
            "sent {frames} frames, {bytes} bytes to {} in {:.3} s: {}pps, {}b/s on the wire",
            self.interface,
            self.seconds,
            Si(frames as f64 / seconds),
            Si(bits as f64 / seconds),
        )?;
        if !self.cut.is_zero() {
            write!(
                f,
                "\n  of these {} frames only as far as the file has them ({} bytes)",
                self.cut.frames, self.cut.bytes
            )?;
        }
        if !self.copies.is_zero() {
            write!(f, "\n  of these {} frames are copies", self.copies.frames)?;
        }
        let too_long = format!("too long for an MTU of {} bytes", self.mtu);
        for (count, why) in [
            (self.not_sent.too_short, "shorter than an Ethernet header"),
            (self.not_sent.too_long, too_long.as_str()),
            (self.not_sent.late, "late, or lost before"),
        ] {
            if !count.is_zero() {
                write!(
                    f,
                    "\n  not sent: {} frames, {} bytes, {why}",
                    count.frames, count.bytes
                )?;
            }
        }
        if self.stopped {
            write!(f, "\n  stopped by a signal")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_sent_and_unsent_frames() {
        let mut outcome = Outcome {
            interface: "eth1".into(),
            mtu: 1500,
            sent: Count::new(1_000_000, 60_000_000),
            seconds: 0.5,
            ..Outcome::default()
        };
        assert_eq!(
            outcome.to_string(),
            "sent 1000000 frames, 60000000 bytes to eth1 in 0.500 s: 2.00 Mpps, 1.34 Gb/s on the wire"
        );
        outcome.cut = Count::new(2, 200);
        outcome.not_sent.too_short = Count::new(3, 30);
        outcome.not_sent.too_long = Count::new(1, 1600);
        outcome.stopped = true;
        let text = outcome.to_string();
        for line in [
            "of these 2 frames only as far as the file has them (200 bytes)",
            "not sent: 3 frames, 30 bytes, shorter than an Ethernet header",
            "not sent: 1 frames, 1600 bytes, too long for an MTU of 1500 bytes",
            "stopped by a signal",
        ] {
            assert!(text.lines().any(|l| l.trim() == line), "{text}");
        }
    }
}
