//! The packet socket: how it is opened and bound, and which questions it answers.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use hpcap::error::Context;
use hpcap::privilege::packet_socket_advice;
use hpcap::{Error, Kind, Result};

use super::super::socket_option::{get, set_at, socklen};
use super::classic::{attach_filter, keep_none, keep_outgoing};
use super::cooked;
use super::ring::Ring;
use super::spec::{AfPacketSpec, Direction, Time};
use crate::DELAY;
use hpcap_host::interface::timestamps::RAW_HARDWARE;
use hpcap_host::interface::{Interface, Link};

/// Room for a VLAN tag before each frame, in addition to what the kernel leaves anyway.
const HEADROOM_BYTES: c_int = 4;

/// `AF_PACKET`, in the type of the address's field.
#[expect(clippy::cast_possible_truncation, reason = "it is 17")]
const FAMILY: u16 = libc::AF_PACKET as u16;

/// `ETH_P_ALL`, in the type of the address's field.
#[expect(clippy::cast_possible_truncation, reason = "it is 3")]
const ALL_PROTOCOLS: u16 = libc::ETH_P_ALL as u16;

/// `PACKET_MR_PROMISC`, in the type of the request's field.
#[expect(clippy::cast_possible_truncation, reason = "it is 1")]
const PROMISCUOUS: u16 = libc::PACKET_MR_PROMISC as u16;

/// A socket that receives the frames of one interface into a ring.
#[derive(Debug)]
pub(super) struct Socket {
    // Fields drop in this order, so the ring is unmapped before the socket is closed.
    pub(super) ring: Ring,
    fd: OwnedFd,
    /// Frames that the kernel has put into the ring, as of the last look at its counters.
    received: u64,
}

impl Socket {
    /// Opens a socket and starts to receive the frames of `interface`.
    pub(super) fn open(spec: &AfPacketSpec, interface: &Interface, link: Link) -> Result<Self> {
        let name = &interface.name;
        let socket = Self::with_ring(spec, interface, link)?;
        let fd = &socket.fd;
        match spec.direction {
            // A looped frame would be captured twice: when it is sent and when it is received.
            Direction::Both if !link.loops => {}
            Direction::Both | Direction::In => set(fd, libc::PACKET_IGNORE_OUTGOING, &1)
                .context(|| format!("leave out the frames that {name} sends"))?,
            Direction::Out => attach_filter(fd, &keep_outgoing())
                .context(|| format!("leave out the frames that {name} receives"))?,
        }
        if spec.promiscuous {
            socket.make_promiscuous(interface)?;
        }
        bind(fd, interface)?;
        if let Some(group) = spec.fanout {
            let fanout = u32::from(group) | libc::PACKET_FANOUT_HASH << 16;
            set(fd, libc::PACKET_FANOUT, &fanout).map_err(|e| {
                Error::io(format!("join fanout group {group} of {name}"), e).advise(
                    "members of a group capture the same interface in the same way, and it has to be up",
                )
            })?;
        }
        Ok(socket)
    }

    /// Opens a socket with its ring, which receives nothing yet.
    pub(super) fn with_ring(
        spec: &AfPacketSpec,
        interface: &Interface,
        link: Link,
    ) -> Result<Self> {
        let name = &interface.name;
        // SOCK_DGRAM leaves out the headers of the links, because they differ between interfaces.
        let (kind, headroom) = if link.is_cooked() {
            (libc::SOCK_DGRAM, cooked::HEADROOM_BYTES)
        } else {
            (libc::SOCK_RAW, HEADROOM_BYTES)
        };
        let fd = open_unbound(kind).map_err(|e| no_socket(name, e))?;
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        set(&fd, libc::PACKET_VERSION, &version)
            .context(|| format!("set up TPACKET_V3 for {name}"))?;
        set(&fd, libc::PACKET_RESERVE, &headroom)
            .context(|| format!("reserve headroom in the receive ring of {name}"))?;
        if spec.time == Time::Hardware {
            interface.stamp_in_hardware()?;
            set(&fd, libc::PACKET_TIMESTAMP, &RAW_HARDWARE)
                .context(|| format!("take the time of frames from the NIC of {name}"))?;
        }
        let ring = Self::map_ring(&fd, spec)?;
        Ok(Self {
            ring,
            fd,
            received: 0,
        })
    }

