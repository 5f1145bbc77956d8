//! An object of JSON for each frame. All values are numbers, or text of digits and letters, so that
//! nothing needs an escape.

use hpcap::Reason;
use hpcap::stream::{Missed, RingFrame};

use super::Place;
use super::line::flags;
use super::text::{Clock, Zone, decimal, hex, ip, mac};
use hpcap_packet::{Arp, Ethernet, Icmp, Ip, Network, Packet, Transport};

/// Prints objects.
#[derive(Debug)]
pub struct Json {
    clock: Clock,
}

/// Appends `,"NAME":N`.
fn number(out: &mut Vec<u8>, name: &str, n: impl Into<u64>) {
    key(out, name);
    decimal(out, n);
}

/// Appends `,"NAME":"` and the text that `value` appends, and `"`.
fn text(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    key(out, name);
    out.push(b'"');
    value(out);
    out.push(b'"');
}

/// Appends `,"NAME":`.
#[inline]
fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends `,"NAME":true`.
fn flag(out: &mut Vec<u8>, name: &str) {
    key(out, name);
    out.extend_from_slice(b"true");
}

impl Json {
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::new(Zone::Utc),
        }
    }

    #[inline]
    pub(super) fn frame(&mut self, out: &mut Vec<u8>, frame: &RingFrame<'_>, place: Place) {
        out.extend_from_slice(b"{\"time\":\"");
        self.clock.append(out, frame.time);
        out.push(b'"');
        number(out, "number", place.number);
        number(out, "offset", frame.offset);
        number(out, "len", frame.len);
        number(out, "caplen", frame.bytes.len() as u64);
        if let Some(cpu) = place.cpu {
            number(out, "cpu", cpu);
        }
        let packet = Packet::parse(&frame.bytes, frame.link_type);
        if let Some(header) = &packet.ethernet {
            ethernet(out, header);
        }
        if let Some(ether_type) = packet.ether_type {
            text(out, "type", |out| {
                out.extend_from_slice(b"0x");
                hex(out, ether_type, 4);
            });
        }
        match &packet.network {
            Network::Ip(packet) => self::packet(out, packet),
            Network::Arp(message) => arp(out, message),
            Network::Llc | Network::Other => {}
        }
        if let Some(header) = packet.cut {
            text(out, "cut", |out| {
                out.extend_from_slice(header.name().as_bytes());
            });
        }
        if frame.is_duplicate {
            flag(out, "duplicate");
        }
        if frame.is_sent {
            flag(out, "sent");
        }
        out.extend_from_slice(b"}\n");
    }
}

fn ethernet(out: &mut Vec<u8>, header: &Ethernet) {
    text(out, "source_mac", |out| mac(out, header.source));
    text(out, "destination_mac", |out| mac(out, header.destination));
    if header.vlans().is_empty() {
        return;
    }
    key(out, "vlans");
    out.push(b'[');
    for (i, vlan) in header.vlans().iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        decimal(out, vlan.id());
    }
    out.push(b']');
}

fn arp(out: &mut Vec<u8>, message: &Arp) {
    number(out, "arp_operation", message.operation);
    text(out, "source", |out| ip(out, message.sender.1.into()));
    text(out, "destination", |out| ip(out, message.target.1.into()));
}

#[inline]
fn packet(out: &mut Vec<u8>, packet: &Ip) {
    text(out, "source", |out| ip(out, packet.source));
    text(out, "destination", |out| ip(out, packet.destination));
    number(out, "protocol", packet.protocol);
    number(out, "hop_limit", packet.hop_limit);
    if let Some((source, destination)) = packet.ports() {
        number(out, "source_port", source);
        number(out, "destination_port", destination);
    }
    if let Some(fragment) = packet.fragment {
        number(out, "fragment_id", fragment.id);
        number(out, "fragment_offset", fragment.offset);
        if fragment.more {
            flag(out, "more_fragments");
        }
    }
    match &packet.transport {
        Transport::Tcp(tcp) => {
            text(out, "flags", |out| flags(out, tcp.flags));
            number(out, "seq", tcp.seq);
            if tcp.flags.has_ack() {
                number(out, "ack", tcp.ack);
            }
            number(out, "window", tcp.window);
            number(out, "payload", tcp.payload);
        }
        Transport::Udp(udp) => number(out, "payload", udp.payload),
        Transport::Sctp(sctp) => {
            number(out, "sctp_tag", sctp.tag);
            if let Some(chunk) = sctp.chunk {
                number(out, "sctp_chunk", chunk);
            }
        }
        Transport::Icmp(message) | Transport::Icmp6(message) => icmp(out, message),
        Transport::Gre(gre) => {
            text(out, "gre_protocol", |out| {
                out.extend_from_slice(b"0x");
                hex(out, gre.protocol, 4);
            });
            if let Some(key) = gre.key {
                number(out, "gre_key", key);
            }
        }
        Transport::None => {}
    }
}

fn icmp(out: &mut Vec<u8>, message: &Icmp) {
    number(out, "icmp_type", message.kind);
    number(out, "icmp_code", message.code);
    if let Some((id, sequence)) = message.echo {
        number(out, "icmp_id", id);
        number(out, "icmp_seq", sequence);
    }
}

/// Appends an object that says how many frames are missing here, for each reason.
pub(super) fn missed(out: &mut Vec<u8>, missed: &Missed) {
    out.extend_from_slice(b"{\"missed\":");
    decimal(out, missed.frames());
    number(out, "bytes", missed.bytes());
    for reason in Reason::ALL {
        let count = missed.by_reason()[reason];
        if reason.is_loss() && count.frames > 0 {
            number(out, reason.name(), count.frames);
        }
    }
    out.extend_from_slice(b"}\n");
}
