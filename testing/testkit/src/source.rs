//! Opening sources, sending frames to them, and collecting the frames that they lend.

use std::path::Path;
use std::time::{Duration, Instant};

use hpcap::{Reason, Result, Timestamp};
use hpcap_source::generator::verify;
use hpcap_source::{Source, SourceSpec, State};

use crate::network::{FrameSender, create_veth_pair, ip};
use crate::skip;
use crate::wait::time_limit;

/// Opens the source with the specification `text`.
///
/// # Errors
/// The error with which the source refuses to open. A specification that cannot be parsed is a
/// mistake of the test.
pub fn try_open(text: &str) -> Result<Box<dyn Source>> {
    text.parse::<SourceSpec>().unwrap().open()
}

/// Opens the source with the specification `text`.
#[must_use]
pub fn open(text: &str) -> Box<dyn Source> {
    try_open(text).unwrap()
}

/// Opens an AF_XDP source, or reports that a test is skipped because this kernel has no AF_XDP.
#[must_use]
pub fn open_af_xdp_or_skip(text: &str) -> Option<Box<dyn Source>> {
    let opened = try_open(text);
    if let Err(e) = &opened {
        skip(&format!("AF_XDP does not work here: {e}"));
    }
    opened.ok()
}

/// Sends the generator's frames number `from` to `to - 1`.
pub fn send_generated(sender: &FrameSender, from: u64, to: u64) {
    let mut source = open(&format!("gen:count={to}"));
    let harvest = source.harvest().unwrap();
    let from = usize::try_from(from).unwrap();
    for frame in harvest.frames[from..].iter() {
        sender.send(frame.data());
    }
}

/// Sends `frames` and checks that `source` captures these frames and no others. Returns what it captured.
pub fn round_trip(
    sender: &FrameSender,
    source: &mut dyn Source,
    frames: &[Vec<u8>],
    what: &str,
) -> Harvested {
    let mut got = Harvested::default();
    for chunk in frames.chunks(64) {
        for frame in chunk {
            sender.send(frame);
        }
        let before = got.frames.len();
        harvest_until(source, &mut got, |g| g.frames.len() >= before + chunk.len());
    }
    assert_eq!((got.missed, got.damaged), (0, 0), "{what}");
    assert_eq!(got.frames.len(), frames.len(), "{what}");
    for (n, ((data, len), sent)) in got.frames.iter().zip(frames).enumerate() {
        assert_eq!(data, sent, "{what}, frame {n}");
        assert_eq!(*len as usize, sent.len(), "{what}, frame {n}");
    }
    let now = Timestamp::now().sec();
    for (sec, nsec) in &got.times {
        assert!(
            sec.abs_diff(now) < 60 && *nsec < 1_000_000_000,
            "{what}: {sec}.{nsec}"
        );
    }
    got
}

/// The frames and reports that a source delivered.
#[derive(Debug, Default)]
pub struct Harvested {
    /// Bytes of each frame, and its length on the wire.
    pub frames: Vec<(Vec<u8>, u32)>,
    /// Seconds and nanoseconds of each frame.
    pub times: Vec<(u64, u32)>,
    /// Number of frames that the NIC missed.
    pub missed: u64,
    /// For each loss: how many frames came before it, and how many were missed.
    pub gaps: Vec<(usize, u64)>,
    /// Number of frames that the NIC received damaged.
    pub damaged: u64,
    /// Messages of the source.
    pub events: Vec<String>,
}

impl Harvested {
    /// Returns the numbers of the generator's frames. Other frames are passed over.
    #[must_use]
    pub fn generated_numbers(&self) -> Vec<u64> {
        let stamps = self.frames.iter().filter_map(|(data, _)| verify(data));
        stamps.map(|stamp| stamp.seq).collect()
    }

    /// Returns the number of each frame. Every frame must be one of the generator's.
    #[must_use]
    pub fn all_numbers(&self) -> Vec<u64> {
        let stamps = self.frames.iter().map(|(data, _)| verify(data).unwrap());
        stamps.map(|stamp| stamp.seq).collect()
    }
}

/// Harvests from `source` into `harvested` until `done` returns true. The test fails when the source
/// ends before that, or after [`time_limit`].
pub fn harvest_until(
    source: &mut dyn Source,
    harvested: &mut Harvested,
    mut done: impl FnMut(&Harvested) -> bool,
) {
    let start = Instant::now();
    loop {
        let harvest = source.harvest().unwrap();
        for (reason, count) in harvest.lost {
            match reason {
                Reason::NicMissed => {
                    let before = harvested.frames.len();
                    harvested.gaps.push((before, count.frames));
                    harvested.missed += count.frames;
                }
                Reason::NicError => harvested.damaged += count.frames,
                other => panic!("a source cannot lose frames by {other}"),
            }
        }
        for frame in harvest.frames.iter() {
            harvested.frames.push((frame.data().to_vec(), frame.len));
            harvested.times.push((frame.sec, frame.nsec));
        }
        let state = harvest.state;
        while let Some(event) = source.next_event() {
            let interface = source.description().interface;
            harvested.events.push(event.display(&interface).to_string());
        }
        if done(harvested) {
            return;
        }
        assert!(
            start.elapsed() < time_limit(),
            "no more frames come after {}; {} missed, {:?}",
            harvested.frames.len(),
            harvested.missed,
            harvested.events
        );
        match state {
            State::Busy => {}
            State::Idle => source.wait(Duration::from_millis(50)).unwrap(),
            State::Ended => panic!("the source ended after {} frames", harvested.frames.len()),
        }
    }
}

/// Returns the frames of a capture file, up to the first that cannot be read.
#[must_use]
pub fn read_frames(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = hpcap::pcapfile::Reader::open(path).unwrap();
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next() {
        frames.push(frame.data.to_vec());
    }
    frames
}

/// Takes the interface `rx` down and up again while nobody looks. Fails unless `source`, which captures it, then reports
/// that.
pub fn assert_reports_a_short_absence(source: &mut dyn Source) {
    ip("link set rx down");
    ip("link set rx up");
    let mut got = Harvested::default();
    harvest_until(source, &mut got, |g| !g.events.is_empty());
    assert_eq!(got.events, ["rx went down and is up again"]);
}

/// Three times, sends frames from `snd` to `rx`, deletes both, and makes another pair of these names. Fails unless
/// `source`, which captures `rx`, reports each of these changes and misses no frame.
pub fn assert_goes_on_after_replacements(source: &mut dyn Source) {
    let mut got = Harvested::default();
    for round in 0..3 {
        let first = round * 10;
        let events = got.events.len();
        send_generated(&FrameSender::new("snd"), first, first + 10);
        ip("link del snd");
        harvest_until(source, &mut got, |g| {
            g.events.len() > events && g.frames.len() as u64 >= first + 10
        });
        let gone = "rx is gone: waiting for it to come back";
        assert_eq!(got.events.last().unwrap(), gone);
        create_veth_pair("snd", "rx", 9000);
        harvest_until(source, &mut got, |g| {
            g.events.len() > events + 1 && !g.events.last().unwrap().contains("down")
        });
        let back = &got.events[events + 1..];
        assert!(
            back == ["rx is back"] || back.last().unwrap() == "rx is up again",
            "{back:?}"
        );
    }
    assert!(got.generated_numbers().into_iter().eq(0..30));
    assert_eq!((got.missed, got.damaged), (0, 0));
}
