//! The log of the zero-copy sniffer of 2006, which shows where in the ring a frame is.

use std::net::IpAddr;

use hpcap::stream::RingFrame;

use super::text::{decimal, hex, ip, mac};
use super::{Place, RingLayout};
use hpcap_packet::{Network, Packet};

/// Prints two lines for each frame.
#[derive(Debug)]
pub struct Log {
    layout: RingLayout,
}

impl Log {
    pub(super) fn new(layout: RingLayout) -> Self {
        Self { layout }
    }

    pub(super) fn frame(&self, out: &mut Vec<u8>, frame: &RingFrame<'_>, place: Place) {
        let block = frame.offset / self.layout.block_bytes;
        let in_ring = |offset: u64| offset % self.layout.ring_bytes;
        out.extend_from_slice(b"dump ");
        decimal(out, place.number);
        out.extend_from_slice(b": ptr: 0x");
        hex(out, in_ring(frame.offset), 8);
        out.extend_from_slice(b", start: 0x");
        hex(out, in_ring(block * self.layout.block_bytes), 8);
        out.extend_from_slice(b", size: ");
        decimal(out, frame.bytes.len() as u64);
        out.extend_from_slice(b", off: ");
        decimal(out, frame.offset);
        out.extend_from_slice(b": entry: ");
        decimal(out, block);
        out.extend_from_slice(b", cpu: ");
        match place.cpu {
            Some(cpu) => decimal(out, cpu),
            None => out.push(b'?'),
        }
        out.extend_from_slice(b":\n\t");
        headers(out, &Packet::parse(&frame.bytes, frame.link_type));
        out.push(b'\n');
    }
}

fn headers(out: &mut Vec<u8>, packet: &Packet) {
    if let Some(ethernet) = &packet.ethernet {
        mac(out, ethernet.source);
        out.extend_from_slice(b" -> ");
        mac(out, ethernet.destination);
        for vlan in ethernet.vlans() {
            out.extend_from_slice(b", vlan: ");
            decimal(out, vlan.id());
        }
        out.extend_from_slice(b", ");
    }
    if let Some(ether_type) = packet.ether_type {
        out.extend_from_slice(b"type: ");
        hex(out, ether_type, 4);
    }
    if let Some(ends) = packet.ends() {
        out.extend_from_slice(b", ");
        end(out, ends.source, ends.ports.map(|(source, _)| source));
        out.extend_from_slice(b" -> ");
        end(
            out,
            ends.destination,
            ends.ports.map(|(_, destination)| destination),
        );
    }
    match &packet.network {
        Network::Ip(ip) => {
            out.extend_from_slice(b", proto: ");
            decimal(out, ip.protocol);
        }
        Network::Arp(arp) => {
            out.extend_from_slice(b", ");
            ip(out, arp.sender.1.into());
            out.extend_from_slice(b" -> ");
            ip(out, arp.target.1.into());
        }
        Network::Llc | Network::Other => {}
    }
    if let Some(header) = packet.cut {
        out.extend_from_slice(b", cut: ");
        out.extend_from_slice(header.name().as_bytes());
    }
}

/// Appends an address with its port.
fn end(out: &mut Vec<u8>, address: IpAddr, port: Option<u16>) {
    let brackets = port.is_some() && address.is_ipv6();
    if brackets {
        out.push(b'[');
    }
    ip(out, address);
    if brackets {
        out.push(b']');
    }
    if let Some(port) = port {
        out.push(b':');
        decimal(out, port);
    }
}
