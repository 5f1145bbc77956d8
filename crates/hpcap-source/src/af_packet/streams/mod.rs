//! The frames of an interface, spread over streams by the CPU, the queue or the NUMA node that
//! handles them.
//!
//! Each stream is a socket with a ring of its own, and all sockets are members of one fanout group.
//! The kernel numbers the members in the order in which they join, and chooses a member by a
//! [`Rule`]. So there is a socket for every CPU, queue or node, whether its frames are wanted or not:
//! otherwise its frames would go to another stream.
//!
//! A socket that receives before all members have joined gets frames that belong to others. So every
//! socket starts with a filter that keeps nothing, and gets its real filter when the group is
//! complete.
//!
//! ```no_run
//! use hpcap_source::af_packet::AfPacketSpec;
//! use hpcap_source::af_packet::streams::{Rule, Streams, StreamsSpec};
//!
//! # fn main() -> hpcap::Result<()> {
//! // This needs an interface, and the right to capture (CAP_NET_RAW). Of four streams, the second one is wanted.
//! let streams = Streams::open(&StreamsSpec {
//!     capture: AfPacketSpec::new("eth0"),
//!     rule: Rule::Cpu,
//!     streams: 4,
//!     wanted: [1].into(),
//!     filter: Vec::new(),
//!     caplen: 0,
//! })?;
//! # Ok(())
//! # }
//! ```

mod rule;
mod selection;
mod stream;

use std::collections::BTreeSet;
use std::ffi::c_int;
use std::os::fd::OwnedFd;

use hpcap::error::Context;
use hpcap::{Error, Kind, Result};
use hpcap_host::Interface;
use hpcap_host::interface::Link;
use hpcap_sys::filter::Instruction;

use super::super::socket_option::get;
use super::classic::{attach_filter, keep_none, set_program};
use super::socket::{Socket, bind, no_socket, open_unbound, set};
use super::spec::AfPacketSpec;

pub use rule::Rule;
pub use stream::Stream;

/// `PACKET_FANOUT_FLAG_UNIQUEID` of linux/if_packet.h: the kernel chooses a group that is free.
const UNIQUE_ID: u16 = 0x2000;
/// Largest number of members of a group whose size is not given.
const MEMBERS_BY_DEFAULT: u32 = 256;

/// What to capture, and how to spread it.
#[derive(Debug, Clone)]
pub struct StreamsSpec {
    /// The interface and the ring of each stream. `fanout` is not used: the kernel chooses the group.
    pub capture: AfPacketSpec,
    /// What decides which stream a frame belongs to.
    pub rule: Rule,
    /// Number of streams, wanted or not.
    pub streams: u32,
    /// The streams whose frames are wanted.
    pub wanted: BTreeSet<u32>,
    /// The filter, compiled for the link type of the interface; empty keeps all frames.
    pub filter: Vec<Instruction>,
    /// Captured length of each frame in bytes; 0 keeps whole frames.
    pub caplen: u32,
}

/// The members of a fanout group.
#[derive(Debug)]
pub struct Streams {
    /// The streams that are wanted, in the order of their numbers.
    pub streams: Vec<Stream>,
    /// What keeps the group complete while the streams are used.
    pub group: Group,
}

/// The sockets of unwanted streams, which keep the numbers of the others right.
#[derive(Debug)]
pub struct Group {
    /// The number of the group, which the kernel has chosen.
    pub id: u16,
    /// LINKTYPE_ value of the frames.
    pub link_type: u32,
    /// Duplicate of the descriptor of a member.
    member: OwnedFd,
    _unwanted: Vec<OwnedFd>,
}

impl Group {
    /// Replaces the rule by another one of the same kind, such as one for other CPUs.
    ///
    /// # Errors
    /// An error of the kernel.
    pub fn spread_by(&self, rule: &Rule) -> Result<()> {
        let Some(program) = rule.program() else {
            return Ok(());
        };
        let (level, option) = (libc::SOL_PACKET, libc::PACKET_FANOUT_DATA);
        set_program(&self.member, level, option, &program).context(|| "spread frames by a program")
    }
}

/// A place for a program in a group: the sizes and the flags of linux/if_packet.h.
#[repr(C)]
struct FanoutArguments {
    id: u16,
    type_flags: u16,
    members: u32,
}

