//! The frames of a stream: what one CPU, NUMA node or queue has handled.
//!
//! [`af_packet::streams`](crate::af_packet::streams) and [`QueueStream`](crate::af_xdp::QueueStream) lend them.

use hpcap::Timestamp;

use crate::Frame;

/// The facts that the kernel knows of a frame besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits {
    /// Whether this host sent the frame.
    pub(crate) outgoing: bool,
    /// Whether the kernel had taken a VLAN tag out of the frame.
    pub(crate) tagged: bool,
}

/// A frame of a stream, in the memory that the kernel wrote it to.
#[derive(Debug, Clone, Copy)]
pub struct StreamFrame<'a> {
    /// The captured bytes.
    pub data: &'a [u8],
    /// Length of the frame in bytes.
    pub len: u32,
    /// When the kernel saw the frame.
    pub time: Timestamp,
    /// Whether this host sent the frame.
    pub outgoing: bool,
    /// Whether the kernel has applied the filter. It cannot where it has taken a VLAN tag out, where the frames have headers of
    /// a capture of all interfaces, and where an XDP program captures.
    pub filtered: bool,
}

/// The frames that a stream lends at a time.
#[derive(Debug)]
pub struct StreamHarvest<'a> {
    pub(crate) frames: &'a [Frame<'a>],
    /// The facts of each frame; `None` if all were received, with their tags in them.
    pub(crate) traits: Option<&'a [Traits]>,
    /// Whether the kernel has applied the filter to the frames whose tags are in them.
    pub(crate) filtered: bool,
    pub(crate) lost: u64,
}

impl StreamHarvest<'_> {
    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether no frame is ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Frames of the stream that were lost so far. Those that were not lost at the harvest before are missing before these frames.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The frames, in the order in which the kernel handled them.
    pub fn frames(&self) -> impl Iterator<Item = StreamFrame<'_>> {
        const RECEIVED: Traits = Traits {
            outgoing: false,
            tagged: false,
        };
        self.frames.iter().enumerate().map(|(number, frame)| {
            let traits = self.traits.map_or(RECEIVED, |traits| traits[number]);
            StreamFrame {
                data: frame.data(),
                len: frame.len,
                time: Timestamp::new(u32::try_from(frame.sec).unwrap_or(u32::MAX), frame.nsec),
                outgoing: traits.outgoing,
                filtered: self.filtered && !traits.tagged,
            }
        })
    }
}