    /// Makes the interface promiscuous for as long as the socket is open.
    pub(super) fn make_promiscuous(&self, interface: &Interface) -> Result<()> {
        if interface.is_any() {
            return Ok(());
        }
        let membership = libc::packet_mreq {
            mr_ifindex: index(interface),
            mr_type: PROMISCUOUS,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        set(&self.fd, libc::PACKET_ADD_MEMBERSHIP, &membership)
            .context(|| format!("make {} promiscuous", interface.name))
    }

    /// The descriptor of the socket.
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    fn map_ring(fd: &OwnedFd, spec: &AfPacketSpec) -> Result<Ring> {
        let tried = || {
            let (blocks, kib) = (spec.blocks, spec.block_bytes >> 10);
            format!(
                "get a receive ring of {blocks} blocks of {kib} KiB for {}",
                spec.interface
            )
        };
        let request = libc::tpacket_req3 {
            tp_block_size: spec.block_bytes,
            tp_block_nr: spec.blocks,
            // TPACKET_V3 packs frames without fixed slots; this size only has to divide that of a
            // block.
            tp_frame_size: 4096,
            tp_frame_nr: spec.block_bytes / 4096 * spec.blocks,
            tp_retire_blk_tov: u32::try_from(delay_of(spec).as_millis()).unwrap_or(u32::MAX),
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        let smaller =
            |e| Error::io(tried(), e).advise("give it less memory: blocks=16, for example");
        set(fd, libc::PACKET_RX_RING, &request).map_err(smaller)?;
        Ring::map(fd, spec.block_bytes, spec.blocks).map_err(smaller)
    }

    /// Returns the number of frames that found no room in the ring since the last call.
    pub(super) fn drops(&mut self) -> Result<u64> {
        let statistics = self.statistics()?;
        let drops = u64::from(statistics.tp_drops);
        self.received += u64::from(statistics.tp_packets).saturating_sub(drops);
        Ok(drops)
    }

    /// Stops receiving. The frames in the ring can still be taken.
    pub(super) fn close_intake(&self) -> Result<()> {
        attach_filter(&self.fd, &keep_none()).context(|| "stop a packet socket")
    }

    /// Returns whether every frame that the kernel had put into the ring by the last reading of its counters was taken,
    /// also those of a block that the kernel still holds.
    pub(super) fn is_drained(&self) -> bool {
        self.ring.handed_over() >= self.received && self.ring.is_drained()
    }

    /// Returns the kernel's counters since the last call; `tp_packets` includes `tp_drops`.
    pub(super) fn statistics(&self) -> Result<libc::tpacket_stats_v3> {
        let mut stats = libc::tpacket_stats_v3 {
            tp_packets: 0,
            tp_drops: 0,
            tp_freeze_q_cnt: 0,
        };
        get(
            &self.fd,
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            &mut stats,
        )
        .context(|| "read the statistics of a packet socket")?;
        Ok(stats)
    }

    /// Takes the socket's pending error (`SO_ERROR`), if there is one.
    pub(super) fn take_error(&self) -> Result<Option<io::Error>> {
        let mut errno: c_int = 0;
        get(&self.fd, libc::SOL_SOCKET, libc::SO_ERROR, &mut errno)
            .context(|| "read the state of a packet socket")?;
        Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno)))
    }

    /// Returns whether the socket still has its interface; the kernel unbinds it from one that is
    /// removed.
    pub(super) fn is_bound(&self) -> Result<bool> {
        let mut address = no_address();
        let mut bytes = socklen::<libc::sockaddr_ll>();
        // SAFETY: the kernel writes at most `bytes` bytes, which is a whole `sockaddr_ll`, and
        // their number; both variables outlive the call.
        let result = unsafe {
            libc::getsockname(
                self.fd.as_raw_fd(),
                (&raw mut address).cast(),
                &raw mut bytes,
            )
        };
        if result != 0 {
            return Err(Error::io(
                "ask a packet socket for its interface",
                io::Error::last_os_error(),
            ));
        }
        Ok(address.sll_ifindex > 0)
    }

    /// Sleeps until a block is ready, the socket has an error, or `stop` is readable, at most for
    /// `timeout`. Returns whether the socket has an error.
    pub(super) fn poll(&self, timeout: Duration, stop: Option<BorrowedFd<'_>>) -> Result<bool> {
        let poll = |fd: c_int| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        // The kernel ignores a negative descriptor.
        let stop = stop.map_or(-1, |stop| stop.as_raw_fd());
        let mut polled = [poll(self.fd.as_raw_fd()), poll(stop)];
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // SAFETY: the call gets an array of two structures, a timespec and no signal mask, all of
        // which outlive it.
        let n =
            unsafe { libc::ppoll(polled.as_mut_ptr(), 2, &raw const timeout, std::ptr::null()) };
        if n < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                return Ok(false);
            }
            return Err(Error::io("wait for a packet socket", error));
        }
        Ok(polled[0].revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0)
    }
}

