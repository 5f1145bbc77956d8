//! What to capture, decided from the command line and the machine.

use std::collections::BTreeSet;
use std::time::Duration;

use hpcap_host::{Interface, Tree};
use hpcap_source::af_packet::{AfPacketSpec, Direction};
use hpcap_source::af_xdp::{AfXdpSpec, chunk_bytes};

use crate::cli::Cli;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::members::{parse_list, parse_mask};
use crate::output::Output;
use crate::subject::{Roster, Subject};
use crate::verbose;

/// Default limit of the memory for the ring of a stream, and for those of all streams together.
const RING_BYTES: u64 = 16 << 20;
const RINGS_BYTES: u64 = 256 << 20;
/// Smallest memory for the ring of a stream.
const RING_BYTES_MIN: u64 = 1 << 20;
/// Largest ring that a packet socket can have.
const RING_BYTES_MAX: u64 = 2 << 30;
/// Shortest time between two tables of rates.
const LIVE_MIN: Duration = Duration::from_millis(100);
/// Lengths in bytes that the blocks of a ring have: a block wakes the worker, which costs as much as taking hundreds of
/// frames, and a ring has several blocks, so that one is filled while others are read.
const BLOCK_BYTES: std::ops::RangeInclusive<u64> = 256 << 10..=1 << 20;
/// Number of blocks that a ring has if they may be so long.
const BLOCKS: u64 = 16;
/// How long frames may wait in the kernel until the worker takes them, unless somebody looks at them or at their number.
pub(crate) const DELAY: Duration = Duration::from_millis(200);

/// What to capture.
#[derive(Debug)]
pub struct Plan {
    /// Whether a stream is that of a CPU, a NUMA node or a queue.
    pub subject: Subject,
    /// All streams that there could be.
    pub roster: Roster,
    /// The streams to capture.
    pub wanted: BTreeSet<u32>,
    /// The interface.
    pub interface: Interface,
    /// Which frames are captured.
    pub direction: Direction,
    /// Whether the interface becomes promiscuous.
    pub promiscuous: bool,
    /// Frames after which the capture ends; `None` for no limit.
    pub count: Option<u64>,
    /// Time after which the capture ends.
    pub duration: Option<Duration>,
    /// The filter, in tcpdump's syntax; empty keeps all frames.
    pub filter: String,
    /// How an XDP program captures; `None` if packet sockets do.
    pub xdp: Option<AfXdpSpec>,
    /// Captured length of each frame in bytes; 0 keeps whole frames.
    pub caplen: u32,
    /// Length of the ring of a stream in bytes.
    pub ring_bytes: u64,
    /// How often a frame must be sent to be named at the end.
    pub repeats: Option<u64>,
    /// Where the frames go; `None` if they are only counted.
    pub output: Option<Output>,
    /// Whether every frame is written at once.
    pub packet_buffered: bool,
    /// Time between two tables of rates; `None` for no tables.
    pub live: Option<Duration>,
    /// Whether to say on stderr what is done.
    pub verbose: bool,
}

impl Plan {
    /// Decides what to capture. The order of the checks is the original's.
    ///
    /// # Errors
    /// A command line that asks for something impossible, or an unknown interface.
    pub fn make(invocation: &Invocation, cli: &Cli) -> Result<Self, Failure> {
        let subject = invocation.subject;
        let word = subject.word();
        let count = match &cli.count {
            Some(text) => parse_count(text).ok_or_else(|| invalid("count", text))?,
            None => 0,
        };
        let direction = match &cli.direction {
            Some(text) => parse_direction(text).ok_or_else(|| invalid("direction", text))?,
            None => invocation.direction,
        };
        let list = members(subject, cli.list.as_deref(), "list", parse_list)?;
        let mask = members(subject, cli.mask.as_deref(), "mask", parse_mask)?;
        if list.is_some() && mask.is_some() {
            return Err(Failure::Usage(format!(
                "-l [--{word}-list] and -m [--{word}-mask] are mutually exclusive."
            )));
        }
        let from = if list.is_some() { "list" } else { "mask" };
        let interface = interface(&cli.interfaces)?;
        let (one, tree) = (subject.one(), Tree::machine());
        let roster = subject
            .roster(&tree, &interface, direction)
            .ok_or_else(|| {
                let advice = match subject {
                    Subject::Queue if interface.is_any() => Some("say which interface"),
                    Subject::Queue => Some(
                        "/sys/class/net does not show the interfaces of this network namespace; \
                     `ip netns exec` mounts one that does",
                    ),
                    Subject::Cpu | Subject::Node => None,
                };
                Failure::Known {
                    text: format!("Failed to get {one} count."),
                    advice: advice.map(str::to_owned),
                }
            })?;
        verbose::found(cli.verbose, subject, roster.count);
        let named = list.or(mask).filter(|named| !named.is_empty());
        let mut wanted: BTreeSet<u32> = (0..roster.count).collect();
        if let Some(named) = named {
            wanted.retain(|number| named.contains(number));
        }
        let none = |state| Failure::Usage(format!("No {state} {one}s present in {word} {from}."));
        if wanted.is_empty() {
            return Err(none("configured"));
        }
        verbose::offline(cli.verbose, subject, &roster);
        wanted.retain(|number| roster.online.contains(number));
        if wanted.is_empty() {
            return Err(none("online"));
        }
        if cli.repeats.is_some() && direction == Direction::In {
            return Err(Failure::Usage(
                "--repeats looks at sent packets, and only received ones are captured.".to_owned(),
            ));
        }
        let output = Output::of(cli)?;
        if matches!(output, Some(Output::Stdout(_))) && wanted.len() != 1 {
            return Err(Failure::Usage(format!(
                "Write file '-' (stdout) is only permitted when capturing on a single {one}."
            )));
        }
        if cli.live.is_some_and(|every| every < LIVE_MIN) {
            return Err(Failure::Usage("--live is at least 100ms.".to_owned()));
        }
        let share = RINGS_BYTES / wanted.len() as u64;
        let ring_bytes = cli.ring.unwrap_or(RING_BYTES.min(share));
        if cli
            .ring
            .is_some_and(|bytes| !(RING_BYTES_MIN..=RING_BYTES_MAX).contains(&bytes))
        {
            return Err(Failure::Usage("--ring is from 1M to 2G.".to_owned()));
        }
        let ring_bytes = ring_bytes.max(RING_BYTES_MIN);
        let xdp = match &cli.xdp {
            Some(options) => Some(xdp(
                cli, options, subject, direction, &interface, ring_bytes,
            )?),
            None => None,
        };
        Ok(Self {
            subject,
            roster,
            wanted,
            interface,
            direction,
            promiscuous: cli.promiscuous,
            count: (count != 0).then_some(count),
            duration: cli.duration,
            filter: cli.filter.clone().unwrap_or_default(),
            xdp,
            caplen: cli.snaplen.unwrap_or(0),
            ring_bytes,
            repeats: cli.repeats,
            output,
            packet_buffered: cli.packet_buffered,
            live: cli.live,
            verbose: cli.verbose,
        })
    }

