//! The request of a program that attaches.

use std::str::FromStr;
use std::time::Duration;

use crate::abi;
use crate::error::{Error, Result};
use crate::units::parse_duration;

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

/// Reads `lossless`, `lossless:TIME` (`lossless:5s`) and `lossy`.
///
/// ```
/// use std::time::Duration;
///
/// use hpcap::Contract;
///
/// # fn main() -> hpcap::Result<()> {
/// let contract: Contract = "lossless:5s".parse()?;
/// assert_eq!(contract, Contract::LosslessFor(Duration::from_secs(5)));
/// # Ok(())
/// # }
/// ```
impl FromStr for Contract {
    type Err = Error;

    /// # Errors
    /// Returns [`Kind::Usage`](crate::Kind::Usage) for everything else, and for a time of zero.
    fn from_str(text: &str) -> Result<Self> {
        let refused = |why| Err(Error::usage(format!("contract {text:?}"), why));
        match text.split_once(':') {
            None if text == "lossless" => Ok(Self::Lossless),
            None if text == "lossy" => Ok(Self::Lossy),
            Some(("lossless", time)) => match parse_duration(time)? {
                time if time.is_zero() => refused(
                    "the time must be more than zero; a listener that the ring never waits for is lossy",
                ),
                time => Ok(Self::LosslessFor(time)),
            },
            _ => refused("expected lossless, lossless:TIME (such as lossless:5s) or lossy"),
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

/// Reads `file`, `newest` and `oldest`.
impl FromStr for Start {
    type Err = Error;

    /// # Errors
    /// Returns [`Kind::Usage`](crate::Kind::Usage) for everything else.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "file" => Ok(Self::File),
            "newest" => Ok(Self::Newest),
            "oldest" => Ok(Self::Oldest),
            other => Err(Error::usage(
                format!("start {other:?}"),
                "expected file, newest or oldest",
            )),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_is_read_as_written() {
        for (text, contract) in [
            ("lossless", Contract::Lossless),
            ("lossy", Contract::Lossy),
            ("lossless:5s", Contract::LosslessFor(Duration::from_secs(5))),
        ] {
            assert_eq!(text.parse::<Contract>().unwrap(), contract);
        }
        for text in ["", "lossless:", "lossless:0", "lossy:5s", "best"] {
            assert!(text.parse::<Contract>().is_err(), "{text}");
        }
    }
}
