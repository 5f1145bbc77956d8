//! The report for people.

use std::fmt;
use std::time::Duration;

use hpcap::Timestamp;
use hpcap::units::{Bytes, Si};

use super::{Report, Summary};
use crate::span::Span;

/// A time with its offset, to the second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At(pub(crate) Timestamp);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.local().to_string();
        // 2026-11-20T07:17:42.000000000+01:00
        let (second, rest) = text.split_at_checked(19).unwrap_or((&text, ""));
        let zone = rest.find(['+', '-', 'Z']).map_or("", |at| &rest[at..]);
        write!(f, "{second}{zone}")
    }
}

/// A time to the second, for titles that say the zone elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Short(pub(crate) Timestamp);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = At(self.0).to_string();
        f.write_str(&text.get(..19).unwrap_or(&text).replace('T', " "))
    }
}

/// A duration such as `1h02m03s`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lasting(pub(crate) Duration);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, milliseconds) = (self.0.as_secs(), self.0.subsec_millis());
        if whole == 0 && milliseconds > 0 {
            return write!(f, "{milliseconds}ms");
        }
        let whole = whole + u64::from(milliseconds >= 500);
        let (days, rest) = (whole / 86_400, whole % 86_400);
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

impl Summary {
    /// Whether frames were lost, in a sentence without its end.
    #[must_use]
    pub fn verdict(&self) -> String {
        match self.lost_frames {
            0 => "no frame was lost".to_owned(),
            lost => format!(
                "{lost} frames were lost ({}), in {} with losses",
                self.percent(),
                Lasting(self.with_losses)
            ),
        }
    }

    /// The part of the frames that were lost, such as `0.0111 %`.
    #[must_use]
    pub fn percent(&self) -> String {
        match self.lost_percent {
            percent if percent > 0.0 && percent < 0.0001 => "less than 0.0001 %".to_owned(),
            percent => format!("{percent:.4} %"),
        }
    }

    /// The causes of the losses with their numbers, such as `ring_full 12, nic_missed 3`.
    #[must_use]
    pub fn causes(&self) -> String {
        let causes = self.lost_by_cause.iter();
        let texts: Vec<String> = causes
            .map(|(cause, n)| format!("{} {n}", cause.name()))
            .collect();
        texts.join(", ")
    }

    /// What the summary says, as names and values.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if self.lost_frames > 0 {
            facts.push(("why", self.causes()));
        }
        if let (Some(first), Some(last)) = (self.first_loss, self.last_loss) {
            facts.push(("when", format!("first {}, last {}", At(first), At(last))));
        }
        if let Some(holder) = &self.holder {
            facts.push(("who", format!("{holder} held the ring back")));
        }
        facts.push(("from", At(self.from).to_string()));
        facts.push(("to", At(self.to).to_string()));
        let every = self.interval;
        facts.push((
            "observed",
            format!("{}, a sample each {every:?}", Lasting(self.observed)),
        ));
        if !self.missing.is_zero() {
            let mut text = Lasting(self.missing).to_string();
            if self.lost_without_time > 0 {
                text += &format!(", in which {} frames were lost", self.lost_without_time);
            }
            facts.push(("no data", text));
        }
        if let Some(until) = self.rounded_until {
            let text = format!("up to {}, computed from rates of whole frames", At(until));
            facts.push(("rounded", text));
        }
        if self.damaged_lines + self.damaged_files > 0 {
            let text = match self.damaged_files {
                0 => format!("{} lines were skipped", self.damaged_lines),
                files => format!(
                    "{} lines and the rest of {files} files were skipped",
                    self.damaged_lines
                ),
            };
            facts.push(("damaged", text));
        }
        let received = Bytes(self.received_bytes);
        facts.push((
            "received",
            format!("{} frames, {received}", self.received_frames),
        ));
        facts.push((
            "lost",
            format!(
                "{} frames, {}, at most {}pps",
                self.lost_frames,
                Bytes(self.lost_bytes),
                Si(self.highest_lost_pps as f64)
            ),
        ));
        facts.push((
            "speed",
            format!(
                "mean {}b/s, highest {}b/s, lowest {}b/s",
                Si(self.mean_bps),
                Si(self.highest_bps as f64),
                Si(self.lowest_bps as f64)
            ),
        ));
        facts
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary.verdict())?;
        for (name, value) in self.summary.facts() {
            writeln!(f, "  {name:<10} {value}")?;
        }
        writeln!(
            f,
            "\n{:<25} {:>12} {:<11} {:>15} {:>13} {:>13} why",
            "from", "lasting", "state", "frames", "speed", "lost frames"
        )?;
        self.timeline
            .iter()
            .try_for_each(|span| write_span(f, span))
    }
}

fn write_span(f: &mut fmt::Formatter<'_>, span: &Span) -> fmt::Result {
    let [from, lasting, state, frames, speed, lost, why] = columns(span);
    let line =
        format!("{from:<25} {lasting:>12} {state:<11} {frames:>15} {speed:>13} {lost:>13} {why}");
    writeln!(f, "{}", line.trim_end())
}

/// What the timeline says of a span: start, length, state, frames, speed, lost frames and why.
#[must_use]
pub(crate) fn columns(span: &Span) -> [String; 7] {
    let speed = match span.elapsed.as_secs_f64() {
        seconds if seconds > 0.0 => span.received_bits() as f64 / seconds,
        _ => 0.0,
    };
    let mut why: Vec<&str> = span
        .traffic
        .causes
        .iter()
        .map(|(cause, _)| cause.name())
        .collect();
    why.extend(span.holder.as_deref());
    [
        At(span.start).to_string(),
        Lasting(span.elapsed).to_string(),
        span.state.name().to_owned(),
        span.traffic.received.frames.to_string(),
        format!("{}b/s", Si(speed)),
        span.traffic.lost.frames.to_string(),
        why.join(", "),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let text = |seconds| Lasting(Duration::from_secs(seconds)).to_string();
        assert_eq!(text(0), "0s");
        assert_eq!(text(61), "1m01s");
        assert_eq!(text(3_600), "1h00m00s");
        assert_eq!(text(86_400), "1d0h00m00s");
        assert_eq!(Lasting(Duration::from_millis(2999)).to_string(), "3s");
        assert_eq!(Lasting(Duration::from_millis(300)).to_string(), "300ms");
    }
}