impl Streams {
    /// Opens all streams, which receive from then on.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown interface, [`Kind::Permission`] without CAP_NET_RAW,
    /// [`Kind::Full`] when there is no memory for the rings, [`Kind::Io`] when the interface is down.
    pub fn open(spec: &StreamsSpec) -> Result<Self> {
        let interface = Interface::required(&spec.capture.interface)?;
        if !interface.is_any() && !interface.is_up() {
            return Err(Error::new(
                Kind::Io,
                format!("capture {}", interface.name),
                "it is down",
            )
            .advise(format!("ip link set {} up", interface.name)));
        }
        let link = interface.link()?;
        let (mut streams, mut unwanted, mut id) = (Vec::new(), Vec::new(), None);
        for number in 0..spec.streams {
            let member = Member::open(spec, &interface, link, number)?;
            let joined = join(member.fd(), spec, id)
                .context(|| format!("join a fanout group of {}", interface.name))?;
            id = Some(joined);
            match member {
                Member::Wanted(socket) => streams.push(Stream::new(number, *socket, link)),
                Member::Unwanted(fd) => unwanted.push(fd),
            }
        }
        let member = match (streams.first(), unwanted.first()) {
            (Some(stream), _) => stream.fd().try_clone(),
            (None, Some(fd)) => fd.try_clone(),
            (None, None) => return Err(Error::usage("streams", "there must be one at least")),
        };
        let group = Group {
            id: id.unwrap_or_default(),
            link_type: link.link_type,
            member: member.context(|| "duplicate a descriptor")?,
            _unwanted: unwanted,
        };
        group.spread_by(&spec.rule)?;
        // libpcap's programs look at headers of the link, which a cooked socket does not have.
        let filter = if link.is_cooked() {
            &[][..]
        } else {
            &spec.filter
        };
        let caplen = match spec.caplen {
            _ if link.is_cooked() => u32::MAX,
            0 => u32::MAX,
            bytes => bytes,
        };
        let selection = selection::program(spec.capture.direction, filter, caplen);
        for stream in &streams {
            attach_filter(stream.fd(), &selection)
                .context(|| format!("set the filter of {}", interface.name))?;
        }
        Ok(Self { streams, group })
    }
}

/// A socket before it joins.
enum Member {
    Wanted(Box<Socket>),
    Unwanted(OwnedFd),
}

impl Member {
    fn open(spec: &StreamsSpec, interface: &Interface, link: Link, number: u32) -> Result<Self> {
        let name = &interface.name;
        let member = if spec.wanted.contains(&number) {
            let socket = Socket::with_ring(&spec.capture, interface, link)?;
            if spec.capture.promiscuous {
                socket.make_promiscuous(interface)?;
            }
            Self::Wanted(Box::new(socket))
        } else {
            Self::Unwanted(open_unbound(libc::SOCK_RAW).map_err(|e| no_socket(name, e))?)
        };
        attach_filter(member.fd(), &keep_none()).context(|| format!("set the filter of {name}"))?;
        bind(member.fd(), interface)?;
        Ok(member)
    }

    fn fd(&self) -> &OwnedFd {
        match self {
            Self::Wanted(socket) => socket.fd(),
            Self::Unwanted(fd) => fd,
        }
    }
}

/// Joins group `id`, or a new group. Returns the group's number.
fn join(fd: &OwnedFd, spec: &StreamsSpec, id: Option<u16>) -> std::io::Result<u16> {
    let kind = spec.rule.fanout();
    let type_flags = match id {
        Some(_) => kind,
        None => kind | UNIQUE_ID,
    };
    let arguments = FanoutArguments {
        id: id.unwrap_or(0),
        type_flags,
        members: spec.streams,
    };
    if spec.streams > MEMBERS_BY_DEFAULT {
        set(fd, libc::PACKET_FANOUT, &arguments)?;
    } else {
        // Kernels before 5.11 refuse the longer form.
        let short = u32::from(arguments.id) | u32::from(type_flags) << 16;
        set(fd, libc::PACKET_FANOUT, &short)?;
    }
    let mut joined: c_int = 0;
    get(fd, libc::SOL_PACKET, libc::PACKET_FANOUT, &mut joined)?;
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the id")]
    Ok(joined.cast_unsigned() as u16)
}
