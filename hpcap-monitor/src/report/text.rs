//! The report for people.

use std::fmt;
use std::time::Duration;

use hpcap::Timestamp;
use hpcap::units::{Bytes, Si};

use super::{Report, Span};

/// A time with its offset, to the second.
struct At(u64);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_ns(self.0.saturating_mul(1_000_000_000));
        let text = time.local().to_string();
        // 2026-11-20T07:17:42.000000000+01:00
        let (second, rest) = text.split_at_checked(19).unwrap_or((&text, ""));
        let zone = rest.find(['+', '-', 'Z']).map_or("", |at| &rest[at..]);
        write!(f, "{second}{zone}")
    }
}

/// A duration such as `1h02m03s`.
struct Lasting(u64);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
        if days > 0 {
            write!(f, "{days}d")?;
        }
        match (days + hours, minutes) {
            (0, 0) => write!(f, "{seconds}s"),
            (0, _) => write!(f, "{minutes}m{seconds:02}s"),
            _ => write!(f, "{hours}h{minutes:02}m{seconds:02}s"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.summary;
        let verdict = match (s.lost_frames, s.lost_percent) {
            (0, _) => "no frame was lost".to_owned(),
            (lost, percent) => format!(
                "{lost} frames were lost ({percent:.4} %), in {} with losses",
                Lasting(s.seconds_with_losses)
            ),
        };
        writeln!(f, "{verdict}")?;
        writeln!(f, "  from       {}", At(s.from))?;
        writeln!(f, "  to         {}", At(s.to))?;
        let every = Duration::from_secs(s.interval_seconds);
        writeln!(
            f,
            "  observed   {}, a row each {every:?}",
            Lasting(s.observed_seconds)
        )?;
        if s.missing_seconds > 0 {
            writeln!(f, "  no data    {}", Lasting(s.missing_seconds))?;
        }
        if s.damaged_lines > 0 {
            writeln!(f, "  damaged    {} lines were skipped", s.damaged_lines)?;
        }
        writeln!(
            f,
            "  received   {} frames, {}",
            s.received_frames,
            Bytes(s.received_bytes)
        )?;
        writeln!(
            f,
            "  lost       {} frames, {}, at most {}pps",
            s.lost_frames,
            Bytes(s.lost_bytes),
            Si(s.highest_lost_pps as f64)
        )?;
        writeln!(
            f,
            "  speed      mean {}b/s, highest {}b/s, lowest {}b/s",
            Si(s.mean_bps),
            Si(s.highest_bps as f64),
            Si(s.lowest_bps as f64)
        )?;
        writeln!(
            f,
            "\n{:<25} {:>12} {:<11} {:>15} {:>13} {:>13}",
            "from", "lasting", "state", "frames", "speed", "lost frames"
        )?;
        self.timeline
            .iter()
            .try_for_each(|span| write_span(f, span))
    }
}

fn write_span(f: &mut fmt::Formatter<'_>, span: &Span) -> fmt::Result {
    let speed = span.received_bits as f64 / span.seconds.max(1) as f64;
    writeln!(
        f,
        "{:<25} {:>12} {:<11} {:>15} {:>13} {:>13}",
        At(span.from).to_string(),
        Lasting(span.seconds).to_string(),
        span.state.name(),
        span.received_frames,
        format!("{}b/s", Si(speed)),
        span.lost_frames
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let text = |seconds| Lasting(seconds).to_string();
        assert_eq!(text(0), "0s");
        assert_eq!(text(61), "1m01s");
        assert_eq!(text(3_600), "1h00m00s");
        assert_eq!(text(86_400), "1d0h00m00s");
    }
}