    /// The interface and the ring of each stream.
    #[must_use]
    pub fn spec(&self) -> AfPacketSpec {
        let block_bytes = (self.ring_bytes / BLOCKS)
            .clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end())
            .next_power_of_two()
            .min(*BLOCK_BYTES.end());
        let blocks = self.ring_bytes / block_bytes;
        let is_watched = self.packet_buffered
            || self.live.is_some()
            || matches!(self.output, Some(Output::Stdout(_)));
        AfPacketSpec {
            promiscuous: self.promiscuous,
            direction: self.direction,
            block_bytes: u32::try_from(block_bytes).unwrap_or(u32::MAX),
            delay: (!is_watched).then_some(DELAY),
            blocks: u32::try_from(blocks).unwrap_or(u32::MAX),
            ..AfPacketSpec::new(self.interface.name.clone())
        }
    }
}

/// Frames that the memory of an XDP program's socket can hold.
const XDP_FRAMES: std::ops::RangeInclusive<u64> = 256..=1 << 20;

/// Decides how an XDP program captures.
fn xdp(
    cli: &Cli,
    options: &str,
    subject: Subject,
    direction: Direction,
    interface: &Interface,
    ring_bytes: u64,
) -> Result<AfXdpSpec, Failure> {
    if subject != Subject::Queue || direction != Direction::In {
        return Err(Failure::Usage(
            "--xdp takes what each receive queue has received: use it as rxqueue --xdp.".to_owned(),
        ));
    }
    if options
        .split(',')
        .any(|option| option.starts_with("promisc="))
    {
        return Err(Failure::Usage(
            "--xdp has no option promisc: use -p.".to_owned(),
        ));
    }
    let mut spec = AfXdpSpec::with_options(&interface.name, options)?;
    spec.promiscuous = cli.promiscuous;
    if spec.frames.is_none() {
        let frames = ring_bytes / u64::from(chunk_bytes(interface));
        let frames = frames.clamp(*XDP_FRAMES.start(), *XDP_FRAMES.end());
        spec.frames = u32::try_from(1_u64 << frames.ilog2()).ok();
    }
    Ok(spec)
}

/// Returns the failure for an invalid value.
fn invalid(what: &str, text: &str) -> Failure {
    Failure::Usage(format!("Invalid {what} '{text}'."))
}

/// Parses a list or a mask, if there is one.
fn members(
    subject: Subject,
    text: Option<&str>,
    kind: &str,
    parse: fn(&str) -> Option<BTreeSet<u32>>,
) -> Result<Option<BTreeSet<u32>>, Failure> {
    let Some(text) = text else {
        return Ok(None);
    };
    let what = format!("{} {kind}", subject.word());
    Ok(Some(parse(text).ok_or_else(|| invalid(&what, text))?))
}

/// Parses a count; 0 is no limit.
fn parse_count(text: &str) -> Option<u64> {
    text.parse().ok()
}

fn parse_direction(text: &str) -> Option<Direction> {
    match text {
        "rx" => Some(Direction::In),
        "tx" => Some(Direction::Out),
        "rxtx" => Some(Direction::Both),
        _ => None,
    }
}

/// The word for a direction.
#[must_use]
pub fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "rx",
        Direction::Out => "tx",
        Direction::Both => "rxtx",
    }
}

fn interface(names: &[String]) -> Result<Interface, Failure> {
    let name = match names {
        [] => return Ok(Interface::any()),
        [name] => name,
        several => {
            let quoted: Vec<String> = several.iter().map(|name| format!("'{name}'")).collect();
            return Err(Failure::Usage(format!(
                "Only one interface argument is allowed (got [ {} ]).",
                quoted.join(", ")
            )));
        }
    };
    Interface::required(name).map_err(|error| match error.kind() {
        hpcap::Kind::NotFound => Failure::Known {
            text: format!("error setting ifname '{name}': No such device"),
            advice: error.why_and_advice().lines().nth(1).map(str::to_owned),
        },
        _ => error.into(),
    })
}
