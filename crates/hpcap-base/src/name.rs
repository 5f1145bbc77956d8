//! Names of queues: `hpcap0` is adapter 0, queue 0; `hpcap0:1` is adapter 0, queue 1.
//!
//! ```
//! use hpcap_base::QueueName;
//!
//! assert_eq!("hpcap0:1".parse::<QueueName>()?, QueueName::new(0, 1));
//! assert_eq!(QueueName::new(3, 0).to_string(), "hpcap3");
//! assert!("eth0".parse::<QueueName>().is_err());
//! # Ok::<(), hpcap_base::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The name of a queue: the numbers of its adapter and of the queue on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName {
    /// Number of the adapter, from 0.
    pub adapter: u32,
    /// Number of the queue on its adapter, from 0.
    pub queue: u32,
}

impl QueueName {
    /// Returns the name of queue `queue` of adapter `adapter`.
    #[must_use]
    pub const fn new(adapter: u32, queue: u32) -> Self {
        Self { adapter, queue }
    }

    /// Returns the number of the adapter if `text` means all its queues, as `hpcap0:*` does, and `None` if `text` is
    /// something else.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`](crate::Kind::Usage) when no adapter's name is before `:*`.
    ///
    /// ```
    /// use hpcap_base::QueueName;
    ///
    /// assert_eq!(QueueName::adapter_of_all("hpcap3:*")?, Some(3));
    /// assert_eq!(QueueName::adapter_of_all("hpcap3:1")?, None);
    /// assert!(QueueName::adapter_of_all("eth0:*").is_err());
    /// # Ok::<(), hpcap_base::Error>(())
    /// ```
    pub fn adapter_of_all(text: &str) -> Result<Option<u32>> {
        let Some(adapter) = text.strip_suffix(":*") else {
            return Ok(None);
        };
        match adapter.parse::<Self>() {
            Ok(name) if !adapter.contains(':') => Ok(Some(name.adapter)),
            _ => Err(Error::usage(
                format!("queues {text:?}"),
                "expected hpcapN:* for all queues of an adapter, such as hpcap0:*",
            )),
        }
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hpcap{}", self.adapter)?;
        if self.queue != 0 {
            write!(f, ":{}", self.queue)?;
        }
        Ok(())
    }
}

impl FromStr for QueueName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(
                format!("queue name {text:?}"),
                "expected hpcapN or hpcapN:Q, with N and Q from 0 to 65535, such as hpcap0 or hpcap0:1",
            )
        };
        let number = |digits: &str| -> Result<u32> {
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(bad());
            }
            digits.parse::<u16>().map(u32::from).map_err(|_| bad())
        };
        let rest = text.strip_prefix("hpcap").ok_or_else(bad)?;
        let (adapter, queue) = rest.split_once(':').unwrap_or((rest, "0"));
        Ok(Self::new(number(adapter)?, number(queue)?))
    }
}

impl TryFrom<&str> for QueueName {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_they_print() {
        for (text, name) in [
            ("hpcap0", QueueName::new(0, 0)),
            ("hpcap12:3", QueueName::new(12, 3)),
        ] {
            assert_eq!(text.parse::<QueueName>().unwrap(), name);
            assert_eq!(name.to_string(), text);
        }
        assert_eq!(
            "hpcap0:0".parse::<QueueName>().unwrap().to_string(),
            "hpcap0"
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "hpcap",
            "eth0",
            "hpcap-1",
            "hpcap0:",
            "hpcap:1",
            "hpcap70000",
            "hpcap+1",
        ] {
            assert!(text.parse::<QueueName>().is_err(), "{text}");
        }
    }
}