/// Returns how long the kernel waits for more frames before it hands over a block that is not full. Each block wakes the
/// thread that reads, which costs as much as taking hundreds of frames.
pub(super) fn delay_of(spec: &AfPacketSpec) -> Duration {
    spec.delay.unwrap_or(DELAY)
}

/// Opens a packet socket of type `kind`. It receives nothing until [`bind`] sets a protocol.
pub(super) fn open_unbound(kind: c_int) -> io::Result<OwnedFd> {
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: `socket` accesses no memory of this process; the result is checked.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Returns the error of a packet socket that could not be opened, with the capability that is missing.
pub(super) fn no_socket(name: &str, error: io::Error) -> Error {
    let error = Error::io(format!("open a packet socket to capture {name}"), error);
    match error.kind() {
        Kind::Permission => error.advise(packet_socket_advice(&program_name())),
        _ => error,
    }
}

/// Returns the file name of this program.
pub(crate) fn program_name() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .unwrap_or_else(|| "hpcapd".into())
}

fn no_address() -> libc::sockaddr_ll {
    // SAFETY: zero is a valid value of every field of a `sockaddr_ll`.
    unsafe { std::mem::zeroed() }
}

fn index(interface: &Interface) -> c_int {
    c_int::try_from(interface.index).unwrap_or(c_int::MAX)
}

/// Starts to receive the frames of `interface`.
pub(super) fn bind(fd: &OwnedFd, interface: &Interface) -> Result<()> {
    let mut address = no_address();
    address.sll_family = FAMILY;
    address.sll_protocol = ALL_PROTOCOLS.to_be();
    address.sll_ifindex = index(interface);
    let bytes = socklen::<libc::sockaddr_ll>();
    // SAFETY: the address is a `sockaddr_ll` of `bytes` bytes and outlives the call.
    match unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), bytes) } {
        0 => Ok(()),
        _ => Err(Error::io(
            format!("receive from {}", interface.name),
            io::Error::last_os_error(),
        )),
    }
}

/// Sets an option of a packet socket.
pub(super) fn set<T>(fd: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    set_at(fd, libc::SOL_PACKET, option, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_capability_is_named() {
        let error = no_socket("eth0", io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(error.kind(), Kind::Permission);
        let text = error.to_string();
        for word in [
            "eth0",
            "CAP_NET_RAW",
            "root",
            "setcap cap_net_raw+ep",
            "-m 0750",
        ] {
            assert!(text.contains(word), "{text}");
        }
        let other = no_socket("eth0", io::Error::from_raw_os_error(libc::EMFILE));
        assert!(!other.to_string().contains("CAP_NET_RAW"), "{other}");
    }
}
