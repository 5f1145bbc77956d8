//! The contract with the queue, and where in its stream a recording starts.

use hpcap::{Contract, Result, Start};

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
        (Some(text), _, _) => text.parse(),
        (None, Origin::Queue(_), Destination::Stdout) => Ok(Contract::Lossy),
        (None, _, _) => Ok(Contract::Lossless),
    }
}

/// Parses the value of `--start`. The default depends on the destination.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) for anything but `file`, `newest` and `oldest`.
pub fn start(text: Option<&str>, destination: &Destination) -> Result<Start> {
    match text {
        Some(text) => text.parse(),
        None if *destination == Destination::Stdout => Ok(Start::Newest),
        None => Ok(Start::File),
    }
}

#[cfg(test)]
mod tests {
    use hpcap::QueueName;

    use super::*;

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
