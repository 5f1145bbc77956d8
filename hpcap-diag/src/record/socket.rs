//! Sockets as `ss` shows them. The kernel's files have addresses as numbers, which are written out here, so that
//! they are replaced as all others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Largest number of sockets of a file that are kept.
const MOST: usize = 20_000;

/// A socket of TCP or UDP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SocketRecord {
    /// The file of the kernel: `udp`, `tcp6` and so on.
    pub protocol: String,
    /// Its own address.
    pub local: String,
    /// The address of its peer.
    pub remote: String,
    /// Its state, as a number of the kernel.
    pub state: u8,
    /// Bytes that its program has not read yet.
    pub receive_queue: u64,
    /// Bytes that were not sent yet.
    pub send_queue: u64,
    /// User id of its owner.
    pub uid: u32,
    /// Its number, by which `/proc/PID/fd` names it.
    pub inode: u64,
    /// Datagrams that were dropped because nobody read the earlier ones; only of UDP.
    pub drops: Option<u64>,
}

/// Reads the sockets in the text of `/proc/net/PROTOCOL`.
#[must_use]
pub fn parse_sockets(protocol: &str, text: &str) -> Vec<SocketRecord> {
    text.lines()
        .skip(1)
        .filter_map(|line| parse(protocol, line))
        .take(MOST)
        .collect()
}

fn parse(protocol: &str, line: &str) -> Option<SocketRecord> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (send, receive) = fields.get(4)?.split_once(':')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(SocketRecord {
        protocol: protocol.to_owned(),
        local: address(fields.get(1)?)?.to_string(),
        remote: address(fields.get(2)?)?.to_string(),
        state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
        receive_queue: hex(receive)?,
        send_queue: hex(send)?,
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
        drops: match protocol.starts_with("udp") {
            true => fields.get(12).and_then(|drops| drops.parse().ok()),
            false => None,
        },
    })
}

/// Parses an address as the kernel prints it: words of 32 bits in the byte order of the machine, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for word in address.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let address = match bytes.as_slice() {
        [a, b, c, d] => IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udp_socket_has_its_drops() {
        let text = "  sl  local_address rem_address   st ...\n  \
            20: 0100007F:0035 070200C0:0000 07 00000001:0000A000 00:00000000 00000000   101        0 12345 2 0 42\n";
        let expected = SocketRecord {
            protocol: "udp".into(),
            local: "127.0.0.1:53".into(),
            remote: "192.0.2.7:0".into(),
            state: 7,
            receive_queue: 0xa000,
            send_queue: 1,
            uid: 101,
            inode: 12345,
            drops: Some(42),
        };
        assert_eq!(parse_sockets("udp", text), [expected]);
    }

    #[test]
    fn ipv6_address_is_written_out() {
        let address = address("B80D0120000000000000000001000000:0050").unwrap();
        assert_eq!(address.to_string(), "[2001:db8::1]:80");
    }

    #[test]
    fn malformed_lines_are_left_out() {
        for line in [
            "",
            "1:",
            "1: zz:1 00000000:0 1 0:0 0 0 0 0 0",
            "1: 0:0 0:0 1 00",
        ] {
            assert!(
                parse_sockets("tcp", &format!("head\n{line}\n")).is_empty(),
                "{line}"
            );
        }
    }
}
