//! Which way a frame passed an interface (`epb_flags` of pcapng).

/// Which way a frame passed the interface, for `epb_flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The interface received the frame.
    Inbound,
    /// The interface sent the frame.
    Outbound,
}

impl Direction {
    pub(crate) fn flags(self) -> u32 {
        match self {
            Self::Inbound => 1,
            Self::Outbound => 2,
        }
    }

    /// The direction in the lowest two bits of `epb_flags`.
    pub(crate) fn of_flags(flags: u32) -> Option<Self> {
        match flags & 3 {
            1 => Some(Self::Inbound),
            2 => Some(Self::Outbound),
            _ => None,
        }
    }
}
