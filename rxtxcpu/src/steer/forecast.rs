//! What a NIC will do with a flow.

use std::net::SocketAddr;

use hpcap::{Error, Kind};
use hpcap_host::Interface;
use hpcap_host::interface::{FlowKind, HashFields, ReceiveHash};

use super::cli::Steer;
use super::toeplitz::{SYMMETRIC, hash, input};
use crate::failure::Failure;

/// Entries of the indirection table of an assumed NIC, as an 82599 has them.
const ENTRIES: u32 = 128;

/// The settings that decide the queue of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nic {
    pub(super) hash: ReceiveHash,
    fields: HashFields,
}

impl Nic {
    /// Asks the NIC, and replaces what the command line says otherwise.
    ///
    /// # Errors
    /// An unknown interface, a NIC that does not say how it spreads flows, or does not do so by Toeplitz.
    pub(super) fn of(steer: &Steer, kind: FlowKind) -> Result<Self, Failure> {
        let interface = Interface::required(&steer.interface)?;
        let mut found = interface.receive_hash().unwrap_or(ReceiveHash {
            table: Vec::new(),
            key: Vec::new(),
            is_toeplitz: None,
        });
        if let Some(key) = &steer.key {
            found.key =
                parse_key(key).ok_or_else(|| Failure::Usage(format!("Invalid key '{key}'.")))?;
        }
        if let Some(queues) = steer.queues {
            found.table = (0..ENTRIES).map(|entry| entry % queues).collect();
        }
        let unknown = |what: &str, option: &str| {
            let tried = format!("predict where {} puts a flow", interface.name);
            let why = format!("its driver does not report {what}");
            Error::new(Kind::NotFound, tried, why).advise(format!(
                "`ethtool -x {}` shows what it reports; {option} assumes it",
                interface.name
            ))
        };
        if found.table.is_empty() {
            return Err(unknown("an indirection table", "--queues N").into());
        }
        if found.key.is_empty() {
            return Err(unknown("the key of its hash", "--key KEY").into());
        }
        if found.is_toeplitz == Some(false) {
            return Err(unknown("a Toeplitz hash", "`ethtool -X ... hfunc toeplitz`").into());
        }
        // TCP is hashed with its ports by every NIC, UDP by none unless it is set up so.
        let usual = HashFields {
            addresses: true,
            ports: matches!(kind, FlowKind::Tcp4 | FlowKind::Tcp6),
        };
        let fields = interface
            .hash_fields(kind)
            .filter(|fields| fields.addresses);
        Ok(Self {
            hash: found,
            fields: fields.unwrap_or(usual),
        })
    }

    /// The hashed fields in words.
    pub(super) fn hashed(&self) -> &'static str {
        match self.fields.ports {
            true => "addresses and ports",
            false => "addresses",
        }
    }

    /// A key of the same length that gives both directions of a flow the same hash.
    pub(super) fn symmetric_key(&self) -> Vec<u8> {
        SYMMETRIC
            .into_iter()
            .cycle()
            .take(self.hash.key.len())
            .collect()
    }
}

/// Parses hexadecimal digits, with or without colons.
fn parse_key(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_key = rest.is_empty() && !pairs.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    is_key.then(|| pairs.iter().map(byte).collect()).flatten()
}

/// Where a NIC puts a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forecast {
    pub(super) hash: u32,
    /// The entry of the indirection table.
    pub(super) entry: usize,
    pub(super) queue: u32,
}

impl Forecast {
    pub(super) fn of(nic: &Nic, source: SocketAddr, destination: SocketAddr) -> Self {
        let hash = hash(&nic.hash.key, &input(source, destination, nic.fields));
        let entry = hash as usize % nic.hash.table.len();
        Self {
            hash,
            entry,
            queue: nic.hash.table[entry],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_bits_of_the_hash_choose_the_entry() {
        let nic = Nic {
            hash: ReceiveHash {
                table: (0..128).map(|entry| entry / 32).collect(),
                key: parse_key("6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:ae:7b:30:b4:77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa").unwrap(),
                is_toeplitz: Some(true),
            },
            fields: HashFields { addresses: true, ports: true },
        };
        let (source, destination) = ("66.9.149.187:2794", "161.142.100.80:1766");
        let found = Forecast::of(&nic, source.parse().unwrap(), destination.parse().unwrap());
        assert_eq!(
            found,
            Forecast {
                hash: 0x51cc_c178,
                entry: 0x78,
                queue: 3
            }
        );
        assert_eq!(nic.symmetric_key().len(), 40);
    }

    #[test]
    fn key_has_pairs_of_digits() {
        assert_eq!(parse_key("6d:5A"), Some(vec![0x6d, 0x5a]));
        assert_eq!(parse_key("6d5a"), Some(vec![0x6d, 0x5a]));
        for text in ["", "6", "6d:5", "xy", "+1", "ä"] {
            assert_eq!(parse_key(text), None, "{text}");
        }
    }
}
