//! Whether the frames of a queue were received or sent by this machine.

use hpcap::pcapfile;
use hpcap::queue::QueueInfo;
use hpcap_source::SourceSpec;
use hpcap_source::af_packet::Direction;

/// The frames that an output wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Side {
    /// All frames.
    #[default]
    Both,
    /// The frames that the interface received.
    Received,
    /// The frames that this machine sent.
    Sent,
}

/// The frames that a queue has, as far as its source says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueSide {
    /// The source sees received frames only.
    Received,
    /// The source sees sent frames only.
    Sent,
    /// The source sees both, and marks the frames that this machine sent.
    Both,
    /// The source may see both, and does not say which is which.
    Unknown,
}

impl Side {
    /// Whether an output of this side gets a frame of `direction`.
    #[must_use]
    pub fn has(self, direction: Option<pcapfile::Direction>) -> bool {
        match self {
            Self::Both => true,
            Self::Received => direction == Some(pcapfile::Direction::Inbound),
            Self::Sent => direction == Some(pcapfile::Direction::Outbound),
        }
    }
}

impl QueueSide {
    /// Returns the side of the queue that `info` describes.
    #[must_use]
    pub fn of(info: &QueueInfo) -> Self {
        // The module takes frames out of receive rings, or from the receive handler of an interface.
        if info.producer_pid == 0 {
            return Self::Received;
        }
        match info.source.parse() {
            Ok(SourceSpec::AfXdp(_)) => Self::Received,
            Ok(SourceSpec::AfPacket(spec)) => match spec.direction {
                Direction::In => Self::Received,
                Direction::Out => Self::Sent,
                // A plain stream has no marks.
                Direction::Both if info.plain => Self::Unknown,
                Direction::Both => Self::Both,
            },
            _ if info.knows_directions => Self::Both,
            _ => Self::Unknown,
        }
    }

    /// Returns the direction of a frame of the queue. `is_sent` says that the source has marked the frame as sent.
    #[must_use]
    pub fn direction(self, is_sent: bool) -> Option<pcapfile::Direction> {
        match self {
            _ if is_sent => Some(pcapfile::Direction::Outbound),
            Self::Sent => Some(pcapfile::Direction::Outbound),
            Self::Received | Self::Both => Some(pcapfile::Direction::Inbound),
            Self::Unknown => None,
        }
    }
}
