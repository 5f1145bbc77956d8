//! What can be wrong with a stretch of a file.

/// A stretch of a file that is not as the format says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Where it starts: bytes from the start of the file.
    pub offset: u64,
    /// How long it is, and how much a reader skips because of it.
    pub bytes: u64,
    /// What it is.
    pub kind: DamageKind,
}

/// What is wrong with a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// Bytes that are no records.
    Unreadable,
    /// Zero bytes where records should be: reserved and never written.
    Unwritten,
    /// The file ends within the last record's 12-byte header.
    CutHeader,
    /// The file ends within the last record's body.
    CutRecord {
        /// Bytes of the body that the header promises.
        caplen: u16,
    },
    /// The file ends within padding; no frame is lost.
    CutPadding,
    /// The padding at the start of the file claims `by` bytes (1 to 11) more than it has, as
    /// the original wrote it. Nothing is skipped but the padding, which starts at `offset`.
    PaddingTooLong {
        /// Bytes that it claims too many.
        by: u8,
    },
}
