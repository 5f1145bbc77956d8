//! How a NIC spreads received flows over its queues: hash function, key, indirection table, and the fields of
//! each kind of flow that are hashed (`ethtool -x`, `ethtool -n`).

use std::io;

use super::Interface;

/// `ETHTOOL_GRSSH`: hash function, key and indirection table.
const GET_HASH: u32 = 0x46;
/// `ETHTOOL_GRXFH`: the hashed fields of a kind of flow.
const GET_FIELDS: u32 = 0x29;
/// `ETHTOOL_GRXCLSRLCNT`: the number of rules for single flows.
const COUNT_RULES: u32 = 0x2e;
/// Offset in bytes of `rule_cnt` in `struct ethtool_rxnfc`: behind the command, the kind of flow, a number of eight bytes and a
/// `struct ethtool_rx_flow_spec` of 168 bytes.
const RULES_AT: usize = 16 + 168;
/// Bytes of `struct ethtool_rxfh` before the table.
const HEADER_BYTES: usize = 24;
/// Largest accepted size of table and key together, in bytes.
const CONFIG_BYTES_MAX: usize = 1 << 16;
/// `ETH_RSS_HASH_TOP`.
const TOEPLITZ: u8 = 1;

/// How a NIC spreads flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveHash {
    /// The queue of each value of the lower bits of the hash.
    pub table: Vec<u32>,
    /// The key of the hash function.
    pub key: Vec<u8>,
    /// Whether the function is Toeplitz; `None` if the driver does not say.
    pub is_toeplitz: Option<bool>,
}

/// A kind of flow, as the kernel numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowKind {
    /// TCP over IPv4.
    Tcp4 = 1,
    /// UDP over IPv4.
    Udp4 = 2,
    /// TCP over IPv6.
    Tcp6 = 5,
    /// UDP over IPv6.
    Udp6 = 6,
}

/// The fields of a flow that a NIC hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashFields {
    /// Both addresses.
    pub addresses: bool,
    /// Both ports.
    pub ports: bool,
}

/// Words of eight bytes, as the kernel reads and writes them.
fn words(bytes: usize) -> Vec<u64> {
    vec![0; bytes.div_ceil(8)]
}

fn to_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Lengths of the table (in entries) and of the key (in bytes) in the header of an answer.
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let (entries, key) = (u32_at(bytes, 8)? as usize, u32_at(bytes, 12)? as usize);
    let total = entries.checked_mul(4)?.checked_add(key)?;
    (total <= CONFIG_BYTES_MAX).then_some((entries, key))
}

/// Parses an answer with its table and key.
fn parse(bytes: &[u8]) -> Option<ReceiveHash> {
    let (entries, key) = lengths(bytes)?;
    let end = HEADER_BYTES + entries * 4;
    let table = (0..entries).map(|at| u32_at(bytes, HEADER_BYTES + at * 4));
    let function = *bytes.get(16)?;
    Some(ReceiveHash {
        table: table.collect::<Option<_>>()?,
        key: bytes.get(end..end + key)?.to_vec(),
        is_toeplitz: (function != 0).then_some(function == TOEPLITZ),
    })
}

impl Interface {
    /// Returns how the NIC spreads received flows over its queues; `None` if its driver does not report that.
    #[must_use]
    pub fn receive_hash(&self) -> Option<ReceiveHash> {
        let ask = |entries: usize, key: usize| -> io::Result<Vec<u8>> {
            let mut words = words(HEADER_BYTES + entries * 4 + key);
            let length = |n: usize| u64::try_from(n).unwrap_or(0);
            words[0] = GET_HASH.into();
            words[1] = length(entries) | length(key) << 32;
            // SAFETY: the structure is that of ETHTOOL_GRSSH. The kernel writes as many entries and bytes of
            // the key as the second word says, and the words have room for them.
            unsafe { self.ioctl_words(&mut words) }?;
            Ok(to_bytes(&words))
        };
        // The first answer has the lengths only.
        let (entries, key) = lengths(&ask(0, 0).ok()?)?;
        let found = parse(&ask(entries, key).ok()?)?;
        (!found.table.is_empty()).then_some(found)
    }

    /// Returns which fields of flows of a kind are hashed; `None` if the driver does not report that.
    #[must_use]
    pub fn hash_fields(&self, kind: FlowKind) -> Option<HashFields> {
        const ADDRESSES: u64 = 1 << 4 | 1 << 5;
        const PORTS: u64 = 1 << 6 | 1 << 7;
        // `struct ethtool_rxnfc` is far shorter.
        let mut words = words(1024);
        words[0] = u64::from(GET_FIELDS) | (kind as u64) << 32;
        // SAFETY: the structure is that of ETHTOOL_GRXFH, and the words are longer than it.
        unsafe { self.ioctl_words(&mut words) }.ok()?;
        Some(HashFields {
            addresses: words[1] & ADDRESSES == ADDRESSES,
            ports: words[1] & PORTS == PORTS,
        })
    }
}

impl Interface {
    /// Returns the number of rules that send single flows to queues, which come before the hash; `None` if the driver has no such
    /// rules.
    #[must_use]
    pub fn flow_rules(&self) -> Option<u32> {
        // `struct ethtool_rxnfc` is far shorter.
        let mut words = words(1024);
        words[0] = COUNT_RULES.into();
        // SAFETY: the structure is that of ETHTOOL_GRXCLSRLCNT, and the words are longer than it.
        unsafe { self.ioctl_words(&mut words) }.ok()?;
        u32_at(&to_bytes(&words), RULES_AT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(entries: u32, key: u32, function: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = [GET_HASH, 0, entries, key].map(u32::to_ne_bytes).concat();
        bytes.extend([function, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn answer_has_table_and_key() {
        let table = [3_u32, 1].map(u32::to_ne_bytes).concat();
        let rest = [&table[..], &[0x6d, 0x5a, 0x56], &[0; 5]].concat();
        let expected = ReceiveHash {
            table: vec![3, 1],
            key: vec![0x6d, 0x5a, 0x56],
            is_toeplitz: Some(true),
        };
        assert_eq!(parse(&answer(2, 3, TOEPLITZ, &rest)), Some(expected));
        let unknown = parse(&answer(2, 0, 0, &table)).unwrap();
        assert_eq!(unknown.is_toeplitz, None);
    }

    #[test]
    fn answer_that_is_too_long_is_refused() {
        for (entries, key) in [(u32::MAX, 0), (0, u32::MAX), (1 << 14, 1), (2, 40)] {
            assert_eq!(parse(&answer(entries, key, 1, &[0; 16])), None);
        }
        assert_eq!(parse(&[]), None);
    }

    #[test]
    fn loopback_has_no_receive_hash() {
        let lo = Interface::by_name("lo").unwrap().unwrap();
        assert_eq!(lo.receive_hash(), None);
        assert_eq!(lo.hash_fields(FlowKind::Tcp4), None);
    }
}
