//! The contract with the queue, and where in its stream a recording starts.

use hpcap::units::parse_duration;
use hpcap::{Contract, Error, Result, Start};

use super::{Destination, Origin};

/// The contract with the queue: that of `--contract`, or the default. A live view of a queue is
/// lossy by default, because others share the queue and the reader of the pipe may pause at any
/// time.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for anything but `lossless`, `lossless:TIME` and `lossy`.
pub fn contract(
    text: Option<&str>,
    origin: &Origin,
    destination: &Destination,
) -> Result<Contract> {
    match (text, origin, destination) {
        (Some(text), _, _) => parse_contract(text),
        (None, Origin::Queue(_), Destination::Stdout) => Ok(Contract::Lossy),
        (None, _, _) => Ok(Contract::Lossless),
    }
}

fn parse_contract(text: &str) -> Result<Contract> {
    match text.split_once(':') {
        None if text == "lossless" => Ok(Contract::Lossless),
        None if text == "lossy" => Ok(Contract::Lossy),
        Some(("lossless", time)) => match parse_duration(time)? {
            time if time.is_zero() => Err(Error::usage(
                format!("contract {text:?}"),
                "the time must be more than zero; a listener that the ring never waits for is lossy",
            )),
            time => Ok(Contract::LosslessFor(time)),
        },
        _ => Err(Error::usage(
            format!("contract {text:?}"),
            "expected lossless, lossless:TIME (such as lossless:5s) or lossy",
        )),
    }
}

/// Parses the value of `--start`. The default depends on the destination.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for anything but `file`, `newest` and `oldest`.
pub fn start(text: Option<&str>, destination: &Destination) -> Result<Start> {
    match text {
        None if *destination == Destination::Stdout => Ok(Start::Newest),
        None | Some("file") => Ok(Start::File),
        Some("newest") => Ok(Start::Newest),
        Some("oldest") => Ok(Start::Oldest),
        Some(other) => Err(Error::usage(
            format!("start {other:?}"),
            "expected file, newest or oldest",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hpcap::QueueName;

    use super::*;

    #[test]
    fn contract_is_read_as_written() {
        for (text, contract) in [
            ("lossless", Contract::Lossless),
            ("lossy", Contract::Lossy),
            ("lossless:5s", Contract::LosslessFor(Duration::from_secs(5))),
        ] {
            assert_eq!(parse_contract(text).unwrap(), contract);
        }
        for text in ["", "lossless:", "lossless:0", "lossy:5s", "best"] {
            assert!(parse_contract(text).is_err(), "{text}");
        }
    }

    #[test]
    fn live_view_is_lossy_unless_asked() {
        let queue = Origin::Queue(QueueName::new(0, 0));
        let own = Origin::Sources(vec!["gen:".parse().unwrap()]);
        let folder = Destination::Folder("/data".into());
        for (text, origin, destination, expected) in [
            (None, &queue, &Destination::Stdout, Contract::Lossy),
            (
                Some("lossless"),
                &queue,
                &Destination::Stdout,
                Contract::Lossless,
            ),
            (None, &own, &Destination::Stdout, Contract::Lossless),
            (None, &queue, &folder, Contract::Lossless),
            (None, &queue, &Destination::Null, Contract::Lossless),
        ] {
            let chosen = contract(text, origin, destination).unwrap();
            assert_eq!(chosen, expected, "{text:?} {origin:?} {destination:?}");
        }
    }
}
