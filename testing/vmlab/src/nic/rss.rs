//! Receive-side scaling: the hash, and the queue that it chooses.
//!
//! Datasheet, section 7.1.2.8.

use super::parse::{Addresses, Packet, Transport};
use super::registers::bits::{
    MRQC_IPV4, MRQC_IPV6, MRQC_MRQE, MRQC_TCP_IPV4, MRQC_TCP_IPV6, MRQC_UDP_IPV4, MRQC_UDP_IPV6,
};

/// Longest input in bytes: two IPv6 addresses and two ports.
pub(super) const INPUT: usize = 36;
/// Size of the key in bytes: the longest input and 4 more.
pub(super) const KEY: usize = 40;

/// RSS types of a descriptor, datasheet section 7.1.6.2.
mod rss_type {
    pub(super) const NONE: u8 = 0;
    pub(super) const TCP_IPV4: u8 = 1;
    pub(super) const IPV4: u8 = 2;
    pub(super) const TCP_IPV6: u8 = 3;
    pub(super) const IPV6: u8 = 5;
    pub(super) const UDP_IPV4: u8 = 7;
    pub(super) const UDP_IPV6: u8 = 8;
}

/// The hash of a packet and the queue that it selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Choice {
    pub(super) queue: u16,
    pub(super) hash: u32,
    pub(super) rss_type: u8,
}

/// The Toeplitz hash with one key. The table has the contribution of each byte value at each
/// position.
pub(super) struct Toeplitz {
    table: Vec<[u32; 256]>,
}

impl Toeplitz {
    pub(super) fn new(key: &[u8; KEY]) -> Self {
        // Returns the 32 bits of the key that start at `bit`.
        let window = |bit: usize| {
            let word = u64::from_be_bytes([
                0,
                0,
                0,
                key[bit / 8],
                key[bit / 8 + 1],
                key[bit / 8 + 2],
                key[bit / 8 + 3],
                key.get(bit / 8 + 4).copied().unwrap_or(0),
            ]);
            (word >> (8 - bit % 8)) as u32
        };
        let table = (0..INPUT).map(|place| {
            let windows: [u32; 8] = std::array::from_fn(|bit| window(8 * place + bit));
            std::array::from_fn(|byte| {
                (0..8)
                    .filter(|bit| byte & (0x80 >> bit) != 0)
                    .fold(0, |hash, bit| hash ^ windows[bit])
            })
        });
        Self {
            table: table.collect(),
        }
    }

    pub(super) fn hash(&self, input: &[u8]) -> u32 {
        self.table
            .iter()
            .zip(input)
            .fold(0, |hash, (of, &byte)| hash ^ of[usize::from(byte)])
    }
}

/// The hash types of MRQC, the key and the redirection table.
pub(super) struct Rss {
    mrqc: u32,
    toeplitz: Toeplitz,
    queues: [u8; 128],
}

impl Rss {
    /// Creates the settings from MRQC, RSSRK and RETA. The latter two have their first byte in the
    /// low bits.
    pub(super) fn new(mrqc: u32, key: &[u32], table: &[u32]) -> Self {
        let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let key: Vec<u8> = bytes(key);
        let table: Vec<u8> = bytes(table);
        Self {
            mrqc,
            toeplitz: Toeplitz::new(&std::array::from_fn(|i| key[i])),
            // Four bits select one of 16 queues.
            queues: std::array::from_fn(|i| table[i] & 0xF),
        }
    }

