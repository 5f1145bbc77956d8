//! Where the frames of a flow arrive: the queue that the driver notes, and the CPU that hands them to captures.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hpcap::filter::Filter;
use hpcap::{Error, Kind};
use hpcap_host::{Interface, Tree};
use hpcap_service::Signals;
use hpcap_source::af_packet::streams::{Stream, Streams, StreamsSpec};
use hpcap_source::af_packet::{AfPacketSpec, Direction};

use super::cli::Flow;
use crate::failure::Failure;
use crate::say::say;
use crate::subject::Subject;

/// Time between two looks at the rings.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Longest time for taking what is in the rings at the end.
const DRAIN: Duration = Duration::from_secs(3);

/// A request to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stop;

/// Frames by the number of the queue or CPU.
pub(super) type Counts = BTreeMap<u32, u64>;

/// Where the frames of a flow arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) queues: Counts,
    pub(super) cpus: Counts,
    /// Frames of the interface for which a ring had no room.
    pub(super) lost: u64,
}

/// Watches the interface for `time`, or until a signal asks for an end.
///
/// # Errors
/// A missing permission, no memory, an interface that is down, or one whose queues are not known.
pub(super) fn observe(
    interface: &str,
    flow: &Flow,
    time: Duration,
) -> Result<Observation, Failure> {
    let signals = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].map(|signal| (signal, Stop));
    let signals =
        Signals::install(&signals).map_err(|e| Error::io("install handlers of signals", e))?;
    let interface = Interface::required(interface)?;
    let filter = Filter::new(&flow.filter(), interface.link()?.link_type)?;
    let mut queues = open(Subject::Queue, &interface, &filter)?;
    let mut cpus = open(Subject::Cpu, &interface, &filter)?;
    say(format_args!("watching {} for {time:?}", interface.name));
    let mut observation = Observation::default();
    let start = Instant::now();
    while start.elapsed() < time && !signals.take(Stop) {
        take(&mut queues, &filter, &mut observation.queues)?;
        take(&mut cpus, &filter, &mut observation.cpus)?;
        std::thread::sleep(LOOK_EVERY.min(time.saturating_sub(start.elapsed())));
    }
    drain(&mut queues, &filter, &mut observation.queues)?;
    drain(&mut cpus, &filter, &mut observation.cpus)?;
    for streams in [queues, cpus] {
        observation.lost += streams
            .streams
            .iter()
            .map(|stream| stream.lost())
            .sum::<u64>();
    }
    Ok(observation)
}

fn open(subject: Subject, interface: &Interface, filter: &Filter) -> Result<Streams, Failure> {
    let roster = subject.roster(&Tree::machine(), interface, Direction::In);
    let roster = roster.ok_or_else(|| {
        let tried = format!("observe the {}s of {}", subject.one(), interface.name);
        Error::new(Kind::NotFound, tried, "/sys does not show them")
    })?;
    let streams = Streams::open(&StreamsSpec {
        capture: AfPacketSpec {
            direction: Direction::In,
            promiscuous: false,
            ..AfPacketSpec::new(interface.name.clone())
        },
        rule: roster.rule,
        streams: roster.count,
        wanted: (0..roster.count).collect(),
        filter: filter.program().to_vec(),
        caplen: 0,
    })
    .map_err(|e| e.or_advise("it takes the capability CAP_NET_RAW: run it as root"))?;
    Ok(streams)
}

/// Counts the frames that the rings have.
fn take(streams: &mut Streams, filter: &Filter, counts: &mut Counts) -> Result<(), Failure> {
    for stream in &mut streams.streams {
        loop {
            let number = stream.number();
            let harvest = stream.harvest()?;
            if harvest.is_empty() {
                break;
            }
            let matching = harvest
                .frames()
                .filter(|frame| frame.filtered || filter.matches(frame.data, frame.len))
                .count();
            if matching > 0 {
                *counts.entry(number).or_default() += matching as u64;
            }
        }
    }
    Ok(())
}

/// Receives nothing more, and counts the frames that had arrived.
fn drain(streams: &mut Streams, filter: &Filter, counts: &mut Counts) -> Result<(), Failure> {
    for stream in &mut streams.streams {
        stream.close_intake()?;
    }
    let start = Instant::now();
    loop {
        take(streams, filter, counts)?;
        let is_drained = streams.streams.iter().all(Stream::is_drained);
        if is_drained || start.elapsed() >= DRAIN {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
