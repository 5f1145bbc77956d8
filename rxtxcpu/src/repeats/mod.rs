//! Frames that are sent again and again, byte for byte.
//!
//! A driver that cannot send a frame gives it back, and the kernel hands the frame to it anew. A
//! capture sees each of these attempts as a sent frame. If a driver or a queueing discipline is stuck,
//! the same frame appears thousands of times in the stream of one CPU, and never on the wire.

mod describe;
mod table;

use std::fmt::Write as _;

use crate::subject::Subject;

pub use table::{Repeat, RepeatTable};

/// Largest number of frames that are named for a stream.
const NAMED_MAX: usize = 10;

/// Writes the frames of a stream that were sent at least `times` times, the most frequent first.
pub(crate) fn report(text: &mut String, subject: Subject, number: u32, repeats: &[Repeat]) {
    if repeats.is_empty() {
        return;
    }
    let _ = writeln!(text, "Repeated on {}:", subject.label(number));
    for repeat in repeats.iter().take(NAMED_MAX) {
        let _ = writeln!(text, "  {repeat}");
    }
    if let Some(more @ 1..) = repeats.len().checked_sub(NAMED_MAX) {
        let _ = writeln!(text, "  and {more} other frames");
    }
}
