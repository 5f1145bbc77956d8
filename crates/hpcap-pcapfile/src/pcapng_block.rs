//! Parts of the blocks of pcapng: options, times, and what a frame says of losses before it.

use hpcap_base::ledger::{Ledger, Reason};
use hpcap_base::time::Timestamp;

pub(super) const END_OF_OPTIONS: u16 = 0;
pub(super) const COMMENT: u16 = 1;

/// Number of padding bytes after `bytes` bytes, up to the next multiple of four.
pub(super) const fn pad(bytes: usize) -> usize {
    bytes.wrapping_neg() & 3
}

/// Appends an option to a block. A value that is too long is cut.
pub(super) fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    block.extend_from_slice(&code.to_le_bytes());
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(value);
    block.extend_from_slice(&[0; 3][..pad(value.len())]);
}

/// Appends an option with `text`, unless the text is empty.
pub(super) fn text_option(block: &mut Vec<u8>, code: u16, text: &str) {
    // The limit is below that of an option, which would cut a text perhaps within a character.
    let text: String = text.chars().take(1000).collect();
    if !text.is_empty() {
        option(block, code, text.as_bytes());
    }
}

/// Encodes a time as pcapng does, with the upper 32 bits first.
pub(super) fn time_words(time: Timestamp) -> [u8; 8] {
    let ns = time.as_ns();
    let mut words = [0; 8];
    words[..4].copy_from_slice(&ns.to_le_bytes()[4..]);
    words[4..].copy_from_slice(&ns.to_le_bytes()[..4]);
    words
}

/// Describes losses for people: `12 frames missing before this one: 10 ring_full, 2 nic_missed`.
pub(super) fn lost_comment(lost: &Ledger) -> String {
    let reasons: Vec<String> = lost
        .iter()
        .filter(|(_, count)| count.frames != 0)
        .map(|(reason, count)| format!("{} {reason}", count.frames))
        .collect();
    let frames = missing(lost);
    if reasons.is_empty() {
        "frames lost before this one: how many is not known".into()
    } else {
        format!(
            "{frames} frames missing before this one: {}",
            reasons.join(", ")
        )
    }
}

/// The number of frames that a gap reports as missing: all but `captured`.
pub(super) fn missing(lost: &Ledger) -> u64 {
    lost.iter()
        .filter(|(reason, _)| *reason != Reason::Captured)
        .fold(0, |sum: u64, (_, count)| sum.saturating_add(count.frames))
}
