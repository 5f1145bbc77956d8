//! What a program asks for when it attaches.

use std::time::Duration;

use crate::abi;

/// What happens when the ring is full and a listener has not read all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// The ring waits for this listener without limit.
    Lossless,
    /// The ring waits for this listener at most for this time; then the listener becomes lossy.
    LosslessFor(Duration),
    /// The ring does not wait: the producer overtakes this listener when it is slow.
    Lossy,
}

impl Contract {
    pub(crate) fn from_abi(contract: u32, max_stall_ns: u64) -> Self {
        match contract {
            abi::HPCAP_LOSSLESS if max_stall_ns == 0 => Self::Lossless,
            abi::HPCAP_LOSSLESS => Self::LosslessFor(Duration::from_nanos(max_stall_ns)),
            _ => Self::Lossy,
        }
    }

    /// The contract and `max_stall_ns` as the ABI has them.
    pub(super) fn to_abi(self) -> (u32, u64) {
        match self {
            Self::Lossless => (abi::HPCAP_LOSSLESS, 0),
            Self::LosslessFor(limit) => (
                abi::HPCAP_LOSSLESS,
                u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1),
            ),
            Self::Lossy => (abi::HPCAP_LOSSY, 0),
        }
    }
}

/// The position at which a new listener starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The start of a file; the producer starts a new file if necessary.
    File,
    /// The next record.
    Newest,
    /// The oldest record that can be found: the first record of the oldest whole block.
    Oldest,
}

/// The request of a program that attaches.
#[derive(Debug, Clone)]
pub struct Request {
    /// The contract.
    pub contract: Contract,
    /// The position at which to start.
    pub start: Start,
    /// Name of the program for the list of listeners; the first 31 bytes are stored.
    pub program: String,
}
