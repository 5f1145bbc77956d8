//! Kinds of damage in a file.

/// A range of a file that does not conform to the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Offset of the range from the start of the file, in bytes.
    pub offset: u64,
    /// Length of the range in bytes; a reader skips all of it.
    pub bytes: u64,
    /// The kind of damage.
    pub kind: DamageKind,
}

/// The kinds of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// Bytes that are not records.
    Unreadable,
    /// Zero bytes where records should be: the space was reserved and never written.
    Unwritten,
    /// The file ends within the last record's 12-byte header.
    CutHeader,
    /// The file ends within the last record's body.
    CutRecord {
        /// Bytes of the body according to the header.
        caplen: u16,
    },
    /// The file ends within padding; no frame is lost.
    CutPadding,
    /// The padding at the start of the file claims `by` bytes (1 to 11) more than it has; the
    /// original wrote such padding. The padding starts at `offset`; a reader skips only the
    /// padding.
    PaddingTooLong {
        /// Number of excess bytes.
        by: u8,
    },
}
