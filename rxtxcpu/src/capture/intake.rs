//! Where the frames of a stream come from: a packet socket, or an XDP program that sees them before the network stack.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use hpcap::filter::Filter;
use hpcap::privilege::packet_socket_advice;
use hpcap::{Error, Kind};
use hpcap_source::SourceEvent;
use hpcap_source::af_packet::streams::{Group, Stream, Streams, StreamsSpec};
use hpcap_source::af_xdp::{AfXdpSpec, QueueStream, use_of};
use hpcap_source::stream::StreamHarvest;

use crate::failure::Failure;
use crate::members::to_list;
use crate::plan::Plan;
use crate::say::say;

/// The source of a stream's frames.
#[derive(Debug)]
pub(super) enum Intake {
    Socket(Box<Stream>),
    Xdp(Box<QueueStream>),
}

/// The sources of all streams that are wanted, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Intakes {
    pub(super) streams: Vec<Intake>,
    /// What spreads the frames over packet sockets. An XDP program takes them as the NIC has spread them.
    pub(super) group: Option<Group>,
}

impl Intakes {
    /// Opens all streams, which receive from then on.
    ///
    /// # Errors
    /// A missing permission, no memory, or an interface that must not be captured.
    pub(super) fn open(plan: &Plan, filter: &Filter) -> Result<Self, Failure> {
        match &plan.xdp {
            Some(spec) => queues(plan, spec),
            None => sockets(plan, filter),
        }
    }
}

fn sockets(plan: &Plan, filter: &Filter) -> Result<Intakes, Failure> {
    let Streams { streams, group } = Streams::open(&StreamsSpec {
        capture: plan.spec(),
        rule: plan.roster.rule.clone(),
        streams: plan.roster.count,
        wanted: plan.wanted.clone(),
        filter: filter.program().to_vec(),
        caplen: plan.caplen,
    })
    .map_err(of_opening)?;
    Ok(Intakes {
        streams: streams
            .into_iter()
            .map(|stream| Intake::Socket(Box::new(stream)))
            .collect(),
        group: Some(group),
    })
}

fn queues(plan: &Plan, spec: &AfXdpSpec) -> Result<Intakes, Failure> {
    let name = &plan.interface.name;
    if !spec.takeover
        && let Some(how) = use_of(&plan.interface)?
    {
        return Err(Failure::Known {
            text: format!("this machine uses interface '{name}': {how}"),
            advice: Some(
                "--xdp takes its packets away from the network stack, so connections over it, such as yours, would break;\n  \
                 without --xdp the stack gets them, too; --xdp=takeover=on takes them all the same"
                    .to_owned(),
            ),
        });
    }
    let spec = AfXdpSpec {
        takeover: true,
        ..spec.clone()
    };
    let mut streams = Vec::new();
    for number in &plan.wanted {
        let mut stream = QueueStream::open(&spec, *number).map_err(of_opening_by_xdp)?;
        while let Some(event) = stream.next_event() {
            match event {
                // Said below for all queues together.
                SourceEvent::AfXdp(_) if !plan.verbose => {}
                SourceEvent::AfXdp(_) => say(format_args!("{}", event.display(name))),
                _ if streams.is_empty() => say(format_args!("{}", event.display(name))),
                // The other queues say the same about the interface.
                _ => {}
            }
        }
        streams.push(Intake::Xdp(Box::new(stream)));
    }
    let queues = to_list(&plan.wanted);
    say(format_args!(
        "{name}: an XDP program takes the packets of receive queues '{queues}'; the network stack of this machine gets none of them"
    ));
    Ok(Intakes {
        streams,
        group: None,
    })
}

/// The original's words for a socket that cannot be opened.
fn of_opening(error: Error) -> Failure {
    match error.kind() {
        Kind::Permission => Failure::Known {
            text: "error creating socket: Operation not permitted".to_owned(),
            advice: Some(packet_socket_advice("rxtxcpu")),
        },
        Kind::Full => error
            .or_advise("give the rings less memory: --ring 2M")
            .into(),
        _ => error.into(),
    }
}

/// What to do about a queue that cannot be captured by an XDP program.
fn of_opening_by_xdp(error: Error) -> Error {
    match error.kind() {
        Kind::Permission => error.advise(
            "an XDP program takes the capabilities CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF: run the capture as root;\n  \
             without --xdp, CAP_NET_RAW is enough",
        ),
        Kind::Full => error.or_advise("give the queues less memory: --ring 2M"),
        _ => error,
    }
}

impl Intake {
    /// The number of the CPU, the node or the queue.
    pub(super) fn number(&self) -> u32 {
        match self {
            Self::Socket(stream) => stream.number(),
            Self::Xdp(stream) => stream.number(),
        }
    }

    /// Frames of the stream that were lost so far.
    pub(super) fn lost(&self) -> u64 {
        match self {
            Self::Socket(stream) => stream.lost(),
            Self::Xdp(stream) => stream.lost(),
        }
    }

    /// Lends the next frames.
    pub(super) fn harvest(&mut self) -> hpcap::Result<StreamHarvest<'_>> {
        match self {
            Self::Socket(stream) => stream.harvest(),
            Self::Xdp(stream) => stream.harvest(),
        }
    }

    /// Sleeps until frames may be ready or `stop` is readable, at most for `timeout`.
    pub(super) fn wait(
        &mut self,
        timeout: Duration,
        stop: Option<BorrowedFd<'_>>,
    ) -> hpcap::Result<()> {
        match self {
            Self::Socket(stream) => stream.wait(timeout, stop),
            Self::Xdp(stream) => stream.wait(timeout, stop),
        }
    }

    /// Stops receiving. The frames that have arrived can still be taken.
    pub(super) fn close_intake(&mut self) -> hpcap::Result<()> {
        match self {
            Self::Socket(stream) => stream.close_intake(),
            Self::Xdp(stream) => stream.close_intake(),
        }
    }

    /// Whether every frame that had arrived was taken.
    pub(super) fn is_drained(&self) -> bool {
        match self {
            Self::Socket(stream) => stream.is_drained(),
            Self::Xdp(stream) => stream.is_drained(),
        }
    }

    /// Takes the next event that a person should read and that nobody else reports: the thread that watches the capture
    /// reports an interface that goes down or away.
    pub(super) fn next_event(&mut self) -> Option<SourceEvent> {
        use SourceEvent::{
            InterfaceBack, InterfaceDown, InterfaceGone, InterfaceRestarted, InterfaceUp,
        };
        let Self::Xdp(stream) = self else {
            return None;
        };
        std::iter::from_fn(|| stream.next_event()).find(|event| {
            !matches!(
                event,
                InterfaceDown | InterfaceUp | InterfaceRestarted | InterfaceGone | InterfaceBack
            )
        })
    }
}
