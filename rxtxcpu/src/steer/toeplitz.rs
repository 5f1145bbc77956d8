//! The Toeplitz hash, which NICs compute over the fields of a flow to choose a queue.

use std::net::{IpAddr, SocketAddr};

use hpcap_host::interface::HashFields;

/// A key that gives both directions of a flow the same hash, because it repeats every 16 bits.
pub const SYMMETRIC: [u8; 2] = [0x6d, 0x5a];

/// Computes the hash of `input` under `key`. A key that is too short is continued with zeros.
#[must_use]
pub fn hash(key: &[u8], input: &[u8]) -> u32 {
    let bit = |at: usize| {
        let byte = key.get(at / 8).copied().unwrap_or(0);
        u32::from(byte >> (7 - at % 8) & 1)
    };
    let mut window = (0..32).fold(0, |window, at| window << 1 | bit(at));
    let mut hash = 0;
    for at in 0..input.len() * 8 {
        if input[at / 8] >> (7 - at % 8) & 1 == 1 {
            hash ^= window;
        }
        window = window << 1 | bit(at + 32);
    }
    hash
}

/// The bytes of a flow that are hashed, in the order in which they stand in its frames.
#[must_use]
pub fn input(source: SocketAddr, destination: SocketAddr, fields: HashFields) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(36);
    if fields.addresses {
        for address in [source.ip(), destination.ip()] {
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
    }
    if fields.ports {
        bytes.extend(source.port().to_be_bytes());
        bytes.extend(destination.port().to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The key and the cases of Microsoft's "Verifying the RSS Hash Calculation".
    const KEY: [u8; 40] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f,
        0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
        0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];
    const CASES: [(&str, &str, u32, u32); 8] = [
        (
            "66.9.149.187:2794",
            "161.142.100.80:1766",
            0x51cc_c178,
            0x323e_8fc2,
        ),
        (
            "199.92.111.2:14230",
            "65.69.140.83:4739",
            0xc626_b0ea,
            0xd718_262a,
        ),
        (
            "24.19.198.95:12898",
            "12.22.207.184:38024",
            0x5c2b_394a,
            0xd2d0_a5de,
        ),
        (
            "38.27.205.30:48228",
            "209.142.163.6:2217",
            0xafc7_327f,
            0x8298_9176,
        ),
        (
            "153.39.163.191:44251",
            "202.188.127.2:1303",
            0x10e8_28a2,
            0x5d18_09c5,
        ),
        (
            "[3ffe:2501:200:1fff::7]:2794",
            "[3ffe:2501:200:3::1]:1766",
            0x4020_7d3d,
            0x2cc1_8cd5,
        ),
        (
            "[3ffe:501:8::260:97ff:fe40:efab]:14230",
            "[ff02::1]:4739",
            0xdde5_1bbf,
            0x0f0c_461c,
        ),
        (
            "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251",
            "[fe80::200:f8ff:fe21:67cf]:38024",
            0x02d1_feef,
            0x4b61_e985,
        ),
    ];

    fn fields(ports: bool) -> HashFields {
        HashFields {
            addresses: true,
            ports,
        }
    }

    #[test]
    fn hashes_agree_with_microsoft() {
        for (source, destination, with_ports, without) in CASES {
            let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
            let of = |ports| hash(&KEY, &input(source, destination, fields(ports)));
            assert_eq!(of(true), with_ports, "{source}");
            assert_eq!(of(false), without, "{source}");
        }
    }

    proptest! {
        #[test]
        fn symmetric_key_hashes_both_directions_alike(a: [u8; 4], b: [u8; 4], ports: (u16, u16)) {
            let (a, b) = (SocketAddr::from((a, ports.0)), SocketAddr::from((b, ports.1)));
            let key: Vec<u8> = SYMMETRIC.into_iter().cycle().take(40).collect();
            let of = |from, to| hash(&key, &input(from, to, fields(true)));
            prop_assert_eq!(of(a, b), of(b, a));
        }
    }
}
