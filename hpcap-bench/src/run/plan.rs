//! The plan of the measurements: sizes, rates, duplicate rates, consumers and targets, and their order.

use std::path::PathBuf;
use std::time::Duration;

use hpcap::units::{self, Rate};
use hpcap::{Error, Result, Timestamp};

use super::target::Target;
use crate::limits::{FrameSize, parse_frame_size};

/// Sizes around those where a frame takes one more cache line, buffer or record.
const EDGES: [u32; 20] = [
    60, 61, 63, 64, 65, 72, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 1513,
    1514,
];

/// What a run measures.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Sizes of frames.
    pub sizes: Vec<FrameSize>,
    /// Offered rates; `None` is as fast as the sender can.
    pub rates: Vec<Option<Rate>>,
    /// Parts of the frames that are copies.
    pub copies: Vec<f64>,
    /// Numbers of programs that read the queue of `hpcapd`.
    pub consumers: Vec<usize>,
    /// The programs that capture.
    pub targets: Vec<Target>,
    /// Time for which frames are offered to each.
    pub duration: Duration,
    /// Number of measurements of each.
    pub repeats: usize,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// The program that captures.
    pub target: Target,
    /// The size of the frames.
    pub size: FrameSize,
    /// The offered rate; `None` is as fast as the sender can.
    pub rate: Option<Rate>,
    /// Part of the frames that are copies.
    pub copies: f64,
    /// Number of programs that read; 1 for a program that writes files.
    pub consumers: usize,
    /// Number of the measurement among those of the same kind, from 0.
    pub repeat: usize,
}

impl Plan {
    /// Returns all measurements, in their order. Those of all targets under the same load stand
    /// beside each other, so that the machine is the same for all of them.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &size in &self.sizes {
            for &rate in &self.rates {
                for &copies in &self.copies {
                    for repeat in 0..self.repeats {
                        for &target in &self.targets {
                            let readers = match target.has_consumers() {
                                true => self.consumers.as_slice(),
                                false => &[1],
                            };
                            cells.extend(readers.iter().map(|&consumers| Cell {
                                target,
                                size,
                                rate,
                                copies,
                                consumers,
                                repeat,
                            }));
                        }
                    }
                }
            }
        }
        cells
    }
}

impl Cell {
    /// Returns the specification of the frames that are sent for `duration`.
    #[must_use]
    pub fn source(&self, duration: Duration) -> String {
        let rate = match self.rate {
            None => String::new(),
            Some(Rate::BitsPerSecond(bits)) => format!("rate={bits},"),
            Some(Rate::FramesPerSecond(frames)) => format!("rate={frames}pps,"),
        };
        let ms = duration.as_millis();
        format!("gen:size={},{rate}duration={ms}ms", self.size)
    }
}

/// Parses one of the sizes: a number of bytes, `imix`, or `edges` for those where frames take one
/// more cache line, buffer or record.
///
/// # Errors
/// [`hpcap::Kind::Usage`] for another text.
pub fn parse_sizes(text: &str) -> Result<Vec<FrameSize>> {
    match text {
        "edges" => Ok(EDGES.map(FrameSize::Bytes).to_vec()),
        _ => Ok(vec![parse_frame_size(text)?]),
    }
}

/// Parses a rate, or `max`.
///
/// # Errors
/// [`hpcap::Kind::Usage`] for another text.
pub fn parse_offered(text: &str) -> Result<Option<Rate>> {
    match text {
        "max" => Ok(None),
        _ => units::parse_rate(text).map(Some),
    }
}

/// Parses the part of frames that are copies, as a number from 0 to 0.9.
///
/// # Errors
/// [`hpcap::Kind::Usage`] for another text.
pub fn parse_copies(text: &str) -> Result<f64> {
    let part = text.parse().ok().filter(|part| (0.0..=0.9).contains(part));
    part.ok_or_else(|| {
        let why = "expected a part of all frames from 0 to 0.9, such as 0.1";
        Error::usage(format!("copies {text:?}"), why)
    })
}

/// The name of a rate in results and charts.
#[must_use]
pub fn name_of_rate(rate: Option<Rate>) -> String {
    match rate {
        None => "max".into(),
        Some(rate) => rate.to_string(),
    }
}

/// Returns the name of a folder for results that start at `time`, which is the original's: the time
/// to the minute, in UTC.
#[must_use]
pub fn folder_of(time: Timestamp) -> PathBuf {
    let (year, month, day, hour, minute, _) = time.utc();
    PathBuf::from(format!(
        "benchmark-{year:04}{month:02}{day:02}_{hour:02}{minute:02}"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::target::Engine;
    use super::*;
    use crate::capture::Tool;

    const QUEUE: Target = Target::Queue(Engine::AfPacket);
    const TCPDUMP: Target = Target::Files(Tool::Tcpdump);

    fn plan() -> Plan {
        Plan {
            sizes: vec![FrameSize::Bytes(60), FrameSize::Imix],
            rates: vec![None, Some(Rate::FramesPerSecond(1000))],
            copies: vec![0.0],
            consumers: vec![1, 4],
            targets: vec![QUEUE, TCPDUMP],
            duration: Duration::from_millis(1500),
            repeats: 2,
        }
    }

    #[test]
    fn targets_under_one_load_stand_together() {
        let cells = plan().cells();
        // Two consumers of hpcapd and one tcpdump, in each of 2 x 2 x 2 rounds.
        assert_eq!(cells.len(), 24);
        let first: Vec<_> = cells[..3].iter().map(|c| (c.target, c.consumers)).collect();
        assert_eq!(first, [(QUEUE, 1), (QUEUE, 4), (TCPDUMP, 1)]);
        assert!(
            cells[..6]
                .iter()
                .all(|c| c.size == FrameSize::Bytes(60) && c.rate.is_none())
        );
    }

    #[test]
    fn source_describes_the_frames() {
        let cells = plan().cells();
        let source = |n: usize| cells[n].source(Duration::from_millis(1500));
        assert_eq!(source(0), "gen:size=60,duration=1500ms");
        assert_eq!(source(23), "gen:size=imix,rate=1000pps,duration=1500ms");
    }

    #[test]
    fn words_are_read() {
        assert_eq!(parse_sizes("edges").unwrap().len(), 20);
        assert_eq!(parse_sizes("imix").unwrap(), [FrameSize::Imix]);
        assert_eq!(parse_offered("max").unwrap(), None);
        assert_eq!(parse_copies("0.5").unwrap(), 0.5);
        for text in ["1", "-0.1", "nan", "x"] {
            assert!(parse_copies(text).is_err(), "{text}");
        }
    }
}
