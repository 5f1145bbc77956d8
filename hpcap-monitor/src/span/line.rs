//! A span as a line of an index.

use std::fmt::{self, Write};
use std::time::Duration;

use hpcap::{Count, Timestamp};

use super::{Span, State};
use crate::sample::{Cause, Causes, Traffic};

impl State {
    const fn letter(self) -> char {
        match self {
            Self::Idle => 'i',
            Self::Received => 'r',
            Self::Losses => 'l',
            Self::LossesOnly => 'o',
            Self::NoData => 'n',
        }
    }

    const fn of_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'i' => Self::Idle,
            b'r' => Self::Received,
            b'l' => Self::Losses,
            b'o' => Self::LossesOnly,
            b'n' => Self::NoData,
            _ => return None,
        })
    }
}

impl Span {
    /// Appends the span as a line: the letter of its state, its numbers, and who held the ring.
    pub(crate) fn write_line(&self, out: &mut String) -> fmt::Result {
        out.push(self.state.letter());
        let Traffic {
            received,
            lost,
            causes,
        } = &self.traffic;
        for number in [
            self.start.as_ns(),
            self.end.as_ns(),
            u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX),
            received.frames,
            received.bytes,
            lost.frames,
            lost.bytes,
        ] {
            write!(out, " {number}")?;
        }
        for cause in Cause::ALL {
            write!(out, " {}", causes.of(cause))?;
        }
        for number in [self.highest_bps, self.lowest_bps, self.highest_lost_pps] {
            write!(out, " {number}")?;
        }
        if let Some(holder) = &self.holder {
            // Names of programs were made visible, and hold no newline.
            write!(out, " {holder}")?;
        }
        out.push('\n');
        Ok(())
    }

    /// Reads a line without its newline; `None` if it is damaged.
    pub(crate) fn parse_line(line: &[u8]) -> Option<Self> {
        let (letter, rest) = line.split_first()?;
        let state = State::of_letter(*letter)?;
        let mut numbers = Numbers(rest);
        let mut next = || numbers.next();
        let (start, end, elapsed) = (next()?, next()?, next()?);
        let received = Count::new(next()?, next()?);
        let lost = Count::new(next()?, next()?);
        let mut causes = Causes::default();
        for cause in Cause::ALL {
            causes.add(cause, next()?);
        }
        let (highest_bps, lowest_bps, highest_lost_pps) = (next()?, next()?, next()?);
        let holder = match numbers.0 {
            [] => None,
            [b' ', text @ ..] => Some(String::from_utf8(text.to_vec()).ok()?),
            _ => return None,
        };
        Some(Self {
            start: Timestamp::from_ns(start),
            end: Timestamp::from_ns(end),
            elapsed: Duration::from_nanos(elapsed),
            state,
            traffic: Traffic {
                received,
                lost,
                causes,
            },
            highest_bps,
            lowest_bps,
            highest_lost_pps,
            holder,
        })
    }
}

/// Numbers, each after a space.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Option<u64> {
        let rest = self.0.strip_prefix(b" ")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = rest.split_at(digits);
        self.0 = rest;
        if digits == 0 {
            return None;
        }
        number.iter().try_fold(0_u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn line_is_read_as_it_was_written(n in any::<[u64; 16]>(), who in "[a-z ]{0,9}", gap: bool) {
            let traffic = Traffic {
                received: Count::new(n[0], n[1]),
                lost: Count::new(n[2], n[3]),
                causes: Causes { ring_full: n[4], nic_error: n[5], unknown: n[6], ..Causes::default() },
            };
            let mut span = Span::of(Timestamp::from_ns(n[7]), Duration::from_nanos(n[8]), traffic);
            span.holder = Some(format!("listener {who}"));
            let span = if gap { span.as_gap() } else { span };
            let mut line = String::new();
            span.write_line(&mut line).unwrap();
            prop_assert_eq!(Span::parse_line(line.trim_end_matches('\n').as_bytes()), Some(span));
        }

        #[test]
        fn any_line_is_parsed_without_panic(line in ".{0,80}") {
            let _ = Span::parse_line(line.as_bytes());
        }
    }
}
