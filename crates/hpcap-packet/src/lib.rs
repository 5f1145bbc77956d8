//! The headers of a frame, as values. How they are printed is left to the program.
//!
//! [`Packet::parse`] reads every field once, because a frame in the ring may be overwritten meanwhile. It
//! allocates nothing and accepts any bytes: what it does not know, or what the capture has cut, is
//! left out.
//!
//! ```
//! use hpcap_packet::{Network, Packet};
//!
//! // An Ethernet frame with the broadcast of a host that asks for an address by ARP, cut after 30 bytes.
//! let mut frame = [0; 30];
//! frame[..6].fill(0xff);
//! frame[12..14].copy_from_slice(&[0x08, 0x06]);
//! let packet = Packet::parse(&frame[..].into(), 1);
//! assert_eq!(packet.ethernet.unwrap().destination.0, [0xff; 6]);
//! assert_eq!(packet.ether_type, Some(0x0806));
//! assert_eq!(packet.cut.map(|header| header.name()), Some("arp"));
//! assert!(packet.ends().is_none());
//! ```

mod ip;
mod link;
mod transport;

use std::net::{IpAddr, Ipv4Addr};

use hpcap::listener::RingBytes;

pub use ip::{Fragment, Ip};
pub use transport::{Gre, Icmp, Sctp, Tcp, TcpFlags, Transport, Udp};

/// A MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

/// A VLAN tag (IEEE 802.1Q).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vlan(pub u16);

impl Vlan {
    /// Number of the VLAN.
    #[must_use]
    pub fn id(self) -> u16 {
        self.0 & 0xfff
    }

    /// Priority of the frame (PCP).
    #[must_use]
    pub fn priority(self) -> u16 {
        self.0 >> 13
    }
}

/// Limit of the VLAN tags that are read from a frame.
pub const VLANS_MAX: usize = 4;

/// The header of Ethernet, with the VLAN tags behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ethernet {
    /// The destination.
    pub destination: Mac,
    /// The source.
    pub source: Mac,
    vlans: [Vlan; VLANS_MAX],
    vlan_count: usize,
}

impl Ethernet {
    /// The VLAN tags, the outermost first.
    #[must_use]
    pub fn vlans(&self) -> &[Vlan] {
        &self.vlans[..self.vlan_count]
    }
}

/// A message of ARP about IPv4 addresses on Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// 1 = request, 2 = reply.
    pub operation: u16,
    /// Address of the host that sends the message.
    pub sender: (Mac, Ipv4Addr),
    /// Address that the message asks for or answers to.
    pub target: (Mac, Ipv4Addr),
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A message of ARP.
    Arp(Arp),
    /// A packet of IPv4 or IPv6.
    Ip(Ip),
    /// IEEE 802.3: the type field is a length.
    Llc,
    /// Anything else, or a header that is cut or invalid.
    Other,
}

/// A header in which the captured bytes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Ethernet, or a VLAN tag.
    Ethernet,
    /// ARP.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6, or one of its extension headers.
    Ipv6,
    /// The header after that of IP.
    Transport,
}

impl Cut {
    /// The name of the header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Arp => "arp",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Transport => "transport",
        }
    }
}

/// The headers of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// The header of Ethernet; `None` for other links, and if it is cut.
    pub ethernet: Option<Ethernet>,
    /// The EtherType of what the frame carries, or a length below 0x600; `None` if it is cut.
    pub ether_type: Option<u16>,
    /// What the frame carries.
    pub network: Network,
    /// The header in which the captured bytes end, if one is read that far.
    pub cut: Option<Cut>,
}

impl Packet {
    /// Reads the headers of a frame of `link_type` (LINKTYPE_ value).
    ///
    /// ```
    /// use hpcap_packet::Packet;
    ///
    /// let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 42, 0x88, 0xb5];
    /// let packet = Packet::parse(&frame[..].into(), 1);
    /// assert_eq!(packet.ether_type, Some(0x88b5));
    /// assert_eq!(packet.ethernet.unwrap().vlans()[0].id(), 42);
    /// ```
    #[must_use]
    #[inline]
    pub fn parse(bytes: &RingBytes<'_>, link_type: u32) -> Self {
        link::parse(bytes, link_type)
    }

    /// Returns source and destination, with the ports if there are any.
    #[must_use]
    pub fn ends(&self) -> Option<Ends> {
        let Network::Ip(ip) = &self.network else {
            return None;
        };
        Some(Ends {
            source: ip.source,
            destination: ip.destination,
            ports: ip.ports(),
        })
    }
}

/// Source and destination of a packet of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Address of the source.
    pub source: IpAddr,
    /// Address of the destination.
    pub destination: IpAddr,
    /// Ports of the source and of the destination.
    pub ports: Option<(u16, u16)>,
}

/// The header that comes next, and where it starts.
#[derive(Debug, Clone, Copy)]
struct Next<T> {
    kind: T,
    at: usize,
}
