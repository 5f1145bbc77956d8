//! Reads the full log.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hpcap::Result;
use hpcap::compress::Decompressor;
use hpcap::error::Context;

use super::full::{Header, Line};
use super::places::Places;
use crate::sample::Sample;

/// Longest line that is read. A file that is no log must not exhaust memory.
const LINE_BYTES: u64 = 16 << 20;
/// Time between two samples of a log that does not say it: the default of the monitor.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// A sample that was read from a log. It has those values of the readings that reports need.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// The sample.
    pub sample: Sample,
    /// Time between two samples at that time.
    pub interval: Duration,
    /// Whether the machine was restarted after the previous sample.
    pub rebooted: bool,
}

/// Reads the samples of a file, one after another, whether or not the file is compressed.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    input: BufReader<Decompressor<File>>,
    bytes: Vec<u8>,
    header: Option<(Header, Places)>,
    rebooted: bool,
    damaged: u64,
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// Errors of the file system, and of a damaged compression.
    pub fn open(path: &Path) -> Result<Self> {
        let tried = || format!("read the log {}", path.display());
        let file = File::open(path).context(tried)?;
        Ok(Self {
            path: path.to_owned(),
            input: BufReader::with_capacity(64 << 10, Decompressor::new(file).context(tried)?),
            bytes: Vec::new(),
            header: None,
            rebooted: false,
            damaged: 0,
        })
    }

    /// Number of lines so far that are neither a header nor a sample, such as one that was cut short.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Returns the next sample; `None` at the end.
    ///
    /// # Errors
    /// Errors of the file system, and of a damaged compression.
    pub fn read(&mut self) -> Result<Option<Logged>> {
        loop {
            self.bytes.clear();
            let mut input = (&mut self.input).take(LINE_BYTES);
            let read = input.read_until(b'\n', &mut self.bytes);
            if read.context(|| format!("read the log {}", self.path.display()))? == 0 {
                return Ok(None);
            }
            let whole = self.bytes.ends_with(b"\n");
            if whole
                && let Some((header, places)) = &self.header
                && let Ok(line) = serde_json::from_slice::<Line>(&self.bytes)
            {
                return Ok(Some(Logged {
                    sample: places.sample_of(line),
                    interval: match header.interval_ns {
                        0 => DEFAULT_INTERVAL,
                        ns => Duration::from_nanos(ns),
                    },
                    rebooted: std::mem::take(&mut self.rebooted),
                }));
            }
            match serde_json::from_slice::<Header>(&self.bytes) {
                Ok(header) if whole => {
                    if let Some((before, _)) = &self.header {
                        self.rebooted |= before.boot != header.boot;
                    }
                    let places = Places::of(&header);
                    self.header = Some((header, places));
                }
                _ => self.damaged += 1,
            }
        }
    }
}