    pub(super) fn choose(&self, packet: &Packet<'_>) -> Choice {
        // Mode 1 is RSS alone. Modes 4 and 5 add traffic classes, of which there is only one. Modes
        // with pools are not modelled.
        if !matches!(self.mrqc & MRQC_MRQE, 1 | 4 | 5) {
            return Choice::default();
        }
        let on = |bit: u32| self.mrqc & bit != 0;
        let (addresses, tcp, udp, alone) = match packet.addresses {
            Addresses::Ipv4(addresses) => (
                &addresses[..],
                (MRQC_TCP_IPV4, rss_type::TCP_IPV4),
                (MRQC_UDP_IPV4, rss_type::UDP_IPV4),
                (MRQC_IPV4, rss_type::IPV4),
            ),
            Addresses::Ipv6(addresses) => (
                &addresses[..],
                (MRQC_TCP_IPV6, rss_type::TCP_IPV6),
                (MRQC_UDP_IPV6, rss_type::UDP_IPV6),
                (MRQC_IPV6, rss_type::IPV6),
            ),
            Addresses::None => return Choice::default(),
        };
        let (rss_type, ports) = match packet.transport {
            Transport::Tcp(ports) if on(tcp.0) => (tcp.1, ports),
            Transport::Udp(ports) if on(udp.0) => (udp.1, ports),
            _ if on(alone.0) => (alone.1, &[][..]),
            _ => (rss_type::NONE, &[][..]),
        };
        if rss_type == rss_type::NONE {
            return Choice::default();
        }
        let mut input = [0; INPUT];
        let end = addresses.len() + ports.len();
        input[..addresses.len()].copy_from_slice(addresses);
        input[addresses.len()..end].copy_from_slice(ports);
        let hash = self.toeplitz.hash(&input[..end]);
        let queue = u16::from(self.queues[hash as usize & 127]);
        Choice {
            queue,
            hash,
            rss_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the vectors that Microsoft publishes for verifying implementations of RSS.
    const MICROSOFT: [u8; KEY] = [
        0x6D, 0x5A, 0x56, 0xDA, 0x25, 0x5B, 0x0E, 0xC2, 0x41, 0x67, 0x25, 0x3D, 0x43, 0xA3, 0x8F,
        0xB0, 0xD0, 0xCA, 0x2B, 0xCB, 0xAE, 0x7B, 0x30, 0xB4, 0x77, 0xCB, 0x2D, 0xA3, 0x80, 0x30,
        0xF2, 0x0C, 0x6A, 0x42, 0xB7, 0x3B, 0xBE, 0xAC, 0x01, 0xFA,
    ];

    fn input(source: &str, destination: &str, ports: Option<(u16, u16)>) -> Vec<u8> {
        let address = |text: &str| match text.parse().unwrap() {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        };
        let mut input = address(source);
        input.extend(address(destination));
        if let Some((source, destination)) = ports {
            input.extend(source.to_be_bytes());
            input.extend(destination.to_be_bytes());
        }
        input
    }

    #[test]
    fn rss_hash_matches_published_values() {
        let toeplitz = Toeplitz::new(&MICROSOFT);
        for (source, sport, destination, dport, alone, with_ports) in [
            (
                "66.9.149.187",
                2794,
                "161.142.100.80",
                1766,
                0x323e_8fc2,
                0x51cc_c178,
            ),
            (
                "199.92.111.2",
                14230,
                "65.69.140.83",
                4739,
                0xd718_262a,
                0xc626_b0ea,
            ),
            (
                "24.19.198.95",
                12898,
                "12.22.207.184",
                38024,
                0xd2d0_a5de,
                0x5c2b_394a,
            ),
            (
                "38.27.205.30",
                48228,
                "209.142.163.6",
                2217,
                0x8298_9176,
                0xafc7_327f,
            ),
            (
                "153.39.163.191",
                44251,
                "202.188.127.2",
                1303,
                0x5d18_09c5,
                0x10e8_28a2,
            ),
            (
                "3ffe:2501:200:1fff::7",
                2794,
                "3ffe:2501:200:3::1",
                1766,
                0x2cc1_8cd5,
                0x4020_7d3d,
            ),
            (
                "3ffe:501:8::260:97ff:fe40:efab",
                14230,
                "ff02::1",
                4739,
                0x0f0c_461c,
                0xdde5_1bbf,
            ),
            (
                "3ffe:1900:4545:3:200:f8ff:fe21:67cf",
                44251,
                "fe80::200:f8ff:fe21:67cf",
                38024,
                0x4b61_e985,
                0x02d1_feef,
            ),
        ] {
            assert_eq!(
                toeplitz.hash(&input(source, destination, None)),
                alone,
                "{source}"
            );
            let ports = Some((sport, dport));
            assert_eq!(
                toeplitz.hash(&input(source, destination, ports)),
                with_ports,
                "{source}"
            );
        }
    }
}
