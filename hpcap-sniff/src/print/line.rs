//! A line for each frame, similar to that of tcpdump.

use hpcap::stream::RingFrame;

use super::text::{Clock, Zone, decimal, hex, ip, mac};
use hpcap_packet::{Arp, Icmp, Ip, Network, Packet, TcpFlags, Transport};

/// Prints lines.
#[derive(Debug)]
pub struct Lines {
    clock: Clock,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::new(Zone::Local),
        }
    }

    #[inline]
    pub(super) fn frame(&mut self, out: &mut Vec<u8>, frame: &RingFrame<'_>) {
        self.clock.append(out, frame.time);
        out.push(b' ');
        let packet = Packet::parse(&frame.bytes, frame.link_type);
        if let Some(ethernet) = &packet.ethernet {
            for vlan in ethernet.vlans() {
                out.extend_from_slice(b"vlan ");
                decimal(out, vlan.id());
                if vlan.priority() > 0 {
                    out.extend_from_slice(b" p ");
                    decimal(out, vlan.priority());
                }
                out.extend_from_slice(b", ");
            }
        }
        match &packet.network {
            Network::Ip(packet) => self::packet(out, packet),
            Network::Arp(message) => arp(out, message),
            Network::Llc => link(out, &packet, "802.3", frame.len),
            Network::Other => link(out, &packet, "ethertype", frame.len),
        }
        if let Some(header) = packet.cut {
            out.extend_from_slice(b" [cut in the header of ");
            out.extend_from_slice(header.name().as_bytes());
            out.push(b']');
        }
        if frame.is_duplicate {
            out.extend_from_slice(b" [duplicate]");
        }
        if frame.is_sent {
            out.extend_from_slice(b" [sent]");
        }
        out.push(b'\n');
    }
}

/// Appends what is known of a frame whose content is unknown.
fn link(out: &mut Vec<u8>, packet: &Packet, word: &str, len: u32) {
    if let Some(ethernet) = &packet.ethernet {
        mac(out, ethernet.source);
        out.extend_from_slice(b" > ");
        mac(out, ethernet.destination);
        out.extend_from_slice(b", ");
    }
    if let Some(ether_type) = packet.ether_type {
        out.extend_from_slice(word.as_bytes());
        if packet.network == Network::Other {
            out.extend_from_slice(b" 0x");
            hex(out, ether_type, 4);
        }
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(b"length ");
    decimal(out, len);
}

fn arp(out: &mut Vec<u8>, message: &Arp) {
    let (sender, target) = (message.sender, message.target);
    match message.operation {
        1 => {
            out.extend_from_slice(b"ARP, Request who-has ");
            ip(out, target.1.into());
            out.extend_from_slice(b" tell ");
            ip(out, sender.1.into());
        }
        2 => {
            out.extend_from_slice(b"ARP, Reply ");
            ip(out, sender.1.into());
            out.extend_from_slice(b" is-at ");
            mac(out, sender.0);
        }
        other => {
            out.extend_from_slice(b"ARP, operation ");
            decimal(out, other);
        }
    }
}

#[inline]
fn packet(out: &mut Vec<u8>, packet: &Ip) {
    let is_v4 = packet.source.is_ipv4();
    out.extend_from_slice(if is_v4 { b"IP " } else { b"IP6 " });
    let ports = packet.ports();
    let port = |out: &mut Vec<u8>, port: Option<u16>| {
        if let Some(port) = port {
            out.push(b'.');
            decimal(out, port);
        }
    };
    ip(out, packet.source);
    port(out, ports.map(|(source, _)| source));
    out.extend_from_slice(b" > ");
    ip(out, packet.destination);
    port(out, ports.map(|(_, destination)| destination));
    out.extend_from_slice(b": ");
    transport(out, packet);
    if let Some(fragment) = packet.fragment {
        out.extend_from_slice(b", fragment ");
        decimal(out, fragment.id);
        out.push(b'@');
        decimal(out, fragment.offset);
        if fragment.more {
            out.push(b'+');
        }
    }
}

#[inline]
fn transport(out: &mut Vec<u8>, packet: &Ip) {
    let mut length = packet.payload;
    match &packet.transport {
        Transport::Tcp(tcp) => {
            out.extend_from_slice(b"Flags [");
            flags(out, tcp.flags);
            out.extend_from_slice(b"], seq ");
            decimal(out, tcp.seq);
            if tcp.flags.has_ack() {
                out.extend_from_slice(b", ack ");
                decimal(out, tcp.ack);
            }
            out.extend_from_slice(b", win ");
            decimal(out, tcp.window);
            length = tcp.payload;
        }
        Transport::Udp(udp) => {
            out.extend_from_slice(b"UDP");
            length = udp.payload;
        }
        Transport::Sctp(sctp) => {
            out.extend_from_slice(b"SCTP tag 0x");
            hex(out, sctp.tag, 8);
            if let Some(chunk) = sctp.chunk {
                out.extend_from_slice(b", chunk ");
                decimal(out, chunk);
            }
        }
        Transport::Icmp(message) => icmp(out, "ICMP", message, [8, 0]),
        Transport::Icmp6(message) => icmp(out, "ICMP6", message, [128, 129]),
        Transport::Gre(gre) => {
            out.extend_from_slice(b"GRE protocol 0x");
            hex(out, gre.protocol, 4);
            if let Some(key) = gre.key {
                out.extend_from_slice(b", key 0x");
                hex(out, key, 8);
            }
        }
        Transport::None => {
            out.extend_from_slice(b"protocol ");
            decimal(out, packet.protocol);
        }
    }
    out.extend_from_slice(b", length ");
    decimal(out, length);
}

/// Appends the letters of the flags, or `none`.
#[inline]
pub(super) fn flags(out: &mut Vec<u8>, flags: TcpFlags) {
    if flags.0 == 0 {
        out.extend_from_slice(b"none");
    }
    for (bit, letter) in TcpFlags::LETTERS {
        if flags.0 & bit != 0 {
            out.push(letter);
        }
    }
}

/// Appends a message, whose echo request and reply have the types `echo`.
fn icmp(out: &mut Vec<u8>, name: &str, message: &Icmp, echo: [u8; 2]) {
    out.extend_from_slice(name.as_bytes());
    let word = match message.kind {
        kind if kind == echo[0] => Some(" echo request"),
        kind if kind == echo[1] => Some(" echo reply"),
        _ => None,
    };
    match (word, message.echo) {
        (Some(word), Some((id, number))) => {
            out.extend_from_slice(word.as_bytes());
            out.extend_from_slice(b", id ");
            decimal(out, id);
            out.extend_from_slice(b", seq ");
            decimal(out, number);
        }
        _ => {
            out.extend_from_slice(b" type ");
            decimal(out, message.kind);
            out.extend_from_slice(b" code ");
            decimal(out, message.code);
        }
    }
}
