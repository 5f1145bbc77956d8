//! The specification of a capture in the syntax of dpdk-pdump:
//! `port=0,queue=*,rx-dev=/tmp/rx.pcap,tx-dev=/tmp/tx.pcap`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;

use hpcap::queue::QueueAddress;
use hpcap::{Error, QueueName, Result};

use crate::select::Pattern;

/// What `--pdump` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdump {
    /// The queues.
    pub queues: Pattern,
    /// Where received frames go.
    pub received: Option<PathBuf>,
    /// Where sent frames go; the same file as that of received frames takes both.
    pub sent: Option<PathBuf>,
    /// Keys that dpdk-pdump needs and that mean nothing here, because a tap has no memory of its own.
    pub unused: Vec<&'static str>,
}

/// Sizes of the memory of dpdk-pdump.
const UNUSED: [&str; 3] = ["ring-size", "mbuf-size", "total-num-mbufs"];

/// The values of a specification, by key.
#[derive(Default)]
struct Values {
    port: Option<String>,
    device: Option<String>,
    queue: Option<String>,
    received: Option<OsString>,
    sent: Option<OsString>,
    unused: Vec<&'static str>,
}

fn refused(text: &str, why: impl Into<String>) -> Error {
    Error::usage(format!("pdump specification {text:?}"), why).advise(
        "for example: port=0,queue=*,rx-dev=/tmp/rx.pcap; port=N is adapter hpcapN, \
         device_id=NAME is a network interface",
    )
}

impl Values {
    /// `text` is `word` for people.
    fn parse(word: &OsStr, text: &str) -> Result<Self> {
        let mut values = Self::default();
        for pair in word.as_bytes().split(|byte| *byte == b',') {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
                let pair = String::from_utf8_lossy(pair);
                return Err(refused(text, format!("{pair:?} is not KEY=VALUE")));
            };
            let (key, bytes) = (&pair[..equals], pair[equals + 1..].trim_ascii());
            let key = String::from_utf8_lossy(key.trim_ascii());
            let key = key.as_ref();
            let value = &*String::from_utf8_lossy(bytes);
            if value.is_empty() {
                return Err(refused(text, format!("{key} has no value")));
            }
            let twice = || refused(text, format!("{key} is given twice"));
            let path = match key {
                "rx-dev" => Some(&mut values.received),
                "tx-dev" => Some(&mut values.sent),
                _ => None,
            };
            if let Some(path) = path {
                if path.replace(OsStr::from_bytes(bytes).to_owned()).is_some() {
                    return Err(twice());
                }
                continue;
            }
            let place = match key {
                "port" => &mut values.port,
                "device_id" => &mut values.device,
                "queue" => &mut values.queue,
                _ => match UNUSED.into_iter().find(|unused| *unused == key) {
                    Some(unused) => {
                        if value.parse::<u32>().is_err() {
                            return Err(refused(text, format!("{key}={value} is not a number")));
                        }
                        values.unused.push(unused);
                        continue;
                    }
                    None => {
                        let why = format!(
                            "there is no key {key:?}; the keys are port, device_id, queue, rx-dev, tx-dev, {}",
                            UNUSED.join(", ")
                        );
                        return Err(refused(text, why));
                    }
                },
            };
            if place.replace(value.to_owned()).is_some() {
                return Err(twice());
            }
        }
        Ok(values)
    }
}

/// Parses the number `value` of `key`.
fn number(text: &str, key: &str, value: &str) -> Result<u32> {
    value.parse::<u16>().map(u32::from).map_err(|_| {
        refused(
            text,
            format!("{key}={value}: a number from 0 to 65535 is expected"),
        )
    })
}

impl FromStr for Pdump {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::of(OsStr::new(text))
    }
}

impl Pdump {
    /// Parses a word of a command line.
    ///
    /// # Errors
    /// Returns [`Kind::Usage`](hpcap::Kind::Usage) with what is wrong.
    pub fn of(word: &OsStr) -> Result<Self> {
        let text = &*word.to_string_lossy();
        let values = Values::parse(word, text)?;
        let queue = match values.queue.as_deref() {
            None => {
                return Err(refused(
                    text,
                    "queue is missing: queue=N, or queue=* for all",
                ));
            }
            Some("*") => None,
            Some(value) => Some(number(text, "queue", value)?),
        };
        let queues = match (values.port, values.device) {
            (None, None) => return Err(refused(text, "port or device_id is missing")),
            (Some(_), Some(_)) => {
                return Err(refused(text, "port and device_id exclude each other"));
            }
            (Some(port), None) => {
                let adapter = number(text, "port", &port)?;
                match queue {
                    None => Pattern::Adapter(adapter),
                    Some(queue) => Pattern::One(QueueAddress::Name(QueueName::new(adapter, queue))),
                }
            }
            (None, Some(name)) => Pattern::Interface { name, queue },
        };
        if values.received.is_none() && values.sent.is_none() {
            return Err(refused(
                text,
                "rx-dev and tx-dev are missing: name a file in one of them",
            ));
        }
        Ok(Self {
            queues,
            received: values.received.map(PathBuf::from),
            sent: values.sent.map(PathBuf::from),
            unused: values.unused,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn specifications_of_dpdk_are_understood() {
        let pdump: Pdump = "port=0,queue=*,rx-dev=/tmp/capture.pcap,tx-dev=/tmp/capture2.pcap"
            .parse()
            .unwrap();
        assert_eq!(pdump.queues, Pattern::Adapter(0));
        assert_eq!(pdump.received, Some("/tmp/capture.pcap".into()));
        assert_eq!(pdump.sent, Some("/tmp/capture2.pcap".into()));
        let pdump: Pdump = "port=1,queue=2,tx-dev=x,ring-size=16384,mbuf-size=2176"
            .parse()
            .unwrap();
        assert_eq!(pdump.queues, "hpcap1:2".parse().unwrap());
        assert_eq!((pdump.received, pdump.sent), (None, Some("x".into())));
        assert_eq!(pdump.unused, ["ring-size", "mbuf-size"]);
        let pdump: Pdump = "device_id=eth1,queue=0,rx-dev=x".parse().unwrap();
        let name = "eth1".to_owned();
        let queue = Some(0);
        assert_eq!(pdump.queues, Pattern::Interface { name, queue });
    }

    #[test]
    fn files_need_no_names_in_utf_8() {
        let word = OsStr::from_bytes(b"port=0,queue=0,rx-dev=/d/\xff.pcap");
        let received = Pdump::of(word).unwrap().received.unwrap();
        assert_eq!(received.as_os_str().as_bytes(), b"/d/\xff.pcap");
    }

    #[test]
    fn refusal_names_the_wrong_part() {
        for (text, word) in [
            ("", "KEY=VALUE"),
            ("port=0,queue=0", "rx-dev and tx-dev are missing"),
            ("port=0,rx-dev=x", "queue is missing"),
            ("queue=0,rx-dev=x", "port or device_id is missing"),
            ("port=0,device_id=eth0,queue=0,rx-dev=x", "exclude"),
            ("port=x,queue=0,rx-dev=x", "port=x"),
            ("port=0,queue=-1,rx-dev=x", "queue=-1"),
            ("port=0,queue=0,queue=1,rx-dev=x", "queue is given twice"),
            ("port=0,queue=0,rx-dev=", "rx-dev has no value"),
            ("port=0,queue=0,rx=x", "no key \"rx\""),
            ("port=0,queue=0,rx-dev=x,ring-size=big", "ring-size=big"),
        ] {
            let error = text.parse::<Pdump>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