/// Returns the last header and the last sample of a file that is not compressed, as their lines. It reads
/// the file from its start, but keeps two lines alone.
///
/// # Errors
/// Errors of the file system.
pub fn last_lines(path: &Path) -> Result<Vec<u8>> {
    let tried = || format!("read the log {}", path.display());
    let mut input = BufReader::new(File::open(path).context(tried)?);
    let (mut header, mut sample) = (Vec::new(), Vec::new());
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(LINE_BYTES).read_until(b'\n', &mut line);
        if read.context(tried)? == 0 {
            break;
        }
        if !line.ends_with(b"\n") {
            continue;
        }
        if line.starts_with(b"{\"hpcap_monitor\"") {
            header = line;
        } else if line.starts_with(b"{\"time_ns\"") {
            sample = line;
        }
    }
    Ok(match header.is_empty() || sample.is_empty() {
        true => Vec::new(),
        false => [header, sample].concat(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::log::full::{header, line};
    use crate::sample::DriverSample;
    use crate::sample::tests::{interface, listener, queue, sample};

    fn a_header() -> Vec<u8> {
        header(Duration::from_secs(1), "boot 1")
    }

    fn a_sample(second: u32) -> Sample {
        let mut one = queue("hpcap0:1", 7, 1000, 3);
        one.listeners = vec![listener(4, "hpcapdd", 4096)];
        let mut sample = sample(second, vec![one]);
        sample.interfaces = vec![interface("eth0", 2, 55, 1)];
        sample
    }

    /// Returns the samples of a file with these bytes, and the number of damaged lines.
    fn read(bytes: &[u8]) -> (Vec<Logged>, u64) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, bytes).unwrap();
        let mut reader = Reader::open(&path).unwrap();
        let samples = std::iter::from_fn(|| reader.read().unwrap()).collect();
        (samples, reader.damaged())
    }

    #[test]
    fn sample_is_read_as_it_was_written() {
        let (samples, damaged) = read(&[a_header(), line(&a_sample(10))].concat());
        assert_eq!((samples.len(), damaged), (1, 0));
        let mut expected = a_sample(10);
        // The log does not have these.
        expected.queues[0].interface.clear();
        assert_eq!(samples[0].sample, expected);
        assert_eq!(samples[0].interval, Duration::from_secs(1));
    }

    #[test]
    fn statistics_of_drivers_stand_where_they_were_read() {
        let driver = |second| {
            let mut one = interface("eth0", 2, 5, 0);
            one.driver = Arc::new(DriverSample {
                read: Duration::from_secs(1),
                values: [("rx_missed".into(), 7), ("rx_zero".into(), 0)].into(),
            });
            let mut sample = sample(second, Vec::new());
            sample.interfaces = vec![one];
            line(&sample)
        };
        let (samples, damaged) = read(&[a_header(), driver(1), driver(2)].concat());
        let values = |at: usize| &samples[at].sample.interfaces[0].driver.values;
        assert_eq!(damaged, 0);
        // A statistic that is 0 has no entry, and the second sample has none of its own.
        assert_eq!(*values(0), [("rx_missed".into(), 7)].into());
        assert!(values(1).is_empty());
    }

    #[test]
    fn queue_that_ended_stands_beside_its_successor() {
        let both = sample(1, vec![queue("hpcap0", 1, 9, 0), queue("hpcap0", 5, 2, 0)]);
        let (samples, _) = read(&[a_header(), line(&both)].concat());
        let mut starts: Vec<u64> = samples[0]
            .sample
            .queues
            .iter()
            .map(|q| q.start.sec())
            .collect();
        starts.sort_unstable();
        assert_eq!(starts, [1, 5]);
    }

    #[test]
    fn start_of_the_machine_is_noticed() {
        let again = header(Duration::from_secs(1), "boot 2");
        let lines = [
            a_header(),
            line(&a_sample(1)),
            a_header(),
            line(&a_sample(2)),
            again,
        ];
        let (samples, _) = read(&[lines.concat(), line(&a_sample(3))].concat());
        let rebooted: Vec<bool> = samples.iter().map(|one| one.rebooted).collect();
        assert_eq!(rebooted, [false, false, true]);
    }

    #[test]
    fn last_lines_reproduce_the_last_sample() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let text = [
            a_header(),
            line(&a_sample(1)),
            line(&a_sample(2)),
            b"{\"time".to_vec(),
        ];
        std::fs::write(&path, text.concat()).unwrap();
        let (samples, damaged) = read(&last_lines(&path).unwrap());
        assert_eq!((samples.len(), damaged), (1, 0));
        assert_eq!(samples[0].sample.moment.time.sec(), 2);
    }

    proptest! {
        #[test]
        fn log_cut_anywhere_keeps_its_whole_samples(cut in any::<prop::sample::Index>()) {
            let lines = [a_header(), line(&a_sample(1)), line(&a_sample(2)), line(&a_sample(3))];
            let text = lines.concat();
            let cut = cut.index(text.len() + 1);
            let (samples, damaged) = read(&text[..cut]);
            let whole = text[..cut].iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(samples.len(), whole.saturating_sub(1));
            prop_assert!(damaged <= 1);
        }
    }

    #[test]
    fn keys_follow_the_header_of_the_log() {
        let text = concat!(
            r#"{"hpcap_monitor":1,"queue":["b","ring_bytes"],"listener":[],"interface":[],"new":1}"#,
            "\n",
            r#"{"time_ns":1,"monotonic_ns":1,"queues":{"hpcap0":{"start_ns":0,"values":[7,8],"listeners":{}}},"interfaces":{}}"#,
            "\n"
        );
        let (samples, _) = read(text.as_bytes());
        assert_eq!(samples[0].sample.queues[0].reading.ring_bytes, 8);
    }
}
